"""One signal met with one environment's market and one style: everything that is the same for all who share them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from obscura.core.money import BPS, ZERO, ceil_to, floor_to, plain
from pools.types import PLAIN_STYLE, Style
from trading.domain import sizing
from trading.domain.brackets import fitted
from trading.domain.closing import EXACT
from trading.domain.limits import reached
from trading.domain.market import MarketFacts, Rules
from trading.domain.people import Follower, Held, Lead, Terms
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


class Exits(NamedTuple):
    """Where a copy ends by itself, in percent of its entry's price."""

    stop_loss_pct: Decimal | None
    take_profit_pct: Decimal | None
    trailing_pct: Decimal | None


@dataclass(frozen=True, slots=True)
class Side:
    """See the module.

    :param size_price: the highest price at which a unit of an open may fill: budgets are cut by it, so that no fill
        exceeds them
    :param least_price: the price that the venue's minimum goes by
    :param most_qty: the largest quantity the venue takes at once; None where it names none
    :param plain: the style is the plain way
    :param exits: of a copy that opens
    """

    terms: Terms
    style: Style
    plain: bool
    rules: Rules | None
    side: str
    size_price: Decimal | None
    least_price: Decimal | None
    most_qty: Decimal | None
    slot: Decimal
    leverage: int
    shape: Shape
    denied: Refusal | None
    scale: Scale | None
    exits: Exits | None

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
            # A tick may lift the limit of a sale above the whole book where the price is smaller than the tick.
            size_price = limit if lead.side == "buy" else max(limit, max(base, touch) * (1 + cap))
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
            scale = _scale(lead, style, slot, size_price, facts)
        return cls(
            terms=terms,
            style=style,
            plain=style is PLAIN_STYLE,
            rules=rules,
            side=lead.side,
            size_price=size_price,
            least_price=size_price if limit is None or size_price is None else min(size_price, limit),
            most_qty=floor_to(rules.max_qty, rules.step) if rules is not None and rules.max_qty else None,
            slot=slot,
            leverage=leverage,
            shape=shape,
            denied=denied,
            scale=scale,
            exits=_exits(style, lead) if lead.effect == "open" else None,
        )

    def amount(
        self, follower: Follower, open_result: Decimal | None, book: Book, today: date, leverage: int
    ) -> tuple[Decimal, Decimal, Refusal | None]:
        """What an open costs this follower, in USD of its own money (margin, on futures); and the most it may cost.

        :param leverage: what the copy will have
        """
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
        room = follower.total_investment - follower.exposure - follower.reserved
        if self.style.reserve:
            room -= follower.total_investment * self.style.reserve
        if room <= 0:
            return ZERO, ZERO, (Reason.BUDGET_USED, {"budget": plain(follower.total_investment)})
        most = min(room, follower.max_loss + min(result, ZERO))
        if self.terms.max_copy_usd is not None:
            most = min(most, self.terms.max_copy_usd)
        if self.plain:
            return min(follower.total_investment * self.slot, most), most, None
        return self._styled(follower, book, result, most, leverage)

    def _styled(
        self, follower: Follower, book: Book, result: Decimal, most: Decimal, leverage: int
    ) -> tuple[Decimal, Decimal, Refusal | None]:
        used = follower.exposure + follower.reserved
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
            leverage=leverage,
        )
        return min(amount, most), most, refused

    def fitted(self, amount: Decimal, leverage: int, mine: Held | None) -> tuple[int, Decimal | None, Refusal | None]:
        """The leverage that the venue's brackets leave for an open of `amount`, and the most it may be worth."""
        rules, price = self.rules, self.size_price
        assert rules is not None and price is not None  # `denied` has seen to it
        held = ZERO
        if mine is not None and (mine.qty > 0) == (self.side == "buy"):
            held = abs(mine.qty)  # in the same direction; what it would turn around is closed before it
        found, refused = fitted(rules.brackets, wanted=leverage, margin=amount, held=held * price)
        return *found, refused

    def sized(
        self, amount: Decimal, most: Decimal, carried: Decimal, leverage: int, worth: Decimal | None = None
    ) -> tuple[Decimal, Decimal, Refusal | None, Decimal | None]:
        """The quantity that `amount` buys, what to reserve for it, or why not and what is carried then.

        Rounded once, down, at the venue's step.

        :param most: USD that may be used with what was carried
        :param carried: base asset that earlier opens were too small for
        :param worth: the most it may be worth by the venue's brackets; None where nothing bounds it
        """
        rules, price = self.rules, self.size_price
        assert rules is not None and price is not None and self.least_price is not None  # `denied` has seen to it
        whole = amount * leverage / price
        if carried:
            whole = min(whole + carried, most * leverage / price)
        if worth is not None:
            whole = min(whole, worth / price)
        qty = floor_to(whole, rules.step)
        if self.most_qty is not None and qty > self.most_qty:
            qty = self.most_qty
        if qty <= 0 or qty < rules.min_qty:
            return ZERO, ZERO, (Reason.BELOW_MIN_QTY, {"minimum": plain(rules.min_qty)}), floor_to(whole, EXACT)
        if qty * self.least_price < rules.min_notional:
            minimum = {"minimum": plain(rules.min_notional)}
            return ZERO, ZERO, (Reason.BELOW_MIN_NOTIONAL, minimum), floor_to(whole, EXACT)
        return qty, (qty * price / leverage).quantize(EXACT, ROUND_DOWN), None, None


def _exits(style: Style, lead: Lead) -> Exits | None:
    """The follower's own exits, else those the signal came with."""
    stop = style.stop_loss_pct if style.stop_loss_pct is not None else lead.stop_loss_pct
    take = style.take_profit_pct if style.take_profit_pct is not None else lead.take_profit_pct
    if stop is None and take is None and style.trailing_pct is None:
        return None
    return Exits(stop, take, style.trailing_pct)


def _scale(lead: Lead, style: Style, slot: Decimal, price: Decimal, facts: MarketFacts) -> Scale:
    worth = lead.qty * price
    share: Decimal | None = None
    if lead.equity is not None and lead.equity > 0:
        leads = 1 if lead.market != "usdm" else lead.leverage
        share = None if not leads else worth / leads / lead.equity
    stop = style.stop_loss_pct if style.stop_loss_pct is not None else lead.stop_loss_pct
    return Scale(slot, worth, share, None if stop is None else stop / 100, facts.daily_move)


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
    longest = terms.signal_ttl
    if style.signal_ttl_s is not None:
        longest = min(longest, timedelta(seconds=style.signal_ttl_s))
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
