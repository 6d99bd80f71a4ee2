"""The order in which followers are served is the one that was committed to, also when a planner dies in its midst."""

from __future__ import annotations

import threading
from contextvars import copy_context

import psycopg
import pytest
from django.db import connection

from obscura.core.nudge.models import Nudge
from pools import followers
from trading.conductor import draws
from trading.conductor.plan import plan
from trading.domain import draw
from trading.domain.order_state import Status
from trading.execution import db, submit
from trading.execution.execute import execute
from trading.models import Denial, DrawChain, Order, Signal

SIZES = {"first": 3, "chunk": 4}


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr("trading.conductor.plan.FIRST_CHUNK", SIZES["first"])
    monkeypatch.setattr("trading.conductor.plan.CHUNK", SIZES["chunk"])
    monkeypatch.setattr("trading.conductor.plan.PLACED_BY_PLANNER", SIZES["first"])


def told_places(signal: Signal) -> dict[int, int]:
    rows = [*Order.objects.filter(signal_id=signal.pk), *Denial.objects.filter(signal_id=signal.pk)]
    assert len({row.subscription_id for row in rows}) == len(rows)
    return {row.subscription_id: row.place for row in rows}


def drawn_places(signal: Signal, subscriptions: list[int]) -> dict[int, int]:
    """What anybody can compute from the seed that was revealed."""
    count = len(subscriptions)
    return {
        one: draw.place(seed=bytes(signal.seed), signal=signal.pk, followers=count, rank=rank, **SIZES)
        for rank, one in enumerate(sorted(subscriptions))
    }


def test_everybody_has_the_place_that_the_committed_seed_gives(stand, small_chunks):
    subscriptions = [stand.follower(f"f{n}", **({"status": "paused"} if n % 3 else {})).pk for n in range(12)]
    signals = [stand.signal("buy"), stand.signal("buy", symbol="ETHUSDT", price="3000")]

    assert stand.plan() == 6  # chunks of 3, 4, and 4 with the one behind them, twice

    chain = DrawChain.objects.get(number=0)
    for signal in signals:
        signal.refresh_from_db()
        assert told_places(signal) == drawn_places(signal, subscriptions)
        assert (signal.draw_followers, signal.followers, signal.draw_chain) == (12, 12, chain.pk)
        assert signal.draw_start == draw.lot(seed=bytes(signal.seed), signal=signal.pk) % 12
        assert (signal.walk_first, signal.walk_last) == (sorted(subscriptions)[signal.draw_start], max(subscriptions))
        assert draw.leads_to(seed=bytes(signal.seed), index=signal.seq, anchor=bytes(chain.anchor))
    # The commitment behind this one is published long before it is needed.
    assert DrawChain.objects.filter(number=1, revision=0).count() == 1


def test_a_walk_goes_on_where_a_planner_died_and_around_the_end(stand, small_chunks, monkeypatch):
    monkeypatch.setattr(draw, "lot", lambda **_: 7)
    people = [stand.follower(f"f{n}") for n in range(12)]
    signal = stand.signal("buy")
    for chunk in range(3):
        # One chunk each by a planner that is gone then; nobody knows the seed before the last.
        signal.refresh_from_db()
        assert (signal.seed, signal.state) == (None, "planning" if chunk else "new")
        assert plan(tenant=stand.tenant, pool_id=stand.pool.id, most=1) == 1
    signal.refresh_from_db()
    assert signal.state == "planned"

    ranges = [one.ids for one in Nudge.objects.filter(task="trading.execute").order_by("pk")]
    subscriptions = sorted(one.pk for one in people)
    assert [(one["first"], one["last"]) for one in ranges] == [
        (subscriptions[10], subscriptions[1]), (subscriptions[2], subscriptions[6]),
    ]  # fmt: skip
    for one in ranges:
        execute(schema="t_alpha", **one)

    assert [list(stand.executed(one).values()) for one in people] == [[1]] * 12
    assert set(Order.objects.values_list("status", flat=True)) == {Status.FILLED}
    assert told_places(signal) == drawn_places(signal, subscriptions)


