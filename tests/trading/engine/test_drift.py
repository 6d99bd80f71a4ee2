"""An account is held against the venue: what differs is seen twice before it is mended, and no fill is invented."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from trading.domain.order_state import Status
from trading.execution import reconcile
from trading.execution.accounts import belief, checks, drift, mend
from trading.models import AccountCheck, Adjustment, Drift, Holding, Order, Signal

D = Decimal
RICH = {"invest": "4000", "lose": "4000"}
ALPHA = {"schema": "t_alpha"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """What is seen twice in a row is steady, and nothing has to rest first."""
    monkeypatch.setattr(belief, "QUIET", timedelta(0))
    monkeypatch.setattr(drift, "STEADY", timedelta(0))


def check(subscription) -> dict[str, int]:
    checks.soon(**ALPHA, subscriptions=[subscription.pk])
    return drift.check(**ALPHA)


def by_hand(stand, subscription, side: str, quantity: str, **order: str) -> None:
    """The owner trades in the exchange's own app."""
    key = stand.keys[subscription.pk]
    status, answer = stand.venue.usdm(key, type="MARKET", side=side, quantity=quantity, **order)
    assert (status, answer.get("status")) == (200, "FILLED")


def rows() -> list[tuple]:
    return [
        (one.kind, one.symbol, one.ours, one.theirs, one.sightings, one.resolved_at is not None)
        for one in Drift.objects.order_by("id")
    ]


