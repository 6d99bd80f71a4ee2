"""Leaf hashes of the receipt log: one fixed-form digest for each source event, order, fill and denial.

A leaf is BLAKE2b-256, personalised by what it is of, over its fields in a fixed order, each as UTF-8 text behind its
length in four bytes. Numbers are written plainly (no exponent, no trailing zeros), moments as microseconds since the
epoch, so that the same record has the same leaf in every implementation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KINDS = ("lead_fill", "signal", "order", "fill", "denial", "adjustment")


def text(value: object) -> str:
    """The canonical text of one field.

    :raises TypeError: the value has no canonical form (a float or a naive moment, for instance)
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError("a number that is not finite has no canonical form")
        if not value:
            return "0"  # zero has a sign, and as many digits as it was computed with
        plain = format(value, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    if isinstance(value, datetime):
        return str((value - _EPOCH) // (datetime.resolution))
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no canonical form")


def leaf(kind: str, fields: Iterable[object]) -> bytes:
    """The 32-byte leaf of a record of `kind` (one of KINDS) with these fields, in the order of its table."""
    digest = hashlib.blake2b(digest_size=32, person=f"obsc-{kind}".encode()[:16])
    digest.update(_framed(fields))
    return digest.digest()


class Leaves:
    """Leaves of many records of one kind that begin with the same fields: those are hashed once."""

    def __init__(self, kind: str, shared: Iterable[object]) -> None:
        self._head = hashlib.blake2b(digest_size=32, person=f"obsc-{kind}".encode()[:16])
        self._head.update(_framed(shared))

    def leaf(self, *fields: object) -> bytes:
        """The leaf of the record that goes on with these fields; equal to `leaf(kind, [*shared, *fields])`."""
        digest = self._head.copy()
        digest.update(_framed(fields))
        return digest.digest()


def _framed(fields: Iterable[object]) -> bytes:
    parts: list[bytes] = []
    for field in fields:
        raw = (field if field.__class__ is str else text(field)).encode()  # type: ignore[union-attr]
        parts += (len(raw).to_bytes(4, "big"), raw)
    return b"".join(parts)
