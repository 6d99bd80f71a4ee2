"""A curated pool's signal reaches every tenant that follows, as it is, once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError

from obscura.core.nudge.models import Nudge
from pools.curated.models import CuratedFollowing, CuratedPool
from tenants.scope import PUBLIC, entered
from tests.trading.support import NOON, fill, flat, holder, lead
from trading.api.signals import shapes
from trading.conductor import draws
from trading.domain import draw
from trading.models import LeadFill, LeadPosition, PoolLane, Signal
from trading.sentinel import worth
from trading.sentinel.ingest import ingest
from trading.signals import relay, tasks
from trading.signals.intake import take_signal
from trading.signals.record import LEAF_FIELDS
from trading.signals.request import parse
from trading.signals.status import signal_status

D = Decimal


@pytest.fixture
def curated(zero, cast, still):
    """Ada's curated pool of Tenant Zero; Alpha and Beta have followers."""
    pool, trader = lead(cast.ada(), kind="curated", weight="0.5")
    flat(trader)
    with entered(PUBLIC):
        published = CuratedPool.objects.create(pk=pool.pk, name=pool.name, status="published")
        for schema, followers in (("t_alpha", 3), ("t_beta", 1), ("t_zero", 2)):
            CuratedFollowing.objects.create(pool=published, tenant=schema, followers=followers)
    return pool, trader


def signals(tenant) -> list[Signal]:
    with entered(tenant):
        return list(Signal.objects.order_by("seq"))


def nudges(task: str) -> list[str]:
    return list(Nudge.objects.filter(task=task).order_by("tenant").values_list("tenant", flat=True))


def test_a_leads_trade_is_relayed_as_it_is(zero, alpha, beta, curated):
    pool, trader = curated
    ingest(account_id=trader.account_id, fills=[fill(1, done=True)])
    found = ingest(account_id=trader.account_id, fills=[fill(2, order=8, side="sell", qty="3", done=True)])
    assert nudges("trading.relay") == ["t_zero", "t_zero"]

    # The first relay was missed, as when its process died; the second is sent now.
    assert relay.send(found.relays) == 2

    own, told = signals(zero), signals(alpha)
    assert [(one.leg, one.effect, one.qty, one.fraction) for one in told] == [
        (0, "close", D(1), D(1)),
        (1, "open", D(2), D(1)),
    ]
    same = set(LEAF_FIELDS) - {"seq", "source"}
    for name in same:
        assert [getattr(one, name) for one in told] == [getattr(one, name) for one in own[1:]]
    assert {one.source for one in told} == {"relay"}
    assert len(signals(beta)) == 2
    assert nudges("trading.relay") == ["t_zero"]
    assert sorted(set(nudges("trading.plan"))) == ["t_alpha", "t_beta", "t_zero"]
    with entered(alpha):
        assert not LeadPosition.objects.exists()

    # The sweep comes back to the first.
    tasks.relay(pool_id=str(pool.pk), external_id=own[0].external_id, nudge=Nudge.objects.get(task="trading.relay").pk)
    assert [one.effect for one in signals(beta)] == ["close", "open", "open"]
    assert nudges("trading.relay") == []


def test_since_when_the_position_is_held_is_relayed_too(zero, alpha, curated):
    _, trader = curated
    relay.send(ingest(account_id=trader.account_id, fills=[fill(1, done=True)]).relays)
    later = NOON + timedelta(minutes=1)
    relay.send(ingest(account_id=trader.account_id, fills=[fill(2, order=8, at=later, done=True)]).relays)

    assert [one.position_since for one in signals(alpha)] == [None, NOON]


def test_the_order_of_tenants_is_drawn_and_home_has_a_place_in_it(zero, alpha, beta, curated):
    pool, trader = curated
    homes = set()
    for number in range(1, 13):
        Nudge.objects.all().delete()
        found = ingest(account_id=trader.account_id, fills=[fill(number, order=number, done=True)])
        assert nudges("trading.plan") == []  # the plan at home waits for its turn too

        relay.send(found.relays)

        seed = draws.seed(schema="t_zero", pool_id=pool.pk, seq=number)
        order = draw.of_tenants(seed=seed, names=["t_alpha", "t_beta", "t_zero"])
        called = Nudge.objects.filter(task="trading.plan").order_by("pk").values_list("tenant", flat=True)
        assert list(called) == order
        homes.add(order.index("t_zero"))
        for tenant in (alpha, beta):
            told = signals(tenant)[-1].metadata["relay"]
            own = draw.value_of(seed=seed, name=tenant.schema_name).hex()
            assert (told["number"], told["place"]) == (number, order.index(tenant.schema_name) + 1)
            assert told["drawn"] == sorted(told["drawn"])
            assert told["drawn"].index(own) + 1 == told["place"]
            assert not any(name in str(told) for name in order)
    assert len(homes) > 1


def test_what_is_wrong_elsewhere_does_not_keep_home_from_its_plan(zero, alpha, beta, curated, monkeypatch):
    _, trader = curated
    found = ingest(account_id=trader.account_id, fills=[fill(1, done=True)])

    def broken(**_):
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(relay, "record", broken)
    with pytest.raises(KeyError):
        relay.send(found.relays)

    assert nudges("trading.plan") == ["t_zero"]


