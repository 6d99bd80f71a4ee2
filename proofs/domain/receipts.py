"""Leaf hashes of the receipt log: one fixed-form digest for each source event, order, fill and denial.

A leaf is BLAKE2b-256, personalised by what it is of, over its fields in a fixed order, each as UTF-8 text behind its
length in four bytes. Numbers are written plainly (no exponent, no trailing zeros), moments as microseconds since the
epoch, so that the same record has the same leaf in every implementation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LENGTHS = [length.to_bytes(4, "big") for length in range(256)]

KINDS = ("lead_fill", "signal", "order", "fill", "denial", "adjustment")


def _number(value: Decimal) -> str:
    if not value.is_finite():
        raise TypeError("a number that is not finite has no canonical form")
    if not value:
        return "0"  # zero has a sign, and as many digits as it was computed with
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _moment(value: datetime) -> str:
    since = value - _EPOCH
    return str(since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds)


_WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: lambda value: value,
    int: str,
    bool: lambda value: "1" if value else "0",
    Decimal: _number,
    datetime: _moment,
    UUID: str,
    type(None): lambda _: "",
}


def text(value: object) -> str:
    """The canonical text of one field.

    :raises TypeError: the value has no canonical form (a float or a naive moment, for instance)
    """
    write = _WRITERS.get(value.__class__)
    if write is None:
        write = next((of for kind, of in _WRITERS.items() if isinstance(value, kind)), None)
    if write is None:
        raise TypeError(f"a {type(value).__name__} has no canonical form")
    return write(value)


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
        raw = (field if field.__class__ is str else text(field)).encode()  # type: ignore[attr-defined]
        parts += (_LENGTHS[len(raw)] if len(raw) < 256 else len(raw).to_bytes(4, "big"), raw)
    return b"".join(parts)
