"""What protects a follower of what is open: where copies end by themselves, and when a whole subscription does.

Values in, verdicts out. A rule that lacks its data says nothing: it neither fires nor lets go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from obscura.core.money import ZERO
from pools.types import PLAIN, PLAIN_STYLE, Advanced, NotAStyle, Style, parsed, style_of
from trading.domain.closing import DIGITS
from trading.domain.limits import LIMITS, reached
from trading.domain.market import Quote
from trading.domain.people import Follower
from trading.domain.reasons import Reason, Refusal
from trading.domain.sides import MAX_PRICE_AGE

HALT_OPENS, HALT_CLOSE = "halt", "halt_close"
"""`stopped_by` of a subscription whose owner stopped everything: nothing is opened, or everything is closed too."""


class Told(StrEnum):
    """What a follower is told, by code; where a copy ends by itself it is also why it was closed."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    LIMIT = "limit"
    RESUMED = "resumed"
    HALT = "halt"
    NO_PRICE = "no_price"
    LEAD_SILENT = "lead_silent"
    LEAD_HEARD = "lead_heard"


class Held(NamedTuple):
    """A holding with something open: `qty` below zero is short, `cost` is what it was bought or sold for."""

    id: int
    subscription: int
    trader: UUID
    market: str
    symbol: str
    side: str
    qty: Decimal
    cost: Decimal
    closing: int
    stop_loss_pct: Decimal | None
    take_profit_pct: Decimal | None
    trailing_pct: Decimal | None
    best: Decimal | None
    opened_at: datetime | None

    @property
    def entry(self) -> Decimal:
        """The average price of what is open."""
        return self.cost / abs(self.qty)

    @property
    def place(self) -> tuple[str, str]:
        """Where its price is found."""
        return self.market, self.symbol


Prices = Mapping[tuple[str, str], Decimal]
"""By market and symbol; what is missing or too old is not in it."""


def fresh(quotes: Mapping[tuple[str, str], Quote | None], now: datetime) -> dict[tuple[str, str], Decimal]:
    """The middle of each quote that is young enough to decide by."""
    return {
        place: quote.middle
        for place, quote in quotes.items()
        if quote is not None and quote.middle > 0 and now - quote.at <= MAX_PRICE_AGE
    }


def open_result(held: Iterable[Held], prices: Prices) -> Decimal | None:
    """The unrealised result of all of it, in the quote currency; None where a price is missing."""
    together = ZERO
    with localcontext(prec=DIGITS):
        for one in held:
            price = prices.get(one.place)
            if price is None:
                return None
            worth = abs(one.qty) * price
            together += worth - one.cost if one.qty > 0 else one.cost - worth
    return together


# ------------------------------------------------------------------------------------------------- exits of one copy


def best_price(held: Held, price: Decimal) -> Decimal:
    """The best price since it was opened, which was at least that of its entry."""
    known = held.entry if held.best is None else held.best
    return max(known, price) if held.qty > 0 else min(known, price)


def crossed(held: Held, price: Decimal) -> Told | None:
    """Which of its exits this price has crossed. Each is a percentage of the entry's price away: from the entry, or
    for the trailing stop from the best price so far."""
    with localcontext(prec=DIGITS):
        entry, way = held.entry, 1 if held.qty > 0 else -1
        part = entry / 100
        if held.stop_loss_pct is not None and (entry - price) * way >= held.stop_loss_pct * part:
            return Told.STOP_LOSS
        if held.trailing_pct is not None and (best_price(held, price) - price) * way >= held.trailing_pct * part:
            return Told.TRAILING_STOP
        if held.take_profit_pct is not None and (price - entry) * way >= held.take_profit_pct * part:
            return Told.TAKE_PROFIT
    return None


# --------------------------------------------------------------------------------------- limits of a subscription


class Verdict(NamedTuple):
    """What is to be done with a subscription.

    :param limit: which limit is reached, of one that is to be told so
    :param pause: it is to be paused because of it
    :param close: everything it holds is to be closed
    :param resume: the day of its daily loss is over
    """

    limit: Refusal | None = None
    pause: bool = False
    close: bool = False
    resume: bool = False


NOTHING = Verdict()


def wishes(settings: str | None) -> tuple[Advanced, Style]:
    """How a follower wants to be copied; the plain way where what is stored cannot be read."""
    if settings is None:
        return PLAIN, PLAIN_STYLE
    try:
        advanced = parsed(settings)
    except NotAStyle:
        return PLAIN, PLAIN_STYLE
    return advanced, style_of(advanced, symbol="", short=False)


def highest(follower: Follower, result: Decimal | None) -> Decimal:
    """The highest result so far, open copies included."""
    return follower.peak if result is None else max(follower.peak, result)


def judge(
    *, follower: Follower, unrealised: Decimal | None, stopped_by: str, stopped_on: date | None, today: date
) -> Verdict:
    """What the limits of a subscription ask for now.

    A limit pauses one that copies. One that is paused or stopped already by its owner stays as it is, and is protected
    all the same. What a limit or the owner's switch stopped is closed until nothing is open.

    :param unrealised: see `open_result`
    :param stopped_by: the limit or switch that paused it; empty otherwise
    :param stopped_on: the day (UTC) on which that was
    """
    advanced, style = wishes(follower.settings)
    if stopped_by == HALT_CLOSE:
        return Verdict(close=True)
    if stopped_by == HALT_OPENS:
        return NOTHING
    limit: Refusal | None = None
    if unrealised is not None:
        result = follower.realised + unrealised
        limit = reached(follower._replace(peak=highest(follower, result)), style, unrealised, today)
    if stopped_by in LIMITS:
        over = stopped_by == Reason.DAILY_LOSS and stopped_on is not None and today > stopped_on
        if over and limit is None and unrealised is not None:
            return Verdict(resume=True)
        return Verdict(close=not advanced.keep_open)
    if limit is None:
        return NOTHING
    return Verdict(limit, pause=follower.status == "active", close=not advanced.keep_open)


# -------------------------------------------------------------------------------------------------- leads in silence


def silent_since(heard: float, now: float, after: timedelta) -> float | None:
    """Since when (epoch seconds) a lead's stream is silent, if it is so for longer than `after`."""
    return heard if now - heard > after.total_seconds() else None
