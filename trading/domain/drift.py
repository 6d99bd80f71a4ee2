"""Where the venue's figures of an account differ from ours, and how far a holding has to be cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from obscura.core.money import ZERO
from trading.domain.intents import BOTH, LONG, SHORT, SPOT

SMALLER, LARGER, ORDER_OPEN, ORDER_GONE = "smaller", "larger", "order_open", "order_gone"

Place = tuple[str, str, str]
"""Market, symbol (on spot the base asset) and side; for an order its client order id in place of the symbol."""


class Held(NamedTuple):
    """One holding of an account, with where the venue keeps it; `qty` is signed."""

    id: int
    place: Place
    qty: Decimal


class Difference(NamedTuple):
    """What we believe and what the venue says, where the two are not the same."""

    kind: str
    place: Place
    ours: Decimal
    theirs: Decimal


class Cut(NamedTuple):
    """By how much a holding shrinks, without sign."""

    id: int
    qty: Decimal


def placed(held: Iterable[Held], theirs: Mapping[Place, Decimal]) -> list[Held]:
    """The holdings under the sides that the venue uses: it tells them apart only in hedge mode."""
    hedged = {(market, symbol): side != BOTH for market, symbol, side in theirs if market != SPOT}
    found = []
    for one in held:
        market, symbol, side = one.place
        apart = hedged.get((market, symbol), side != BOTH)
        if apart and side == BOTH:
            side = LONG if one.qty > 0 else SHORT
        elif not apart:
            side = BOTH
        found.append(one._replace(place=(market, symbol, side)))
    return found


def positions(
    held: Iterable[Held], theirs: Mapping[Place, Decimal], *, least: Mapping[Place, Decimal]
) -> list[Difference]:
    """The places of our copies where the venue has less or more than they hold, all of an account together.

    More on spot is no difference: an account's own coins are nobody's business.

    :param held: under the venue's sides (`placed`)
    :param theirs: what the venue has; a place that it does not name is empty there
    :param least: by place, what is too little to be traded; a difference below it is none
    """
    ours: dict[Place, Decimal] = defaultdict(Decimal)
    for one in held:
        ours[one.place] += one.qty
    found = []
    for place, mine in sorted(ours.items()):
        there = theirs.get(place, ZERO)
        missing = _missing(mine, there)
        if missing >= max(least.get(place, ZERO), Decimal("1e-8")):
            found.append(Difference(SMALLER, place, mine, there))
        elif place[0] != SPOT and not missing and there != mine:
            found.append(Difference(LARGER, place, mine, there))
    return found


def cuts(held: Iterable[Held], difference: Difference) -> list[Cut]:
    """Which holdings shrink, and by how much, so that together they hold no more than is there; the newest first."""
    left = _missing(difference.ours, difference.theirs)
    found = []
    for one in sorted(held, key=lambda each: each.id, reverse=True):
        if left > 0 and one.place == difference.place and one.qty * difference.ours > 0:
            taken = min(left, abs(one.qty))
            found.append(Cut(one.id, taken))
            left -= taken
    return found


def orders(
    *, live: Mapping[str, Decimal], over: Mapping[str, Decimal], there: Mapping[str, Decimal], market: str
) -> list[Difference]:
    """Orders by client order id, of the symbols that were asked after, with what is left of each.

    :param live: orders that we think are open; `over`: those that we think are not
    :param there: what the venue says is open
    """
    gone = [Difference(ORDER_GONE, (market, name, BOTH), qty, ZERO) for name, qty in live.items() if name not in there]
    opened = [Difference(ORDER_OPEN, (market, name, BOTH), ZERO, there[name]) for name in sorted(over) if name in there]
    return [*sorted(gone), *opened]


def _missing(ours: Decimal, theirs: Decimal) -> Decimal:
    """How much of ours is not there; what points the other way there is nothing of ours."""
    if not ours:
        return ZERO
    there = theirs if ours > 0 else -theirs
    return max(abs(ours) - max(there, ZERO), ZERO)
