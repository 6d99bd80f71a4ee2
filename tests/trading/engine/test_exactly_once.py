"""One copy, once: silence, lost processes, redelivery and late truths, counted by the venue itself."""

from __future__ import annotations

import signal as signals
import threading
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from citadel.client import UNSENT
from obscura.core.nudge.models import Nudge
from trading import tasks
from trading.domain.order_state import Status
from trading.execution import db, limits, reconcile, results
from trading.execution.execute import execute
from trading.models import Denial, Order, Signal

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def short_times(settings, monkeypatch):
    """A receive window of 600 ms and pauses of a second at most, so that fences and leases pass while one waits."""
    monkeypatch.setattr(limits, "LONGEST_S", 1)
    monkeypatch.setattr(reconcile, "ASK_AGAIN_MS", 200)
    settings.COPY_RECV_WINDOW_MS = 600
    settings.COPY_HTTP_TIMEOUT_MS = 400
    settings.COPY_LEASE_MS = 900


def swept_until(stand, order, *statuses: Status) -> Order:
    """Sweep, as the beat does, until the order is in one of these states."""
    for _ in range(100):
        reconcile.sweep(schema=stand.tenant.schema_name)
        order.refresh_from_db()
        if order.status in statuses:
            return order
        threading.Event().wait(0.1)
    raise AssertionError(f"still {Status(order.status).name}")


def test_an_order_that_was_executed_in_silence_is_found_and_not_sent_again(stand):
    ben = stand.follower("ben")
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    signal = stand.signal("buy")

    stand.plan()
    unsure = stand.order(ben, signal)
    assert unsure.status == Status.UNSURE
    order = swept_until(stand, unsure, Status.FILLED)

    assert stand.executed(ben) == {order.client_id: 1}
    assert order.attempts == 1
    ben.refresh_from_db()
    assert (ben.reserved, ben.exposure) == (0, order.filled * order.average)


@pytest.mark.parametrize("fault", ["garbage", "unknown_503"])
def test_an_answer_that_says_nothing_leads_to_asking(stand, fault):
    ben = stand.follower("ben")
    stand.venue.control("POST", "/faults", {fault: 1})
    signal = stand.signal("buy")

    stand.plan()
    order = swept_until(stand, stand.order(ben, signal), Status.FILLED)

    assert list(stand.executed(ben).values()) == [1]
    assert order.filled == order.qty


def test_an_order_that_never_left_is_sent_again_after_the_fence_under_the_same_id(stand):
    ben = stand.follower("ben")
    signal = stand.signal("buy")
    stand.vault.egress.kill()
    stand.vault.egress.wait()
    stand.plan()
    unsure = stand.order(ben, signal)
    assert unsure.status == Status.UNSURE

    stand.vault.start_egress()
    order = swept_until(stand, unsure, Status.FILLED)

    assert stand.executed(ben) == {unsure.client_id: 1}
    assert order.attempts == 2


@pytest.mark.parametrize("process", ["signer", "egress"])
def test_an_order_that_never_left_goes_in_the_same_attempt_once_the_vault_is_back(stand, settings, process):
    settings.COPY_RECV_WINDOW_MS, settings.COPY_LEASE_MS = 9_000, 60_000
    ben = stand.follower("ben")
    other = stand.signal("buy")
    stand.plan()
    getattr(stand.vault, process).kill()
    getattr(stand.vault, process).wait()
    signal = stand.signal("buy")
    back = threading.Thread(target=stand.vault.start_again, args=(process,))

    back.start()
    stand.plan()
    back.join()

    order = stand.order(ben, signal)
    assert (order.status, order.attempts) == (Status.FILLED, 1)
    assert stand.executed(ben) == {stand.order(ben, other).client_id: 1, order.client_id: 1}


def test_a_signer_that_hangs_is_not_waited_for_by_what_can_be_asked_later(stand, monkeypatch):
    heard = []
    monkeypatch.setattr(limits, "heed", lambda place, told, **_: heard.extend(told))
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    stand.vault.signer.send_signal(signals.SIGSTOP)
    try:
        signal = stand.signal("buy")
        stand.plan()  # takes its time, and ends in silence
        assert stand.order(ben, signal).status == Status.UNSURE
        heard.clear()
        while not heard:
            reconcile.sweep(schema=stand.tenant.schema_name)
            threading.Event().wait(0.05)
        assert {(one.status, one.body) for one in heard} == {(UNSENT, b"signer_unavailable")}
    finally:
        stand.vault.signer.send_signal(signals.SIGCONT)

    order = swept_until(stand, stand.order(ben, signal), Status.FILLED)
    assert stand.executed(ben)[order.client_id] == 1


