"""Three shares of a key, two of which make it whole again: blindfold's store mode with a secret key.

A share by itself says nothing (Shamir's scheme), and is sealed besides (XSalsa20-Poly1305) under `material`, which no
node ever sees: nodes that conspire hold ciphertexts alone. blindfold's threshold is Shamir over 32-bit pieces; it
interpolates whatever it is given and notices no lie, which is why every share is compared with its hash before.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import bcl
import bcl._sodium
import blindfold

# bcl writes its libsodium to a temporary file at each import and leaves it there, 2.8 MB for every process that ever
# started. It is mapped by now and needs no name any more.
Path(bcl._sodium.lib_path).unlink(missing_ok=True)

NODES, THRESHOLD = 3, 2


def split(*, secret: bytes) -> tuple[bytes, list[str]]:
    """A fresh `material` (32 bytes), and one share of `secret` for each node."""
    key = blindfold.SecretKey.generate({"nodes": [{}] * NODES}, {"store": True}, threshold=THRESHOLD)
    return bytes(key["material"]), blindfold.encrypt(key, secret)


def is_sealed_under(*, material: bytes, share: str) -> bool:
    """Whether a share's MAC is right under `material`."""
    try:
        sealed = b64decode(share, validate=True)
        bcl.symmetric.decrypt(_key(material)["material"], bcl.cipher(sealed))
    except (ValueError, RuntimeError, TypeError):
        return False
    return True


def combine(*, material: bytes, shares: list[str]) -> bytes:
    """The secret, from two shares of different nodes.

    :raises ValueError: they are not two shares of one secret under `material`, as far as that can be told
    """
    try:
        secret = blindfold.decrypt(_key(material), shares)
    except (ValueError, TypeError, OverflowError, IndexError):
        raise ValueError("the shares do not make a secret") from None
    if not isinstance(secret, bytes):
        raise ValueError("the shares do not make a secret")
    return secret


def fingerprint(share: str) -> str:
    """What is kept of a share, to know it again."""
    return hashlib.sha256(share.encode()).hexdigest()


def check_value(secret: bytes) -> str:
    """What is kept of a key, to know it again: eight bytes that lead nowhere."""
    return hmac.digest(secret, b"obscura-kcv", "sha256")[:8].hex()


def _key(material: bytes) -> Any:
    return blindfold.SecretKey.load(
        {
            "material": b64encode(material).decode(),
            "cluster": {"nodes": [{}] * NODES},
            "operations": {"store": True},
            "threshold": THRESHOLD,
        }
    )
