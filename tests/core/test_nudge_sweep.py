"""Promises are kept after an outage: what a broker did not take was not tried, and no trade waits long for its turn."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta

import celery
import pytest
import redis
from kombu.exceptions import OperationalError

from obscura.celery import app
from obscura.core import clock
from obscura.core.nudge import send
from obscura.core.nudge.models import Nudge


def promised(*, queue: str = "normal", tries: int = 0, age: timedelta = timedelta(0)) -> Nudge:
    now = clock.now()
    due = now - timedelta(seconds=1)
    return Nudge.objects.create(
        tenant="public", task="tests.nothing", queue=queue, ids={}, due=due, tries=tries, created_at=now - age
    )


@pytest.fixture
def broker(monkeypatch):
    """Takes messages until it is told to be away."""
    taken: list[int] = []

    def send_task(task, *, kwargs, **_):
        if taken.count(-1):
            raise OperationalError
        taken.append(kwargs["nudge"])

    monkeypatch.setattr(celery.current_app, "send_task", send_task)
    return taken


def test_what_a_broker_that_is_away_does_not_take_was_not_tried(committed, broker, redis_db):
    nudges = [promised() for _ in range(3)]
    broker.append(-1)

    assert send.sweep() == 0
    assert [nudge.tries for nudge in Nudge.objects.order_by("id")] == [0, 0, 0]

    broker.clear()
    Nudge.objects.update(due=clock.now() - timedelta(seconds=1))
    assert send.sweep() == 3
    assert sorted(broker) == [nudge.pk for nudge in nudges]
    assert [nudge.tries for nudge in Nudge.objects.all()] == [1, 1, 1]


def test_a_crowded_queue_gets_no_message_twice(committed, broker, redis_db):
    waits, goes = promised(queue="normal"), promised(queue="high")
    redis_db.rpush("normal", *range(101))

    send.sweep()
    assert broker == [goes.pk]
    waits.refresh_from_db()
    assert waits.tries == 0

    redis_db.ltrim("normal", 0, 99)
    send.sweep()
    assert broker == [goes.pk, waits.pk]


@pytest.mark.parametrize(("queue", "pause"), [("critical", 15), ("high", 15), ("normal", 15), ("low", 300)])
def test_no_trade_waits_longer_than_fifteen_seconds_for_its_next_try(committed, broker, redis_db, queue, pause):
    first, later = promised(queue=queue), promised(queue=queue, tries=20)

    send.sweep()

    first.refresh_from_db()
    later.refresh_from_db()
    assert round((later.due - first.due).total_seconds()) == pause - 2  # the first pause is two seconds


def test_a_promise_is_dead_when_it_was_tried_often_and_for_long(committed, broker, redis_db):
    hasty = promised(tries=40, age=timedelta(hours=2))
    hopeless = promised(tries=40, age=timedelta(hours=4))

    send.sweep()

    assert broker == [hasty.pk]
    assert list(Nudge.objects.filter(dead=True)) == [hopeless]


def test_redis_that_is_away_postpones_a_task_and_keeps_its_promise(committed, redis_db):
    nudge = promised()

    @send.nudged("tests.prices")
    def prices() -> None:
        raise redis.ConnectionError

    prices(nudge=nudge.pk)

    assert Nudge.objects.filter(pk=nudge.pk, dead=False).exists()


def test_a_broker_that_is_away_is_asked_twice_and_no_more():
    """Whoever sends holds a fill or a result in his hands: he must not sleep between tries."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        calls = []

        def refuse() -> None:
            while True:
                try:
                    line, _ = door.accept()
                except OSError:
                    return
                calls.append(1)
                line.close()

        waiter = threading.Thread(target=refuse, daemon=True)
        waiter.start()
        address = f"redis://127.0.0.1:{door.getsockname()[1]}/0"
        far = celery.Celery(broker=address, set_as_current=False)  # nobody else shall send to it
        far.conf.broker_transport_options = app.conf.broker_transport_options
        far.conf.task_queues = app.conf.task_queues

        with pytest.raises(OperationalError):
            far.send_task("tests.nothing", queue="normal", retry=False)
        door.shutdown(socket.SHUT_RDWR)
    waiter.join()
    assert 1 <= len(calls) <= 4
