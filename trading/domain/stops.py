"""Which conditional orders should rest at the venue for a copy, and the states that one of them goes through.

A venue holds what it can hold as we mean it: the stop loss, the take profit, and the first level of a trailing stop.
What a trailing stop has gained since is watched by us, because exchanges count it in another way than from the entry.
Spot holds nothing: a resting sale would lock the balance, and a close must never find it locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from enum import IntEnum, StrEnum
from typing import NamedTuple

from obscura.core.money import ZERO, ceil_to, floor_to
from trading.domain.closing import DIGITS
from trading.domain.guard import Held, Told
from trading.domain.market import Rules


class Kind(StrEnum):
    """On which side of the entry it waits."""

    STOP = "stop"
    TAKE = "take"


class State(IntEnum):
    """Of a stop at the venue. SENDING: perhaps it is there. LEAVING: it is being withdrawn. FIRED: it became an order
    whose result is not written yet. The others are over."""

    SENDING = 1
    RESTING = 2
    LEAVING = 3
    FIRED = 4
    DONE = 5
    GONE = 6
    REFUSED = 7


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.SENDING: frozenset({State.RESTING, State.FIRED, State.GONE, State.REFUSED}),
    State.RESTING: frozenset({State.RESTING, State.LEAVING, State.FIRED, State.GONE}),
    State.LEAVING: frozenset({State.FIRED, State.GONE}),
    State.FIRED: frozenset({State.DONE}),
    State.DONE: frozenset(),
    State.GONE: frozenset(),
    State.REFUSED: frozenset(),
}
OVER = frozenset(state for state, after in TRANSITIONS.items() if not after)


class Wanted(NamedTuple):
    """A stop that should rest: why it closes, at which price, and how much."""

    kind: Kind
    cause: Told
    trigger: Decimal
    qty: Decimal


def wanted(held: Held, rules: Rules) -> dict[Kind, Wanted]:
    """What should rest for a holding. Prices are rounded to the side on which a loss is stopped sooner and a profit
    taken no sooner than agreed."""
    qty = floor_to(abs(held.qty), rules.step)
    if held.market != "usdm" or not rules.min_qty <= qty <= rules.market_max_qty:
        return {}
    found = {}
    with localcontext(prec=DIGITS):
        long, part = held.qty > 0, held.entry / 100
        losses = {Told.STOP_LOSS: held.stop_loss_pct, Told.TRAILING_STOP: held.trailing_pct}
        known = {cause: pct for cause, pct in losses.items() if pct is not None}
        if known:
            cause = min(known, key=known.__getitem__)
            price = held.entry - known[cause] * part if long else held.entry + known[cause] * part
            found[Kind.STOP] = Wanted(Kind.STOP, cause, (ceil_to if long else floor_to)(price, rules.tick), qty)
        if held.take_profit_pct is not None:
            gain = held.take_profit_pct * part
            price = held.entry + gain if long else held.entry - gain
            rounded = (ceil_to if long else floor_to)(price, rules.tick)
            found[Kind.TAKE] = Wanted(Kind.TAKE, Told.TAKE_PROFIT, rounded, qty)
    return {kind: one for kind, one in found.items() if one.trigger > ZERO}
