"""The guard's view of subscriptions: those it has something to look after, in one statement, and how high they stood.

As in `pools.followers`, these functions work on the caller's psycopg cursor, name the schema, and lock in the order of
ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from obscura.core.db.statements import of_schema
from pools.followers import FOLLOWER

_WATCHED = (
    "select "
    + FOLLOWER
    + """,
   s.pool_id,
   case when 'close' in (p.halt, p.origin_halt) then 'close' else coalesce(nullif(p.halt, ''), p.origin_halt) end,
   p.when_silent, s.stopped_by, s.stopped_at
 from {s}.pools_subscription s join {s}.citadel_exchangeaccount a on a.id = s.account_id
   join {s}.pools_pool p on p.id = s.pool_id
 where s.status <> 'ended' and (s.exposure <> 0 or s.stopped_by = 'daily_loss' or s.realised > s.peak)
 order by s.id"""
)

_PEAKS = """with locked as (
   select id from {s}.pools_subscription where id = any(%s::bigint[]) order by id for no key update)
 update {s}.pools_subscription s set peak = u.peak
 from unnest(%s::bigint[], %s::numeric[]) u(id, peak) join locked on locked.id = u.id
 where s.id = u.id and s.peak < u.peak"""


class Guarded(NamedTuple):
    """What is known of a subscription beside the columns of a follower."""

    pool_id: Any
    halt: str
    when_silent: str
    stopped_by: str
    stopped_at: datetime | None


def watched(cursor: Any, *, schema: str) -> list[tuple[tuple[Any, ...], Guarded]]:
    """Subscriptions with something open, those that wait for their next day, and those whose peak is behind.

    Each as (the columns of `pools.followers.chunk`, the rest).
    """
    width = -len(Guarded._fields)
    rows = cursor.execute(of_schema(_WATCHED, schema)).fetchall()
    return [(row[:width], Guarded(*row[width:])) for row in rows]


def raise_peaks(cursor: Any, *, schema: str, peaks: Mapping[int, Decimal]) -> None:
    """Write the highest results, by subscription; one that is lower than what is known changes nothing."""
    if peaks:
        ids = list(peaks)
        cursor.execute(of_schema(_PEAKS, schema), [ids, ids, [str(peaks[one]) for one in ids]])
