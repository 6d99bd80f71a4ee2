"""The hot path's view of subscriptions: read and locked, reserved and settled in sets, schema named in each statement.

These functions work on the caller's psycopg cursor and in the caller's transaction. Rows are always locked in the
order of their ids, so that a planner and a writer of results never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from obscura.core.db.statements import of_schema

# Text is cheaper to send and to read than binary numerics; uuids stay text from here to the signer.
FOLLOWER = """s.id, s.user_id::text, s.account_id::text, a.exchange, a.environment, a.status = 'active',
   s.status, s.total_investment, s.max_loss, s.profit_target, s.daily_loss_limit, s.reserved, s.exposure,
   s.realised, s.day, s.day_realised, nullif(s.settings::text, '{{}}'), s.peak, s.loss_streak,
   s.created_at"""
"""The columns of trading.domain.people.Follower, of a subscription `s` with its account `a`."""

_CHUNK = (
    "select "
    + FOLLOWER
    + """
 from {s}.pools_subscription s join {s}.citadel_exchangeaccount a on a.id = s.account_id
 where s.pool_id = %s and s.status <> 'ended' and s.id > %s and s.id <= %s
 order by s.id limit %s for no key update of s"""
)

# The same of chosen ones: the last in the order of ids and, where the walk goes on from the lowest, the first. They are
# chosen as an array, before they are locked: a row that is joined to a union and changes while its lock is waited for
# would be left out, because PostgreSQL does not find its partner in the union again.
_CHUNK_AROUND = _CHUNK.replace(
    "s.id > %s and s.id <= %s",
    """s.id = any(array(
   (select h.id from {s}.pools_subscription h where h.pool_id = %s and h.status <> 'ended' and h.id > %s and h.id <= %s
     order by h.id limit %s)
   union all
   (select l.id from {s}.pools_subscription l where l.pool_id = %s and l.status <> 'ended' and l.id < %s
     order by l.id limit %s)))""",
)

_DRAWN = """select n, coalesce((%s::numeric %% nullif(n, 0))::int, 0),
   coalesce(ids[1 + (%s::numeric %% nullif(n, 0))::int], 0), coalesce(ids[n], 0)
 from (select count(*)::int n, array_agg(s.id order by s.id) ids from {s}.pools_subscription s
   where s.pool_id = %s and s.status <> 'ended') f"""

_TERMS = """select p.status, p.slots, p.leverage, p.max_slippage_bps, p.signal_ttl_s, p.halt || p.origin_halt
 from {s}.pools_pool p
 where p.id = %s"""

_RESERVE = """update {s}.pools_subscription s set reserved = s.reserved + u.amount
 from unnest(%s::bigint[], %s::numeric[]) u(id, amount) where s.id = u.id"""

_LOCK = "select id from {s}.pools_subscription where id = any(%s) order by id for no key update"

_SETTLE = """update {s}.pools_subscription s set
   reserved = greatest(s.reserved - u.released, 0), exposure = greatest(s.exposure + u.exposure, 0),
   realised = s.realised + u.realised, day = %s,
   day_realised = case when s.day = %s then s.day_realised else 0 end + u.realised,
   loss_streak = case u.ended when 1 then 0 when -1 then least(s.loss_streak + 1, 1000) else s.loss_streak end
 from unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[], %s::int[])
   u(id, released, exposure, realised, ended)
 where s.id = u.id"""


_ENVIRONMENTS = """select s.id, a.exchange, a.environment from {s}.pools_subscription s
 join {s}.citadel_exchangeaccount a on a.id = s.account_id where s.id = any(%s)"""

_OWNERS = """select s.id, s.user_id::text, s.account_id::text, s.pool_id, a.exchange, a.environment
 from {s}.pools_subscription s join {s}.citadel_exchangeaccount a on a.id = s.account_id
 where s.id = any(%s) and a.status = 'active'"""

_CLOSING = "select id from {s}.pools_subscription where status = 'closing' order by id limit 1000"


_OF_SUBSCRIPTIONS = """select distinct s.account_id::text, s.user_id::text, a.exchange, a.environment
 from {s}.pools_subscription s join {s}.citadel_exchangeaccount a on a.id = s.account_id
 where s.id = any(%s) and a.status = 'active'"""

_ON_ACCOUNTS = """select id, account_id::text from {s}.pools_subscription where account_id = any(%s::uuid[])
   and (ended_at is null or ended_at > clock_timestamp() - interval '1 day') order by id"""


class Owner(NamedTuple):
    """Whose a subscription is, and where it trades; its account is active."""

    user: str
    account: str
    pool: UUID
    exchange: str
    environment: str


class PoolTermsRow(NamedTuple):
    """The terms a plan needs."""

    active: bool
    slots: int
    leverage: int
    max_slippage_bps: int
    signal_ttl: timedelta
    halted: bool


class Settlement(NamedTuple):
    """What a set of results changes in one subscription, in USD.

    :param ended: a copy came to its end with a gain (1) or with a loss (-1)
    """

    subscription: int
    released: Decimal
    exposure: Decimal
    realised: Decimal
    ended: int = 0


def _numbers(values: Iterable[object]) -> str:
    # An array literal: numbers need no quotes, and the driver would look at each of them twice.
    return "{" + ",".join([str(value) for value in values]) + "}"


def terms(cursor: Any, *, schema: str, pool_id: UUID) -> PoolTermsRow | None:
    """The pool's terms; None where there is no such pool."""
    row = cursor.execute(of_schema(_TERMS, schema), [pool_id]).fetchone()
    if row is None:
        return None
    return PoolTermsRow(row[0] == "active", row[1], row[2], row[3], timedelta(seconds=row[4]), bool(row[5]))


