"""Write a nudge with the work it belongs to, send it after the commit, send it again while it is overdue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, NamedTuple

import celery
import kombu.exceptions
import orjson
import psycopg
import redis
from django.db import transaction

from obscura.core import log, redis_clients
from obscura.core.db.away import patiently
from obscura.core.db.session import connection
from obscura.core.errors import Problem

GRACE_S = 3.0
LONGEST_PAUSE_S = 300
HASTY = ("critical", "high", "normal")
LONGEST_HASTY_PAUSE_S = 15
"""In the queues of trades no pause is longer: after an outage its length must not decide how soon a trade is copied."""

CROWDED = 100
"""Where so many messages wait, what is overdue is most likely among them: once more of it would only crowd it more."""

TRIES, PATIENCE_H = 40, 3
PATIENCE_S = 30.0
"""A task waits so long for a database that is away: to fail at once would only burn the queue, nudge by nudge."""

_logger = log.get("nudge")

_INSERT = """insert into public.nudge_nudge (tenant, task, queue, ids, due, tries, error, dead, created_at)
 values (%s, %s, %s, %s::jsonb, clock_timestamp() + %s * interval '1 s', 0, '', false, clock_timestamp())
 returning id"""

NOBODY_CAME = "lost: Nobody came back from it: its worker was lost, or the database was away."

# The pause doubles with each try; a row that was tried too often and for too long waits for a person.
_OVERDUE = """update public.nudge_nudge n set tries = n.tries + 1,
   dead = n.tries + 1 > %s and n.created_at < clock_timestamp() - %s * interval '1 h',
   error = case when n.tries + 1 > %s and n.error = '' then %s else n.error end,
   due = clock_timestamp()
     + least(power(2, n.tries + 1), case when n.queue = any(%s) then %s else %s end) * interval '1 s'
 where n.id = any(array(select id from public.nudge_nudge where not dead and due < clock_timestamp()
   and not queue = any(%s) order by due limit %s for update skip locked))
 returning n.id, n.tenant, n.task, n.queue, n.ids, n.dead"""

# What the broker brings back by itself was in the hands of a worker that died. That is a try like others: a task that
# kills whoever runs it must not come back for ever.
_BROUGHT_BACK = """update public.nudge_nudge set tries = tries + 1, dead = tries + 1 > %s,
   error = case when error = '' then %s else error end
 where id = %s and not dead returning dead"""

_UNSENT = """update public.nudge_nudge set tries = tries - 1, due = clock_timestamp() + interval '1 s'
 where id = any(%s)"""


class Message(NamedTuple):
    """A nudge that is written and not sent yet."""

    id: int
    tenant: str
    task: str
    queue: str
    ids: Mapping[str, Any]


def write(
    cursor: Any, *, tenant: str, task: str, queue: str, ids: Mapping[str, Any], wait_s: float = GRACE_S
) -> Message:
    """Write the row on the caller's cursor, in the caller's transaction. `send()` it after the commit."""
    row = cursor.execute(_INSERT, [tenant, task, queue, orjson.dumps(ids).decode(), wait_s]).fetchone()
    return Message(row[0], tenant, task, queue, ids)


def send(message: Message) -> bool:
    """Hand the message to the broker. A broker that is away is no error: the sweep sends it again. False then."""
    try:
        celery.current_app.send_task(
            message.task,
            kwargs={**message.ids, "nudge": message.id},
            queue=message.queue,
            headers={"_schema_name": message.tenant},
            retry=False,
        )
    except (kombu.exceptions.OperationalError, OSError) as error:
        _logger.warning("nudge.unsent", task=message.task, error=type(error).__name__)
        return False
    return True


def nudge(task: str, *, queue: str = "default", wait_s: float = GRACE_S, **ids: Any) -> None:
    """Promise that `task` runs in the present tenant: a row now, a message after the commit.

    :param wait_s: after how many seconds the sweep may send it again
    :param ids: what the task works on; ids only, never payloads or secrets
    """
    with connection.cursor() as cursor:
        message = write(cursor.cursor, tenant=connection.schema_name, task=task, queue=queue, ids=ids, wait_s=wait_s)
    transaction.on_commit(lambda: send(message))


def done(nudge_id: int | None) -> None:
    """The work is done (or was found done): forget the promise."""
    if nudge_id is not None:
        _raw().execute("delete from public.nudge_nudge where id = %s", [nudge_id])


def failed(nudge_id: int | None, *, error: str) -> None:
    """The work failed in a way nobody expected: keep the reason with the promise, for people to see."""
    if nudge_id is not None:
        _raw().execute("update public.nudge_nudge set error = %s where id = %s", [error[:200], nudge_id])


def _raw() -> Any:
    """The driver's own connection under Django's: these statements name their schema and need no search path."""
    if connection.connection is not None and connection.connection.closed and not connection.in_atomic_block:
        connection.close()  # the server went away under it, and Django has not been told
    connection.ensure_connection()
    return connection.connection


def sweep(*, limit: int = 500) -> int:
    """Send again whatever is overdue, of all tenants at once. Returns how many were sent.

    What a broker that is away did not take was not tried: it is overdue again in a second. A crowded queue gets none.
    """
    crowded = _crowded()
    with transaction.atomic(), connection.cursor() as cursor:
        pauses = [list(HASTY), LONGEST_HASTY_PAUSE_S, LONGEST_PAUSE_S]
        cursor.execute(_OVERDUE, [TRIES, PATIENCE_H, TRIES, NOBODY_CAME, *pauses, crowded, limit])
        rows: Sequence[Any] = cursor.fetchall()
    for number, (nudge_id, tenant, task, queue, ids, dead) in enumerate(rows):
        if dead:
            _logger.error("nudge.dead", task=task, tenant=tenant, nudge=nudge_id)
        elif not send(Message(nudge_id, tenant, task, queue, ids if isinstance(ids, dict) else orjson.loads(ids))):
            with connection.cursor() as cursor:
                cursor.execute(_UNSENT, [[row[0] for row in rows[number:]]])
            return number
    return len(rows)


def _brought_back() -> bool:
    """Whether the present message was in a worker's hands before."""
    task = celery.current_task
    return bool(task and (task.request.delivery_info or {}).get("redelivered"))


