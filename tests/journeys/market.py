"""What happens while a browser looks on: the lead trades, and the engine writes and tells what becomes of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from obscura.core import clock
from pools.models import Subscription
from tenants.models import Tenant
from tests.web.stage import Stage
from trading.conductor.plan import PATIENCE, plan
from trading.domain.intents import Intent
from trading.domain.order_state import Status
from trading.execution import execute, results
from trading.execution.results import Told
from trading.models import Holding, LeadPosition, Order, Signal
from trading.signals.record import Source, record
from trading.venues.binance import Report, Trade


class Market(Stage):
    """The stage, with Ada trading."""

    def __init__(self, cast: Any) -> None:
        super().__init__(cast)
        self.cleo = cast.cleo()
        self.spare = self.paper_account(self.cleo, label="Cleo on paper")
        self.root = Path(__file__).resolve().parents[2]
        self.tenant = Tenant.objects.get(schema_name="t_alpha")

    def lead_buys(self, *, price: str = "60000", ago: timedelta = timedelta(0)) -> Signal:
        """Ada buys half a bitcoin."""
        at = clock.now() - ago
        half = Decimal("0.5")
        known = (Intent(leg=0, effect="open", side="buy", qty=half, fraction=Decimal(1), position_after=half),)
        source = Source(
            external_id=uuid4().hex,
            source="lead",
            trader_id=self.ada.pk,
            market="spot",
            symbol="BTCUSDT",
            side="buy",
            qty=half,
            price=Decimal(price),
            lead_at=at,
            received_at=at,
            known=known,
        )
        return record(pool_id=self.pool.pk, sources=[source])[0].signals[0]

    def holds(self, symbol: str, qty: str) -> None:
        """What Ada holds on spot, as her signals add up."""
        LeadPosition.objects.create(
            pool_id=self.pool.pk, trader_id=self.ada.pk, market="spot", symbol=symbol, qty=Decimal(qty),
            updated_at=clock.now(),
        )  # fmt: skip

    def sent(self, *, of: Subscription | None = None) -> Order:
        """Ada buys, and a follower's copy is on its way."""
        signal, subscription = self.lead_buys(), of or self.subscription
        Signal.objects.filter(pk=signal.pk).update(state="planned")
        if not Holding.objects.filter(subscription_id=subscription.pk).exists():
            self.holding("0", "0", of=subscription)
        return self.order(of=subscription, status=Status.SENDING, signal_id=signal.pk, at=signal.lead_at)

    def copied(self, *, of: Subscription | None = None, price: str = "60006") -> Order:
        """Ada buys, and a follower's copy of $60.01 is filled."""
        order = self.sent(of=of)
        self.report(order, Status.FILLED, price=price)
        return order

    def report(self, order: Order, status: Status, *, price: str | None = None) -> None:
        """The venue says what became of an order; the engine writes it down and tells it."""
        filled, average = (Decimal("0.001"), Decimal(price)) if price else (Decimal(0), None)
        at = clock.now()
        trades = [Trade(uuid4().hex, filled, average, Decimal(0), "", at)] if average else []
        worth = filled * (average or 0)
        told = Told(order.pk, None, Report(status, "1", filled, average, worth, "", "", at, trades))
        signal = execute.load_signal(schema="t_alpha", signal_id=order.signal_id)
        assert signal is not None
        results.write(schema="t_alpha", signal=signal, told=[told])

    def denied(self) -> None:
        """Ada bought, and nothing is known of the market for as long as a plan waits: every follower is denied."""
        self.lead_buys(ago=PATIENCE)
        plan(tenant=self.tenant, pool_id=self.pool.pk)
