"""Before its first open in a symbol an account is set up at the venue: position mode, isolated margin, leverage."""

from __future__ import annotations

import threading
from decimal import Decimal
from uuid import uuid4

import pytest

from obscura.core import clock
from pools.models import Pool, Subscription
from tests.trading.engine.test_exactly_once import swept_until
from trading.conductor.plan import plan
from trading.domain.intents import Intent
from trading.domain.order_state import Status
from trading.execution import limits, reconcile
from trading.execution.accounts import known, setup
from trading.models import Holding, PositionMode, Signal, SymbolSetting
from trading.signals.record import Source, record

D = Decimal
RICH = {"invest": "4000", "lose": "4000"}


@pytest.fixture
def short_times(settings, monkeypatch):
    """A receive window of 600 ms, so that fences and leases pass while one waits."""
    monkeypatch.setattr(limits, "LONGEST_S", 1)
    monkeypatch.setattr(reconcile, "ASK_AGAIN_MS", 200)
    settings.COPY_RECV_WINDOW_MS = 600
    settings.COPY_HTTP_TIMEOUT_MS = 400
    settings.COPY_LEASE_MS = 900


def at_venue(stand, subscription) -> tuple[bool, str, int]:
    """Hedged or not, margin type and leverage of bitcoin, as the venue has them."""
    key = stand.keys[subscription.pk]
    mode = stand.venue.call("GET", "/fapi/v1/positionSide/dual", key)[2]["dualSidePosition"]
    [row] = stand.venue.call("GET", "/fapi/v1/symbolConfig", key, symbol="BTCUSDT")[2]
    return mode, row["marginType"], row["leverage"]


def positions(stand, subscription) -> dict[str, Decimal]:
    """What the venue holds of bitcoin, by side."""
    rows = stand.venue.call("GET", "/fapi/v3/positionRisk", stand.keys[subscription.pk])[2]
    return {row["positionSide"]: D(row["positionAmt"]) for row in rows}


def hedge(stand, subscription, on: str = "true") -> int:
    """The owner changes the position mode in the exchange's own app."""
    path, key = "/fapi/v1/positionSide/dual", stand.keys[subscription.pk]
    return stand.venue.call("POST", path, key, dualSidePosition=on)[0]


def trade_by_hand(stand, subscription, **order: str) -> None:
    assert stand.venue.usdm(stand.keys[subscription.pk], symbol="BTCUSDT", type="MARKET", **order)[0] == 200


@pytest.fixture
def rounds(monkeypatch) -> list[int]:
    """How many orders were set up, each time that something was set."""
    seen: list[int] = []
    real = setup.set_up
    monkeypatch.setattr(setup, "set_up", lambda **given: (seen.append(len(given["rows"])), real(**given))[1])
    return seen


def test_an_account_is_set_up_once_and_then_pays_nothing(stand, rounds):
    ben, cleo = stand.follower("ben", **RICH), stand.follower("cleo", **RICH)

    stand.trade("buy", "1")
    assert at_venue(stand, ben) == at_venue(stand, cleo) == (False, "ISOLATED", 1)
    stand.trade("buy", "1")
    known.forget()  # another process has nothing in its memory
    stand.trade("buy", "1")

    assert rounds == [2]
    assert positions(stand, ben) == positions(stand, cleo) == {"BOTH": D("0.018")}
    setting = SymbolSetting.objects.get(account_id=ben.account_id)
    assert (setting.symbol, setting.leverage, setting.margin) == ("BTCUSDT", 1, "isolated")
    assert not PositionMode.objects.get(account_id=ben.account_id).hedged


def test_what_was_confirmed_a_day_ago_is_set_again(stand, rounds):
    stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    SymbolSetting.objects.update(learnt_at="2026-01-01T00:00Z")
    known.forget()

    [signal] = stand.trade("buy", "1")

    assert rounds == [1, 1]
    assert signal.effect == "open"


def test_spot_sets_nothing(stand, rounds):
    stand.follower("ben")
    stand.trade("buy", "1", market="spot")

    assert (rounds, PositionMode.objects.count()) == ([], 0)