def test_an_open_that_never_left_is_missed_when_the_trade_is_stale_and_a_close_is_not(stand):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    stand.pool.signal_ttl_s = 1
    stand.pool.save()
    stand.vault.egress.kill()
    stand.vault.egress.wait()
    late = stand.signal("buy", symbol="ETHUSDT", price="3000")
    close = stand.signal("sell", effect="close")
    stand.plan()
    threading.Event().wait(1.0)

    stand.vault.start_egress()
    missed = swept_until(stand, stand.order(ben, late), Status.MISSED)
    closed = swept_until(stand, stand.order(ben, close), Status.FILLED)

    assert missed.error == "The exchange never received it, and the trade is too old by now"
    assert closed.filled > 0
    ben.refresh_from_db()
    assert (ben.reserved, ben.exposure) == (0, 0)


def test_a_close_waits_for_an_open_whose_fate_is_not_known(stand):
    ben = stand.follower("ben")
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    opened = stand.signal("buy")
    stand.plan()
    closed = stand.signal("sell", effect="close")
    stand.plan()
    waiting = stand.order(ben, closed)
    assert (waiting.status, waiting.waits, waiting.qty) == (Status.PLANNED, True, 0)

    swept_until(stand, stand.order(ben, opened), Status.FILLED)
    order = swept_until(stand, waiting, Status.FILLED)

    assert order.qty == Decimal("0.00164")  # what was bought, without the fee the venue kept
    assert stand.holding(ben).qty == 0


def test_of_closes_that_wait_for_each_other_each_is_woken_once(stand):
    ben = stand.follower("ben", invest="4000", lose="4000")
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    opened = stand.signal("buy")
    stand.plan()
    closes = [stand.signal("sell", effect="close", fraction="0.25") for _ in range(3)]
    stand.plan()
    Nudge.objects.all().delete()

    for signal in (opened, *closes):
        swept_until(stand, stand.order(ben, signal), Status.FILLED)

    woken = Nudge.objects.filter(task="trading.execute").order_by("id").values_list("ids__signal_id", flat=True)
    assert list(woken) == [signal.pk for signal in closes]
    assert sorted(stand.executed(ben).values()) == [1] * 4


def test_the_promise_to_send_what_has_to_wait_is_forgotten(stand):
    ben = stand.follower("ben")
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    stand.signal("buy")
    stand.plan()
    closed = stand.signal("sell", effect="close")
    stand.plan()
    Nudge.objects.all().delete()
    span = {"signal_id": closed.pk, "first": 0, "last": 2**40}
    nudge = Nudge.objects.create(tenant="t_alpha", task="trading.execute", ids=span, due=NOW, created_at=NOW)

    tasks.execute(nudge=nudge.pk, **span)

    assert not Nudge.objects.exists()
    assert stand.order(ben, closed).waits  # the row is the truth: result and sweep come back to it
    swept_until(stand, stand.order(ben, closed), Status.FILLED)


def test_planners_and_workers_side_by_side_copy_once(stand):
    followers = [stand.follower(f"f{n}") for n in range(8)]
    signals = [stand.signal("buy") for _ in range(3)]

    def work() -> None:
        from django.db import connection

        connection.set_tenant(stand.tenant)
        stand.plan()
        for signal in signals:
            execute(schema="t_alpha", signal_id=signal.pk, first=0, last=2**40)
        db.close()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for follower in followers:
        assert sorted(stand.executed(follower).values()) == [1, 1, 1]
    assert Order.objects.count() == 24
    assert not Denial.objects.exists()


def test_two_signals_never_both_see_the_old_room(stand):
    ben = stand.follower("ben", invest="100", lose="100")
    stand.pool.slots = 1
    stand.pool.save()
    first, second = stand.signal("buy"), stand.signal("buy", symbol="ETHUSDT", price="3000")

    stand.plan()

    ben.refresh_from_db()
    assert ben.reserved + ben.exposure <= Decimal("100")
    assert stand.order(ben, first).status == Status.FILLED
    # What was left of the first 100 USD after rounding to the venue's step is below its minimum.
    assert stand.denial(ben, second).reason == "below_min_notional"


