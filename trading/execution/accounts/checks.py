"""Which accounts are held against the venue, and when: each in its turn, at once after something ended in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pools import followers
from trading.execution import arrays, db

EVERY_S = 600.0
AGAIN_S = 5.0
"""How soon a difference is looked at a second time."""

_WITH_COPIES = """select distinct subscription_id from {s}.trading_holding
 where qty <> 0 or opening > 0 or closing > 0"""

_ENLIST = """insert into {s}.trading_accountcheck (account_id, user_id, exchange, environment, due_at)
 select u.id::uuid, u.usr::uuid, u.exchange, u.env, clock_timestamp() + random() * %s * interval '1 s'
 from unnest(%s::text[], %s::text[], %s::text[], %s::text[]) u(id, usr, exchange, env) order by u.id
 on conflict (account_id) do nothing"""

_SOON = """update {s}.trading_accountcheck set due_at = least(due_at, clock_timestamp() + %s * interval '1 s')
 where account_id = any(%s::uuid[])"""

_LATER = """update {s}.trading_accountcheck set due_at = clock_timestamp() + %s * interval '1 s'
 where account_id = any(%s::uuid[])"""

_CLAIM = """update {s}.trading_accountcheck set due_at = clock_timestamp() + %s * interval '1 s'
 where account_id = any(array(select account_id from {s}.trading_accountcheck where due_at <= clock_timestamp()
   order by due_at limit %s for update skip locked))
 returning account_id::text, user_id::text, exchange, environment"""

_ANSWERED = "update {s}.trading_accountcheck set checked_at = clock_timestamp() where account_id = any(%s::uuid[])"

_LEAVE = "delete from {s}.trading_accountcheck where account_id = any(%s::uuid[])"


class Account(NamedTuple):
    """An account to be checked."""

    id: str
    user: str
    exchange: str
    environment: str


def enlist(*, schema: str) -> None:
    """Every account on which copies are open is checked from now on; the first time at a moment drawn by chance."""
    session = db.session()
    subscriptions = [row[0] for row in session.execute(db.sql(_WITH_COPIES, schema)).fetchall()]
    _enlist(schema, subscriptions, within_s=EVERY_S)


def soon(*, schema: str, subscriptions: Sequence[int], within_s: float = 0.0) -> None:
    """Check the accounts of these subscriptions as soon as that."""
    accounts = _enlist(schema, subscriptions, within_s=within_s)
    again(schema=schema, accounts=accounts, within_s=within_s)


def again(*, schema: str, accounts: Sequence[str], within_s: float = AGAIN_S) -> None:
    """Check these accounts again, no later than that."""
    if accounts:
        db.session().execute(db.sql(_SOON, schema), [within_s, arrays.tokens(accounts)])


def later(*, schema: str, accounts: Sequence[str], after_s: float) -> None:
    """Check these accounts after so many seconds: now was not the moment."""
    if accounts:
        db.session().execute(db.sql(_LATER, schema), [after_s, arrays.tokens(accounts)])


def claim(*, schema: str, limit: int) -> list[Account]:
    """The accounts that are due, for this process alone: whoever comes next finds them due when their turn comes."""
    rows = db.session().execute(db.sql(_CLAIM, schema), [EVERY_S, limit]).fetchall()
    return [Account(*row) for row in rows]


def answered(*, schema: str, accounts: Sequence[str]) -> None:
    """The venue has told everything that was asked about these."""
    if accounts:
        db.session().execute(db.sql(_ANSWERED, schema), [arrays.tokens(accounts)])


def leave(*, schema: str, accounts: Sequence[str]) -> None:
    """Nothing of ours is on these accounts any more; they are enlisted again when there is."""
    if accounts:
        db.session().execute(db.sql(_LEAVE, schema), [arrays.tokens(accounts)])


def _enlist(schema: str, subscriptions: Sequence[int], *, within_s: float) -> list[str]:
    if not subscriptions:
        return []
    session = db.session()
    found = followers.accounts_of(session.cursor(), schema=schema, subscriptions=sorted(set(subscriptions)))
    columns = [arrays.texts(column) for column in zip(*found, strict=True)]
    if columns:
        session.execute(db.sql(_ENLIST, schema), [within_s, *columns])
    return [row[0] for row in found]
