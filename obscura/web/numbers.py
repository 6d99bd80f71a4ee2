"""Numbers as people read them: exact in, exact out, a true minus, and a dash for what is not known."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

MINUS = "−"
DASH = "–"


def exact(value: object) -> Decimal | None:
    """The Decimal behind a figure, or None where nothing is known.

    :raises TypeError: a float was given: what it says is not what somebody wrote down
    """
    if value is None or value == "":
        return None
    if isinstance(value, float):
        raise TypeError("a figure is a Decimal, an int or their text, never a float")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def rounded(value: Decimal, places: int) -> Decimal:
    """Rounded for reading, a negative zero made plain zero."""
    result = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return abs(result) if result == 0 else result


def plain(value: Decimal, places: int | None = None) -> str:
    """Digits with thousands separators and a true minus; all places it has, zeros trimmed, when none are asked for."""
    if places is not None:
        value = rounded(value, places)
    text = f"{abs(value):,f}"
    if places is None and "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{MINUS}{text}" if value < 0 else text


def signed(value: Decimal, places: int | None = None) -> str:
    """As `plain`, with the sign always shown, except at zero."""
    text = plain(value, places)
    above_zero = (rounded(value, places) if places is not None else value) > 0
    return f"+{text}" if above_zero else text


def percent_of(part: Decimal, whole: Decimal) -> Decimal:
    """How many percent of the whole the part is, held between 0 and 100; nothing of nothing is 0."""
    if whole <= 0:
        return Decimal(0)
    return min(max(part * 100 / whole, Decimal(0)), Decimal(100))
