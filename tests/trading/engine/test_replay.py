"""Dead letters of trading: sent again, and again at the same time, an order is still sent once."""

from __future__ import annotations

import threading

from django.db import connection

from obscura.core.nudge.dead_letters import replay
from obscura.core.nudge.models import Nudge
from trading import tasks
from trading.domain.order_state import Status
from trading.execution import db
from trading.execution.submit import land
from trading.models import Order


def test_a_letter_replayed_twice_at_the_same_time_sends_each_order_once(stand, monkeypatch):
    monkeypatch.setattr("trading.conductor.plan.FIRST_CHUNK", 1)
    monkeypatch.setattr("trading.conductor.plan.PLACED_BY_PLANNER", 1)
    followers = [stand.follower(f"f{n}") for n in range(6)]
    signal = stand.signal("buy")
    stand.plan()
    assert Order.objects.filter(status=Status.PLANNED).count() == 5
    letter = Nudge.objects.get(task="trading.execute")
    Nudge.objects.filter(pk=letter.pk).update(dead=True, tries=41, error="venue_away: Away.")
    together = threading.Barrier(4)
    revived: list[int] = []

    def work() -> None:
        connection.set_tenant(stand.tenant)
        together.wait()
        revived.append(replay([letter.pk], actor="stella", tenant="t_alpha"))
        # Whatever the broker makes of it, a message may come to each of them.
        tasks.execute(**letter.ids, nudge=letter.pk)
        land()
        db.close()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(revived) in ([0, 0, 0, 0], [0, 0, 0, 1])
    assert [list(stand.executed(one).values()) for one in followers] == [[1]] * 6
    assert Order.objects.filter(signal_id=signal.pk, status=Status.FILLED, attempts=1).count() == 6
    assert not Nudge.objects.filter(pk=letter.pk).exists()
    assert replay([letter.pk], actor="stella") == 0
