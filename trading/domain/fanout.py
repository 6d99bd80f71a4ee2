"""One signal, many followers: a copy or a denial for each, decided in one pass over plain values.

What depends on the signal alone is worked out once for each environment and style; the loop over followers does the
rest. A rule that lacks data denies an open. A close passes every rule but those of arithmetic: there must be something
to close, in a quantity the venue takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from obscura.core.money import ZERO
from pools.types import PLAIN_STYLE, NotAStyle, Style, parsed, style_of
from trading.domain import entry
from trading.domain.closing import DIGITS, closing, closing_quantity, owed
from trading.domain.market import MarketFacts
from trading.domain.people import Follower, Held, Lead, Terms
from trading.domain.reasons import Reason, Refusal
from trading.domain.sides import MAX_PRICE_AGE, Exits, Shape, Side
from trading.domain.sizing import NOTHING_OPEN, Book

__all__ = [
    "MAX_PRICE_AGE", "Book", "Copy", "Decision", "Denied", "Exits", "Follower", "Held", "Lead", "Shape", "Terms",
    "closing_quantity", "decide",
]  # fmt: skip


Unfit = Mapping[str, Refusal]
"""By account, why nothing can be opened on it at the venue."""


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
        copies, denials = decision.copies, decision.denials
        lead, opening, today = self.lead, self.lead.effect == "open", self.now.date()
        if opening and lead.overtaken:
            return Decision([], [Denied(one.subscription, one.user, Reason.OVERTAKEN, {}) for one in followers], {})
        nets = lead.market == "usdm"
        # Whether anybody may be refused for what the lead's position or an account is like.
        entering = lead.since is not None or bool(self.unfit)
        plain: dict[str, Side] = {}
        for follower in followers:
            if follower.settings is None:
                # Nearly everybody goes the plain way.
                side = plain.get(follower.environment)
                if side is None:
                    side = plain[follower.environment] = self.side(follower.environment, None)
            else:
                side = self.side(follower.environment, follower.settings)
            outcome: Copy | Denied
            if (refused := _shut_out(follower, lead)) is not None or (
                opening
                and entering
                and (refused := entry.refused(lead, follower, held.get(follower.subscription), self.unfit)) is not None
            ):
                outcome = Denied(follower.subscription, follower.user, *refused)
            elif opening:
                number = follower.subscription
                mine = held.get(number) if nets else None
                outcome = _opened(
                    follower, side, mine, open_result.get(number, ZERO), books.get(number, NOTHING_OPEN), today
                )
            else:
                outcome = _closed(follower, side, held.get(follower.subscription), lead)
            if outcome.__class__ is Copy:
                copies.append(outcome)
            else:
                denials.append(outcome)  # type: ignore[arg-type]
        for environment in dict.fromkeys([*self.markets, *(one.environment for one in copies)]):
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
    follower: Follower, side: Side, mine: Held | None, open_result: Decimal | None, book: Book, today: date
) -> Copy | Denied:
    """:param mine: on futures, where a pair's positions net"""
    leverage, waits = side.leverage, False
    if mine is not None:
        # At the venue a pair has one leverage: what is open decides over what is added to it.
        if mine.leverage and (mine.qty or mine.opening):
            leverage = mine.leverage
        # The open of a flip goes out behind the close of it: before it, the venue would net the two.
        waits = mine.closing > 0
    amount, most, refused = side.amount(follower, open_result, book, today, leverage)
    if refused is not None:
        return Denied(follower.subscription, follower.user, *refused)
    worth: Decimal | None = None
    if leverage > 1:
        leverage, worth, refused = side.fitted(amount, leverage, mine)
        if refused is not None:
            return Denied(follower.subscription, follower.user, *refused)
    qty, reserved, refused, carried = side.sized(amount, most, book.carried, leverage, worth)
    if refused is not None:
        return Denied(follower.subscription, follower.user, *refused, carried)
    return Copy(
        follower.subscription,
        follower.user,
        follower.account,
        follower.environment,
        qty,
        reserved,
        waits,
        side.shape.limit_price,
        leverage,
        side.exits,
        book.carried > 0,
    )


def _closed(follower: Follower, side: Side, mine: Held | None, lead: Lead) -> Copy | Denied:
    whole = lead.fraction >= 1
    settles = mine is not None and bool(mine.carried or mine.carried_open or (whole and mine.closed_by_owner))
    if mine is None or (not mine.qty and not mine.opening):
        carried = ZERO if settles else None
        return Denied(follower.subscription, follower.user, Reason.NOTHING_TO_CLOSE, {}, carried)
    price, leverage = side.shape.limit_price, mine.leverage or side.leverage
    who = follower.subscription, follower.user, follower.account, follower.environment
    if mine.opening or mine.closing:
        return Copy(*who, ZERO, ZERO, True, price, leverage, None, settles)
    qty, refused = closing(mine.qty, lead.fraction, side.rules, side.size_price, mine.carried)
    if refused is None:
        return Copy(*who, qty, ZERO, False, price, leverage, None, settles)
    if whole:
        # The lead is out: nothing of its position is owed to anybody any more.
        carried = ZERO if settles else None
    else:
        carried = owed(mine.qty, lead.fraction, mine.carried)
    return Denied(follower.subscription, follower.user, *refused, carried)