def test_relayed_twice_is_there_once(zero, alpha, beta, curated):
    _, trader = curated
    found = ingest(account_id=trader.account_id, fills=[fill(1, done=True)])

    assert relay.send(found.relays) == 2
    assert relay.send(found.relays) == 0

    assert len(signals(alpha)) == len(signals(beta)) == 1
    with entered(alpha):
        assert PoolLane.objects.get().last_seq == 1


def test_a_pool_that_nobody_follows_elsewhere_is_not_relayed(zero, curated):
    _, trader = curated
    with entered(PUBLIC):
        CuratedFollowing.objects.exclude(tenant="t_zero").delete()

    assert ingest(account_id=trader.account_id, fills=[fill(1, done=True)]).relays == ()
    assert nudges("trading.relay") == []


def test_a_partners_own_pool_is_relayed_nowhere(zero, alpha, beta, cast, still):
    with entered(alpha):
        _, trader = lead(cast.ada())
        flat(trader)
        found = ingest(account_id=trader.account_id, fills=[fill(1, done=True)])

    assert (found.signals, found.relays) == (1, ())
    assert signals(beta) == []


def test_one_tenant_that_fails_does_not_keep_it_from_the_others(zero, alpha, beta, curated, monkeypatch):
    _, trader = curated
    found = ingest(account_id=trader.account_id, fills=[fill(1, done=True)])
    honest = relay.record

    def record(**given):
        from django.db import connection

        if connection.schema_name == "t_alpha":
            raise DatabaseError("the disk is full")
        return honest(**given)

    monkeypatch.setattr(relay, "record", record)
    assert relay.send(found.relays) == 0
    assert (len(signals(alpha)), len(signals(beta))) == (0, 1)
    assert nudges("trading.relay") == ["t_zero"]

    monkeypatch.undo()
    assert relay.send(found.relays) == 1
    assert (len(signals(alpha)), len(signals(beta))) == (1, 1)
    assert nudges("trading.relay") == []


def test_a_curators_signal_is_relayed_too(zero, alpha, beta, curated, redis_db):
    pool, _ = curated
    request = parse({"symbol": "BTCUSDT", "side": "buy", "quantity": "1", "priority": "critical"})

    taken = take_signal(pool_id=pool.pk, request=request, key=holder(zero))

    promise = Nudge.objects.get(task="trading.relay")
    assert promise.queue == "critical"
    tasks.relay(**promise.ids, nudge=promise.pk)
    assert [one.pk for one in signals(alpha)] == [taken.signal_id]
    with entered(alpha):
        assert set(Nudge.objects.filter(task="trading.plan").values_list("tenant", "queue")) >= {
            ("t_alpha", "critical"),
            ("t_beta", "critical"),
        }


def test_what_the_lead_has_and_its_exits_go_with_the_signal_and_nothing_else_does(zero, alpha, beta, curated, redis_db):
    pool, trader = curated
    where = {"schema": "t_zero", "account_id": trader.account_id}
    worth.remember(**where, market="usdm", markets=("usdm",), equity=D("10000.5"), at=NOON)
    worth.remember_leverages(**where, levels={"BTCUSDT": 20}, at=NOON)
    ingest(account_id=trader.account_id, fills=[fill(1, done=True)])
    fields = {"symbol": "BTCUSDT", "side": "buy", "quantity": "1", "platform": "futures", "leverage": 3}
    request = parse(fields | {"stop_loss_pct": "1.5", "take_profit_pct": "4"})
    take_signal(pool_id=pool.pk, request=request, key=holder(zero))

    for promise in Nudge.objects.filter(task="trading.relay"):
        tasks.relay(**promise.ids, nudge=promise.pk)

    facts = ("lead_equity", "lead_leverage", "stop_loss_pct", "take_profit_pct")
    for tenant in (zero, alpha, beta):
        assert [tuple(getattr(one, name) for name in facts) for one in signals(tenant)] == [
            (D("10000.5"), 20, None, None),
            (None, 3, D("1.5"), D("4")),
        ]
    # Of the lead's account a tenant has no more than that row: no key in Redis and no table is its own.
    for tenant in (alpha, beta):
        with entered(tenant):
            assert LeadFill.objects.count() == 0
        assert redis_db.keys(f"obscura:*{tenant.schema_name}*") == []


def test_what_the_lead_has_is_in_the_signals_row_alone(zero, alpha, curated, redis_db):
    pool, trader = curated
    where = {"schema": "t_zero", "account_id": trader.account_id}
    worth.remember(**where, market="usdm", markets=("usdm",), equity=D("98765.4321"), at=NOON)
    found = ingest(account_id=trader.account_id, fills=[fill(1, done=True)])
    relay.send(found.relays)

    [told] = signals(alpha)
    with entered(alpha):
        shown = shapes.status(signal_status(pool_id=pool.pk, signal_id=told.pk))
    assert told.lead_equity == D("98765.4321")
    assert "98765" not in str(shown)
