"""Whatever the lead trades, wherever prices go and whoever dies: what is open never exceeds a follower's budget."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pools.models import Subscription
from trading.conductor import plan as planner
from trading.domain.order_state import IN_FLIGHT, TERMINAL
from trading.execution import limits, reconcile
from trading.models import Denial, Holding, Order, Signal

D = Decimal
INVESTED = D(400)
LEAST_PRICE, MOST_PRICE = D(40_000), D(80_000)


class Died(BaseException):
    """A process that was killed: nothing of ours catches it."""


@pytest.fixture(autouse=True)
def short_times(settings, monkeypatch):
    monkeypatch.setattr(limits, "LONGEST_S", 1)
    monkeypatch.setattr(reconcile, "ASK_AGAIN_MS", 50)
    monkeypatch.setattr(reconcile, "MARGIN_MS", 20)
    settings.COPY_RECV_WINDOW_MS = 200
    settings.COPY_HTTP_TIMEOUT_MS = 150
    settings.COPY_LEASE_MS = 250


class Story:
    """One follower of a pool, and what happens to both."""

    def __init__(self, stand: Any, monkeypatch: Any, number: int) -> None:
        Subscription.objects.exclude(status="ended").update(status="ended")
        self.stand, self.monkeypatch = stand, monkeypatch
        # Two slots: a few opens are enough to be turned away for want of room.
        stand.pool.slots = 2
        stand.pool.save(update_fields=["slots"])
        self.ben = stand.follower(f"ben{number}", invest=str(INVESTED), lose=str(INVESTED))
        self.signals: list[Signal] = []
        self.price = D(60_000)
        self.moves(self.price)

    def moves(self, price: Decimal) -> None:
        self.price = price
        self.stand.venue.price("BTCUSDT", str(price))
        self.stand.price("BTCUSDT", str(price))

    def opens(self, count: int) -> None:
        """So many signals at once, before anybody plans one."""
        self.signals += [self.stand.signal("buy", price=str(self.price)) for _ in range(count)]

    def closes(self, fraction: str) -> None:
        price = str(self.price)
        self.signals.append(self.stand.signal("sell", effect="close", fraction=fraction, price=price))

    def plans(self, dies: str) -> None:
        """Plan what waits, by a process that dies at the worst moment, if it dies."""
        with self.monkeypatch.context() as patch:
            if dies == "before it sends":
                patch.setattr(planner, "place", self._die)
            elif dies == "unheard":
                self.stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
            try:
                self.stand.plan()
            except Died:
                pass

    def _die(self, **_: object) -> None:
        raise Died

    def holds(self) -> None:
        """The law, by the subscription's figures and by those of what is held."""
        self.ben.refresh_from_db()
        assert self.ben.exposure + self.ben.reserved <= INVESTED
        for held in Holding.objects.filter(subscription_id=self.ben.pk):
            assert held.cost <= INVESTED

    def orders(self) -> list[Order]:
        return list(Order.objects.filter(subscription_id=self.ben.pk))

    def ends(self) -> None:
        """Everybody comes back, and all that is open is settled."""
        self.plans("")
        for _ in range(200):
            reconcile.sweep(schema=self.stand.tenant.schema_name)
            self.holds()
            if not any(order.status in IN_FLIGHT for order in self.orders()):
                break
            threading.Event().wait(0.05)
        assert {order.status for order in self.orders()} <= TERMINAL
        for signal in self.signals:
            outcomes = [*Order.objects.filter(signal_id=signal.pk, subscription_id=self.ben.pk)]
            outcomes += [*Denial.objects.filter(signal_id=signal.pk, subscription_id=self.ben.pk)]
            assert len(outcomes) == 1
        assert set(self.stand.executed(self.ben).values()) <= {1}
        key = self.stand.keys[self.ben.pk]
        _, _, account = self.stand.venue.call("GET", "/api/v3/account", key)
        bitcoin = sum(D(one["free"]) + D(one["locked"]) for one in account["balances"] if one["asset"] == "BTC")
        assert bitcoin * LEAST_PRICE <= INVESTED  # bought at no less than that


numbers = iter(range(1_000_000))
deaths = st.sampled_from(["", "", "before it sends", "unheard"])
acts = st.one_of(
    st.tuples(st.just("opens"), st.integers(1, 3)),
    st.tuples(st.just("closes"), st.sampled_from(["0.5", "1"])),
    st.tuples(st.just("moves"), st.decimals(LEAST_PRICE, MOST_PRICE, places=2)),
    st.tuples(st.just("plans"), deaths),
)


@settings(
    max_examples=8, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(story=st.lists(acts, min_size=3, max_size=8))
def test_no_story_of_trades_prices_and_deaths_exceeds_a_budget(stand, monkeypatch, story):
    told = Story(stand, monkeypatch, next(numbers))
    for act, what in story:
        getattr(told, act)(what)
        told.holds()
    told.ends()
