"""The guard as a process: it reports, looks on, outlives a database that is away, and stops when it is told to."""

from __future__ import annotations

import threading

from django.db import OperationalError, connections

from obscura.core import alive
from trading.execution import db
from trading.guard import __main__ as process
from trading.guard import round as rounds


def test_it_reports_itself_and_goes_on_after_a_database_that_was_away(committed, redis_db, monkeypatch):
    stop, looks, real = threading.Event(), [], rounds.look

    def look(**asked):
        looks.append(asked["tenant"].schema_name)
        if len(looks) == 1:
            raise OperationalError("away")
        return real(**asked)

    def run() -> None:
        try:
            process.run(stop)
        finally:
            db.close()
            connections.close_all()

    monkeypatch.setattr(rounds, "look", look)
    thread = threading.Thread(target=run)
    thread.start()
    while not alive.processes():
        assert thread.is_alive()
        threading.Event().wait(0.05)
    stop.set()
    thread.join()

    (guard,) = alive.processes()
    assert guard["process"] == "guard"
    assert (guard["watched"], guard["closes"], guard["failed"]) == (0, 0, 0)
    assert looks[0] == looks[1]  # the round that failed began anew
    assert len(set(looks)) == 3
