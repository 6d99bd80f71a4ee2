"""The signer's half of the decoys: signatures with the real secret, exactly as ccxt would have computed them.

An account may only be used as its exchange uses it (`citadel.uses`). That is not tidiness: the plain hash of one form
of a secret is another form's key, so an exchange that never asks for a hash must never be given one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import coincurve
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from citadel import uses
from citadel.derivations import Underivable, derive, forms, number
from citadel.shapes import shape_of
from citadel.signer import actions
from citadel.signer.keccak import keccak256

Signature = bytes | dict[str, Any] | list[str]

_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_BY_LENGTH: dict[int, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    32: hashes.SHA256,
    48: hashes.SHA384,
    64: hashes.SHA512,
}
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_LONGEST_PAYLOAD = 1 << 20


class PrimitiveRefused(Exception):
    """No signature; `code` says why and never quotes what was given."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class _Account:
    """One account's secrets and the keys parsed from them so far."""

    __slots__ = ("exchange", "fields", "keys", "tenant")

    def __init__(self, exchange: str, fields: dict[str, str], tenant: int) -> None:
        self.exchange, self.fields, self.tenant = exchange, fields, tenant
        self.keys: dict[tuple[str, str, str], Any] = {}

    def __repr__(self) -> str:
        return "_Account(•••)"

    def __reduce__(self) -> str:
        raise TypeError("an account's secrets cannot be pickled")


class Primitives:
    """Secrets of open accounts, at most `size` of them, and everything ccxt may want signed with one.

    :param starknet: whether Starknet's curve is served: all of ccxt is loaded for it
    """

    def __init__(self, *, size: int = 100_000, starknet: bool = True) -> None:
        self._accounts: OrderedDict[bytes, _Account] = OrderedDict()
        self._size, self._starknet = size, starknet

    def __len__(self) -> int:
        return len(self._accounts)

    def __repr__(self) -> str:
        return f"Primitives({len(self._accounts)} accounts)"

    def put(self, account: bytes, *, exchange: str, fields: Mapping[str, str], tenant: int = 0) -> None:
        """Open an account, in place of what it was before.

        :param exchange: ccxt's id. It decides what may be signed, so it has to come from the sealed credential and not
            from whoever asks for signatures.
        :param fields: all of the credential, by ccxt's names
        :raises PrimitiveRefused: code ``unknown_exchange``
        """
        if exchange not in uses.PROFILES:
            raise PrimitiveRefused("unknown_exchange")
        self._accounts[account] = _Account(exchange, dict(fields), tenant)
        self._accounts.move_to_end(account)
        while len(self._accounts) > self._size:
            self._accounts.popitem(last=False)

    def forget(self, account: bytes) -> bool:
        """Close an account. Returns whether it was open."""
        return self._accounts.pop(account, None) is not None

    def owner(self, account: bytes) -> tuple[int, str]:
        """Whose account it is, and where: tenant and exchange, as it was opened.

        :raises PrimitiveRefused: code ``unknown_account``
        """
        held = self._held(account)
        return held.tenant, held.exchange

    def facts(self, account: bytes) -> dict[str, dict[str, Any]]:
        """What a worker may know: the fields that are no secret, the shapes of those that are, and addresses.

        :raises PrimitiveRefused: code ``unknown_account``
        """
        held = self._held(account)
        secret = {name: text for name, text in held.fields.items() if uses.is_secret(held.exchange, name)}
        return {
            "public": {name: text for name, text in held.fields.items() if name not in secret},
            "shapes": {name: shape_of(text) for name, text in secret.items()},
            "addresses": {
                name: address
                for name, text in secret.items()
                if uses.signs_for_ethereum(held.exchange, name) and (address := actions.address(text))
            },
        }

    def for_header(self, account: bytes, header: uses.Header) -> tuple[str, str]:
        """The secret that an exchange wants in a header, and the user before it. It goes to the egress and no further.

        :raises PrimitiveRefused: codes ``unknown_account``, ``unknown_field``
        """
        fields = self._held(account).fields
        if header.field not in fields or (header.user and header.user not in fields):
            raise PrimitiveRefused("unknown_field")
        return fields[header.field], fields[header.user] if header.user else ""

    def sign(self, *, account: bytes, field: str, op: str, derivation: str, args: Sequence[Any]) -> Signature:
        """One signature with one form of one field.

        ========================  ====================================================  ==============================
        op                        args                                                  answer
        ========================  ====================================================  ==============================
        ``hmac``                  algorithm, payload or [field, derivation] of the same  digest
        ``hash``                  algorithm, what stands before the secret               digest
        ``ecdsa``                 curve, hash or None, request                           {"r", "s", "v"}
        ``eddsa``                 payload                                                signature
        ``rsa``                   algorithm, "pkcs1" or "pss", payload                   signature
        ``stark``                 message hash in hexadecimal                            [r, s] in hexadecimal
        ``hyperliquid``           action as msgpack, nonce, vault, expires, testnet      {"r", "s", "v"}
        ========================  ====================================================  ==============================

        :raises PrimitiveRefused: codes ``unknown_account``, ``unknown_field``, ``unknown_op``, ``bad_args``,
            ``use_not_allowed``, ``algorithm_not_loaded``, ``key_malformed``, ``derives_key``, ``not_canonical``,
            ``primitive_failed``
        """
        held = self._held(account)
        if field not in held.fields:
            raise PrimitiveRefused("unknown_field")
        spec = _OPS.get(op)
        if spec is None:
            raise PrimitiveRefused("unknown_op")
        run, kinds = spec
        if len(args) != len(kinds) or not all(isinstance(arg, kind) for arg, kind in zip(args, kinds, strict=True)):
            raise PrimitiveRefused("bad_args")
        if any(isinstance(arg, bytes) and len(arg) > _LONGEST_PAYLOAD for arg in args):
            raise PrimitiveRefused("bad_args")
        if not uses.allowed(held.exchange, uses.name(field, op, derivation, args)):
            raise PrimitiveRefused("use_not_allowed")
        if op == "stark" and not self._starknet:
            raise PrimitiveRefused("algorithm_not_loaded")
        code = "primitive_failed"
        try:
            return run(held, field, derivation, *args)
        except (PrimitiveRefused, Underivable, actions.Refused) as error:
            code = error.code
        except Exception:  # noqa: BLE001 - whatever a library says may quote a key: only our code goes on
            code = "primitive_failed"
        # Raised here, where the library's exception is gone and cannot travel along as a context.
        raise PrimitiveRefused(code)

    def _held(self, account: bytes) -> _Account:
        held = self._accounts.get(account)
        if held is None:
            raise PrimitiveRefused("unknown_account")
        self._accounts.move_to_end(account)
        return held


