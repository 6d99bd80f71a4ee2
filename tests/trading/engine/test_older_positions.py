"""What a lead held before somebody followed is history until it is flat or turned around."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading.domain.order_state import Status
from trading.models import Denial, Order

D = Decimal
RICH = {"invest": "4000", "lose": "4000"}


def outcomes(subscription) -> list[str]:
    """What became of each signal for one follower, in their order: the quantity filled, or the reason of the denial."""
    found = {(one.signal_id, one.leg): str(one.filled.normalize()) for one in orders(subscription)}
    found |= {(one.signal_id, one.leg): one.reason for one in Denial.objects.filter(subscription_id=subscription.pk)}
    ordered = [*orders(subscription), *Denial.objects.filter(subscription_id=subscription.pk)]
    ordered.sort(key=lambda one: getattr(one, "created_at", None) or one.at)
    return [found[one.signal_id, one.leg] for one in ordered]


def orders(subscription) -> list[Order]:
    return list(Order.objects.filter(subscription_id=subscription.pk))


@pytest.mark.parametrize("market", ["usdm", "spot"])
def test_an_older_position_is_copied_from_its_next_entry_on(stand, market):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1", market=market)
    cleo = stand.follower("cleo", **RICH)

    stand.trade("buy", "1", market=market)
    stand.trade("sell", "0.5", market=market)
    stand.trade("sell", "1.5", market=market)
    stand.trade("buy", "1", market=market)

    one = "0.006" if market == "usdm" else "0.00663"
    assert outcomes(cleo) == ["older_position", "nothing_to_close", "nothing_to_close", one]
    assert [one.status for one in orders(ben)] == [Status.FILLED] * 5
    assert list(stand.executed(cleo).values()) == [1]


def test_the_open_of_a_flip_begins_anew(stand):
    stand.trade("buy", "1")
    cleo = stand.follower("cleo", **RICH)

    stand.trade("sell", "3")
    stand.trade("sell", "1")

    assert outcomes(cleo) == ["nothing_to_close", "0.006", "0.006"]
    assert stand.holding(cleo).qty == D("-0.012")


def test_who_holds_a_part_of_it_goes_on(stand):
    """Positions of before the beginning was kept: a follower who copied them is not cut off."""
    stand.trade("buy", "1")
    cleo = stand.follower("cleo", **RICH)
    signal = stand.signal("buy", market="usdm")
    stand.plan()
    assert stand.order(cleo, signal).filled == D("0.006")

    stand.trade("buy", "1")

    assert stand.holding(cleo).qty == D("0.012")


def test_a_denial_says_since_when(stand):
    [opened] = stand.trade("buy", "1")
    cleo = stand.follower("cleo", **RICH)

    [added] = stand.trade("buy", "1")

    denial = stand.denial(cleo, added)
    assert denial.detail == {"since": opened.lead_at.isoformat(timespec="seconds")}
    assert stand.executed(cleo) == {}


def test_parts_are_closed_in_the_leads_proportion_and_a_flip_turns_the_copy_around(stand):
    ben = stand.follower("ben", invest="40000", lose="40000")
    stand.trade("buy", "2")
    assert stand.holding(ben).qty == D("0.066")

    stand.trade("sell", "0.5")  # a quarter: 0.0165, down to the step
    assert stand.holding(ben).qty == D("0.05")
    stand.trade("sell", "0.5")  # a third of what is left: 0.01666
    assert stand.holding(ben).qty == D("0.034")
    closed, opened = stand.trade("sell", "3")

    close, turned = stand.order(ben, closed), stand.order(ben, opened)
    assert (close.qty, close.reduce_only, close.status) == (D("0.034"), True, Status.FILLED)
    assert (turned.qty, turned.reduce_only) == (D("0.066"), False)
