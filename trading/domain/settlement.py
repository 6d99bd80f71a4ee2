"""What a fill does to a holding and to a subscription's budget. Exact, in the quote currency."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, localcontext
from typing import NamedTuple

from obscura.core.money import ZERO

_EXACT = Decimal("1e-18")


class Position(NamedTuple):
    """A holding: signed quantity, what it cost (long) or brought in (short), and its leverage."""

    qty: Decimal
    cost: Decimal
    leverage: int


class Progress(NamedTuple):
    """What newly happened to an order: quantity and worth of the new fills, and their fees."""

    qty: Decimal
    worth: Decimal
    base_fee: Decimal
    quote_fee: Decimal


class Settled(NamedTuple):
    """The holding after it, and what it changes in the subscription."""

    position: Position
    exposure: Decimal
    realised: Decimal


def settle(*, position: Position, effect: str, side: str, progress: Progress, dust: Decimal = ZERO) -> Settled:
    """Apply new fills to a holding.

    :param dust: where the lead closed all of its own and this order is filled, the venue's step: a rest below it no
        order can sell, and it is written off against the result. Any other rest is an open's that came in between.
    """
    with localcontext(prec=60):  # room for any product of two stored numbers
        if effect == "open":
            return _open(position, side, progress)
        return _close(position, side, progress, dust)


def cut(*, position: Position, qty: Decimal) -> Settled:
    """Take `qty` (without sign) off a holding without a trade: its cost goes with it, and nothing is gained or lost."""
    with localcontext(prec=60):
        whole = abs(position.qty)
        if qty >= whole:
            rest = Position(ZERO, ZERO, position.leverage)
        else:
            out = (position.cost * qty / whole).quantize(_EXACT, ROUND_DOWN)
            left = whole - qty
            rest = Position(left if position.qty > 0 else -left, position.cost - out, position.leverage)
        return Settled(rest, _margin(rest.cost, rest.leverage) - _margin(position.cost, position.leverage), ZERO)


def _open(position: Position, side: str, progress: Progress) -> Settled:
    if position.qty * (1 if side == "buy" else -1) < 0:
        return _against(position, side, progress)
    gained = progress.qty - progress.base_fee if side == "buy" else -progress.qty
    after = Position(position.qty + gained, position.cost + progress.worth, position.leverage)
    # As the difference of two margins, so that the parts of a fill add up to what its close will free.
    margin = _margin(after.cost, position.leverage) - _margin(position.cost, position.leverage)
    return Settled(after, margin, -progress.quote_fee)


def _against(position: Position, side: str, progress: Progress) -> Settled:
    """An open that overtook the close before it: the venue nets the two, and so does the record."""
    whole = abs(position.qty)
    if progress.qty <= whole:
        return _close(position, side, progress, ZERO)
    first = (progress.worth * whole / progress.qty).quantize(_EXACT, ROUND_DOWN)
    closed = _close(position, side, Progress(whole, first, ZERO, progress.quote_fee), ZERO)
    rest = Progress(progress.qty - whole, progress.worth - first, progress.base_fee, ZERO)
    opened = _open(closed.position, side, rest)
    return Settled(opened.position, closed.exposure + opened.exposure, closed.realised + opened.realised)


def _close(position: Position, side: str, progress: Progress, dust: Decimal) -> Settled:
    whole = abs(position.qty)
    if not whole:
        # Closed beyond what is recorded (a late truth): the money moved, so the result says it.
        return Settled(position, ZERO, -progress.quote_fee)
    left = whole - progress.qty
    if left <= 0 or left < dust:
        out, rest = position.cost, Position(ZERO, ZERO, position.leverage)
    else:
        out = (position.cost * progress.qty / whole).quantize(_EXACT, ROUND_DOWN)
        rest = Position(left if position.qty > 0 else -left, position.cost - out, position.leverage)
    gain = progress.worth - out if side == "sell" else out - progress.worth
    freed = _margin(position.cost, position.leverage) - _margin(rest.cost, position.leverage)
    return Settled(rest, -freed, gain - progress.quote_fee)


def _margin(cost: Decimal, leverage: int) -> Decimal:
    return (cost / leverage).quantize(_EXACT, ROUND_DOWN) if leverage > 1 else cost
