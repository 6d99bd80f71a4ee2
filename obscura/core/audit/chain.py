"""The chain of a schema's audit: each entry's digest covers the one before it, so none can be changed or left out.

Whoever writes an entry knows nothing of it. The sequencer gives places to entries that have none yet, whatever their
id: the entry of a transaction that commits late comes later in the chain, and none is passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db import transaction

from obscura.core.db.session import connection

GENESIS = "0" * 64
"""What the first entry follows."""

BATCH = 500
_FORM = 1

_FIELDS = """id, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, action, subject, facts::text,
 position, previous, digest"""
_ANY = "select exists (select from {s}.audit_entry where position is null)"
_LOCK = "select pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
_HEAD = "select position, digest from {s}.audit_entry where position is not null order by position desc limit 1"
_AT = "select digest from {s}.audit_entry where position = %s"
_FREE = f"select {_FIELDS} from {{s}}.audit_entry where position is null order by id limit %s"
_FROM = f"select {_FIELDS} from {{s}}.audit_entry where position >= %s order by position limit %s"
_PLACE = """update {s}.audit_entry e set position = v.position, previous = v.previous, digest = v.digest
 from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) v(id, position, previous, digest)
 where e.id = v.id and e.position is null"""
_LATE = """select count(*), min(id) from {s}.audit_entry
 where position is null and at < clock_timestamp() - %s * interval '1 s'"""


class Row(NamedTuple):
    """An entry as the database tells it; `facts` is the text of the JSON as PostgreSQL keeps it, so exact."""

    id: int
    at: str
    actor: str
    action: str
    subject: str
    facts: str
    position: int | None
    previous: str | None
    digest: str | None


class Head(NamedTuple):
    """The last entry of a chain."""

    position: int
    digest: str


def digest(row: Row, *, schema: str, position: int, previous: str) -> str:
    """SHA-256, in hex, over the entry's place and all its fields as canonical JSON."""
    text = json.dumps(
        {
            "form": _FORM, "schema": schema, "position": position, "previous": previous, "id": row.id, "at": row.at,
            "actor": row.actor, "action": row.action, "subject": row.subject, "facts": row.facts,
        },
        sort_keys=True, separators=(",", ":"), ensure_ascii=False,
    )  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()


def extend(schema: str, *, limit: int = 20_000) -> int:
    """Chain what has no place yet, oldest id first. How many that were.

    One runs at a time for each schema; another leaves at once. Killed, it leaves whole batches and goes on with the
    next call.
    """
    done = 0
    while done < limit and (count := _extend_by_a_batch(schema)):
        done += count
    return done


def head(schema: str) -> Head | None:
    """The end of a schema's chain; None where nothing is chained."""
    found = _rows(schema, _HEAD)
    return Head(*found[0]) if found else None


def digest_at(schema: str, position: int) -> str | None:
    """The digest of the entry at this place, or None where there is none."""
    found = _rows(schema, _AT, [position])
    return None if not found else str(found[0][0])


def chained(schema: str, *, first: int = 1) -> Iterator[Row]:
    """The entries that have a place, in its order."""
    while rows := _rows(schema, _FROM, [first, 4 * BATCH]):
        for row in rows:
            yield Row(*row)
        first = rows[-1][6] + 1


def unchained(schema: str, *, older_than_s: float) -> tuple[int, int | None]:
    """How many entries have had no place for so long, and the lowest id of them."""
    [(count, lowest)] = _rows(schema, _LATE, [older_than_s])
    return count, lowest


def _extend_by_a_batch(schema: str) -> int:
    if not _rows(schema, _ANY)[0][0]:
        return 0
    with transaction.atomic():
        if not _rows(schema, _LOCK, [f"audit:{schema}"])[0][0]:
            return 0
        last = head(schema) or Head(0, GENESIS)  # read under the lock: what the one before wrote is committed
        rows = [Row(*row) for row in _rows(schema, _FREE, [BATCH])]
        placed: list[tuple[int, int, str, str]] = []
        for row in rows:
            position = last.position + 1
            after = Head(position, digest(row, schema=schema, position=position, previous=last.digest))
            placed.append((row.id, position, last.digest, after.digest))
            last = after
        if placed:
            with connection.cursor() as cursor:
                cursor.execute(_named(_PLACE, schema), [list(column) for column in zip(*placed, strict=True)])
    return len(placed)


def _rows(schema: str, template: str, values: Sequence[Any] = ()) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(_named(template, schema), list(values))
        return cursor.fetchall()  # type: ignore[no-any-return]


def _named(template: str, schema: str) -> str:
    return template.replace("{s}", connection.ops.quote_name(schema))
