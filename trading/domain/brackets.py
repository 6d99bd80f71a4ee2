"""How much leverage a venue gives a position of a certain worth, and what that leaves of an open."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from obscura.core.money import ZERO
from trading.domain.market import Bracket
from trading.domain.reasons import Reason

Fitted = tuple[int, Decimal | None]
"""The leverage to use, and the most that the new part of the position may be worth; None where nothing bounds it."""


def fitted(
    brackets: Sequence[Bracket], *, wanted: int, margin: Decimal, held: Decimal
) -> tuple[Fitted, tuple[Reason, dict[str, str]] | None]:
    """The leverage of an open of `margin`, cut to what the venue's brackets allow for what it would be worth.

    A position that is held already keeps its leverage, which the venue would not lower under it: there the quantity
    alone is cut.

    :param brackets: of the symbol; empty where they are not known
    :param held: what the copy's position is worth now
    """
    if wanted <= 1:
        return (1, None), None
    if not brackets:
        return (1, ZERO), (Reason.NO_BRACKETS, {"leverage": str(wanted)})
    if held:
        room = _cap(brackets, wanted) - held
        return (wanted, room), None if room > 0 else (Reason.BRACKET_FULL, {"leverage": str(wanted)})
    steps = sorted({wanted, *(one.leverage for one in brackets if one.leverage < wanted)}, reverse=True)
    for leverage in steps:
        cap = _cap(brackets, leverage)
        if margin * leverage <= cap:
            return (leverage, cap), None
    return (steps[-1], _cap(brackets, steps[-1])), None


def _cap(brackets: Sequence[Bracket], leverage: int) -> Decimal:
    return max((one.cap for one in brackets if one.leverage >= leverage), default=ZERO)
