"""One signal, many followers: a copy or a denial for each, decided in one pass over plain values.

What depends on the signal alone is worked out once for each environment and style; the loop over followers does the
rest. A rule that lacks data denies an open. A close passes every rule but those of arithmetic: there must be something
to close, in a quantity the venue takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from obscura.core.money import ZERO
from pools.types import PLAIN_STYLE, NotAStyle, Style, parsed, style_of
from trading.domain import entry
from trading.domain.closing import DIGITS, closing, closing_quantity, owed
from trading.domain.market import MarketFacts
from trading.domain.people import Follower, Held, Lead, Terms
from trading.domain.reasons import Reason, Refusal
from trading.domain.sides import MAX_PRICE_AGE, Shape, Side
from trading.domain.sizing import NOTHING_OPEN, Book

__all__ = [
    "MAX_PRICE_AGE", "Book", "Copy", "Decision", "Denied", "Follower", "Held", "Lead", "Shape", "Terms",
    "closing_quantity", "decide",
]  # fmt: skip


Unfit = Mapping[str, Refusal]
"""By account, why nothing can be opened on it at the venue."""


class Exits(NamedTuple):
    """Where a copy ends by itself, in percent of its entry's price."""

    stop_loss_pct: Decimal | None
    take_profit_pct: Decimal | None
    trailing_pct: Decimal | None


class Copy(NamedTuple):
    """An order to be made. One that waits goes out when what was sent before it is settled.

    A close that waits has quantity zero until then: it takes what is really held.

    :param exits: of an open that has some
    :param settles: it takes along what was carried before
    """

    subscription: int
    user: str
    account: str
    environment: str
    qty: Decimal
    reserved: Decimal
    waits: bool
    limit_price: Decimal | None = None
    leverage: int = 1
    exits: Exits | None = None
    settles: bool = False


class Denied(NamedTuple):
    """A refusal with its reason and the figures behind it.

    :param carried: base asset that was too little; it goes with the next trade in the pair. None: nothing is carried
    """

    subscription: int
    user: str
    reason: Reason
    detail: dict[str, str]
    carried: Decimal | None = None


class Decision(NamedTuple):
    """Copies and denials of one chunk, and the shape of the orders by environment."""

    copies: list[Copy]
    denials: list[Denied]
    shapes: dict[str, Shape]


def decide(
    *,
    lead: Lead,
    terms: Terms,
    followers: Sequence[Follower],
    held: Mapping[int, Held],
    open_result: Mapping[int, Decimal | None],
    markets: Mapping[str, MarketFacts],
    now: datetime,
    books: Mapping[int, Book] | None = None,
    unfit: Unfit | None = None,
) -> Decision:
    """A copy or a denial for each follower, in their order.

    :param held: by subscription, what it holds of this lead and symbol; absent is nothing
    :param open_result: by subscription, the unrealised result of all it holds in USD; None where a price is missing
    :param markets: by environment
    :param books: by subscription, what limits on open copies need; absent is nothing open
    :param unfit: by account, why nothing can be opened on it at the venue
    """
    with localcontext(prec=DIGITS):
        return _Pass(lead, terms, markets, now, unfit or {}).over(followers, held, open_result, books or {})


class _Pass:
    """One pass; it keeps a side for each environment and style it meets."""

    def __init__(
        self, lead: Lead, terms: Terms, markets: Mapping[str, MarketFacts], now: datetime, unfit: Unfit
    ) -> None:
        self.lead, self.terms, self.markets, self.now, self.unfit = lead, terms, markets, now, unfit
        self._sides: dict[tuple[str, str | None], Side] = {}

    def side(self, environment: str, settings: str | None) -> Side:
        key = environment, settings
        found = self._sides.get(key)
        if found is None:
            facts = self.markets.get(environment) or MarketFacts(None, None)
            style = style_for(settings, symbol=self.lead.symbol, short=self.lead.short)
            found = self._sides[key] = Side.of(lead=self.lead, terms=self.terms, facts=facts, now=self.now, style=style)
        return found

    def over(
        self,
        followers: Sequence[Follower],
        held: Mapping[int, Held],
        open_result: Mapping[int, Decimal | None],
        books: Mapping[int, Book],
    ) -> Decision:
        decision = Decision([], [], {})
        lead, opening, today = self.lead, self.lead.effect == "open", self.now.date()
        if opening and lead.overtaken:
            denials = [Denied(one.subscription, one.user, Reason.OVERTAKEN, {}) for one in followers]
            return Decision([], denials, {})
        for follower in followers:
            side = self.side(follower.environment, follower.settings)
            outcome: Copy | Denied
            if (refused := _shut_out(follower, lead)) is not None:
                outcome = Denied(follower.subscription, follower.user, *refused)
            elif opening:
                subscription = follower.subscription
                mine = held.get(subscription)
                if (refused := entry.refused(lead, follower, mine, self.unfit)) is not None:
                    decision.denials.append(Denied(subscription, follower.user, *refused))
                    continue
                outcome = _opened(
                    follower,
                    side,
                    mine,
                    open_result.get(subscription, ZERO),
                    books.get(subscription, NOTHING_OPEN),
                    today=today,
                    nets=lead.market == "usdm",
                    lead=lead,
                )
            else:
                outcome = _closed(follower, side, held.get(follower.subscription), lead)
            if type(outcome) is Copy:
                decision.copies.append(outcome)
            else:
                decision.denials.append(outcome)  # type: ignore[arg-type]
        for environment in dict.fromkeys([*self.markets, *(one.environment for one in decision.copies)]):
            decision.shapes[environment] = self.side(environment, None).shape
        return decision


