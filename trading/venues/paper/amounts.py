"""Exact numbers: every price and quantity is an int counting units of 1e-8, as the exchange itself counts."""

from __future__ import annotations

import re

ONE = 100_000_000
LARGEST = 2**63 - 1  # what the exchange's own maxQty of 92233720368.54775807 says about its arithmetic

_PLAIN = re.compile(r"([0-9]{0,20})(?:\.([0-9]*))?\Z")


class NotANumber(ValueError):
    """The text is not a plain decimal number of at most 8 decimals and 11 whole digits."""


def units(text: str) -> int:
    """`"0.015"` to 1500000. Never negative, never exponential, never rounded.

    :raises NotANumber: anything else, more than 8 significant decimals, or too large
    """
    found = _PLAIN.match(text)
    if not found or len(text) == 0 or text == ".":
        raise NotANumber(text)
    whole, part = found.groups()
    part = (part or "").rstrip("0")
    if len(part) > 8:
        raise NotANumber(text)
    value = int(whole or "0") * ONE + (int(part) * 10 ** (8 - len(part)) if part else 0)
    if value > LARGEST:
        raise NotANumber(text)
    return value


def full(value: int) -> str:
    """Eight decimals, as spot answers: `"0.01500000"`."""
    if value < 0:
        return "-" + full(-value)
    return f"{value // ONE}.{value % ONE:08d}"


def short(value: int) -> str:
    """No trailing zeros, as USD-M answers: `"0.015"`."""
    if value < 0:
        return "-" + short(-value)
    whole, part = divmod(value, ONE)
    return f"{whole}.{part:08d}".rstrip("0") if part else str(whole)


def times(price: int, quantity: int) -> int:
    """Price times quantity in units, rounded down."""
    return price * quantity // ONE


def rounded_ratio(amount: int, quantity: int) -> int:
    """Amount over quantity in units, rounded half up; amount may be negative, quantity may not."""
    return (2 * amount * ONE + quantity) // (2 * quantity) if quantity else 0
