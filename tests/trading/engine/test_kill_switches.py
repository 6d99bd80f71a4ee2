"""Kill switches: of a follower, a pool, a tenant and the platform. They deny opens, and close where asked to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from obscura.core import clock
from obscura.core.audit.models import Entry
from obscura.core.nudge.models import Nudge
from pools import services as pools
from pools.models import Pool, Subscription
from tenants import directory
from tenants import services as tenants
from tenants.models import Tenant
from tenants.scope import PUBLIC, entered
from trading import tasks
from trading.domain.order_state import Status
from trading.execution.execute import execute
from trading.guard import together
from trading.guard.memory import Memory
from trading.guard.round import look
from trading.models import Holding, LeadPosition, Notice, Order, Signal


class Switch:
    """One kill switch of the four, on and off."""

    def __init__(self, stand, level: str) -> None:
        self.stand, self.level = stand, level

    def on(self, *, close: bool) -> None:
        who = {"actor": "stella", "close": close}
        if self.level == "pool":
            pools.halt_pool(pool_id=self.stand.pool.pk, **who)
        elif self.level == "tenant":
            tenants.halt_tenant(tenant_id=self.stand.tenant.pk, **who)
        else:
            tenants.halt_platform(**who)

    def off(self) -> None:
        if self.level == "pool":
            pools.release_pool(pool_id=self.stand.pool.pk, actor="stella")
        elif self.level == "tenant":
            tenants.release_tenant(tenant_id=self.stand.tenant.pk, actor="stella")
        else:
            tenants.release_platform(actor="stella")

    def audited(self) -> list[str]:
        """What was written down about it."""
        with entered("t_alpha" if self.level == "pool" else PUBLIC):
            actions = Entry.objects.filter(action__endswith="ed").order_by("id").values_list("action", flat=True)
            return [one.rpartition(".")[2] for one in actions if one.endswith((".halted", ".released"))]


@pytest.fixture(autouse=True)
def released(stand):
    """The directory outlives a test, and so would its switches."""
    yield
    Tenant.objects.update(halt="", platform_halt="")
    directory.forget()


@pytest.fixture(params=["pool", "tenant", "platform"])
def switch(stand, request) -> Switch:
    return Switch(stand, request.param)


def holding(stand, name: str = "ben") -> Subscription:
    follower = stand.follower(name)
    stand.signal("buy")
    stand.plan()
    return follower


def promised() -> list[tuple[str, str, str]]:
    rows = Nudge.objects.filter(task__startswith="trading.close").order_by("id")
    return list(rows.values_list("tenant", "task", "queue"))


def test_a_switch_denies_opens_lets_closes_through_and_is_released_by_hand(stand, switch):
    ben = holding(stand)

    switch.on(close=False)
    halted = stand.signal("buy")
    closed = stand.signal("sell", effect="close")
    stand.plan()
    switch.off()
    after = stand.signal("buy")
    stand.plan()

    assert stand.denial(ben, halted).reason == "halted"
    assert stand.order(ben, closed).status == Status.FILLED
    assert stand.order(ben, after).status == Status.FILLED
    assert switch.audited() == ["halted", "released"]
    assert promised() == []


def test_a_switch_that_closes_does_it_through_the_urgent_worker_and_the_guard_finds_nothing_left(stand, switch):
    ben, cleo = holding(stand), stand.follower("cleo")

    switch.on(close=True)
    switch.on(close=True)
    assert ("t_alpha", "trading.close_halted", "critical") in promised()
    assert len(promised()) == {"pool": 1, "tenant": 1, "platform": 3}[switch.level]
    tasks.close_halted()
    tasks.close_halted()
    stand.plan()
    stand.tenant.refresh_from_db()
    counts = look(tenant=stand.tenant, memory=Memory(), now=clock.now())

    assert (stand.holding(ben).qty, counts.closes) == (0, 0)
    assert [order.status for order in Order.objects.filter(effect="close")] == [Status.FILLED]
    assert stand.executed(cleo) == {}
    ben.refresh_from_db()
    assert ben.status == "active"  # it goes on when the switch is released


def test_the_guard_closes_what_the_urgent_worker_never_heard_of(stand, switch):
    ben = holding(stand)
    switch.on(close=True)

    stand.tenant.refresh_from_db()
    counts = look(tenant=stand.tenant, memory=Memory(), now=clock.now())
    stand.plan()

    assert (counts.closes, stand.holding(ben).qty) == (1, 0)


def test_the_origins_switch_of_a_curated_pool_works_as_the_tenants_own(stand):
    ben = holding(stand)
    Pool.objects.update(origin_halt="close")

    halted = stand.signal("buy")
    stand.plan()
    assert stand.denial(ben, halted).reason == "halted"
    counts = look(tenant=stand.tenant, memory=Memory(), now=clock.now())
    stand.plan()

    assert (counts.closes, stand.holding(ben).qty) == (1, 0)


def test_an_open_that_is_planned_and_not_sent_is_not_sent_any_more(stand, switch):
    ben = stand.follower("ben")
    signal = stand.signal("buy")
    stand.plan()
    Order.objects.filter(signal_id=signal.pk).update(status=Status.PLANNED, filled=0)

    switch.on(close=False)
    execute(schema="t_alpha", signal_id=signal.pk, first=0, last=2**40)

    order = stand.order(ben, signal)
    assert (order.status, order.error) == (Status.MISSED, "Copying was stopped by the kill switch")


def test_the_platforms_release_leaves_a_tenant_halted_that_is_so_itself(stand):
    ben = holding(stand)
    tenants.halt_tenant(tenant_id=stand.tenant.pk, actor="stella")
    assert tenants.halt_platform(actor="stella") == 3
    tenants.release_platform(actor="stella")

    denied = stand.signal("buy")
    stand.plan()

    assert stand.denial(ben, denied).reason == "halted"
    with entered(PUBLIC):
        assert list(Tenant.objects.exclude(platform_halt="")) == []


def test_a_follower_stops_everything_and_nobody_elses(stand):
    ben, cleo = stand.follower("ben"), stand.follower("cleo")
    stand.signal("buy")
    stand.plan()

    assert pools.halt_user(user_id=ben.user_id, actor="ben") == 1
    assert pools.halt_user(user_id=ben.user_id, actor="ben") == 0
    assert promised() == [("t_alpha", "trading.close_user", "critical")] * 2
    tasks.close_user(user_id=str(ben.user_id))
    tasks.close_user(user_id=str(ben.user_id))
    denied = stand.signal("buy")
    stand.plan()

    ben.refresh_from_db()
    assert (ben.status, ben.reason, stand.holding(ben).qty) == ("paused", "You stopped everything.", 0)
    assert stand.denial(ben, denied).reason == "subscription_paused"
    assert stand.order(cleo, denied).status == Status.FILLED
    assert sorted(stand.executed(ben).values()) == [1, 1]
    assert pools.release_user(user_id=ben.user_id, actor="ben") == 1
    ben.refresh_from_db()
    assert (ben.status, ben.reason, ben.stopped_by) == ("active", "", "")


def test_stop_everything_is_kept_by_the_guard_and_leaves_what_its_owner_had_paused(stand):
    ben = holding(stand)
    other = stand.follower("ben", status="paused")

    pools.halt_user(user_id=ben.user_id, actor="ben")
    counts = look(tenant=stand.tenant, memory=Memory(), now=clock.now())
    stand.plan()
    pools.release_user(user_id=ben.user_id, actor="ben")

    ben.refresh_from_db()
    other.refresh_from_db()
    assert (counts.closes, stand.holding(ben).qty) == (1, 0)
    assert (ben.status, other.status) == ("active", "paused")


def test_a_daily_loss_that_would_end_tomorrow_is_stopped_as_well(stand):
    ben = stand.follower("ben")
    Subscription.objects.filter(pk=ben.pk).update(
        status="paused", stopped_by="daily_loss", stopped_at=clock.now() - timedelta(days=1)
    )

    pools.halt_user(user_id=ben.user_id, actor="ben")
    counts = look(tenant=stand.tenant, memory=Memory(), now=clock.now())

    ben.refresh_from_db()
    assert (counts.resumed, ben.status, ben.stopped_by) == (0, "paused", "halt_close")


def test_what_many_hold_is_closed_by_one_signal(stand, monkeypatch):
    monkeypatch.setattr(together, "MANY", 3)
    people = [stand.follower(f"f{n}", invest="4000", lose="4000") for n in range(4)]
    stand.signal("buy")
    stand.plan()
    stand.signal("buy", market="usdm", only_for=people[0].pk)
    stand.plan()
    assert Holding.objects.filter(qty__gt=0).count() == 5

    pools.halt_pool(pool_id=stand.pool.pk, actor="stella", close=True)
    for _ in range(3):  # the nudge, and the guard's looks
        stand.tenant.refresh_from_db()
        tasks.guard_round.close_halted(tenant=stand.tenant, now=clock.now())
    stand.plan()

    closes = Order.objects.filter(effect="close")
    assert {order.status for order in closes} == {Status.FILLED}
    assert (closes.filter(market="spot").count(), closes.filter(market="usdm").count()) == (4, 1)
    assert closes.filter(market="spot").values("signal_id").distinct().count() == 1
    assert not Holding.objects.exclude(qty=0).exists()
    told = Notice.objects.filter(code="halt").values_list("subscription_id", flat=True)
    assert sorted(set(told)) == sorted(one.pk for one in people)
    for one in people:
        assert all(count == 1 for count in stand.executed(one).values())


def test_what_the_lead_holds_stays_as_it_is_when_all_is_closed_together(stand, monkeypatch):
    monkeypatch.setattr(together, "MANY", 2)
    people = [stand.follower(f"f{n}") for n in range(2)]
    stand.trade("buy", "0.5", market="spot")
    before = LeadPosition.objects.get().qty
    Holding.objects.filter(subscription_id=people[0].pk).update(carry_open="0.00001")

    pools.halt_pool(pool_id=stand.pool.pk, actor="stella", close=True)
    tasks.guard_round.close_halted(tenant=stand.tenant, now=clock.now())
    stand.plan()

    assert [stand.holding(one).qty for one in people] == [0, 0]
    assert LeadPosition.objects.get().qty == before
    assert stand.holding(people[0]).carry_open > 0  # the lead has not closed what was never bought


def test_one_that_left_something_open_is_begun_again_after_a_pause(stand, monkeypatch):
    monkeypatch.setattr(together, "MANY", 2)
    people = [stand.follower(f"f{n}") for n in range(2)]
    stand.signal("buy")
    stand.plan()
    pools.halt_pool(pool_id=stand.pool.pk, actor="stella", close=True)
    shut = lambda after=0: tasks.guard_round.close_halted(  # noqa: E731
        tenant=stand.tenant, now=clock.now() + timedelta(seconds=after)
    )

    assert shut() == 2
    Signal.objects.filter(external_id__startswith="halt:").update(state="done")  # as if nobody could be closed
    assert shut(5) == 0
    assert shut(16) == 2

    assert Signal.objects.filter(external_id__startswith="halt:").count() == 2
    stand.plan()
    assert [stand.holding(one).qty for one in people] == [0, 0]
