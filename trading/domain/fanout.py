"""One signal, many followers: a copy or a denial for each, decided in one pass over plain values.

What depends on the signal alone is worked out once; the loop over followers does the rest. A rule that lacks data
denies an open. A close passes every rule but those of arithmetic: there must be something to close, in a quantity the
venue takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import NamedTuple

from obscura.core.money import BPS, ZERO, ceil_to, floor_to, plain
from trading.domain.market import MarketFacts, Rules
from trading.domain.reasons import Reason

MAX_PRICE_AGE = timedelta(seconds=15)
_EXACT = Decimal("1e-18")
_DIGITS = 60
"""Room for any product of two stored numbers: nothing is rounded but where it is meant to be."""


class Follower(NamedTuple):
    """A subscription as it stands, with the account it trades on. Money in USD."""

    subscription: int
    user: str
    account: str
    exchange: str
    environment: str
    account_active: bool
    status: str
    total_investment: Decimal
    max_loss: Decimal
    profit_target: Decimal | None
    daily_loss_limit: Decimal | None
    reserved: Decimal
    exposure: Decimal
    realised: Decimal
    day: date | None
    day_realised: Decimal


class Held(NamedTuple):
    """What a follower holds of the signal's symbol because of its lead; counts are of orders on their way."""

    qty: Decimal
    opening: int
    closing: int


@dataclass(frozen=True, slots=True)
class Lead:
    """The signal, as far as a decision needs it."""

    exchange: str
    market: str
    symbol: str
    side: str
    effect: str
    fraction: Decimal
    weight: Decimal
    price: Decimal | None
    order_type: str
    at: datetime
    test_only: bool = False
    overtaken: bool = False
    """A close of the whole was planned before it: an open would open what the lead has left."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The pool's terms and the tenant's plan."""

    active: bool
    slots: int
    leverage: int
    max_slippage_bps: int
    signal_ttl: timedelta
    max_copy_usd: Decimal | None = None


class Copy(NamedTuple):
    """An order to be made. One that waits goes out when what was sent before it is settled.

    A close that waits has quantity zero until then: it takes what is really held.
    """

    subscription: int
    user: str
    account: str
    environment: str
    qty: Decimal
    reserved: Decimal
    waits: bool


class Denied(NamedTuple):
    """A refusal with its reason and the figures behind it."""

    subscription: int
    user: str
    reason: Reason
    detail: dict[str, str]


@dataclass(frozen=True, slots=True)
class Shape:
    """What all orders of one environment share."""

    type: str
    time_in_force: str
    limit_price: Decimal | None
    mark_price: Decimal | None
    leverage: int
    reduce_only: bool


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
) -> Decision:
    """A copy or a denial for each follower, in their order.

    :param held: by subscription, what it holds of this lead and symbol; absent is nothing
    :param open_result: by subscription, the unrealised result of all it holds in USD; None where a price is missing
    :param markets: by environment
    """
    with localcontext(prec=_DIGITS):
        return _decided(lead, terms, followers, held, open_result, markets, now)