def _key(held: _Account, field: str, derivation: str, kind: str, parse: Callable[[bytes], Any]) -> Any:
    place = (field, derivation, kind)
    key = held.keys.get(place)
    if key is None:
        failed = False
        try:
            key = held.keys[place] = parse(derive(derivation, held.fields[field]))
        except Exception:  # noqa: BLE001 - as above: a parser's words may quote the key
            failed = True
        if failed:
            raise PrimitiveRefused("key_malformed")
    return key


def _hmac(held: _Account, field: str, derivation: str, algorithm: str, payload: bytes | list[str]) -> bytes:
    key = _key(held, field, derivation, "raw", bytes)
    if isinstance(payload, list):
        other, form = payload
        if other not in held.fields:
            raise PrimitiveRefused("unknown_field")
        return hmac.digest(key, _key(held, other, form, "raw", bytes), algorithm)
    return hmac.digest(key, payload, algorithm)


def _hash(held: _Account, field: str, derivation: str, algorithm: str, before: bytes) -> bytes:
    return hashlib.new(algorithm, before + _key(held, field, derivation, "raw", bytes)).digest()


def _ecdsa(
    held: _Account, field: str, derivation: str, curve: str, hashed: str | None, request: bytes
) -> dict[str, Any]:
    digest = _digest(hashed, request)
    if curve == "secp256k1":
        actions.check_no_key_derivation(digest)
        key = _key(held, field, derivation, curve, _secp256k1)
        signed = key.sign_recoverable(digest, hasher=None)
        return {"r": signed[:32].hex(), "s": signed[32:64].hex(), "v": signed[64]}
    return _p256_signed(_key(held, field, derivation, curve, _p256), digest)


def _digest(hashed: str | None, request: bytes) -> bytes:
    if hashed is None:
        return bytes.fromhex(request.decode("ascii"))
    if hashed == "keccak":
        return keccak256(request)
    return hashlib.new(hashed, request).digest()


def _secp256k1(form: bytes) -> coincurve.PrivateKey:
    return coincurve.PrivateKey(bytes.fromhex(form.decode("ascii")))


