"""What a tenant has allowed the vault: signatures for an exchange whose payloads no policy can read.

A permit is made like a mandate, by a process that holds the key mandates are sealed under, where the tenant's staff
switched it. A worker carries it and can neither make nor alter one; the number in it never goes back, so a permit that
was withdrawn is no use either.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import msgpack

from citadel.domain.mandate import KEY_BYTES

_MAC = 32
_LABEL = b"obscura/citadel/permit/1"


class PermitRefused(Exception):
    """Not sealed by a process that may permit, altered, or of another form. Switch it again."""

    code = "permit_refused"


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether requests to an exchange are signed for a tenant without being read.

    :param number: goes up with every switch
    """

    tenant: int
    exchange: str
    number: int
    on: bool


def seal(permit: Permit, *, key: bytes) -> bytes:
    """The permit with its authentication: HMAC-SHA256 under the 32-byte `key`."""
    body = _packed(permit)
    return body + _tag(body, key)


def read(sealed: bytes, *, key: bytes) -> Permit:
    """The permit that was sealed.

    :raises PermitRefused: it was not sealed under this key, or is not of the one form
    """
    body, tag = sealed[:-_MAC], sealed[-_MAC:]
    if len(sealed) <= _MAC or not hmac.compare_digest(_tag(body, key), tag):
        raise PermitRefused
    try:
        permit = _unpacked(msgpack.unpackb(body, raw=False))
    except (ValueError, TypeError):
        raise PermitRefused from None
    if _packed(permit) != body:
        raise PermitRefused
    return permit


def _tag(body: bytes, key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError("a permit's key has 32 bytes")
    return hmac.digest(key, _LABEL + body, hashlib.sha256)


def _packed(one: Permit) -> bytes:
    packed: bytes = msgpack.packb([one.tenant, one.exchange, one.number, one.on])
    return packed


_SHAPE = (int, str, int, bool)


def _unpacked(parts: Any) -> Permit:
    if not isinstance(parts, list) or len(parts) != len(_SHAPE):
        raise ValueError
    if any(type(part) is not kind for part, kind in zip(parts, _SHAPE, strict=True)):
        raise TypeError
    return Permit(*parts)