def test_orders_are_handed_to_the_signer_in_the_drawn_order(stand, small_chunks, monkeypatch):
    handed: list[list[int]] = []
    real = submit.order_chunks

    def hear(signal, places, sides):
        handed.extend([order.place for order in rows] for rows in places.values())
        return real(signal, places, sides)

    monkeypatch.setattr(submit, "order_chunks", hear)
    [stand.follower(f"f{n}") for n in range(7)]
    signal = stand.signal("buy")
    stand.plan()

    execute(schema="t_alpha", signal_id=signal.pk, first=0, last=2**40)

    assert handed == [[1, 2, 3], [4, 5, 6, 7]]


def test_who_subscribes_while_a_signal_is_planned_is_no_follower_of_it(stand, small_chunks):
    before = [stand.follower(f"f{n}").pk for n in range(5)]
    signal = stand.signal("buy")
    plan(tenant=stand.tenant, pool_id=stand.pool.id, most=1)
    stand.follower("late")

    stand.plan()

    assert told_places(signal).keys() == set(before)


def test_a_changed_key_is_a_new_revision_for_everybody_to_see(stand, settings):
    stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    settings.SECRET_KEY = "another key of the installation, long enough to sign with"  # noqa: S105
    draws._published.clear()
    later = stand.signal("sell", effect="close")

    stand.plan()

    later.refresh_from_db()
    first, second = DrawChain.objects.filter(number=0).order_by("revision")
    assert (first.revision, second.revision, later.draw_chain) == (0, 1, second.pk)
    assert draw.leads_to(seed=bytes(later.seed), index=2, anchor=bytes(second.anchor))
    assert not draw.leads_to(seed=bytes(later.seed), index=2, anchor=bytes(first.anchor))


def test_a_walk_that_began_before_there_were_draws_ends_where_it_would_have(stand, small_chunks):
    subscriptions = [stand.follower(f"f{n}").pk for n in range(9)]
    signal = stand.signal("buy")
    with connection.cursor() as cursor:
        cursor.execute(
            "update trading_signal set state = 'planning', cursor = %s, followers = 3, walk_first = 1,"
            " walk_last = 9223372036854775807, draw_followers = 2147483647",
            [subscriptions[2]],
        )

    stand.plan()

    signal.refresh_from_db()
    assert told_places(signal).keys() == set(subscriptions[3:])
    assert (signal.state, signal.followers) == ("planned", 9)


@pytest.mark.parametrize("start", [0, 7])
def test_nobody_is_passed_over_who_is_being_settled_meanwhile(stand, monkeypatch, start):
    monkeypatch.setattr(draw, "lot", lambda **_: start)
    monkeypatch.setattr("trading.conductor.plan.FIRST_CHUNK", 10)
    subscriptions = [stand.follower(f"f{n}", status="paused").pk for n in range(12)]
    signal = stand.signal("buy")
    planner = threading.Thread(target=copy_context().run, args=(_plan_all, stand))

    with psycopg.connect(**connection.get_connection_params()) as writer:
        writer.execute("update t_alpha.pools_subscription set realised = realised + 1")
        planner.start()
        _until_it_waits(writer)
    planner.join(20)

    assert told_places(signal).keys() == set(subscriptions)


@pytest.mark.parametrize("statement", [followers._CHUNK, followers._CHUNK_AROUND])
def test_followers_are_chosen_before_they_are_locked(stand, statement):
    """A row that changes while its lock is waited for is read again alone. What it was joined to is not always found
    again then (a union never, in large tables), and the follower would be left out."""
    pool = stand.pool.id
    values = [pool, 0, 9, 50] if statement is followers._CHUNK else [pool, pool, 0, 9, 50, pool, 0, 9, 50]
    with connection.cursor() as cursor:
        cursor.execute(b"explain (costs off) " + db.sql(statement, "t_alpha"), values)
        plan_of_it = "\n".join(row[0] for row in cursor.fetchall())

    _, below = plan_of_it.split("LockRows")
    assert "Subquery Scan" not in below
    assert "Semi Join" not in below


def _plan_all(stand) -> None:
    try:
        plan(tenant=stand.tenant, pool_id=stand.pool.id)
    finally:
        db.close()
        connection.close()


def _until_it_waits(session) -> None:
    for _ in range(200):
        if session.execute("select count(*) from pg_locks where not granted").fetchone()[0]:
            return
        threading.Event().wait(0.05)
    raise AssertionError("the planner does not wait")
