"""What a lead's trade means: an open, a close of a part of its position, or one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, localcontext
from typing import Literal

from obscura.core import money

ZERO, ONE = Decimal(0), Decimal(1)
GRID = Decimal(1).scaleb(-18)
"""The finest step the tables keep."""

BUY, SELL = "buy", "sell"
SPOT, USDM = "spot", "usdm"
BOTH, LONG, SHORT = "BOTH", "LONG", "SHORT"

Effect = Literal["open", "close"]


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing to copy.

    :param leg: 0, or 1 for the open that follows a close in a flip
    :param qty: in the base asset
    :param fraction: of a close, which part of its position the lead closed, in (0, 1]; 1 for an open
    :param position_after: what the lead holds then, signed: below zero is short
    :param since: when the position it belongs to began, where that was before this trade; None where it begins with it
    """

    leg: int
    effect: Effect
    side: str
    qty: Decimal
    fraction: Decimal
    position_after: Decimal
    since: datetime | None = None


BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
"""When a position began that was there before anybody watched."""


def dated(steps: Sequence[Intent], *, opened_at: datetime | None, at: datetime) -> tuple[list[Intent], datetime | None]:
    """The same intents, each with the beginning of its position; and when the position that is left began.

    :param opened_at: when the position before the trade began; None where there was none
    :param at: the trade's own time
    """
    found = []
    for step in steps:
        found.append(replace(step, since=opened_at))
        if step.effect == "open":
            opened_at = opened_at or at
        elif step.fraction >= 1:  # a rest that nobody can trade is no position
            opened_at = None
    return found, opened_at


def intents(
    *,
    position: Decimal,
    side: str,
    qty: Decimal,
    market: str,
    position_side: str = BOTH,
    fee: Decimal = ZERO,
    dust: Decimal = ZERO,
) -> list[Intent]:
    """What a trade of `qty` (above zero) means for someone who copies this lead.

    A close of a position nobody saw being opened is a close of the whole: it is history, and whoever copied it
    has it from then. Where positions cannot change sign (spot, hedge mode) a close beyond the position ends at zero.

    :param position: signed, before the trade
    :param fee: what the venue took of the bought base asset (spot); it never becomes part of the position
    :param dust: a rest below this cannot be traded, so the close that leaves it is whole
    """
    way = ONE if side == BUY else -ONE
    with localcontext(prec=60):
        if market == SPOT or position_side != BOTH:
            grows = -ONE if position_side == SHORT else ONE
            return [_one_way(position, way, grows, side, qty, fee, dust)]
        if position * way >= 0:
            return [Intent(0, "open", side, qty, ONE, position + way * qty)]
        held = abs(position)
        if qty <= held:
            return [_close(0, position, way, side, qty, dust)]
        rest = qty - held
        return [Intent(0, "close", side, held, ONE, ZERO), Intent(1, "open", side, rest, ONE, way * rest)]


def _one_way(
    position: Decimal, way: Decimal, grows: Decimal, side: str, qty: Decimal, fee: Decimal, dust: Decimal
) -> Intent:
    if way == grows:
        return Intent(0, "open", side, qty, ONE, position + way * max(qty - fee, ZERO))
    if qty >= abs(position):
        return Intent(0, "close", side, qty, ONE, ZERO)
    return _close(0, position, way, side, qty, dust)


def _close(leg: int, position: Decimal, way: Decimal, side: str, qty: Decimal, dust: Decimal) -> Intent:
    after = position + way * qty
    if abs(after) < dust:
        return Intent(leg, "close", side, qty, ONE, after)
    # Rounded down, but never to nothing: a close of a trillionth is a close.
    fraction = max((qty / abs(position)).quantize(GRID, ROUND_DOWN), GRID)
    return Intent(leg, "close", side, qty, fraction, after)


@dataclass(frozen=True, slots=True)
class Piece:
    """A fill of a lead's order that no signal has consumed yet."""

    trade_id: str
    qty: Decimal
    price: Decimal
    fee_in_base: Decimal
    order_done: bool
    at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Delta:
    """By how much a lead's order has grown since the last signal made of it."""

    external_id: str
    qty: Decimal
    price: Decimal
    fee_in_base: Decimal
    at: datetime
    trade_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing yet: more fills of the order may come until then."""

    until: datetime


def delta(
    *,
    market: str,
    symbol: str,
    order_id: str,
    consumed: Decimal,
    pieces: Sequence[Piece],
    now: datetime,
    window: timedelta,
) -> Delta | Wait | None:
    """What to copy of one lead order now; None when there is nothing left of it.

    At once when the venue said that the order is filled, else when `window` has passed since the first piece came:
    a market order that walks the book is one trade to copy, not twenty.

    :param consumed: quantity of the order that earlier signals took
    """
    if not pieces:
        return None
    until = min(piece.received_at for piece in pieces) + window
    if now < until and not any(piece.order_done for piece in pieces):
        return Wait(until)
    with localcontext(prec=60):
        qty = sum((piece.qty for piece in pieces), ZERO)
        cost = sum((piece.qty * piece.price for piece in pieces), ZERO)
        price = (cost / qty).quantize(GRID, ROUND_HALF_EVEN)
        cumulative = consumed + qty
    return Delta(
        external_id=f"{market}:{symbol}:{order_id}:{money.plain(cumulative)}",
        qty=qty,
        price=price,
        fee_in_base=sum((piece.fee_in_base for piece in pieces), ZERO),
        at=max(piece.at for piece in pieces),
        trade_ids=tuple(piece.trade_id for piece in pieces),
    )