def test_a_hedged_lead_is_copied_side_by_side(stand):
    ben = stand.follower("ben", invest="40000", lose="40000")

    stand.trade("buy", "2", position_side="LONG")
    stand.trade("sell", "1", position_side="SHORT")
    assert at_venue(stand, ben) == (True, "ISOLATED", 1)
    assert positions(stand, ben) == {"LONG": D("0.066"), "SHORT": D("-0.066")}

    [part] = stand.trade("sell", "0.5", position_side="LONG")  # a quarter of the long: 0.0165, down to the step
    [whole] = stand.trade("buy", "1", position_side="SHORT")

    assert [stand.order(ben, one).filled for one in (part, whole)] == [D("0.016"), D("0.066")]
    assert positions(stand, ben) == {"LONG": D("0.05")}


def test_an_older_long_does_not_stand_in_the_way_of_a_new_short(stand):
    stand.trade("buy", "2", position_side="LONG")
    cleo = stand.follower("cleo", **RICH)

    [more] = stand.trade("buy", "1", position_side="LONG")
    [short] = stand.trade("sell", "1", position_side="SHORT")

    assert stand.denial(cleo, more).reason == "older_position"
    assert stand.order(cleo, short).filled == D("0.006")
    assert positions(stand, cleo) == {"SHORT": D("-0.006")}


def test_a_mode_that_cannot_be_changed_is_told_and_nothing_is_sent(stand):
    ben = stand.follower("ben", **RICH)
    trade_by_hand(stand, ben, side="BUY", quantity="0.010")

    [first] = stand.trade("buy", "1", position_side="LONG")
    [second] = stand.trade("buy", "1", position_side="LONG")

    missed = stand.order(ben, first)
    assert (missed.status, missed.error_code) == (Status.MISSED, "position_mode")
    assert "close your positions, or use another account" in missed.error
    denial = stand.denial(ben, second)
    assert (denial.reason, denial.detail) == ("position_mode", {"account": "one-way", "lead": "hedge"})
    assert positions(stand, ben) == {"BOTH": D("0.010")}
    ben.refresh_from_db()
    assert (ben.reserved, ben.exposure) == (0, 0)


def test_a_hedged_account_turns_one_way_for_a_one_way_lead_when_it_is_flat(stand):
    ben, cleo = stand.follower("ben", **RICH), stand.follower("cleo", **RICH)
    assert hedge(stand, ben) == hedge(stand, cleo) == 200
    trade_by_hand(stand, cleo, side="SELL", positionSide="SHORT", quantity="0.010")

    [opened] = stand.trade("buy", "1")

    assert (stand.order(ben, opened).status, at_venue(stand, ben)[0]) == (Status.FILLED, False)
    assert (stand.order(cleo, opened).status, stand.order(cleo, opened).error_code) == (Status.MISSED, "position_mode")
    assert positions(stand, cleo) == {"SHORT": D("-0.010")}


def test_cross_margin_that_cannot_be_changed_opens_nothing(stand):
    ben = stand.follower("ben", **RICH)
    trade_by_hand(stand, ben, side="BUY", quantity="0.010")

    [opened] = stand.trade("buy", "1")

    missed = stand.order(ben, opened)
    assert (missed.status, missed.error_code) == (Status.MISSED, "-4048")
    assert missed.error.startswith("Your account has this symbol in cross margin")
    assert at_venue(stand, ben) == (False, "CROSSED", 20)


def test_a_close_fits_the_mode_that_the_account_turns_out_to_have(stand, short_times):
    ben = stand.follower("ben", **RICH)
    stand.set_up(ben)
    stand.trade("buy", "1")
    known.learn_modes(schema="t_alpha", modes={str(ben.account_id): True})

    [closed] = stand.trade("sell", "1")
    first = stand.order(ben, closed)
    assert (first.status, first.error_code) == (Status.UNSURE, "mode_changed")
    order = swept_until(stand, first, Status.FILLED)

    assert stand.executed(ben)[order.client_id] == 1
    assert positions(stand, ben) == {}
    assert not PositionMode.objects.get(account_id=ben.account_id).hedged