def _decided(
    lead: Lead,
    terms: Terms,
    followers: Sequence[Follower],
    held: Mapping[int, Held],
    open_result: Mapping[int, Decimal | None],
    markets: Mapping[str, MarketFacts],
    now: datetime,
) -> Decision:
    copies: list[Copy] = []
    denials: list[Denied] = []
    sides = {name: _Side.of(lead=lead, terms=terms, facts=facts, now=now) for name, facts in markets.items()}
    opening = lead.effect == "open"
    if opening and lead.overtaken:
        return Decision([], [Denied(one.subscription, one.user, Reason.OVERTAKEN, {}) for one in followers], {})
    for follower in followers:
        side = sides.get(follower.environment)
        if side is None:
            side = _Side.of(lead=lead, terms=terms, facts=MarketFacts(None, None), now=now)
            sides[follower.environment] = side
        if not follower.account_active:
            denied: tuple[Reason, dict[str, str]] | None = (Reason.ACCOUNT_INACTIVE, {})
        elif follower.exchange != lead.exchange:
            denied = (Reason.VENUE_NOT_OFFERED, {"exchange": follower.exchange})
        elif lead.test_only and follower.environment != "paper":
            denied = (Reason.TEST_ONLY, {})
        elif opening:
            amount, denied = side.amount(follower, open_result.get(follower.subscription, ZERO), now.date())
            if denied is None:
                qty, reserved, denied = side.sized(amount)
                if denied is None:
                    mine = held.get(follower.subscription)
                    # The open of a flip goes out behind the close of it: before it, the venue would net the two.
                    waits = lead.market == "usdm" and mine is not None and mine.closing > 0
                    copies.append(
                        Copy(*follower[:3], follower.environment, qty, reserved, waits)  # type: ignore[arg-type]
                    )
                    continue
        else:
            mine = held.get(follower.subscription)
            if mine is None or (not mine.qty and not mine.opening):
                denied = (Reason.NOTHING_TO_CLOSE, {})
            elif mine.opening or mine.closing:
                copies.append(Copy(*follower[:3], follower.environment, ZERO, ZERO, True))  # type: ignore[arg-type]
                continue
            else:
                qty, denied = _closing(mine.qty, lead.fraction, side.rules, side.size_price)
                if denied is None:
                    copies.append(Copy(*follower[:3], follower.environment, qty, ZERO, False))  # type: ignore[arg-type]
                    continue
        assert denied is not None
        denials.append(Denied(follower.subscription, follower.user, denied[0], denied[1]))
    return Decision(copies, denials, {name: side.shape for name, side in sides.items()})


def closing_quantity(
    *, held: Decimal, fraction: Decimal, rules: Rules | None, price: Decimal | None
) -> tuple[Decimal, tuple[Reason, dict[str, str]] | None]:
    """How much to close of `held` (signed) when the lead closed `fraction` of its own; the last part takes all.

    Without the venue's rules the quantity goes out as it is: a close is not held back by what we do not know.
    """
    with localcontext(prec=_DIGITS):
        return _closing(held, fraction, rules, price)


def _closing(
    held: Decimal, fraction: Decimal, rules: Rules | None, price: Decimal | None
) -> tuple[Decimal, tuple[Reason, dict[str, str]] | None]:
    whole = abs(held)
    qty = whole if fraction >= 1 else floor_to(whole * fraction, _EXACT)
    least = _EXACT if rules is None else rules.min_qty
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


