"""The record of what following a pool brought, day by day, and the door that it closes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from obscura.core import clock
from pools import services as pools
from pools.models import Record, Subscription, SubscriptionDay
from tests.pools.conftest import ACTOR, TERMS

D = Decimal


@pytest.fixture
def pool(alpha, cast, pool_of):
    return pool_of(cast.ada())


@pytest.fixture
def bens(pool, cast, account_of):
    ben = cast.ben()
    made = pools.subscribe(user_id=ben.pk, pool_id=pool.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)
    return Subscription.objects.get(pk=made.id)


def past(row: Subscription, results: list[str]) -> None:
    """Ben's last days, the newest yesterday."""
    today = clock.now().date()
    for back, result in enumerate(reversed(results), start=1):
        SubscriptionDay.objects.create(
            subscription=row,
            pool_id=row.pool_id,
            day=today - timedelta(days=back),
            investment=row.total_investment,
            result=D(result),
        )


def test_a_day_holds_closed_and_open_results_and_moves_until_it_is_over(bens):
    Subscription.objects.filter(pk=bens.pk).update(realised=D(30))

    assert pools.record_day(open_results={bens.pk: D(-10)}) == 1
    assert pools.record_day(open_results={}) == 1

    assert SubscriptionDay.objects.get().result == D(30)


def test_who_cannot_be_valued_keeps_what_was_written(bens):
    pools.record_day(open_results={bens.pk: D(5)})

    assert pools.record_day(open_results={bens.pk: None}) == 0
    assert SubscriptionDay.objects.get().result == D(5)


def test_the_copiers_own_result_is_on_the_board(bens, pool):
    past(bens, ["0"] * 30)
    Subscription.objects.filter(pk=bens.pk).update(realised=D(42))

    pools.record_day(open_results={})

    known = pools.records_of([pool.id])[pool.id]
    assert (known.month, known.deepest_fall, len(known.curve)) == (D("4.20"), D("0.00"), 32)


def test_a_risk_of_eight_closes_the_door_to_new_followers_alone(bens, pool, cast, account_of):
    past(bens, ["0"] * 10 + ["-450"])
    pools.record_day(open_results={bens.pk: D(-450)})
    cleo = cast.cleo()

    with pytest.raises(pools.PoolTooRisky) as refused:
        pools.subscribe(user_id=cleo.pk, pool_id=pool.id, account_id=account_of(cleo), terms=TERMS, actor=ACTOR)

    assert (refused.value.code, refused.value.details) == ("pool_too_risky", {"risk": 10})
    assert Subscription.objects.count() == 1
    assert pools.subscription(subscription_id=bens.pk, user_id=bens.user_id).status == "active"


def test_the_door_opens_again_when_the_risk_has_fallen(bens, pool, cast, account_of):
    Record.objects.create(pool_id=pool.id, risk=7, at=clock.now())
    cleo = cast.cleo()

    pools.subscribe(user_id=cleo.pk, pool_id=pool.id, account_id=account_of(cleo), terms=TERMS, actor=ACTOR)

    assert Subscription.objects.count() == 2
