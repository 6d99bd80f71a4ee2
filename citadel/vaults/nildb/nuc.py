"""NUC tokens: what a nilDB node wants to see on each request. One token is for one node, one command and a minute.

A JWT by ES256K. Issuer and subject are ourselves, the audience is the node's own key, so that a token that one node saw
is worth nothing at another.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from citadel.vaults.local import derive

TTL = 60

CREATE_BUILDER, READ_BUILDER = "/nil/db/builders/create", "/nil/db/builders/read"
CREATE_COLLECTION = "/nil/db/collections/create"
CREATE_DATA, READ_DATA, DELETE_DATA = "/nil/db/data/create", "/nil/db/data/read", "/nil/db/data/delete"

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_SECP256K1_PUB = bytes([0xE7, 0x01])
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_HEADER = {"typ": "nuc", "alg": "ES256K", "ver": "1.0.0"}


class NucSigner:
    """The key that tokens are signed with: one for each environment. It cannot be printed."""

    def __init__(self, *, secret: bytes) -> None:
        """:raises ValueError: not 32 bytes, or no key of the curve"""
        number = int.from_bytes(secret, "big")
        if len(secret) != 32 or not 0 < number < _ORDER:
            raise ValueError("a secp256k1 key has 32 bytes and is not zero")
        self._key = ec.derive_private_key(number, ec.SECP256K1())
        self.public = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self.did = did_key(self.public)

    def __repr__(self) -> str:
        return f"NucSigner({self.did})"

    def sign(self, message: bytes) -> bytes:
        """r and s, 32 bytes each, over SHA-256. s is the lower of the two that fit: nodes refuse the other."""
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + min(s, _ORDER - s).to_bytes(32, "big")


def signer_from_root(*, root: bytes) -> NucSigner:
    """The signer of the environment that has this root key, where no key of its own is configured."""
    # Out of range is one case in 2^128; the hash gives such a key a successor instead of none at all.
    secret = derive(root, "nildb/signer/1")
    while not 0 < int.from_bytes(secret, "big") < _ORDER:
        secret = hashlib.sha256(secret).digest()
    return NucSigner(secret=secret)


def invocation(*, signer: NucSigner, audience: str, command: str, now: float, ttl: int = TTL) -> str:
    """The text behind ``Bearer`` for one command at the node `audience`, from now on for `ttl` seconds."""
    payload = {
        "iss": signer.did,
        "aud": audience,
        "sub": signer.did,
        "cmd": command,
        "args": {},
        "exp": int(now) + ttl,
        "nonce": os.urandom(16).hex(),
        "prf": [],
    }
    signed = f"{_json(_HEADER)}.{_json(payload)}"
    return f"{signed}.{_base64(signer.sign(signed.encode()))}"


def did_key(public: bytes) -> str:
    """``did:key:z...`` of a compressed secp256k1 key.

    :raises ValueError: not 33 bytes of a point
    """
    if len(public) != 33 or public[0] not in (2, 3):
        raise ValueError("a compressed public key has 33 bytes")
    return f"did:key:z{_base58(_SECP256K1_PUB + public)}"


def public_key(did: str) -> bytes:
    """The 33 bytes that a ``did:key:z...`` names.

    :raises ValueError: not the did:key of a secp256k1 key
    """
    if not did.startswith("did:key:z"):
        raise ValueError("not a did:key in base58")
    number = 0
    for character in did[9:109]:
        number = number * 58 + _BASE58.index(character)
    raw = number.to_bytes(80, "big").lstrip(b"\0")
    public = raw[2:]
    if raw[:2] != _SECP256K1_PUB or did_key(public) != did:
        raise ValueError("not the did:key of a secp256k1 key")
    return public


def _base58(raw: bytes) -> str:
    # No leading zero byte can occur: what is encoded begins with the code of the curve.
    number, digits = int.from_bytes(raw, "big"), []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_BASE58[digit])
    return "".join(reversed(digits))


def _json(value: object) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
