"""What copying the leads' open positions would come to now: the planner's own decision, with nothing written.

Each position is decided as if those before it had been opened, so that what budgets and limits leave is counted down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import orjson
import redis

from citadel import services as citadel
from citadel.types import AccountRef
from obscura.core import clock
from obscura.core.features import entitlements
from obscura.core.money import ZERO
from pools import services as pools
from pools.types import Advanced, FixedAmount, SubscriptionRef, dump
from tenants import services as tenants
from tenants.scope import current
from trading.domain.fanout import Book, Decision, Follower, Held, Lead, Terms, decide
from trading.domain.intents import BUY, SELL
from trading.domain.market import MarketFacts
from trading.domain.reasons import in_words
from trading.leads import USDM, LeadHeld
from trading.market import cache
from trading.models import Holding

DUST = "What the lead still holds of it is too small to be traded"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One position of a lead and what copying it now would come to.

    :param qty: what would be opened; 0 where it cannot be
    :param cost: USD of the follower's own money, at the worst price that may be paid
    :param price: the present price; None where none is known
    :param reason: why it cannot be copied, in words; empty when it can
    """

    held: LeadHeld
    qty: Decimal
    cost: Decimal
    price: Decimal | None
    reason: str
    dust: bool = False


class Rehearsal:
    """A follower as he stands, and what opens would make of him."""

    def __init__(self, *, pool_id: UUID, follower: Follower, holdings: Iterable[Holding] = ()) -> None:
        self.follower, self.now = follower, clock.now()
        self.held = {_place(row): row for row in holdings if row.qty or row.opening}
        self.pairs = {(row.market, row.symbol) for row in self.held.values()}
        self.money: dict[tuple[str, str], Decimal] = {}
        for row in self.held.values():
            pair = row.market, row.symbol
            self.money[pair] = self.money.get(pair, ZERO) + row.cost / row.leverage + row.pending
        self.opened = 0
        self.result = self._open_result()
        terms = pools.pool_of(pool_id=pool_id)
        plan = entitlements(tenants.tenant_by_schema(current()).entitlements)
        self.terms = Terms(
            active=terms.status == "active",
            slots=terms.slots,
            leverage=terms.leverage,
            max_slippage_bps=terms.max_slippage_bps,
            signal_ttl=timedelta(seconds=terms.signal_ttl_s),
            max_copy_usd=plan.max_copy_usd,
        )

    def open(self, held: LeadHeld) -> Rehearsed:
        """What opening a copy of it would come to, behind all that was opened before."""
        facts = market_facts(self.follower, held)
        side = BUY if held.qty > 0 else SELL
        price = None if facts.quote is None else facts.quote.ask if side == BUY else facts.quote.bid
        if _dust(held, facts, price):
            return Rehearsed(held, ZERO, ZERO, price, DUST, dust=True)
        decision = self._decided(held, side, facts)
        if decision.denials:
            one = decision.denials[0]
            return Rehearsed(held, ZERO, ZERO, price, in_words(one.reason, one.detail))
        copy = decision.copies[0]
        pair = held.market, held.symbol
        self.pairs.add(pair)
        self.money[pair] = self.money.get(pair, ZERO) + copy.reserved
        self.opened += 1
        self.follower = self.follower._replace(reserved=self.follower.reserved + copy.reserved)
        return Rehearsed(held, copy.qty, copy.reserved, price, "")

    def _decided(self, held: LeadHeld, side: str, facts: MarketFacts) -> Decision:
        pair, row, who = (held.market, held.symbol), self.held.get(held.place), self.follower
        book = Book(
            pairs=len(self.pairs),
            pair_money=self.money.get(pair, ZERO),
            in_pair=pair in self.pairs,
            recent=self.opened,
        )
        mine = {} if row is None else {who.subscription: Held(row.qty, row.opening, row.closing, row.leverage)}
        return decide(
            lead=Lead(
                exchange="binance",
                market=held.market,
                symbol=held.symbol,
                side=side,
                effect="open",
                fraction=Decimal(1),
                weight=held.weight,
                price=None,
                order_type="market",
                at=self.now,
                position_side=held.side,
                qty=abs(held.qty),
            ),
            terms=self.terms,
            followers=[who],
            held=mine,
            open_result={who.subscription: self.result},
            markets={who.environment: facts},
            now=self.now,
            books={who.subscription: book},
        )

    def _open_result(self) -> Decimal | None:
        result, marks = ZERO, dict[str, Mapping[str, Decimal]]()
        for row in self.held.values():
            if not row.qty:
                continue
            if row.market not in marks:
                marks[row.market] = _marks(self.follower, row.market)
            mark = marks[row.market].get(row.symbol)
            if mark is None:
                return None
            worth = abs(row.qty) * mark
            result += worth - row.cost if row.qty > 0 else row.cost - worth
        return result


def beginner(*, user_id: UUID, account: AccountRef, terms: FixedAmount, style: Advanced) -> Follower:
    """Somebody who does not follow yet, as he would begin."""
    return _follower(0, user_id, account, terms, style)


def standing(one: SubscriptionRef) -> Follower:
    """A subscription as it stands."""
    account = citadel.account(account_id=one.account_id, user_id=one.user_id)
    return _follower(one.id, one.user_id, account, one.terms, one.style)._replace(
        status=one.status,
        reserved=one.reserved,
        exposure=one.invested,
        realised=one.realised,
        day=clock.now().date(),
        day_realised=one.today_realised,
        peak=one.peak,
        loss_streak=one.loss_streak,
    )


def _follower(subscription: int, user_id: UUID, account: AccountRef, terms: FixedAmount, style: Advanced) -> Follower:
    said = dump(style)
    return Follower(
        subscription=subscription,
        user=str(user_id),
        account=str(account.id),
        exchange=account.exchange,
        environment=account.environment,
        account_active=account.status == "active",
        status="active",
        total_investment=terms.total_investment,
        max_loss=terms.max_loss,
        profit_target=terms.profit_target,
        daily_loss_limit=terms.daily_loss_limit,
        reserved=ZERO,
        exposure=ZERO,
        realised=ZERO,
        day=None,
        day_realised=ZERO,
        settings=orjson.dumps(said).decode() if said else None,
    )


def market_facts(follower: Follower, held: LeadHeld) -> MarketFacts:
    """Price and rules where the follower trades; nothing of them while they cannot be read."""
    try:
        return cache.facts(environment=follower.environment, exchange="binance", market=held.market, symbol=held.symbol)
    except redis.RedisError:
        return MarketFacts(None, None)  # which denies: what is not known is no reason to buy


def _marks(follower: Follower, market: str) -> Mapping[str, Decimal]:
    try:
        return cache.marks(environment=follower.environment, exchange="binance", market=market)
    except redis.RedisError:
        return {}


def _dust(held: LeadHeld, facts: MarketFacts, price: Decimal | None) -> bool:
    rules, qty = facts.rules, abs(held.qty)
    if rules is None:
        return False
    small = price is not None and held.market != USDM and qty * price < rules.min_notional
    return qty < rules.step or qty < rules.min_qty or small


def _place(row: Holding) -> tuple[UUID, str, str, str]:
    return row.trader_id, row.market, row.symbol, row.side
