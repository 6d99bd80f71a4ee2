"""One signal met with one environment's market and one style: everything that is the same for all who share them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from obscura.core.money import BPS, ZERO, ceil_to, floor_to, plain
from pools.types import PLAIN_STYLE, Style
from trading.domain import sizing
from trading.domain.closing import EXACT
from trading.domain.limits import reached
from trading.domain.market import MarketFacts, Rules
from trading.domain.people import Follower, Lead, Terms
from trading.domain.reasons import Reason, Refusal
from trading.domain.sizing import Book, Scale

MAX_PRICE_AGE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Shape:
    """What all orders of one environment share; price and leverage are those of the plain way."""

    type: str
    time_in_force: str
    limit_price: Decimal | None
    mark_price: Decimal | None
    leverage: int
    reduce_only: bool


class Open:
    """An open that fits: how much, what to hold for it, and what is left over or over from before."""

    __slots__ = ("carried", "qty", "reserved")

    def __init__(self, qty: Decimal, reserved: Decimal, carried: Decimal) -> None:
        self.qty, self.reserved, self.carried = qty, reserved, carried


@dataclass(frozen=True, slots=True)
class Side:
    """See the module.

    :param size_price: the highest price at which a unit of an open may fill: budgets are cut by it, so that no fill
        exceeds them
    """

    terms: Terms
    style: Style
    rules: Rules | None
    size_price: Decimal | None
    slot: Decimal
    leverage: int
    shape: Shape
    denied: Refusal | None
    scale: Scale | None

    @classmethod
    def of(
        cls, *, lead: Lead, terms: Terms, facts: MarketFacts, now: datetime, style: Style | None = PLAIN_STYLE
    ) -> Side:
        """:param style: None where a follower's settings could not be read"""
        unreadable, style = style is None, style or PLAIN_STYLE
        leverage = (style.leverage or terms.leverage) if lead.market == "usdm" else 1
        quote, rules = facts.quote, facts.rules
        touch = None if quote is None else quote.ask if lead.side == "buy" else quote.bid
        slippage = terms.max_slippage_bps if style.max_slippage_bps is None else style.max_slippage_bps
        cap = Decimal(slippage) / BPS
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
        slot = lead.weight / terms.slots
        denied = _closed_door(lead=lead, terms=terms, style=style, facts=facts, touch=touch, slippage=slippage, now=now)
        if denied is None and lead.effect == "open":
            if not (size_price and size_price > 0):
                denied = Reason.NO_PRICE, {"symbol": lead.symbol}
            elif unreadable:
                denied = Reason.STYLE_UNREADABLE, {}
        scale = None
        if lead.effect == "open" and denied is None and size_price is not None:
            scale = _scale(lead, style, slot, size_price, leverage, facts)
        return cls(terms, style, rules, size_price, slot, leverage, shape, denied, scale)

    def amount(
        self, follower: Follower, open_result: Decimal | None, book: Book, today: date
    ) -> tuple[Decimal, Decimal, Refusal | None]:
        """What an open costs this follower, in USD of its own money (margin, on futures); and the most it may cost."""
        if follower.status != "active":
            return ZERO, ZERO, (Reason.SUBSCRIPTION_PAUSED, {})
        if self.denied is not None:
            return ZERO, ZERO, self.denied
        if book.closed_by_owner:
            return ZERO, ZERO, (Reason.CLOSED_BY_OWNER, {})
        if open_result is None:
            return ZERO, ZERO, (Reason.RESULT_UNKNOWN, {})
        result = follower.realised + open_result
        refused = reached(follower, self.style, open_result, today)
        if refused is not None:
            return ZERO, ZERO, refused
        used = follower.exposure + follower.reserved
        room = follower.total_investment - used
        if self.style.reserve:
            room -= follower.total_investment * self.style.reserve
        if room <= 0:
            return ZERO, ZERO, (Reason.BUDGET_USED, {"budget": plain(follower.total_investment)})
        most = min(room, follower.max_loss + min(result, ZERO))
        if self.terms.max_copy_usd is not None:
            most = min(most, self.terms.max_copy_usd)
        if self.style is PLAIN_STYLE:
            return min(follower.total_investment * self.slot, most), most, None
        left, refused = sizing.limited(style=self.style, book=book, used=used)
        if refused is not None:
            return ZERO, ZERO, refused
        if left is not None:
            most = min(most, left)
        assert self.scale is not None  # `denied` has seen to it
        amount, refused = sizing.asked(
            style=self.style,
            scale=self.scale,
            investment=follower.total_investment,
            equity=max(follower.total_investment + result, ZERO),
            losses=follower.loss_streak,
        )
        return min(amount, most), most, refused

    def sized(
        self, amount: Decimal, most: Decimal, *, carried: Decimal = ZERO, leverage: int | None = None
    ) -> tuple[Open, Refusal | None]:
        """The quantity that `amount` buys and what to reserve for it; rounded once, down, at the venue's step.

        :param most: USD that may be used with what was carried
        :param carried: base asset that earlier opens were too small for
        :param leverage: of the position that is open already, where there is one
        """
        rules, price = self.rules, self.size_price
        assert rules is not None and price is not None  # `denied` has seen to it
        factor = leverage or self.leverage
        whole = amount * factor / price
        if carried:
            whole = min(whole + carried, most * factor / price)
        qty = floor_to(whole, rules.step)
        if rules.max_qty:
            qty = min(qty, floor_to(rules.max_qty, rules.step))
        if qty <= 0 or qty < rules.min_qty:
            return Open(ZERO, ZERO, whole), (Reason.BELOW_MIN_QTY, {"minimum": plain(rules.min_qty)})
        worth = qty * min(price, self.shape.limit_price or price)
        if worth < rules.min_notional:
            return Open(ZERO, ZERO, whole), (Reason.BELOW_MIN_NOTIONAL, {"minimum": plain(rules.min_notional)})
        return Open(qty, (qty * price / factor).quantize(EXACT, ROUND_DOWN), ZERO), None


