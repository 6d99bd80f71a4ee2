"""When the database is away: told apart from a statement that went wrong, and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import django.db
import psycopg

T = TypeVar("T")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
_CONNECTION, _OPERATOR, _TOO_MANY, _CANCELLED = "08", "57", "53300", "57014"

LOST = (psycopg.OperationalError, psycopg.InterfaceError, django.db.OperationalError, django.db.InterfaceError)


def away(error: BaseException) -> bool:
    """Whether the server is not there, or threw us out; not whether it refused or gave up a statement."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if not isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError)):
        return False
    state = cause.sqlstate
    return state is None or state == _TOO_MANY or (state[:2] in (_CONNECTION, _OPERATOR) and state != _CANCELLED)


def patiently(work: Callable[[], T], *, limit: float) -> T:
    """Do the work, again for as long as the database is away, at most `limit` seconds. Work must be safe to repeat.

    :raises psycopg.Error: as the work raises it, when the time is over or the database is not away
    """
    end, pause = time.monotonic() + limit, FIRST_PAUSE_S
    while True:
        try:
            return work()
        except LOST as error:
            if not away(error) or time.monotonic() > end or django.db.connection.in_atomic_block:
                raise
        django.db.connection.close()  # Django's own session has most likely ended with the server
        time.sleep(pause)
        pause = min(LONGEST_PAUSE_S, pause * 2)
