"""How large an open is, in USD of the follower's own money: what the style asks for, and what limits leave of it."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from obscura.core.money import ZERO, plain
from pools.types import FIXED, RATIO, RISK, SLOTS, SMART, Style
from trading.domain.reasons import Reason, Refusal


class Book(NamedTuple):
    """What a follower has open, as far as an open of one pair needs it.

    :param pairs: open or being opened, all markets
    :param pair_money: USD of its own money in this pair, orders on their way included
    :param in_pair: this pair is one of them
    :param carried: base asset that was too small to be bought so far
    :param closed_by_owner: the follower closed this pair himself while the lead went on
    :param recent: opens planned within the style's burst window
    """

    pairs: int = 0
    pair_money: Decimal = ZERO
    in_pair: bool = False
    carried: Decimal = ZERO
    closed_by_owner: bool = False
    recent: int = 0


NOTHING_OPEN = Book()


class Scale(NamedTuple):
    """What a size is measured by: facts of the signal and its market, the same for every follower of one style.

    :param slot: the part of the investment a copy of this lead may use
    :param lead_worth: the lead's quantity at the highest price a unit may cost
    :param lead_share: the lead's margin over its equity; None where either is not known
    :param stop: the distance of the stop, as a part of the price; None without a stop
    :param daily_move: how far the price moves on a usual day, as a part of it; None where that is not known
    """

    slot: Decimal
    lead_worth: Decimal
    lead_share: Decimal | None
    stop: Decimal | None
    daily_move: Decimal | None


def asked(
    *, style: Style, scale: Scale, investment: Decimal, equity: Decimal, losses: int, leverage: int
) -> tuple[Decimal, Refusal | None]:
    """What the style asks for, before any limit.

    A ratio, a risk and a daily move ask for a position of some worth; its margin goes by the leverage it will have.

    :param equity: the investment with every result so far, open copies included
    :param losses: copies lost one after another, for a martingale
    :param leverage: what the copy will have: that of what is open already, else the style's
    """
    amount, refused = _by_mode(style, scale, investment, equity, leverage)
    if refused is None and style.martingale is not None and losses:
        amount *= style.martingale.multiplier ** min(losses, style.martingale.levels)
    return amount, refused


def _by_mode(
    style: Style, scale: Scale, investment: Decimal, equity: Decimal, leverage: int
) -> tuple[Decimal, Refusal | None]:
    value = style.value or ZERO
    if style.sizing == SLOTS:
        return investment * scale.slot, None
    if style.sizing == FIXED:
        return value, None
    if style.sizing == RATIO:
        return scale.lead_worth * value / leverage, None
    if style.sizing == SMART:
        if scale.lead_share is None:
            return ZERO, (Reason.LEAD_EQUITY_UNKNOWN, {})
        return equity * scale.lead_share * value, None
    if style.sizing == RISK:
        if not scale.stop:
            return ZERO, (Reason.NO_STOP, {})
        return equity * value / 100 / scale.stop / leverage, None
    if not scale.daily_move:
        return ZERO, (Reason.NO_VOLATILITY, {})
    return equity * value / 100 / scale.daily_move / leverage, None


def limited(*, style: Style, book: Book, used: Decimal) -> tuple[Decimal | None, Refusal | None]:
    """What the style's own limits leave for one more open, in USD; None where they say nothing.

    :param used: USD in open copies and in orders on their way
    """
    if not style.chosen:
        return ZERO, (Reason.PAIR_NOT_CHOSEN, {})
    if style.burst_opens is not None and book.recent >= style.burst_opens:
        return ZERO, (Reason.BURST, {"limit": str(style.burst_opens), "ms": str(style.burst_ms)})
    if style.max_positions is not None and not book.in_pair and book.pairs >= style.max_positions:
        return ZERO, (Reason.MAX_POSITIONS, {"limit": str(style.max_positions)})
    left: Decimal | None = None
    if style.max_pair_usd is not None:
        left = style.max_pair_usd - book.pair_money
        if left <= 0:
            return ZERO, (Reason.PAIR_LIMIT, {"limit": plain(style.max_pair_usd)})
    ladder = None if style.martingale is None else style.martingale.cap_usd
    for cap in (style.max_exposure_usd, ladder):
        if cap is None:
            continue
        if cap - used <= 0:
            return ZERO, (Reason.EXPOSURE_LIMIT, {"limit": plain(cap)})
        left = cap - used if left is None else min(left, cap - used)
    return left, None