def _scale(lead: Lead, style: Style, slot: Decimal, price: Decimal, leverage: int, facts: MarketFacts) -> Scale:
    worth = lead.qty * price
    share: Decimal | None = None
    if lead.equity is not None and lead.equity > 0:
        leads = 1 if lead.market != "usdm" else lead.leverage
        share = None if not leads else worth / leads / lead.equity
    stop = style.stop_loss_pct if style.stop_loss_pct is not None else lead.stop_loss_pct
    return Scale(slot, price, leverage, worth, share, None if stop is None else stop / 100, facts.daily_move)


def _on_tick(price: Decimal, side: str, rules: Rules) -> Decimal:
    """The venue's price nearest to `price` that is not worse than it, above zero where the tick allows it."""
    return floor_to(price, rules.tick) if side == "buy" else ceil_to(price, rules.tick)


def _closed_door(
    *,
    lead: Lead,
    terms: Terms,
    style: Style,
    facts: MarketFacts,
    touch: Decimal | None,
    slippage: int,
    now: datetime,
) -> Refusal | None:
    """Why nobody of this environment and style may open on this signal, if so."""
    if lead.effect != "open":
        return None
    if terms.halted:
        return Reason.HALTED, {}
    if not terms.active:
        return Reason.POOL_PAUSED, {}
    longest = terms.signal_ttl if style.signal_ttl_s is None else timedelta(seconds=style.signal_ttl_s)
    if now - lead.at > longest:
        return Reason.STALE_SIGNAL, {"age_s": str(int((now - lead.at).total_seconds()))}
    if facts.rules is None:
        return Reason.NO_RULES, {"symbol": lead.symbol}
    if facts.quote is None or touch is None or touch <= 0:
        return Reason.NO_PRICE, {"symbol": lead.symbol}
    if now - facts.quote.at > MAX_PRICE_AGE:
        return Reason.STALE_PRICE, {"age_s": str(int((now - facts.quote.at).total_seconds()))}
    if lead.order_type == "market" and lead.price:
        worse = (touch - lead.price if lead.side == "buy" else lead.price - touch) * BPS / lead.price
        if worse > slippage:
            return Reason.SLIPPAGE, {"moved_bps": plain(worse.quantize(Decimal("0.1")))}
    return None
