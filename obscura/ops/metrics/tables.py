"""What the tables say of how things stand: looked up by a worker, laid down for the page."""

from __future__ import annotations

from django.db import connection

import trading.metrics
from citadel import measured
from obscura.core import metrics
from obscura.core.db.statements import of_schema
from obscura.core.metrics import Sample
from obscura.ops.metrics.definitions import NUDGES, OVERDUE, UNCHAINED, UNCHAINED_AGE
from tenants import audits
from tenants.scope import PUBLIC, entered

PART = "tables"

_NUDGES = """select task, count(*) filter (where not dead and due > clock_timestamp()),
   count(*) filter (where not dead and due <= clock_timestamp()), count(*) filter (where dead),
   extract(epoch from clock_timestamp() - min(due) filter (where not dead))
 from public.nudge_nudge group by task"""

_UNCHAINED = """select count(*), extract(epoch from clock_timestamp() - min(at))
 from {s}.audit_entry where position is null"""


def look() -> None:
    """Look everything up and lay it down.

    :raises django.db.DatabaseError: the database is away; what was laid down before ages
    :raises redis.RedisError: Redis is away
    """
    metrics.lay(PART, [*_promises(), *_unchained(), *measured.alerts(), *trading.metrics.standing()])


def _promises() -> list[Sample]:
    with entered(PUBLIC), connection.cursor() as cursor:
        cursor.execute(_NUDGES)
        rows = cursor.fetchall()
    found, oldest = [], 0.0
    for task, waiting, overdue, dead, age in rows:
        states = {"waiting": waiting, "overdue": overdue, "dead": dead}
        found += [NUDGES.at(count, task, state) for state, count in states.items()]
        oldest = max(oldest, float(age or 0))
    return [*found, OVERDUE.at(oldest)]


def _unchained() -> list[Sample]:
    """Of all schemas together."""
    total, oldest = 0, 0.0
    for schema in audits.schemas():
        with connection.cursor() as cursor:
            cursor.execute(of_schema(_UNCHAINED, schema))
            [(count, age)] = cursor.fetchall()
        total, oldest = total + count, max(oldest, float(age or 0))
    return [UNCHAINED.at(total), UNCHAINED_AGE.at(oldest)]