def _may_run_again(nudge_id: int) -> bool:
    """Count one try more. False where it was the last, where a person is waited for, and where the work is done."""
    row = _raw().execute(_BROUGHT_BACK, [TRIES, NOBODY_CAME, nudge_id]).fetchone()
    if row is not None and row[0]:
        _logger.error("nudge.dead", nudge=nudge_id)
    return row is not None and not row[0]


def words_of(task: str) -> str:
    """What a nudged task does, in a sentence; its name where that is not known here."""
    return _words.get(task, task)


_words: dict[str, str] = {}


def _crowded() -> list[str]:
    try:
        with redis_clients.sync().pipeline(transaction=False) as pipe:
            names = [queue.name for queue in celery.current_app.conf.task_queues or ()]
            for name in names:
                pipe.llen(name)
            return [name for name, length in zip(names, pipe.execute(), strict=True) if length > CROWDED]
    except redis.RedisError:
        return []


def nudged(name: str) -> Callable[[Callable[..., Any]], Any]:
    """A Celery task that runs in the nudge's tenant and deletes the nudge when it returns.

    The function takes ids as keywords. It must be safe to run twice and at the same time as itself.
    """

    def make(work: Callable[..., Any]) -> Any:
        _words[name] = (work.__doc__ or name).strip().splitlines()[0]

        @wraps(work)
        def run(*, nudge: int | None = None, **ids: Any) -> None:
            if nudge is not None and _brought_back() and not _may_run_again(nudge):
                return
            try:
                patiently(lambda: work(**ids), limit=PATIENCE_S)
            except psycopg.OperationalError:
                raise  # the database is away for long, or busy: the sweep comes back to it
            except redis.RedisError as error:
                _logger.warning("nudge.postponed", task=name, error=type(error).__name__)
                return  # prices and messages are away: the promise stays, and the sweep comes back to it
            except Problem as problem:
                failed(nudge, error=f"{problem.code}: {problem.message}")
                if not problem.retryable:
                    raise
                return  # anticipated: the promise stays, and the sweep comes back to it
            except Exception as error:
                failed(nudge, error=f"{type(error).__name__}: A mistake in our code; the log has its place.")
                raise
            done(nudge)

        return celery.shared_task(name=name, acks_late=True, reject_on_worker_lost=True, ignore_result=True)(run)

    return make