def _p256(form: bytes) -> ec.EllipticCurvePrivateKey:
    # Only from a PEM, which names its curve. A bare number that signed on two curves would give itself away: the nonce
    # of RFC 6979 is the same on both.
    key = load_pem_private_key(form, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PrimitiveRefused("key_malformed")
    return key


def _p256_signed(key: ec.EllipticCurvePrivateKey, digest: bytes) -> dict[str, Any]:
    order = _P256_ORDER
    algorithm = ec.ECDSA(Prehashed(_BY_LENGTH[len(digest)]()), deterministic_signing=True)
    r, s = decode_dss_signature(key.sign(digest, algorithm))
    # The recovery id, without curve arithmetic of our own: the nonce follows from the signature, its point from it.
    # The digest's leftmost 256 bits count.
    scalar = int.from_bytes(digest[:32], "big")
    nonce = pow(s, -1, order) * (scalar + r * key.private_numbers().private_value) % order
    point = ec.derive_private_key(nonce, ec.SECP256R1()).public_key().public_numbers()
    v = (point.y & 1) | (0 if point.x % order == r else 2)
    if s > order // 2:
        s, v = order - s, v ^ 1
    return {"r": f"{r:064x}", "s": f"{s:064x}", "v": v}


def _eddsa(held: _Account, field: str, derivation: str, payload: bytes) -> bytes:
    key: ed25519.Ed25519PrivateKey = _key(held, field, derivation, "ed25519", _ed25519)
    return key.sign(payload)


def _ed25519(form: bytes) -> ed25519.Ed25519PrivateKey:
    if len(form) == 32:
        return ed25519.Ed25519PrivateKey.from_private_bytes(form)
    key = load_pem_private_key(form, None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise PrimitiveRefused("key_malformed")
    return key


def _rsa(held: _Account, field: str, derivation: str, algorithm: str, mode: str, payload: bytes) -> bytes:
    key: rsa.RSAPrivateKey = _key(held, field, derivation, "rsa", _rsa_key)
    chosen = _HASHES[algorithm]()
    if mode == "pss":
        return key.sign(payload, padding.PSS(padding.MGF1(chosen), padding.PSS.DIGEST_LENGTH), chosen)
    return key.sign(payload, padding.PKCS1v15(), chosen)


def _rsa_key(form: bytes) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(form, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise PrimitiveRefused("key_malformed")
    return key


def _stark(held: _Account, field: str, derivation: str, message: str) -> list[str]:
    # Pure Python, and ccxt with it: a signer that serves no Starknet exchange never loads it.
    from ccxt.static_dependencies.starknet.hash.utils import message_signature

    key = _key(held, field, derivation, "number", lambda form: number(form.decode("ascii")))
    r, s = message_signature(int(message, 16), key)
    return [hex(r), hex(s)]


def _hyperliquid(
    held: _Account, field: str, derivation: str, action: bytes, nonce: int, vault: str | None, expires: int | None,
    testnet: bool,
) -> dict[str, Any]:  # fmt: skip
    digest = actions.hyperliquid_digest(action=action, nonce=nonce, vault=vault, expires=expires, testnet=testnet)
    signed = _key(held, field, derivation, "secp256k1", _secp256k1).sign_recoverable(digest, hasher=None)
    return {"r": "0x" + signed[:32].hex(), "s": "0x" + signed[32:64].hex(), "v": 27 + signed[64]}


_NONE = type(None)
_OPS: dict[str, tuple[Callable[..., Signature], tuple[Any, ...]]] = {
    "hmac": (_hmac, (str, (bytes, list))),
    "hash": (_hash, (str, bytes)),
    "ecdsa": (_ecdsa, (str, (str, _NONE), bytes)),
    "eddsa": (_eddsa, (bytes,)),
    "rsa": (_rsa, (str, str, bytes)),
    "stark": (_stark, (str,)),
    "hyperliquid": (_hyperliquid, (bytes, int, (str, _NONE), (int, _NONE), bool)),
}


def rehearse(*, starknet: bool) -> None:
    """Use every algorithm and every form once, with keys of the moment: what is loaded on first use is loaded now."""
    number_of_key = "0x" + "1" * 62
    wallet = "0x" + "1" * 64
    _run("hmac", "text", wallet, "sha256", b"")
    _run("hash", "text", wallet, "md5", b"")
    for curve, hashed, request in (("secp256k1", "keccak", b""), ("secp256k1", None, b"11" * 32)):
        _run("ecdsa", "last64", wallet, curve, hashed, request)
    _run("hyperliquid", "last64", wallet, b"\x81\xa4type\xa1a", 1, None, None, False)
    _run("ecdsa", "text", _pem(ec.generate_private_key(ec.SECP256R1())), "p256", "sha256", b"")
    _run("eddsa", "text", _pem(ed25519.Ed25519PrivateKey.generate()), b"")
    armoured = _pem(rsa.generate_private_key(65_537, 1_024))
    for mode in ("pkcs1", "pss"):
        _run("rsa", "text", armoured, "sha256", mode, b"")
    for form in (wallet, base64.b64encode(bytes(range(32))).decode(), "JBSWY3DPEHPK3PXP"):
        forms(form)
        shape_of(form)
    actions.address(wallet)
    if starknet:
        _run("stark", "text", number_of_key, "0x1")


def _run(op: str, derivation: str, text: str, *args: Any) -> None:
    _OPS[op][0](_Account("rehearsal", {"secret": text}, 0), "secret", derivation, *args)


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
