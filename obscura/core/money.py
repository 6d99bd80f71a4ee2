"""Exact money: Decimal in, Decimal out, one rounding, at the venue's step."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation

ZERO = Decimal(0)
BPS = Decimal(10_000)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`; `step` 0 means no grid."""
    if not step:
        return value
    found = (value / step).to_integral_value(ROUND_FLOOR) * step
    # The quotient itself is rounded at the context's precision, and that may be upward.
    return found if found <= value else found - step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `value`; `step` 0 means no grid."""
    if not step:
        return value
    found = (value / step).to_integral_value(ROUND_CEILING) * step
    return found if found >= value else found + step


def plain(value: Decimal) -> str:
    """The number as venues write it: no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse(value: object) -> Decimal | None:
    """A finite Decimal from a string, an int or a Decimal; None where there is none to be had.

    A float is taken by its shortest decimal form, which is what a JSON client wrote.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