def chunk(cursor: Any, *, schema: str, pool_id: UUID, after: int, until: int, limit: int) -> list[tuple[Any, ...]]:
    """The next `limit` live subscriptions of a pool behind id `after` and up to id `until`, in the order of their ids,
    locked, as trading.domain.fanout.Follower."""
    rows: list[tuple[Any, ...]] = cursor.execute(of_schema(_CHUNK, schema), [pool_id, after, until, limit]).fetchall()
    return rows


def chunk_around(
    cursor: Any, *, schema: str, pool_id: UUID, after: int, until: int, limit: int, below: int, more: int
) -> list[tuple[Any, ...]]:
    """As `chunk`, and with them the `more` lowest with ids under `below`."""
    given = [pool_id, pool_id, after, until, limit, pool_id, below, more, limit]
    rows: list[tuple[Any, ...]] = cursor.execute(of_schema(_CHUNK_AROUND, schema), given).fetchall()
    return rows


def drawn(cursor: Any, *, schema: str, pool_id: UUID, lot: int) -> tuple[int, int, int, int]:
    """How many follow a pool, the number (from 0, by id) of the one whom `lot` falls on, its id, and the highest id."""
    row: tuple[int, int, int, int] = cursor.execute(of_schema(_DRAWN, schema), [str(lot), str(lot), pool_id]).fetchone()
    return row


def reserve(cursor: Any, *, schema: str, amounts: Sequence[tuple[int, Decimal]]) -> None:
    """Hold these amounts (USD) of these subscriptions, whose rows the caller has locked."""
    if amounts:
        ids, sums = zip(*amounts, strict=True)
        cursor.execute(of_schema(_RESERVE, schema), [_numbers(ids), _numbers(sums)])


def lock(cursor: Any, *, schema: str, subscriptions: Sequence[int]) -> None:
    """Lock these subscriptions in the order of their ids."""
    cursor.execute(of_schema(_LOCK, schema), [sorted(set(subscriptions))])


def settle(cursor: Any, *, schema: str, changes: Sequence[Settlement], today: date) -> None:
    """Write what results changed; the rows must be locked. The day's own result starts anew with a new day."""
    if changes:
        columns = [_numbers(column) for column in zip(*changes, strict=True)]
        cursor.execute(of_schema(_SETTLE, schema), [today, today, *columns])


def accounts_of(cursor: Any, *, schema: str, subscriptions: Sequence[int]) -> list[tuple[Any, ...]]:
    """The active accounts of these subscriptions: account id, user id, exchange, environment."""
    rows: list[tuple[Any, ...]] = cursor.execute(of_schema(_OF_SUBSCRIPTIONS, schema), [list(subscriptions)]).fetchall()
    return rows


def on_accounts(cursor: Any, *, schema: str, accounts: Sequence[str]) -> dict[int, str]:
    """The account of each subscription that trades on one of these, or did so within a day."""
    return dict(cursor.execute(of_schema(_ON_ACCOUNTS, schema), [list(accounts)]).fetchall())


def closing(cursor: Any, *, schema: str) -> list[int]:
    """Subscriptions that only wait for what is open to be closed."""
    return [row[0] for row in cursor.execute(of_schema(_CLOSING, schema)).fetchall()]


def owners(cursor: Any, *, schema: str, subscriptions: Sequence[int]) -> dict[int, Owner]:
    """By subscription, whose it is; those whose account is not active are left out."""
    rows = cursor.execute(of_schema(_OWNERS, schema), [list(subscriptions)]).fetchall()
    return {row[0]: Owner(*row[1:]) for row in rows}


def environments(cursor: Any, *, schema: str, subscriptions: Sequence[int]) -> dict[int, tuple[str, str]]:
    """By subscription: the exchange and the environment of its account."""
    rows = cursor.execute(of_schema(_ENVIRONMENTS, schema), [list(subscriptions)]).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}
