"""Child processes of a test: they work on the test's own database and Redis, and end with it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from tests.support import warm

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


def database_url() -> str:
    """The database of this test, as a child is told of it."""
    one = connection.settings_dict
    user = quote(one["USER"]) + (f":{quote(one['PASSWORD'])}" if one["PASSWORD"] else "")
    return f"postgresql://{user}@{quote(one['HOST'], safe='')}:{one['PORT']}/{one['NAME']}"


def environment() -> dict[str, str]:
    """The variables that lead a child to what this test uses. The test must be a `committed` one."""
    return {
        "OBSCURA_RUN": str(settings.RUN_DIR),
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "obscura.settings.test",
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def running(module: str, *arguments: str, log: Path, extra: dict[str, str] | None = None) -> Iterator[warm.Process]:
    """``python -m <module> <arguments>`` for the length of the block; its process group is killed at its end."""
    with log.open("ab") as out:
        child = warm.Process(module, *arguments, env={**environment(), **(extra or {})}, out=out, err=out)
    try:
        yield child
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def eventually(true: Callable[[], object], *, log: Path | None = None, every_s: float = 0.05) -> None:
    """Wait until something is true; show the end of a log when it never is."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if true():
            return
        time.sleep(every_s)
    tail = log.read_text()[-3000:] if log is not None and log.exists() else ""
    raise AssertionError(f"it did not become true within {PATIENCE_S} s\n{tail}")


def celery_worker(queues: Sequence[str], *, include: str) -> tuple[str, ...]:
    """Arguments of one worker process without children, that also knows the tasks of a test's module."""
    return (
        "celery",
        "-A",
        "obscura",
        "worker",
        "-P",
        "solo",
        "-Q",
        ",".join(queues),
        "-I",
        include,
        "-l",
        "WARNING",
    )
