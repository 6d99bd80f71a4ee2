"""ccxt's primitives that take a secret, made again to know decoys. What is no decoy goes to the original."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from citadel.decoys import Decoys

Primitive = Callable[..., Any]

_ALGORITHMS = {
    hashlib.md5: "md5",
    hashlib.sha1: "sha1",
    hashlib.sha256: "sha256",
    hashlib.sha384: "sha384",
    hashlib.sha512: "sha512",
}


def base() -> Any:
    """The class that all exchanges, asynchronous and streaming ones too, inherit their primitives from.

    Some name it when they call one, so it has to be this class and no mixin. Importing ccxt takes seconds; only
    processes that install decoys pay for it.
    """
    from ccxt.base import exchange

    return exchange.BaseExchange


def as_bytes(value: Any) -> bytes:
    """A key or message as ccxt hands it over, as bytes."""
    return value.encode() if isinstance(value, str) else bytes(value)


def formatted(signature: bytes, form: str) -> Any:
    """Bytes in the form ccxt asked for."""
    if form == "hex":
        return signature.hex()
    if form == "base64":
        return base().binary_to_base64(signature)
    return signature


def hyperliquid(decoys: Decoys, kind: type) -> type:
    """See `Decoys.hyperliquid`."""
    original = kind.sign_l1_action  # type: ignore[attr-defined]

    def sign_l1_action(
        self: Any, action: Any, nonce: Any, vaultAdress: str | None = None, expiresAfter: int | None = None
    ) -> Any:
        ref = decoys.find(self.privateKey[-64:])
        if ref is None:
            return original(self, action, nonce, vaultAdress, expiresAfter)
        testnet = bool(self.safe_bool(self.options, "sandboxMode", False))
        return decoys.ask(ref, "hyperliquid", self.packb(action), nonce, vaultAdress, expiresAfter, testnet)

    return type(kind.__name__, (kind,), {"sign_l1_action": sign_l1_action})


def _hmac(decoys: Decoys, original: Mapping[str, Primitive]) -> Primitive:
    def hmac(request: Any, secret: Any, algorithm: Any = hashlib.sha256, digest: str = "hex") -> Any:
        ref = decoys.find(secret)
        if ref is None:
            return original["hmac"](request, secret, algorithm, digest)
        # A decoy may be the message too: kucoin signs the passphrase with the secret.
        inner = decoys.find(request)
        if inner is not None and inner.account != ref.account:
            inner = None
        payload = as_bytes(request) if inner is None else [inner.field, inner.derivation]
        return formatted(decoys.ask(ref, "hmac", _ALGORITHMS.get(algorithm, "other"), payload), digest)

    return hmac


def _hash(decoys: Decoys, original: Mapping[str, Primitive]) -> Primitive:
    def hash(request: Any, algorithm: str = "md5", digest: str = "hex") -> Any:
        found = decoys.find_suffix(as_bytes(request))
        if found is None:
            return original["hash"](request, algorithm, digest)
        ref, before = found
        return formatted(decoys.ask(ref, "hash", algorithm, before), digest)

    return hash


def _ecdsa(decoys: Decoys, original: Mapping[str, Primitive]) -> Primitive:
    def ecdsa(
        request: Any, secret: Any, algorithm: str = "p256", hash: str | None = None, fixed_length: bool = False
    ) -> Any:
        ref = decoys.find(secret)
        if ref is None:
            return original["ecdsa"](request, secret, algorithm, hash, fixed_length)
        return decoys.ask(ref, "ecdsa", algorithm, hash, as_bytes(request))

    return ecdsa


def _eddsa(decoys: Decoys, original: Mapping[str, Primitive]) -> Primitive:
    def eddsa(request: Any, secret: Any, curve: str = "ed25519", url_encode: bool = False) -> Any:
        ref = decoys.find(secret)
        if ref is None:
            return original["eddsa"](request, secret, curve, url_encode)
        signature = decoys.ask(ref, "eddsa", as_bytes(request))
        return base().binary_to_urlencoded_base64(signature) if url_encode else formatted(signature, "base64")

    return eddsa


def _rsa(decoys: Decoys, original: Mapping[str, Primitive]) -> Primitive:
    def rsa(request: Any, secret: Any, alg: str = "sha256", padding_mode: str = "pkcs1") -> Any:
        ref = decoys.find(secret)
        if ref is None:
            return original["rsa"](request, secret, alg, padding_mode)
        return formatted(decoys.ask(ref, "rsa", alg, padding_mode, as_bytes(request)), "base64")

    return rsa


def _stark(name: str) -> Callable[[Decoys, Mapping[str, Primitive]], Primitive]:
    def make(decoys: Decoys, original: Mapping[str, Primitive]) -> Primitive:
        def sign(msg_hash: Any, pri: Any) -> Any:
            ref = decoys.find_number(pri)
            if ref is None:
                return original[name](msg_hash, pri)
            message = hex(msg_hash if isinstance(msg_hash, int) else int(msg_hash, 0))
            return json.dumps(list(decoys.ask(ref, "stark", message)), separators=(",", ":"))

        return sign

    return make


def _address(decoys: Decoys, original: Mapping[str, Primitive]) -> Primitive:
    def eth_get_address_from_private_key(private_key: str) -> str:
        ref = decoys.find(private_key[-64:])
        if ref is None:
            return str(original["eth_get_address_from_private_key"](private_key))
        return decoys.address(ref.account, ref.field)

    return eth_get_address_from_private_key


PRIMITIVES: dict[str, Callable[[Decoys, Mapping[str, Primitive]], Primitive]] = {
    "hmac": _hmac,
    "hash": _hash,
    "ecdsa": _ecdsa,
    "eddsa": _eddsa,
    "rsa": _rsa,
    "starknet_sign": _stark("starknet_sign"),
    "extended_starknet_sign": _stark("extended_starknet_sign"),
    "eth_get_address_from_private_key": _address,
}
"""By the name in ccxt: what makes the replacement, given the decoys and the originals."""
