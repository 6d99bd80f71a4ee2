"""What a follower asks for: once, whole or not at all, and nobody waits for another in a circle."""

from __future__ import annotations

from decimal import Decimal

import pytest

from obscura.core import clock
from obscura.core.nudge.models import Nudge
from pools import services as pools
from pools.curated.models import CuratedPool
from pools.models import Pool, Subscription
from tenants.scope import PUBLIC, entered
from tests.pools.test_races import at_once
from tests.trading.support import account, follow, lead
from trading import following
from trading import services as trading
from trading.leads import held_by_leads
from trading.models import AccountPosition, Holding, LeadPosition, Signal

ACTOR = "test"
D = Decimal


def position(pool, trader, symbol: str, qty: str, **fields) -> LeadPosition:
    wanted = {"market": "spot", "qty": D(qty), "updated_at": clock.now()} | fields
    return LeadPosition.objects.create(pool_id=pool.pk, trader_id=trader.pk, symbol=symbol, **wanted)


def holding(subscription, trader, symbol: str, qty: str, **fields) -> Holding:
    wanted = {"market": "spot", "qty": D(qty), "cost": D(60), "updated_at": clock.now()} | fields
    return Holding.objects.create(subscription_id=subscription.pk, trader_id=trader.pk, symbol=symbol, **wanted)


def asks(subscription) -> dict[str, object]:
    return {"subscription_id": subscription.pk, "user_id": subscription.user_id, "actor": ACTOR}


# What leads hold


def test_a_watched_leads_futures_are_those_of_its_account_and_its_spot_those_of_the_pool(alpha, cast):
    pool, ada = lead(cast.ada())
    position(pool, ada, "BTCUSDT", "0.5")
    position(pool, ada, "BTCUSDT", "9", market="usdm")
    position(pool, ada, "SOLUSDT", "3", test=True)
    for symbol, qty in (("", "0"), ("ETHUSDT", "-2"), ("DOGEUSDT", "0")):
        AccountPosition.objects.create(
            account_id=ada.account_id, market="usdm", symbol=symbol, side="BOTH", qty=D(qty), counted_until=clock.now()
        )

    found = [(held.market, held.symbol, held.qty, held.name) for held in held_by_leads(pool.pk)]

    assert found == [("spot", "BTCUSDT", D("0.5"), "Tide"), ("usdm", "ETHUSDT", D(-2), "Tide")]


def test_what_the_leads_of_a_curated_pool_hold_is_known_at_tenant_zero(zero, alpha, cast):
    pool, ada = lead(cast.ada(), kind="curated", weight="0.5")
    position(pool, ada, "BTCUSDT", "0.5")
    with entered(PUBLIC):
        CuratedPool.objects.create(pk=pool.pk, name=pool.name, status="published")
    shown = [{"id": str(ada.pk), "name": "Ada", "weight": "0.5", "environment": "paper"}]
    with entered(alpha):
        Pool.objects.create(
            pk=pool.pk, kind="curated", name=pool.name, status="active", remote=True, shown_traders=shown,
            created_at=clock.now(),
        )  # fmt: skip

        [held] = held_by_leads(pool.pk)

        assert (held.symbol, held.qty, held.weight, held.name) == ("BTCUSDT", D("0.5"), D("0.5"), "Ada")
        assert not LeadPosition.objects.exists()


# Whole or not at all


def test_a_process_that_dies_between_the_two_leaves_neither(alpha, cast, monkeypatch):
    pool, ada = lead(cast.ada())
    ben = cast.ben()
    position(pool, ada, "BTCUSDT", "0.5")

    def dies(**_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "copy_open", dies)
    with pytest.raises(KeyboardInterrupt):
        trading.follow(
            user_id=ben.pk, pool_id=pool.pk, account_id=account(ben).pk, actor=ACTOR, open_now=True,
            terms=pools.FixedAmount(D(1000), D(200)),
        )  # fmt: skip

    assert (Subscription.objects.count(), Signal.objects.count(), Nudge.objects.count()) == (0, 0, 0)


def test_a_stop_whose_closes_were_not_recorded_is_no_stop(alpha, cast, monkeypatch):
    pool, ada = lead(cast.ada())
    ben = follow(pool, cast.ben())
    holding(ben, ada, "BTCUSDT", "0.01")

    def dies(**_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "close_copies", dies)
    with pytest.raises(KeyboardInterrupt):
        trading.unfollow(**asks(ben), close="now")

    ben.refresh_from_db()
    assert (ben.status, Signal.objects.count()) == ("active", 0)


def test_what_was_recorded_is_planned_by_whoever_comes_next(alpha, cast):
    pool, ada = lead(cast.ada())
    ben = follow(pool, cast.ben())
    holding(ben, ada, "BTCUSDT", "0.01")

    trading.unfollow(**asks(ben), close="now")

    promised = Nudge.objects.get(task="trading.plan")
    assert (promised.tenant, promised.ids) == ("t_alpha", {"pool_id": str(pool.pk), "urgency": 10})


# Once


def test_a_short_is_closed_by_buying_and_what_is_being_bought_behind_it(alpha, cast):
    pool, ada = lead(cast.ada())
    ben = follow(pool, cast.ben())
    holding(ben, ada, "ETHUSDT", "-2", market="usdm")
    holding(ben, ada, "BTCUSDT", "0", opening=1)
    holding(ben, ada, "SOLUSDT", "3", closing=1)

    assert trading.close_copies(**asks(ben)) == 2

    found = Signal.objects.order_by("symbol").values_list("symbol", "side", "effect", "fraction", "only_for")
    assert list(found) == [("BTCUSDT", "sell", "close", 1, ben.pk), ("ETHUSDT", "buy", "close", 1, ben.pk)]


def test_what_the_lead_has_left_already_is_not_marked(alpha, cast):
    pool, ada = lead(cast.ada())
    ben = follow(pool, cast.ben())
    holding(ben, ada, "BTCUSDT", "0.01")
    holding(ben, ada, "ETHUSDT", "0.2")
    position(pool, ada, "BTCUSDT", "0.5")

    trading.close_copies(**asks(ben))

    assert dict(Holding.objects.values_list("symbol", "closed_by_owner")) == {"BTCUSDT": True, "ETHUSDT": False}


def test_many_windows_at_once_begin_each_thing_once(committed, alpha, cast):
    pool, ada = lead(cast.ada())
    ben = follow(pool, cast.ben())
    holding(ben, ada, "BTCUSDT", "0.01")
    holding(ben, ada, "ETHUSDT", "0.2")
    position(pool, ada, "ETHUSDT", "5")

    acts = [
        lambda: trading.close_copies(**asks(ben), symbol="BTCUSDT"),
        lambda: trading.resync(**asks(ben)),
        lambda: trading.close_copies(**asks(ben), symbol="BTCUSDT"),
        lambda: trading.unfollow(**asks(ben), close="now"),
        lambda: trading.resync(**asks(ben)),
        lambda: trading.unfollow(**asks(ben), close="now"),
    ]

    assert at_once(acts) == [""] * 6
    closes = Signal.objects.filter(only_for=ben.pk, effect="close").order_by("symbol")
    assert [one.symbol for one in closes] == ["BTCUSDT", "ETHUSDT"]
    ben.refresh_from_db()
    assert ben.status == "closing"
