"""A pool, its follower, and what became of its lead's trades, written to the tables as the engine writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

from citadel.models import ExchangeAccount
from obscura.core import clock
from pools.models import Pool, PoolTrader, Subscription, Trader
from trading.domain.order_state import Status
from trading.models import Denial, Holding, Order, RestingStop

_signals = count(1)
LEAF = bytes(32)


class Stage:
    """Ada leads Northern Momentum; Ben copies it on his paper account."""

    def __init__(self, cast: Any) -> None:
        self.cast = cast
        self.ben = cast.ben()
        self.ada = self.trader("Ada")
        self.pool = self.open_pool("Northern Momentum", self.ada)
        self.account = self.paper_account(self.ben)
        self.subscription = self.follow(self.ben, self.account)

    def trader(self, name: str) -> Trader:
        return Trader.objects.create(name=name, reference_capital_usd=Decimal(10_000), created_at=clock.now())

    def open_pool(self, name: str, *leads: Trader, kind: str = "partner", **fields: Any) -> Pool:
        pool = Pool.objects.create(kind=kind, name=name, created_at=clock.now(), **({"status": "active"} | fields))
        for lead in leads:
            PoolTrader.objects.create(pool=pool, trader=lead)
        return pool

    def paper_account(self, owner: Any, label: str = "Paper one", **fields: Any) -> ExchangeAccount:
        wanted = {"environment": "paper", "status": "active", "hint": "x7Qa", "checked_at": clock.now()} | fields
        return ExchangeAccount.objects.create(owner=owner, label=label, created_at=clock.now(), **wanted)

    def follow(self, user: Any, account: ExchangeAccount, pool: Pool | None = None, **fields: Any) -> Subscription:
        wanted = {"total_investment": Decimal(1_000), "max_loss": Decimal(200)} | fields
        return Subscription.objects.create(
            pool=pool or self.pool, user=user, account=account, created_at=clock.now(), **wanted
        )

    def order(
        self,
        *,
        of: Subscription | None = None,
        status: Status = Status.FILLED,
        at: datetime | None = None,
        filled: str = "0.001",
        **fields: Any,
    ) -> Order:
        """A copy: 0.001 BTC for $60, the lead at 60,000, Ben at 60,006 and 40 ms later."""
        subscription, at = of or self.subscription, at or clock.now()
        done = status in (Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED, Status.MISSED)
        filled = filled if status in (Status.FILLED, Status.PARTIAL) else "0"
        values = {
            **self._shared(subscription),
            "account_id": subscription.account_id,
            "trader_id": self.ada.pk,
            "client_id": uuid4().hex,
            "exchange": "binance",
            "environment": "paper",
            "type": "market",
            "qty": Decimal("0.001"),
            "filled": Decimal(filled),
            "average": Decimal(60_006) if Decimal(filled) else None,
            "status": status,
            "lead_at": at,
            "created_at": at,
            "accepted_at": at + timedelta(milliseconds=40) if Decimal(filled) else None,
            "done_at": at + timedelta(milliseconds=50) if done else None,
            "leaf": LEAF,
        }
        return Order.objects.create(**(values | fields))

    def denial(
        self, reason: str = "daily_loss", *, of: Subscription | None = None, at: datetime | None = None, **fields: Any
    ) -> Denial:
        """A trade that was not copied."""
        at = at or clock.now()
        values = {**self._shared(of or self.subscription), "reason": reason, "lead_at": at, "at": at, "leaf": LEAF}
        return Denial.objects.create(**(values | fields))

    def holding(
        self,
        qty: str,
        cost: str,
        *,
        of: Subscription | None = None,
        symbol: str = "BTCUSDT",
        market: str = "spot",
    ) -> Holding:
        return Holding.objects.create(
            subscription_id=(of or self.subscription).pk,
            trader_id=self.ada.pk,
            market=market,
            symbol=symbol,
            qty=Decimal(qty),
            cost=Decimal(cost),
            updated_at=clock.now(),
        )

    def resting_stop(self, kind: str, price: str, *, state: int, at: datetime) -> RestingStop:
        """A stop of Ben's bitcoin futures at the exchange; from state 5 on it is over."""
        one = self.subscription
        return RestingStop.objects.create(
            holding_id=1, subscription_id=one.pk, pool_id=one.pool_id, trader_id=self.ada.pk, user_id=one.user_id,
            account_id=one.account_id, exchange="binance", environment="paper", market="usdm", symbol="BTCUSDT",
            side="BOTH", order_side="sell", kind=kind, cause="stop_loss", qty=Decimal("0.002"),
            trigger_price=Decimal(price), external_id=f"stop:{price}", client_id="a" * 32, state=state, created_at=at,
            sent_at=at, due_at=at, ended_at=at if state >= 5 else None,
        )  # fmt: skip

    def _shared(self, subscription: Subscription) -> dict[str, Any]:
        return {
            "signal_id": next(_signals),
            "subscription_id": subscription.pk,
            "pool_id": subscription.pool_id,
            "user_id": subscription.user_id,
            "symbol": "BTCUSDT",
            "market": "spot",
            "side": "buy",
            "effect": "open",
            "lead_price": Decimal(60_000),
        }