def test_a_result_told_twice_or_late_changes_nothing_twice(stand, monkeypatch):
    ben = stand.follower("ben")
    signal = stand.signal("buy")
    told = []
    real = results.write
    monkeypatch.setattr("trading.execution.results.write", lambda **kwargs: (told.append(kwargs), real(**kwargs)))
    stand.plan()
    ben.refresh_from_db()
    before = (ben.exposure, ben.realised, stand.holding(ben).qty, len(stand.fills(stand.order(ben, signal))))

    for kwargs in [*told, *reversed(told)]:
        real(**kwargs)

    ben.refresh_from_db()
    assert (ben.exposure, ben.realised, stand.holding(ben).qty, len(stand.fills(stand.order(ben, signal)))) == before


def test_a_dead_planner_is_continued_and_nobody_is_decided_twice(stand, monkeypatch):
    monkeypatch.setattr("trading.conductor.plan.FIRST_CHUNK", 2)
    monkeypatch.setattr("trading.conductor.plan.CHUNK", 2)
    monkeypatch.setattr("trading.conductor.plan.PLACED_BY_PLANNER", 2)
    followers = [stand.follower(f"f{n}") for n in range(5)]
    signal = stand.signal("buy")
    planned = []
    from trading.conductor import plan as module

    real = module._plan_chunk

    def dies_after_one(**kwargs):
        if planned:
            raise KeyboardInterrupt
        planned.append(1)
        return real(**kwargs)

    monkeypatch.setattr(module, "_plan_chunk", dies_after_one)
    with pytest.raises(KeyboardInterrupt):
        stand.plan()
    monkeypatch.setattr(module, "_plan_chunk", real)
    stand.plan()
    execute(schema="t_alpha", signal_id=signal.pk, first=0, last=2**40)

    assert Order.objects.filter(signal_id=signal.pk).count() == 5
    swept_until(stand, stand.order(followers[0], signal), Status.FILLED)
    for follower in followers:
        swept_until(stand, stand.order(follower, signal), Status.FILLED)
        assert list(stand.executed(follower).values()) == [1]


def test_a_signal_is_done_when_every_order_is(stand):
    stand.follower("ben")
    signal = stand.signal("buy")
    stand.plan()
    threading.Event().wait(0.4)

    reconcile.sweep(schema="t_alpha")

    assert Signal.objects.get(pk=signal.pk).state == "done"


def test_keys_the_vault_cannot_open_are_told_as_missed(stand):
    ben = stand.follower("ben")
    stand.signer.forget([ben.account_id.bytes])
    ben.account.credential.delete()
    signal = stand.signal("buy")

    stand.plan()

    order = stand.order(ben, signal)
    assert (order.status, order.error_code) == (Status.MISSED, "unknown_account")
    ben.refresh_from_db()
    assert ben.reserved == 0


def test_the_open_of_a_flip_goes_out_behind_the_close_of_it(stand):
    ben = stand.follower("ben", invest="4000", lose="4000")
    stand.set_up(ben)
    stand.signal("buy", market="usdm")
    stand.plan()
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    closed = stand.signal("sell", effect="close", market="usdm")
    stand.plan()
    opened = stand.signal("sell", market="usdm")
    stand.plan()
    waiting = stand.order(ben, opened)
    assert (stand.order(ben, closed).status, waiting.status, waiting.waits) == (Status.UNSURE, Status.PLANNED, True)
    assert len(stand.executed(ben)) == 2

    swept_until(stand, stand.order(ben, closed), Status.FILLED)
    swept_until(stand, waiting, Status.FILLED)

    assert stand.holding(ben).qty == -waiting.qty
    assert sorted(stand.executed(ben).values()) == [1, 1, 1]


def test_a_venue_that_asks_for_a_pause_is_left_alone_until_it_is_over(stand, redis_db):
    ben = stand.follower("ben")
    redis_db.set(limits.Place("paper", "binance", "spot").own_key("pause"), "1", px=1500)
    signal = stand.signal("buy")

    stand.plan()
    waiting = stand.order(ben, signal)
    assert (waiting.status, waiting.error_code, stand.executed(ben)) == (Status.PLANNED, "venue_pause", {})
    order = swept_until(stand, stand.order(ben, signal), Status.FILLED)

    assert stand.executed(ben) == {order.client_id: 1}