def test_a_mode_that_its_owner_changed_is_changed_back_and_the_open_still_made(stand, short_times):
    ben = stand.follower("ben", **RICH)
    stand.set_up(ben)
    stand.trade("buy", "1")
    stand.trade("sell", "1")
    assert hedge(stand, ben) == 200

    [opened] = stand.trade("buy", "1")
    order = swept_until(stand, stand.order(ben, opened), Status.FILLED)

    assert stand.executed(ben)[order.client_id] == 1
    assert at_venue(stand, ben)[0] is False


def test_a_setting_that_is_not_answered_holds_the_order_back(stand, short_times):
    ben = stand.follower("ben", **RICH)
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1, "path": "/fapi/v1/marginType"})

    [opened] = stand.trade("buy", "1")
    waiting = stand.order(ben, opened)
    assert (waiting.status, waiting.error_code, stand.executed(ben)) == (Status.UNSURE, "setup", {})
    order = swept_until(stand, waiting, Status.FILLED)

    assert stand.executed(ben) == {order.client_id: 1}


def test_an_order_whose_fence_passed_meanwhile_is_sent_by_the_sweep(stand, short_times, monkeypatch):
    ben = stand.follower("ben", **RICH)
    real, slow = setup.set_up, [0.5]

    def set_up(**given):
        done = real(**given)
        threading.Event().wait(slow.pop() if slow else 0)
        return done

    monkeypatch.setattr(setup, "set_up", set_up)
    [opened] = stand.trade("buy", "1")
    late = stand.order(ben, opened)
    assert (late.status, stand.executed(ben)) == (Status.UNSURE, {})
    order = swept_until(stand, late, Status.FILLED)

    assert stand.executed(ben) == {order.client_id: 1}


def second_pool(stand, subscription: Subscription, *, leverage: int) -> tuple[Pool, Subscription]:
    """Another pool of Ada's at this leverage, which the same account follows too."""
    pool = Pool.objects.create(
        kind="partner", name="Southern Calm", status="active", leverage=leverage, created_at=clock.now()
    )
    other = Subscription.objects.create(
        pool=pool, user=subscription.user, account=subscription.account, total_investment=D(10_000), max_loss=D(5_000),
        created_at=clock.now(),
    )  # fmt: skip
    stand.agree(other)
    return pool, other


def opened_in(stand, pool: Pool) -> Signal:
    """Ada's long, copied in that pool."""
    intent = Intent(leg=0, effect="open", side="buy", qty=D(1), fraction=D(1), position_after=D(0))
    at = clock.now()
    source = Source(
        external_id=uuid4().hex, source="lead", trader_id=stand.trader.id, market="usdm", symbol="BTCUSDT", side="buy",
        qty=D(1), price=D(60_000), lead_at=at, received_at=at, known=(intent,),
    )  # fmt: skip
    [signal] = record(pool_id=pool.id, sources=[source])[0].signals
    plan(tenant=stand.tenant, pool_id=pool.id)
    return signal


def test_nobody_changes_the_leverage_under_another_copy_on_the_account(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    assert at_venue(stand, ben)[2] == 1
    before = positions(stand, ben)
    pool, other = second_pool(stand, ben, leverage=5)

    missed = stand.order(other, opened_in(stand, pool))

    assert (missed.status, missed.error_code) == (Status.MISSED, "leverage_in_use")
    assert "use another account, or the same leverage" in missed.error
    assert (at_venue(stand, ben)[2], positions(stand, ben)) == (1, before)
    other.refresh_from_db()
    assert (other.reserved, other.exposure) == (0, 0)


def test_the_same_leverage_and_a_symbol_that_is_free_again_are_fine(stand):
    ben = stand.follower("ben", **RICH)
    stand.trade("buy", "1")
    same, mate = second_pool(stand, ben, leverage=1)
    assert stand.order(mate, opened_in(stand, same)).status == Status.FILLED
    Subscription.objects.filter(pk=mate.pk).update(status="paused")
    Holding.objects.filter(subscription_id=mate.pk).update(qty=0, cost=0)
    stand.trade("sell", "1")
    pool, other = second_pool(stand, ben, leverage=5)

    assert stand.order(other, opened_in(stand, pool)).status == Status.FILLED

    assert at_venue(stand, ben)[2] == 5
