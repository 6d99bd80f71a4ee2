"""How a node reads a NUC token, by the node's own rules. Shares no code with the part that makes ours."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
REQUIRED = {"iss", "aud", "sub", "cmd", "args", "nonce"}
ALLOWED = REQUIRED | {"prf", "exp", "nbf", "meta"}


class BadToken(Exception):
    """Not a token that this node takes."""


@dataclass(frozen=True)
class Token:
    """What the node goes by afterwards."""

    subject: str
    command: str


def read_token(text: str, *, audience: str) -> Token:
    """A self-signed invocation for this node that has not expired.

    :raises BadToken: it is not; the message says why
    """
    parts = text.split(".")
    if len(parts) != 3:
        raise BadToken("structure")
    header, payload = _json(parts[0]), _json(parts[1])
    if header != {"typ": "nuc", "alg": "ES256K", "ver": "1.0.0"}:
        raise BadToken("header")
    if not REQUIRED <= set(payload) <= ALLOWED or not isinstance(payload["args"], dict):
        raise BadToken("payload")
    if payload.get("prf", []) != [] or payload["iss"] != payload["sub"]:
        raise BadToken("the root issuer is not the subject")
    _check_signature(payload["iss"], f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2]))
    if payload["aud"] != audience:
        raise BadToken("audience")
    now = time.time()
    if payload.get("exp", now + 1) <= now or payload.get("nbf", 0) > now:
        raise BadToken("expired")
    return Token(subject=payload["sub"], command=payload["cmd"])


def did_of(public: bytes) -> str:
    """did:key of a compressed secp256k1 key."""
    number = int.from_bytes(b"\xe7\x01" + public, "big")
    text = ""
    while number:
        number, rest = divmod(number, 58)
        text = ALPHABET[rest] + text
    return f"did:key:z{text}"


def _check_signature(did: str, signed: bytes, signature: bytes) -> None:
    if not isinstance(did, str) or not did.startswith("did:key:z") or len(signature) != 64:
        raise BadToken("signature")
    number = 0
    for character in did[len("did:key:z") :]:
        if character not in ALPHABET:
            raise BadToken("did")
        number = number * 58 + ALPHABET.index(character)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if raw[:2] != b"\xe7\x01":
        raise BadToken("did")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if s > HALF_ORDER:
        raise BadToken("signature")  # noble's verify, which the real node uses, takes the lower s alone
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), raw[2:])
        key.verify(encode_dss_signature(r, s), hashlib.sha256(signed).digest(), ec.ECDSA(Prehashed(SHA256())))
    except (InvalidSignature, ValueError):
        raise BadToken("signature") from None


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(text))
    except ValueError:
        raise BadToken("json") from None
    if not isinstance(found, dict):
        raise BadToken("json")
    return found


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise BadToken("base64") from None
