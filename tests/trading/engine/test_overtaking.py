"""The most urgent first: an exit is placed before everything that waits, and what it overtook opens nothing."""

from __future__ import annotations

import pytest
from django.db import connection

from obscura.core.nudge.models import Nudge
from trading import tasks
from trading.conductor.plan import plan
from trading.domain.order_state import Status
from trading.domain.priorities import CRITICAL, HIGH, LOW
from trading.execution import results
from trading.execution.execute import execute, load_signal
from trading.execution.overtaking import _LATE
from trading.execution.submit import land
from trading.models import Denial, Order, Signal

BACKLOG = 10_000


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr("trading.conductor.plan.FIRST_CHUNK", 1)
    monkeypatch.setattr("trading.conductor.plan.CHUNK", 2)
    monkeypatch.setattr("trading.conductor.plan.PLACED_BY_PLANNER", 1)


def waiting_signals(stand, count: int) -> None:
    """So many opens of ether, low: one that was recorded, and the rest written as it is."""
    first = stand.signal("buy", symbol="ETHUSDT", price="3000", priority=LOW)
    names = [field.column for field in Signal._meta.concrete_fields]
    own = {"id": "n", "seq": "seq + n", "external_id": "external_id || n"}
    with connection.cursor() as cursor:
        cursor.execute(
            f"insert into trading_signal ({', '.join(names)}) select {', '.join(own.get(name, name) for name in names)}"
            " from trading_signal, generate_series(1, %s) n where id = %s",
            [count - 1, first.pk],
        )
        cursor.execute("update trading_poollane set last_seq = last_seq + %s", [count - 1])


def once(stand) -> int:
    """Plan one chunk."""
    return plan(tenant=stand.tenant, pool_id=stand.pool.id, most=1)


def outcomes(signal: Signal) -> dict[int, str]:
    """By subscription: the reason of its denial, or the state of its order; never both."""
    denied = dict(Denial.objects.filter(signal_id=signal.pk).values_list("subscription_id", "reason"))
    orders = dict(Order.objects.filter(signal_id=signal.pk).values_list("subscription_id", "status"))
    assert not denied.keys() & orders.keys()
    return denied | {key: Status(status).name for key, status in orders.items()}


def test_a_critical_exit_is_placed_before_ten_thousand_low_signals(stand):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    waiting_signals(stand, BACKLOG)
    close = stand.signal("sell", effect="close", priority=CRITICAL)

    assert once(stand) == 1

    exit = stand.order(ben, close)
    assert exit.status == Status.FILLED
    # Counted at the venue: what it executed is the open of before and the exit, and nothing of the ten thousand.
    assert len(stand.executed(ben)) == 2
    assert stand.executed(ben)[exit.client_id] == 1
    assert Signal.objects.filter(state="new", priority=LOW).count() == BACKLOG
    once(stand)
    assert Signal.objects.filter(state="new", priority=LOW).count() == BACKLOG - 1


def test_the_opens_that_an_exit_overtook_are_denied_to_every_follower(stand):
    ben, cleo = stand.follower("ben"), stand.follower("cleo")
    stand.signal("buy")
    stand.plan()
    late = stand.signal("buy", priority=LOW)
    half = stand.signal("sell", effect="close", fraction="0.5", priority=LOW)
    close = stand.signal("sell", effect="close", priority=CRITICAL)
    after = stand.signal("buy", priority=LOW)

    assert [once(stand) for _ in range(5)] == [1, 1, 1, 1, 0]

    assert outcomes(close) == {ben.pk: "FILLED", cleo.pk: "FILLED"}
    assert outcomes(late) == {ben.pk: "overtaken", cleo.pk: "overtaken"}
    assert outcomes(half) == {ben.pk: "nothing_to_close", cleo.pk: "nothing_to_close"}
    assert outcomes(after) == {ben.pk: "FILLED", cleo.pk: "FILLED"}
    assert Signal.objects.get(pk=late.pk).overtaken_by == close.pk
    assert Signal.objects.get(pk=after.pk).overtaken_by is None


def test_an_exit_between_two_chunks_of_an_open_stops_the_rest_of_it(stand, small_chunks):
    followers = [stand.follower(f"f{n}") for n in range(4)]
    opened = stand.signal("buy", priority=LOW)
    once(stand)
    [(first, state)] = outcomes(opened).items()
    assert state == "FILLED"
    close = stand.signal("sell", effect="close", priority=CRITICAL)

    stand.plan()
    execute(schema="t_alpha", signal_id=close.pk, first=0, last=2**40)

    others = [one.pk for one in followers if one.pk != first]
    assert outcomes(close) == {first: "FILLED"} | dict.fromkeys(others, "nothing_to_close")
    assert outcomes(opened) == {first: "FILLED"} | dict.fromkeys(others, "overtaken")
    assert sum(sum(stand.executed(one).values()) for one in followers) == 2


