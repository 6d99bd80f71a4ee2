"""The share of profit: above the highest result so far, once, and before money is withdrawn."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import services as billing
from billing.domain.profit_share import share_of
from billing.profit.models import ProfitShare
from pools import services as pools
from pools.models import Subscription
from tests.domain.drawn import amounts, law
from tests.pools.conftest import ACTOR, TERMS, account_of, pool_of  # noqa: F401 - fixtures

D = Decimal


def due(result: str, mark: str = "0"):
    return share_of(result=D(result), high_water=D(mark), fee_percentage=D(10), platform_percentage=D(3))


def test_a_tenth_of_the_gain_and_three_percent_of_it():
    found = due("200")

    assert (found.profit, found.creator, found.platform, found.high_water) == (D(200), D(20), D(6), D(200))


def test_what_was_charged_is_not_charged_again():
    assert due("150", mark="200") is None
    assert due("200", mark="200") is None
    assert due("260", mark="200").creator == D(6)


def test_a_loss_is_nobodys_profit():
    assert due("-50") is None


@law
@given(st.lists(amounts("-500", "500", 2), min_size=1, max_size=30))
def test_all_shares_together_are_those_of_the_highest_result(results):
    mark = charged = D(0)
    for result in results:
        found = due(str(result), mark=str(mark))
        if found is not None:
            mark, charged = found.high_water, charged + found.profit
    assert charged == max(D(0), *results)


@pytest.fixture
def row(alpha, cast, pool_of, account_of):  # noqa: F811
    ben, pool = cast.ben(), pool_of(cast.ada(), fee_percentage=D(20))
    made = pools.subscribe(user_id=ben.pk, pool_id=pool.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)
    return Subscription.objects.get(pk=made.id)


def earned(row, result: str) -> None:
    Subscription.objects.filter(pk=row.pk).update(realised=D(result))


def test_the_share_is_settled_before_money_is_withdrawn(row):
    earned(row, "100")

    pools.change_terms(
        subscription_id=row.pk, user_id=row.user_id, actor=ACTOR, terms=replace(TERMS, total_investment=D(600))
    )

    [share] = billing.shares_of(row.user_id)
    assert (share.cause, share.profit, share.creator_usd, share.platform_usd) == ("withdrawal", 100, 20, 3)


def test_adding_money_settles_nothing(row):
    earned(row, "100")

    pools.change_terms(
        subscription_id=row.pk, user_id=row.user_id, actor=ACTOR, terms=replace(TERMS, total_investment=D(2000))
    )

    assert billing.shares_of(row.user_id) == []


def test_a_month_charges_what_is_above_the_mark_and_may_run_twice(row):
    earned(row, "100")
    assert [pools.settle_month(), pools.settle_month()] == [1, 0]

    earned(row, "40")
    assert pools.settle_month() == 0

    earned(row, "130")
    assert pools.settle_month() == 1
    assert [share.creator_usd for share in billing.shares_of(row.user_id)] == [D(6), D(20)]


def test_the_end_of_the_copying_settles_too(row):
    earned(row, "50")
    pools.stop_subscription(subscription_id=row.pk, user_id=row.user_id, actor=ACTOR)

    assert pools.end_subscription(subscription_id=row.pk, actor="system")

    assert [share.cause for share in billing.shares_of(row.user_id)] == ["end"]


def test_another_user_sees_none_of_it(row, cast):
    earned(row, "100")
    pools.settle_month()

    assert billing.shares_of(cast.cleo().pk) == []
    assert ProfitShare.objects.count() == 1
