"""The hot path's own PostgreSQL sessions: one for each thread that needs one, kept for the process's life."""

from __future__ import annotations

import os
import select
import threading

import psycopg
from django.db import connection as django_connection
from psycopg.pq import TransactionStatus

from obscura.core.db.statements import of_schema as sql

__all__ = ["close", "session", "sql"]

_local = threading.local()


def session() -> psycopg.Connection:
    """This thread's session, in autocommit: what must be one transaction says so. Made anew after a fork or a loss.

    A session that the server has ended is found out here, before it is used.
    """
    kept: psycopg.Connection | None = getattr(_local, "session", None)
    settings = django_connection.settings_dict
    where = (os.getpid(), settings["NAME"], settings["PORT"])
    if kept is None or kept.closed or _local.where != where or _ended(kept):
        if kept is not None and _local.where[0] == where[0] and not kept.closed:
            kept.close()
        kept = psycopg.connect(
            dbname=settings["NAME"],
            user=settings["USER"] or None,
            password=settings["PASSWORD"] or None,
            host=settings["HOST"] or None,
            port=settings["PORT"] or None,
            autocommit=True,
            connect_timeout=5,
            application_name="obscura-hot",
        )
        _local.session, _local.where = kept, where
    return kept


def _ended(kept: psycopg.Connection) -> bool:
    """Whether the server has hung up. An idle session hears nothing else: what there is to read is its end, or news."""
    if kept.broken or kept.pgconn.transaction_status != TransactionStatus.IDLE:
        return kept.broken  # in the middle of a transaction its user finds out
    waiting = select.poll()
    waiting.register(kept.fileno(), select.POLLIN)
    if not waiting.poll(0):
        return False
    try:
        kept.execute("select 1")
    except psycopg.OperationalError:
        return True
    return False


def close() -> None:
    """Close this thread's session, if it has one."""
    kept: psycopg.Connection | None = getattr(_local, "session", None)
    if kept is not None and not kept.closed:
        kept.close()
    _local.session = None
