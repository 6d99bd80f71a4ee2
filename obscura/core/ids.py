"""Ids that are functions of their cause, so that the same event can never be copied twice.

A client order id is one AES-128 block over (tenant 24 bits, signal 48, subscription 40, leg 16), written as 32 hex
digits: the same for every attempt and after any fail-over, unique over tenants, opaque to the venue, and reversible,
so that a venue's report finds its order without an index of its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

# Ours are written in lower case; what a person typed with blanks or capitals is not one of them.
_OURS = re.compile(r"[0-9a-f]{32}").fullmatch

_TENANT, _SIGNAL, _SUBSCRIPTION, _LEG = 24, 48, 40, 16


class OrderKey(NamedTuple):
    """What a client order id is made of."""

    tenant: int
    signal: int
    subscription: int
    leg: int


@lru_cache(maxsize=4)
def _cipher(key: bytes) -> Cipher[modes.ECB]:
    # ECB over a single block is a keyed permutation of 128 bits, which is all that is wanted here.
    return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305


def id_key(secret: str) -> bytes:
    """The 16-byte key of the client order ids, from the installation's secret."""
    return hashlib.blake2b(secret.encode(), digest_size=16, person=b"obscura-coid").digest()


def client_order_ids(*, key: bytes, tenant: int, signal: int, legs: Sequence[tuple[int, int]]) -> list[str]:
    """Client order ids of many (subscription, leg) of one signal, in one pass of the cipher."""
    head = (tenant << (_SIGNAL + _SUBSCRIPTION + _LEG)) | (signal << (_SUBSCRIPTION + _LEG))
    blocks = b"".join((head | (sub << _LEG) | leg).to_bytes(16, "big") for sub, leg in legs)
    sealed = _cipher(key).encryptor().update(blocks).hex()
    return [sealed[i : i + 32] for i in range(0, len(sealed), 32)]


def parse_client_order_id(*, key: bytes, text: str) -> OrderKey | None:
    """The parts of a client order id, or None where the text is not one of ours in form."""
    if not _OURS(text):
        return None
    block = bytes.fromhex(text)
    number = int.from_bytes(_cipher(key).decryptor().update(block), "big")
    leg = number & ((1 << _LEG) - 1)
    number >>= _LEG
    subscription = number & ((1 << _SUBSCRIPTION) - 1)
    number >>= _SUBSCRIPTION
    return OrderKey(number >> _SIGNAL, number & ((1 << _SIGNAL) - 1), subscription, leg)


def signal_id(*, pool: UUID, external_id: str, leg: int, probe: int = 0) -> int:
    """The 48-bit id of a signal, from its natural key; `probe` steps on where two keys collide."""
    text = f"{pool}|{external_id}|{leg}|{probe}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=6, person=b"obscura-signal").digest(), "big")


def uuid7() -> UUID:
    """A time-ordered UUID (RFC 9562, version 7)."""
    millis = time.time_ns() // 1_000_000
    rand = int.from_bytes(os.urandom(10), "big")
    value = (millis & ((1 << 48) - 1)) << 80 | rand
    value = (value & ~(0xF << 76)) | (7 << 76)
    value = (value & ~(0x3 << 62)) | (2 << 62)
    return UUID(int=value)