@dataclass(frozen=True, slots=True)
class _Side:
    """The signal met with one environment's market: everything that is the same for all its followers."""

    terms: Terms
    rules: Rules | None
    size_price: Decimal | None
    """The highest price at which a unit of an open may fill: budgets are cut by it, so that no fill exceeds them."""
    slot: Decimal
    leverage: int
    shape: Shape
    denied: tuple[Reason, dict[str, str]] | None

    @classmethod
    def of(cls, *, lead: Lead, terms: Terms, facts: MarketFacts, now: datetime) -> _Side:
        leverage = terms.leverage if lead.market == "usdm" else 1
        quote, rules = facts.quote, facts.rules
        touch = None if quote is None else quote.ask if lead.side == "buy" else quote.bid
        cap = Decimal(terms.max_slippage_bps) / BPS
        limit: Decimal | None = None
        size_price = touch
        kind, tif = "market", ""
        if lead.order_type == "limit" and lead.price is not None:
            kind, tif, limit = "limit", "GTC", lead.price
            if rules is not None:
                limit = _on_tick(lead.price, lead.side, rules)
            size_price = limit if lead.effect == "open" else touch or limit
            if lead.effect == "open" and lead.side == "sell" and touch is not None:
                # A limit to sell that crosses fills at the bid, which is more than its price.
                size_price = max(limit, touch * (1 + cap))
        elif lead.order_type == "limit":
            size_price = touch if lead.effect == "close" else None
        elif lead.effect == "open" and touch is not None and rules is not None:
            # An immediate-or-cancel limit at the cap: a worse price is not paid, whatever the book does meanwhile.
            base = lead.price or touch
            kind, tif = "limit", "IOC"
            limit = _on_tick(base * (1 + cap if lead.side == "buy" else 1 - cap), lead.side, rules)
            size_price = limit if lead.side == "buy" else max(base, touch) * (1 + cap)
        shape = Shape(kind, tif, limit, touch, leverage, lead.effect == "close" and lead.market == "usdm")
        denied = _closed_door(lead=lead, terms=terms, facts=facts, touch=touch, now=now)
        if denied is None and lead.effect == "open" and not (size_price and size_price > 0):
            denied = Reason.NO_PRICE, {"symbol": lead.symbol}
        return cls(terms, rules, size_price, lead.weight / terms.slots, leverage, shape, denied)

    def amount(
        self, follower: Follower, open_result: Decimal | None, today: date
    ) -> tuple[Decimal, tuple[Reason, dict[str, str]] | None]:
        """What an open may cost this follower, in USD of its own money (margin, on futures)."""
        if follower.status != "active":
            return ZERO, (Reason.SUBSCRIPTION_PAUSED, {})
        if self.denied is not None:
            return ZERO, self.denied
        if open_result is None:
            return ZERO, (Reason.RESULT_UNKNOWN, {})
        result = follower.realised + open_result
        if -result >= follower.max_loss:
            return ZERO, (Reason.LOSS_LIMIT, {"limit": plain(follower.max_loss)})
        if follower.profit_target is not None and result >= follower.profit_target:
            return ZERO, (Reason.PROFIT_TARGET, {"limit": plain(follower.profit_target)})
        if follower.daily_loss_limit is not None:
            # An open loss counts as today's: when it began is not known, and not knowing counts against an open.
            lost = -((follower.day_realised if follower.day == today else ZERO) + min(open_result, ZERO))
            if lost >= follower.daily_loss_limit:
                return ZERO, (Reason.DAILY_LOSS, {"limit": plain(follower.daily_loss_limit)})
        room = follower.total_investment - follower.exposure - follower.reserved
        if room <= 0:
            return ZERO, (Reason.BUDGET_USED, {"budget": plain(follower.total_investment)})
        amount = min(follower.total_investment * self.slot, room, follower.max_loss + min(result, ZERO))
        if self.terms.max_copy_usd is not None:
            amount = min(amount, self.terms.max_copy_usd)
        return amount, None

    def sized(self, amount: Decimal) -> tuple[Decimal, Decimal, tuple[Reason, dict[str, str]] | None]:
        """The quantity that `amount` buys and what to reserve for it; rounded once, down, at the venue's step."""
        rules, price = self.rules, self.size_price
        assert rules is not None and price is not None  # `denied` has seen to it
        qty = floor_to(amount * self.leverage / price, rules.step)
        if rules.max_qty:
            qty = min(qty, floor_to(rules.max_qty, rules.step))
        if qty <= 0 or qty < rules.min_qty:
            return ZERO, ZERO, (Reason.BELOW_MIN_QTY, {"minimum": plain(rules.min_qty)})
        worth = qty * min(price, self.shape.limit_price or price)
        if worth < rules.min_notional:
            return ZERO, ZERO, (Reason.BELOW_MIN_NOTIONAL, {"minimum": plain(rules.min_notional)})
        return qty, (qty * price / self.leverage).quantize(_EXACT, ROUND_DOWN), None


def _on_tick(price: Decimal, side: str, rules: Rules) -> Decimal:
    """The venue's price nearest to `price` that is not worse than it, above zero where the tick allows it."""
    return floor_to(price, rules.tick) if side == "buy" else ceil_to(price, rules.tick)


def _closed_door(
    *, lead: Lead, terms: Terms, facts: MarketFacts, touch: Decimal | None, now: datetime
) -> tuple[Reason, dict[str, str]] | None:
    """Why nobody in this environment may open on this signal, if so."""
    if lead.effect != "open":
        return None
    if not terms.active:
        return Reason.POOL_PAUSED, {}
    if now - lead.at > terms.signal_ttl:
        return Reason.STALE_SIGNAL, {"age_s": str(int((now - lead.at).total_seconds()))}
    if facts.rules is None:
        return Reason.NO_RULES, {"symbol": lead.symbol}
    if facts.quote is None or touch is None or touch <= 0:
        return Reason.NO_PRICE, {"symbol": lead.symbol}
    if now - facts.quote.at > MAX_PRICE_AGE:
        return Reason.STALE_PRICE, {"age_s": str(int((now - facts.quote.at).total_seconds()))}
    if lead.order_type == "market" and lead.price:
        worse = (touch - lead.price if lead.side == "buy" else lead.price - touch) * BPS / lead.price
        if worse > terms.max_slippage_bps:
            return Reason.SLIPPAGE, {"moved_bps": plain(worse.quantize(Decimal("0.1")))}
    return None
