"""What terms come to as a mandate, and when it is sealed and told."""

from __future__ import annotations

import os
from decimal import Decimal as D

import pytest

from citadel import services as citadel
from citadel.domain.mandate import read
from obscura.core.nudge.models import Nudge
from pools import services as pools
from pools.domain.mandates import bounds
from pools.domain.style import PLAIN, Advanced, Pair
from pools.models import Subscription
from pools.types import FixedAmount
from tests.trading.support import account, lead

TERMS = FixedAmount(D(1000), D(200))


def test_plain_terms_are_bounded_by_the_pool_as_it_stands():
    found = bounds(TERMS, PLAIN, pool_leverage=3, pool_slippage_bps=50)

    assert (found.order_usd, found.minute_usd, found.day_usd) == (D("3300.00"), D("33000.00"), D("165000.00"))
    assert (found.leverage, found.band_bps, found.max_loss_usd) == (3, 500, D("220.00"))


@pytest.mark.parametrize(
    ("style", "leverage"),
    [
        (Advanced(leverage_long=5), 5),
        (Advanced(leverage_long=2), 3),  # shorts still go by the pool's
        (Advanced(leverage_long=2, leverage_short=1), 2),
        (Advanced(leverage_long=1, leverage_short=1, pairs={"BTCUSDT": Pair(leverage_short=8)}), 8),
    ],
)
def test_the_highest_leverage_that_was_agreed_anywhere_counts(style, leverage):
    found = bounds(TERMS, style, pool_leverage=3, pool_slippage_bps=50)

    assert (found.leverage, found.order_usd) == (leverage, D(1100) * leverage)


def test_the_band_is_wider_than_any_slippage_that_was_agreed():
    style = Advanced(max_slippage_bps=100, pairs={"BTCUSDT": Pair(max_slippage_bps=900)})

    assert bounds(TERMS, style, pool_leverage=1, pool_slippage_bps=50).band_bps == 1100


def mandate_of(row: Subscription):
    row.refresh_from_db()
    return read(bytes(row.mandate), key=bytes.fromhex(os.environ["OBSCURA_MANDATE_KEY"]))


@pytest.fixture
def following(alpha, cast):
    pool, _ = lead(cast.ada())
    ben = cast.ben()
    made = pools.subscribe(
        user_id=ben.pk, pool_id=pool.pk, account_id=account(ben, label="Mine").pk, terms=TERMS, actor="ben"
    )
    return Subscription.objects.get(pk=made.id), ben


def test_following_seals_the_terms_and_has_the_vault_told(following):
    row, _ = following
    sealed = mandate_of(row)

    assert (sealed.subscription, sealed.account, sealed.opens) == (row.pk, row.account_id.bytes, True)
    assert sealed.caps.order_usd == D("1100.00") and sealed.number == row.mandate_number
    assert Nudge.objects.filter(task="pools.tell_mandate", ids={"subscription_id": row.pk}).count() == 1
    assert pools.mandates_of([row.account_id]) == {row.account_id: [bytes(row.mandate)]}


def test_other_terms_are_sealed_under_a_higher_number(following):
    row, ben = following
    first = mandate_of(row)
    pools.change_terms(subscription_id=row.pk, user_id=ben.pk, terms=FixedAmount(D(2000), D(300)), actor="ben")
    second = mandate_of(row)
    pools.withdraw_money(subscription_id=row.pk, user_id=ben.pk, amount=D(1500), actor="ben")
    third = mandate_of(row)

    assert [one.caps.order_usd for one in (first, second, third)] == [D(1100), D(2200), D(550)]
    assert first.number < second.number < third.number


def test_pausing_leaves_them_and_stopping_closes_them(following):
    row, ben = following
    pools.pause_subscription(subscription_id=row.pk, user_id=ben.pk, actor="ben")
    assert mandate_of(row).opens is True

    pools.stop_subscription(subscription_id=row.pk, user_id=ben.pk, actor="ben")
    assert mandate_of(row).opens is False


def test_a_process_without_the_key_agrees_no_terms_and_changes_nothing(following, monkeypatch):
    row, ben = following
    before = mandate_of(row)
    monkeypatch.delenv("OBSCURA_MANDATE_KEY")

    with pytest.raises(citadel.MandateKeyMissing):
        pools.change_terms(subscription_id=row.pk, user_id=ben.pk, terms=FixedAmount(D(9000), D(300)), actor="ben")
    pools.stop_subscription(subscription_id=row.pk, user_id=ben.pk, actor="ben")  # less is always possible

    monkeypatch.setenv("OBSCURA_MANDATE_KEY", "22" * 32)
    row.refresh_from_db()
    assert (row.total_investment, row.status) == (1000, "closing")
    assert mandate_of(row) == before


def test_terms_from_before_mandates_are_sealed_once(following):
    row, _ = following
    Subscription.objects.filter(pk=row.pk).update(mandate=None, mandate_number=0)

    assert (pools.seal_missing(), pools.seal_missing()) == (1, 0)
    assert mandate_of(row).caps.order_usd == D("1100.00")
