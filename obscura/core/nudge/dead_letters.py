"""Dead letters: nudges that were tried too often. People see why, and send them again, one or all."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from django.db import transaction
from django.db.models import QuerySet

from obscura.core.audit import write as audit
from obscura.core.db.session import connection
from obscura.core.nudge.models import Nudge
from obscura.core.nudge.send import GRACE_S, Message, send

# Whoever comes second waits, and finds nothing dead: one replay is one message, however many ask for it.
_REVIVE = """with d as (select id, error from public.nudge_nudge
   where id = any(%s) and dead and (%s::text is null or tenant = %s) order by id for update)
 update public.nudge_nudge n set dead = false, tries = 0, error = '', due = clock_timestamp() + %s * interval '1 s'
 from d where n.id = d.id returning n.id, n.tenant, n.task, n.queue, n.ids, d.error"""


def dead_letters(*, tenant: str | None = None) -> QuerySet[Nudge]:
    """What waits for a person, oldest first.

    :param tenant: this schema's alone; None for the platform's own staff: everybody's
    """
    rows = Nudge.objects.filter(dead=True).order_by("created_at", "pk")
    return rows if tenant is None else rows.filter(tenant=tenant)


def replay(ids: Sequence[int], *, actor: str, tenant: str | None = None) -> int:
    """Send dead letters again, with all tries before them. Returns how many were revived by this call.

    May be repeated, and by several at once: what is not dead any more is left alone. That a revived task runs twice
    is harmless as with any nudge, since each claims its work.

    :param tenant: as for `dead_letters`; another tenant's letters are not found
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_REVIVE, [list(ids), tenant, tenant, GRACE_S])
            rows = sorted(cursor.fetchall(), key=lambda row: row[0])
        revived = [Message(*row[:4], ids=_plain(row[4])) for row in rows]
        for number, schema, task, _, _, why in rows:
            audit.record("nudge.resent", actor=actor, subject=f"nudge:{number}", task=task, tenant=schema, why=why)
    for message in revived:
        transaction.on_commit(lambda one=message: send(one))  # type: ignore[misc]
    return len(revived)


def _plain(ids: object) -> dict[str, object]:
    return ids if isinstance(ids, dict) else orjson.loads(ids)  # type: ignore[arg-type, no-any-return]