def test_where_nothing_differs_nothing_is_written(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")

    assert check(ben) == {"checked": 1, "different": 0, "mended": 0}

    assert rows() == []
    assert AccountCheck.objects.get(account_id=ben.account_id).checked_at is not None


def test_what_was_closed_by_hand_is_cut_when_it_was_seen_twice(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    stand.trade("buy", "1")
    ben.refresh_from_db()
    before, result, holding = ben.exposure, ben.realised, stand.holding(ben)
    assert holding.qty == D("0.012")
    by_hand(stand, ben, "SELL", "0.004", reduceOnly="true")

    assert check(ben)["mended"] == 0
    assert rows() == [("smaller", "BTCUSDT", D("0.012"), D("0.008"), 1, False)]
    assert stand.holding(ben).qty == D("0.012")
    assert check(ben)["mended"] == 1

    cut = stand.holding(ben)
    assert (cut.qty, cut.cost) == (D("0.008"), holding.cost - holding.cost / 3)
    ben.refresh_from_db()
    assert (ben.exposure, ben.realised) == (before - before / 3, result)
    adjusted = Adjustment.objects.get()
    assert (adjusted.qty, adjusted.cost, adjusted.released) == (D("0.004"), holding.cost / 3, holding.cost / 3)
    assert (adjusted.reason, adjusted.subscription_id, len(bytes(adjusted.leaf))) == ("closed_outside", ben.pk, 32)
    told = Drift.objects.get()
    assert told.done == "Closed at the exchange: copies were cut by 0.004 to what is there"
    assert told.resolved_at is not None
    assert Order.objects.count() == 2

    [closed] = stand.trade("sell", "2")
    assert stand.order(ben, closed).filled == D("0.008")
    assert check(ben)["different"] == 0


def test_what_is_gone_altogether_leaves_nothing_to_close(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("sell", "1")
    by_hand(stand, ben, "BUY", "0.006", reduceOnly="true")
    check(ben)
    check(ben)
    ben.refresh_from_db()
    assert (stand.holding(ben).qty, ben.exposure) == (0, 0)

    [closed] = stand.trade("buy", "1")

    assert stand.denial(ben, closed).reason == "nothing_to_close"
    assert check(ben)["checked"] == 0  # nothing of ours is there any more
    assert not AccountCheck.objects.exists()


def test_what_came_right_again_is_left_as_it_was(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    by_hand(stand, ben, "SELL", "0.002", reduceOnly="true")
    check(ben)
    by_hand(stand, ben, "BUY", "0.002")

    assert check(ben)["different"] == 0

    assert (stand.holding(ben).qty, Adjustment.objects.count()) == (D("0.006"), 0)
    assert (Drift.objects.get().done, rows()[0][-1]) == ("Gone by itself", True)


def test_a_figure_that_still_moves_is_not_mended(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    by_hand(stand, ben, "SELL", "0.002", reduceOnly="true")
    check(ben)
    by_hand(stand, ben, "SELL", "0.002", reduceOnly="true")

    assert check(ben)["mended"] == 0
    assert rows() == [("smaller", "BTCUSDT", D("0.006"), D("0.002"), 1, False)]

    assert check(ben)["mended"] == 1
    assert stand.holding(ben).qty == D("0.002")


def test_what_is_more_is_the_owners_own_and_left_alone(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    by_hand(stand, ben, "BUY", "0.010")

    counts = [check(ben) for _ in range(3)]

    assert [one["mended"] for one in counts] == [0, 0, 0]
    assert rows() == [("larger", "BTCUSDT", D("0.006"), D("0.016"), 3, False)]
    [closed] = stand.trade("sell", "1")
    assert stand.order(ben, closed).filled == D("0.006")


def test_the_sides_of_a_hedged_account_are_held_apart(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1", position_side="LONG")
    stand.trade("sell", "1", position_side="SHORT")
    by_hand(stand, ben, "SELL", "0.006", positionSide="LONG")

    check(ben)
    assert check(ben)["mended"] == 1

    assert {one.side: one.qty for one in Holding.objects.all()} == {"LONG": 0, "SHORT": D("-0.006")}


def test_coins_that_were_sold_by_hand_are_cut_on_spot(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1", market="spot")
    assert stand.holding(ben).qty == D("0.00662337")
    status, _ = stand.venue.spot(stand.keys[ben.pk], type="MARKET", side="SELL", quantity="0.00400")
    assert status == 200

    check(ben)
    check(ben)

    assert stand.holding(ben).qty == D("0.00262337")
    assert rows()[0][:2] == ("smaller", "BTC")


def test_own_coins_are_nobodys_business(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1", market="spot")
    stand.venue.spot(stand.keys[ben.pk], type="MARKET", side="BUY", quantity="0.01000")

    assert check(ben) == {"checked": 1, "different": 0, "mended": 0}


def test_while_an_order_is_under_way_nothing_is_compared(stand):
    ben = stand.follower("ben", **RICH)
    [signal] = stand.trade("buy", "1")
    by_hand(stand, ben, "SELL", "0.002", reduceOnly="true")
    Order.objects.update(status=Status.UNSURE, done_at=None)

    check(ben)
    check(ben)

    assert (rows(), stand.holding(ben).qty) == ([], D("0.006"))
    assert AccountCheck.objects.filter(account_id=ben.account_id).exists()
    assert stand.order(ben, signal).status == Status.UNSURE


def test_a_cut_whose_ground_has_moved_is_not_made(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    account = checks.Account(str(ben.account_id), str(ben.user_id), "binance", "paper")
    seen = drift.Difference("smaller", ("usdm", "BTCUSDT", "BOTH"), D("0.012"), D("0.004"))

    assert not mend.cut(**ALPHA, account=account, row=0, difference=seen)

    assert (stand.holding(ben).qty, Adjustment.objects.count()) == (D("0.006"), 0)


def test_where_an_order_rests_nothing_is_compared_and_nothing_is_taken_back(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    by_hand(stand, ben, "SELL", "0.002", reduceOnly="true")
    check(ben)
    waiting(stand, ben)

    assert check(ben)["different"] == 0

    assert rows() == [("smaller", "BTCUSDT", D("0.006"), D("0.004"), 1, False)]


def waiting(stand, ben) -> Order:
    """An order of Ben's that rests at the venue below the market."""
    signal = stand.signal("buy", market="usdm", order_type="limit", price="50000")
    stand.plan()
    order = stand.order(ben, signal)
    assert (order.status, order.qty) == (Status.WORKING, D("0.008"))
    return order


def test_an_order_that_we_thought_over_is_taken_back_and_settled_once(stand):
    ben = stand.follower("ben", **RICH)
    order = waiting(stand, ben)
    ben.refresh_from_db()
    reserved = ben.reserved
    assert reserved == D(400)
    # As if it had been given up: MISSED, its budget free again, its signal done.
    Order.objects.update(status=Status.MISSED, done_at=order.created_at)
    Holding.objects.update(opening=0)
    Signal.objects.update(state="done")
    type(ben).objects.update(reserved=0)

    check(ben)
    assert rows() == [("order_open", order.client_id, 0, D("0.008"), 1, False)]
    assert check(ben)["mended"] == 1
    order.refresh_from_db()
    ben.refresh_from_db()
    assert (order.status, ben.reserved, stand.holding(ben).opening) == (Status.WORKING, reserved, 1)
    check(ben)
    assert Drift.objects.get().resolved_at is not None

    stand.venue.price("BTCUSDT", "49900", market="usdm")
    Order.objects.update(lease_until=order.created_at)
    for _ in range(50):
        reconcile.sweep(**ALPHA)
        order.refresh_from_db()
        if order.status == Status.FILLED:
            break
        threading.Event().wait(0.1)
    ben.refresh_from_db()
    assert (order.status, stand.holding(ben).qty, stand.holding(ben).opening) == (Status.FILLED, D("0.008"), 0)
    assert (ben.reserved, ben.exposure) == (0, D(400))


def test_an_order_that_is_not_there_is_asked_after_at_once(stand):
    ben = stand.follower("ben", **RICH)
    order = waiting(stand, ben)
    Order.objects.update(lease_until=order.created_at + timedelta(hours=1))
    stand.venue.call(
        "DELETE", "/fapi/v1/order", stand.keys[ben.pk], symbol="BTCUSDT", origClientOrderId=order.client_id
    )

    check(ben)
    check(ben)
    reconcile.sweep(**ALPHA)

    order.refresh_from_db()
    ben.refresh_from_db()
    assert (order.status, ben.reserved) == (Status.CANCELED, 0)
    assert Drift.objects.get().kind == "order_gone"


def test_an_order_that_ended_in_doubt_has_its_account_checked(stand, settings, monkeypatch):
    monkeypatch.setattr(reconcile, "ASK_AGAIN_MS", 200)
    settings.COPY_HTTP_TIMEOUT_MS, settings.COPY_LEASE_MS = 400, 900
    ben = stand.follower("ben", **RICH)
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    signal = stand.signal("buy")
    stand.plan()
    assert not AccountCheck.objects.exists()

    order = stand.order(ben, signal)
    for _ in range(50):
        reconcile.sweep(**ALPHA)
        order.refresh_from_db()
        if order.status == Status.FILLED:
            break
        threading.Event().wait(0.1)

    row = AccountCheck.objects.get(account_id=ben.account_id)
    assert row.due_at - order.done_at < timedelta(seconds=checks.AGAIN_S * 2)


def test_every_account_with_copies_is_enlisted_once(stand):
    ben, cleo = stand.follower("ben", **RICH), stand.follower("cleo", **RICH)
    stand.trade("buy", "1")
    stand.follower("dora")

    checks.enlist(**ALPHA)
    checks.enlist(**ALPHA)

    assert set(AccountCheck.objects.values_list("account_id", flat=True)) == {ben.account_id, cleo.account_id}


def test_without_a_budget_the_account_waits_its_turn(stand, monkeypatch):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    monkeypatch.setattr(drift, "BUDGET", drift.Rate(limit=1, seconds=60))

    assert check(ben)["checked"] == 0

    row = AccountCheck.objects.get(account_id=ben.account_id)
    assert row.checked_at is None
