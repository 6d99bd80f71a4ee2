"""What the vault does not sign is missed with its reason; closes pass; terms that changed are given to it at once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pools.models import Subscription
from trading.domain.order_state import Status
from trading.models import Holding, Order
from trading.venues.binance import VAULT_WORDS


def missed(order: Order) -> str:
    """The code of what the vault said to an order that was missed."""
    assert order.status == Status.MISSED
    return next(code for code, words in VAULT_WORDS.items() if words == order.error)


def held(subscription: Subscription) -> Decimal:
    row = Holding.objects.filter(subscription_id=subscription.pk).first()
    return Decimal(0) if row is None else row.qty


def test_an_open_beyond_the_terms_is_missed_and_its_money_is_free_again(stand):
    ben, cleo = stand.follower("ben"), stand.follower("cleo")
    stand.agree(ben, order_usd=Decimal(50))  # a copy is 100 dollars
    signal = stand.signal("buy")

    stand.plan()

    assert missed(stand.order(ben, signal)) == "mandate_order_cap"
    assert stand.executed(ben) == {}
    ben.refresh_from_db()
    assert (ben.reserved, ben.exposure) == (0, 0)
    assert stand.order(cleo, signal).status == Status.FILLED


def test_terms_that_were_widened_are_given_to_the_vault_with_the_next_copy(stand):
    ben = stand.follower("ben")
    stand.agree(ben, order_usd=Decimal(50))
    stand.signal("buy")
    stand.plan()
    stand.agree(ben)
    signal = stand.signal("buy")

    stand.plan()

    assert stand.order(ben, signal).status == Status.FILLED


def test_without_terms_nothing_is_opened_and_what_is_held_is_closed(stand):
    ben = stand.follower("ben")
    opened = stand.signal("buy")
    stand.plan()
    assert stand.order(ben, opened).status == Status.FILLED
    stand.agree(ben, opens=False)
    stand.signer.mandates([bytes(ben.mandate)])
    refused = stand.signal("buy")
    stand.plan()
    closed = stand.signal("sell", effect="close")
    stand.plan()

    assert missed(stand.order(ben, refused)) == "mandate_closed"
    assert stand.order(ben, closed).status == Status.FILLED
    assert held(ben) == 0


def test_a_follower_from_before_mandates_reads_what_to_do(stand):
    ben = stand.follower("ben")
    Subscription.objects.filter(pk=ben.pk).update(mandate=None)
    signal = stand.signal("buy")

    stand.plan()

    # The vault outlives a test: it may know terms of a subscription that had this id, on another account.
    assert missed(stand.order(ben, signal)) in ("mandate_unknown", "mandate_of_another")
    assert stand.order(ben, signal).error.endswith("save them again")


@pytest.mark.parametrize(
    ("narrower", "code"),
    [
        ({"allow": frozenset({"ETHUSDT"})}, "mandate_symbol"),
        ({"deny": frozenset({"BTCUSDT"})}, "mandate_symbol"),
        ({"minute_usd": Decimal(10), "order_usd": Decimal(1000)}, "mandate_minute_cap"),
        ({"max_loss_usd": Decimal(0)}, "mandate_loss"),
    ],
)
def test_each_bound_of_the_terms_binds(stand, narrower, code):
    ben = stand.follower("ben")
    stand.agree(ben, **narrower)
    signal = stand.signal("buy")

    stand.plan()

    assert missed(stand.order(ben, signal)) == code
    assert stand.executed(ben) == {}


def test_a_leverage_that_was_not_agreed_is_not_set(stand):
    ben = stand.follower("ben")
    stand.pool.leverage = 5
    stand.pool.save()
    stand.agree(ben, leverage=3)
    signal = stand.signal("buy", market="usdm")

    stand.plan()

    assert missed(stand.order(ben, signal)) == "mandate_leverage"
    assert stand.executed(ben) == {}