def style_for(settings: str | None, *, symbol: str, short: bool) -> Style | None:
    """The style in one pair; None where what is stored cannot be read."""
    if settings is None:
        return PLAIN_STYLE
    try:
        return style_of(parsed(settings), symbol=symbol, short=short)
    except NotAStyle:
        return None


def _shut_out(follower: Follower, lead: Lead) -> Refusal | None:
    """What stands against any order of this follower, opens and closes alike: it cannot be made at all."""
    if not follower.account_active:
        return Reason.ACCOUNT_INACTIVE, {}
    if follower.exchange != lead.exchange:
        return Reason.VENUE_NOT_OFFERED, {"exchange": follower.exchange}
    if lead.test_only and follower.environment != "paper":
        return Reason.TEST_ONLY, {}
    return None


def _opened(
    follower: Follower,
    side: Side,
    mine: Held | None,
    open_result: Decimal | None,
    book: Book,
    *,
    today: object,
    nets: bool,
    lead: Lead,
) -> Copy | Denied:
    amount, most, refused = side.amount(follower, open_result, book, today)  # type: ignore[arg-type]
    if refused is not None:
        return Denied(follower.subscription, follower.user, *refused)
    # At the venue a pair has one leverage: what is open decides over what is added to it.
    leverage = mine.leverage if nets and mine is not None and (mine.qty or mine.opening) and mine.leverage else None
    found, refused = side.sized(
        amount, most, carried=book.carried, leverage=leverage, held=_grows(mine, lead.side) if nets else ZERO
    )
    if refused is not None:
        return Denied(follower.subscription, follower.user, *refused, found.carried)
    # The open of a flip goes out behind the close of it: before it, the venue would net the two.
    waits = nets and mine is not None and mine.closing > 0
    return Copy(
        follower.subscription,
        follower.user,
        follower.account,
        follower.environment,
        found.qty,
        found.reserved,
        waits,
        side.shape.limit_price,
        found.leverage,
        _exits(side.style, lead),
        bool(book.carried),
    )


def _grows(held: Held | None, side: str) -> Decimal:
    """What is held in the direction of an open; what it would turn around is closed before it."""
    if held is None or not held.qty or (held.qty > 0) != (side == "buy"):
        return ZERO
    return abs(held.qty)


def _exits(style: Style, lead: Lead) -> Exits | None:
    """The follower's own exits, else those the signal came with."""
    stop = style.stop_loss_pct if style.stop_loss_pct is not None else lead.stop_loss_pct
    take = style.take_profit_pct if style.take_profit_pct is not None else lead.take_profit_pct
    if stop is None and take is None and style.trailing_pct is None:
        return None
    return Exits(stop, take, style.trailing_pct)


def _closed(follower: Follower, side: Side, mine: Held | None, lead: Lead) -> Copy | Denied:
    whole = lead.fraction >= 1
    settles = mine is not None and bool(mine.carried or mine.carried_open or (whole and mine.closed_by_owner))
    if mine is None or (not mine.qty and not mine.opening):
        # When the lead is out, nothing of its position is owed to anybody any more.
        carried = ZERO if whole and settles else None
        return Denied(follower.subscription, follower.user, Reason.NOTHING_TO_CLOSE, {}, carried)
    price, leverage = side.shape.limit_price, mine.leverage or side.leverage
    who = follower.subscription, follower.user, follower.account, follower.environment
    if mine.opening or mine.closing:
        return Copy(*who, ZERO, ZERO, True, price, leverage, None, settles)
    qty, refused = closing(mine.qty, lead.fraction, side.rules, side.size_price, mine.carried)
    if refused is None:
        return Copy(*who, qty, ZERO, False, price, leverage, None, settles)
    carried = None if whole else owed(mine.qty, lead.fraction) + mine.carried
    return Denied(follower.subscription, follower.user, *refused, carried)