def test_planned_ranges_that_nobody_has_sent_are_not_in_the_way_of_an_exit(stand, small_chunks):
    followers = [stand.follower(f"f{n}") for n in range(3)]
    opened = stand.signal("buy", priority=LOW)
    stand.plan()
    first = next(pk for pk, state in outcomes(opened).items() if state == "FILLED")
    others = [one for one in followers if one.pk != first]
    assert outcomes(opened) == {first: "FILLED"} | {one.pk: "PLANNED" for one in others}
    close = stand.signal("sell", effect="close", priority=CRITICAL)

    stand.plan()
    execute(schema="t_alpha", signal_id=close.pk, first=0, last=2**40)
    assert execute(schema="t_alpha", signal_id=opened.pk, first=0, last=2**40) == 0

    assert outcomes(close) == {first: "FILLED"} | {one.pk: "nothing_to_close" for one in others}
    for one in others:
        order = stand.order(one, opened)
        assert (order.status, order.error) == (Status.MISSED, "An exit of the lead came first")
        assert (stand.holding(one).opening, stand.holding(one).qty, stand.executed(one)) == (0, 0, {})
        one.refresh_from_db()
        assert (one.reserved, one.exposure) == (0, 0)


def test_an_exit_that_is_no_more_urgent_keeps_its_place(stand, small_chunks):
    [stand.follower(f"f{n}") for n in range(3)]
    opened = stand.signal("buy", priority=HIGH)
    close = stand.signal("sell", effect="close", priority=HIGH)

    stand.plan()

    assert sorted(outcomes(opened).values()) == ["FILLED", "PLANNED", "PLANNED"]
    assert Order.objects.filter(signal_id=close.pk).count() == 3


def test_what_was_claimed_meanwhile_is_not_given_up(stand):
    ben = stand.follower("ben")
    signal = stand.signal("buy")
    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    stand.plan()
    order = stand.order(ben, signal)
    assert (order.status, order.attempts) == (Status.UNSURE, 1)

    row = load_signal(schema="t_alpha", signal_id=signal.pk)
    results.write(schema="t_alpha", signal=row, told=[results.Told(order.pk, 0, _LATE)])

    order.refresh_from_db()
    assert order.status == Status.UNSURE


def test_an_urgent_close_of_a_part_lends_its_turn_to_what_came_before_it(stand):
    ben = stand.follower("ben")
    opened = stand.signal("buy", priority=LOW)
    elsewhere = stand.signal("buy", symbol="ETHUSDT", price="3000", priority=LOW)
    half = stand.signal("sell", effect="close", fraction="0.5", priority=CRITICAL)

    assert (once(stand), outcomes(opened), outcomes(half)) == (1, {ben.pk: "FILLED"}, {})
    assert (once(stand), outcomes(half), outcomes(elsewhere)) == (1, {ben.pk: "FILLED"}, {})


def test_who_is_called_for_what_is_critical_leaves_the_rest(stand):
    ben = stand.follower("ben")
    low = stand.signal("buy", priority=LOW)
    critical = stand.signal("buy", symbol="ETHUSDT", price="3000", priority=CRITICAL)
    assert set(Nudge.objects.filter(task="trading.plan").values_list("queue", "ids__urgency")) == {
        ("low", 100), ("critical", 0),
    }  # fmt: skip

    tasks.plan(pool_id=str(stand.pool.id), urgency=CRITICAL)
    land()
    assert (outcomes(critical).keys(), outcomes(low)) == ({ben.pk}, {})

    tasks.plan(pool_id=str(stand.pool.id), urgency=LOW)
    land()
    assert outcomes(low).keys() == {ben.pk}


def test_a_long_plan_goes_back_to_its_queue_now_and_then(stand, monkeypatch):
    monkeypatch.setattr(tasks, "CHUNKS_AT_ONCE", 2)
    stand.follower("ben")
    waiting_signals(stand, 3)
    Nudge.objects.all().delete()

    tasks.plan(pool_id=str(stand.pool.id), urgency=LOW)

    assert Signal.objects.filter(state="new").count() == 1
    again = Nudge.objects.get(task="trading.plan")
    assert (again.queue, again.ids) == ("low", {"pool_id": str(stand.pool.id), "urgency": 100})
    tasks.plan(**again.ids, nudge=again.pk)
    assert not Signal.objects.filter(state="new").exists()
    assert not Nudge.objects.filter(task="trading.plan").exists()
    land()
