"""How much of a copy a close takes."""

from __future__ import annotations

from decimal import Decimal, localcontext

from obscura.core.money import ZERO, floor_to, plain
from trading.domain.market import Rules
from trading.domain.reasons import Reason, Refusal

EXACT = Decimal("1e-18")
DIGITS = 60
"""Room for any product of two stored numbers: nothing is rounded but where it is meant to be."""


def closing_quantity(
    *, held: Decimal, fraction: Decimal, rules: Rules | None, price: Decimal | None, carried: Decimal = ZERO
) -> tuple[Decimal, Refusal | None]:
    """How much to close of `held` (signed) when the lead closed `fraction` of its own; the last part takes all.

    Without the venue's rules the quantity goes out as it is: a close is not held back by what we do not know.

    :param carried: what earlier closes were too small for, in the base asset
    """
    with localcontext(prec=DIGITS):
        return closing(held, fraction, rules, price, carried)


def closing_owed(*, held: Decimal, fraction: Decimal, carried: Decimal) -> Decimal:
    """What such a close owes when it is too small: it is carried."""
    with localcontext(prec=DIGITS):
        return owed(held, fraction, carried)


def closing(
    held: Decimal, fraction: Decimal, rules: Rules | None, price: Decimal | None, carried: Decimal = ZERO
) -> tuple[Decimal, Refusal | None]:
    """`closing_quantity`, in a context that has the room."""
    whole = abs(held)
    qty = whole if fraction >= 1 else owed(held, fraction, carried)
    least = EXACT if rules is None else rules.min_qty
    if rules is not None:
        qty = floor_to(qty, rules.step)
    if qty <= 0 or qty < least:
        return ZERO, (Reason.BELOW_MIN_QTY, {"minimum": plain(least), "held": plain(whole)})
    if rules is None:
        return qty, None
    if not rules.reduce_exempt and price is not None and qty * price < rules.min_notional:
        return ZERO, (Reason.BELOW_MIN_NOTIONAL, {"minimum": plain(rules.min_notional), "held": plain(whole)})
    # The largest market order changes with the market and lies on no step.
    return (min(qty, floor_to(rules.market_max_qty, rules.step)) if rules.market_max_qty else qty), None


def owed(held: Decimal, fraction: Decimal, carried: Decimal) -> Decimal:
    """What a close of `fraction` is about with all that was carried, before any rounding to a step.

    What is carried should be closed already: the lead's fraction is one of the rest.
    """
    whole = abs(held)
    carried = min(carried, whole)
    return floor_to((whole - carried) * fraction, EXACT) + carried
