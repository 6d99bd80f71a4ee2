"""Tasks for a worker of a test: one that kills whoever runs it, and one that comes behind it."""

from __future__ import annotations

import os
from pathlib import Path

from celery.concurrency.asynpool import AsynPool

from obscura.core.nudge import send

# Celery gives up what a dead child was doing when it next looks, every five seconds: four deaths would be twenty.
AsynPool.timers = property(lambda pool: {pool.maintain_pool: 0.1})

send.TRIES = int(os.environ.get("TESTS_TRIES", send.TRIES))
send.PATIENCE_H = 0


@send.nudged("tests.poison")
def poison(*, mark: str) -> None:
    """Leave a mark and die."""
    with Path(mark).open("a") as found:
        found.write("x")
    os._exit(1)


@send.nudged("tests.harmless")
def harmless(*, mark: str) -> None:
    """Leave a mark."""
    Path(mark).write_text("x")
