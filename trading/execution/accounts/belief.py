"""What we believe of accounts: what their copies hold, which orders are open, and whether anything is under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from pools import followers
from trading.domain.drift import Held, Place
from trading.domain.order_state import TERMINAL, Status
from trading.execution import arrays, db
from trading.execution.accounts.checks import Account
from trading.market import cache

QUIET = timedelta(seconds=3)
"""For so long nothing of an account has ended before its figures are compared: a venue tells some things late."""

# Whose newest orders are under way or have just ended. Seen to first: where much is traded it is most of them, and
# nothing else of theirs needs to be read.
_MOVING = f"""select s.id from unnest(%s::bigint[]) s(id) where exists (
   select 1 from (select status, done_at from {{s}}.trading_order where subscription_id = s.id
     order by id desc limit 3) o
   where o.status in ({Status.PLANNED:d}, {Status.SENDING:d}, {Status.UNSURE:d}) or o.done_at > %s)"""

_HOLDINGS = """select subscription_id, id, market, symbol, side, qty, opening, closing from {s}.trading_holding
 where subscription_id = any(%s::bigint[]) and (qty <> 0 or opening > 0 or closing > 0) order by id"""

# The newest of each subscription: what is under way, and what may still be open at the venue though we think it is not.
_ORDERS = """select o.subscription_id, o.id, o.client_id, o.market, o.symbol, o.status, o.qty - o.filled,
   o.type = 'limit' and o.time_in_force = 'GTC', o.done_at
 from unnest(%s::bigint[]) s(id) cross join lateral (select * from {s}.trading_order where subscription_id = s.id
   order by id desc limit 50) o
 where o.done_at is null or o.done_at > clock_timestamp() - interval '1 day'"""

# A fee that was taken in kind and is not known yet looks like something missing.
_FEES_UNKNOWN = """select distinct o.subscription_id
 from unnest(%s::bigint[]) s(id) cross join lateral (select * from {s}.trading_order where subscription_id = s.id
   order by id desc limit 50) o
 where o.market = 'spot' and o.filled > coalesce(
   (select sum(f.qty) from {s}.trading_fill f where f.order_id = o.id), 0)"""


class Open(NamedTuple):
    """An order that can rest at the venue."""

    id: int
    market: str
    symbol: str
    left: Decimal


@dataclass(slots=True)
class Belief:
    """One account as our record has it.

    :param busy: something of it is under way or has just ended: no figure of the venue can be set against ours now
    :param unsteady: places with orders at the venue that may fill at any moment
    :param live: orders that we think are open, by client order id; `over`: those that we think are not
    """

    subscriptions: list[int] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    least: dict[Place, Decimal] = field(default_factory=dict)
    busy: bool = False
    fees_unknown: bool = False
    unsteady: set[tuple[str, str]] = field(default_factory=set)
    live: dict[str, Open] = field(default_factory=dict)
    over: dict[str, Open] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Nothing of ours is there, and nothing is expected."""
        return not (self.held or self.live or self.over or self.busy or self.unsteady)

    def markets(self) -> set[str]:
        """Where copies are held."""
        return {one.place[0] for one in self.held}

    def asked(self) -> set[tuple[str, str]]:
        """Market and symbol of every order that may be open at the venue."""
        return {(one.market, one.symbol) for one in (*self.live.values(), *self.over.values())}


def of(*, schema: str, accounts: Sequence[Account], now: datetime, cursor: Any = None) -> dict[str, Belief]:
    """What we believe of each of these accounts; of one that is busy, no more than that.

    :param cursor: to read in a transaction of the caller's
    """
    cursor = cursor or db.session().cursor()
    owners = followers.on_accounts(cursor, schema=schema, accounts=[one.id for one in accounts])
    found = {one.id: Belief() for one in accounts}
    for subscription, account in owners.items():
        found[account].subscriptions.append(subscription)
    moving = cursor.execute(db.sql(_MOVING, schema), [arrays.tokens(owners), now - QUIET]).fetchall()
    for (subscription,) in moving:
        found[owners[subscription]].busy = True
    ids = [arrays.tokens(one for one, account in owners.items() if not found[account].busy)]
    where = {one.id: one for one in accounts}
    for subscription, *row in cursor.execute(db.sql(_HOLDINGS, schema), ids).fetchall():
        _hold(found[owners[subscription]], where[owners[subscription]], row)
    for subscription, *row in cursor.execute(db.sql(_ORDERS, schema), ids).fetchall():
        _order(found[owners[subscription]], row, now)
    for (subscription,) in cursor.execute(db.sql(_FEES_UNKNOWN, schema), ids).fetchall():
        found[owners[subscription]].fees_unknown = True
    return found


def place_of(*, account: Account, market: str, symbol: str, side: str) -> tuple[Place, Decimal] | None:
    """Where the venue keeps a holding and the least of it that can be traded; None where its rules are not known."""
    rules = cache.rules(environment=account.environment, exchange=account.exchange, market=market, symbol=symbol)
    if rules is None:
        return None
    return ((market, rules.base if market == "spot" else symbol, side), rules.step)


def _hold(belief: Belief, account: Account, row: Sequence[Any]) -> None:
    id, market, symbol, side, qty, opening, closing = row
    found = place_of(account=account, market=market, symbol=symbol, side=side)
    if found is None:
        return
    place, step = found
    if opening or closing:
        belief.unsteady.add(place[:2])
    if qty:
        belief.held.append(Held(id, place, qty))
        belief.least[place] = step


def _order(belief: Belief, row: Sequence[Any], now: datetime) -> None:
    id, name, market, symbol, status, left, rests, done_at = row
    status = Status(status)
    if status in (Status.PLANNED, Status.SENDING, Status.UNSURE) or (done_at and done_at > now - QUIET):
        belief.busy = True
    if rests and status in (Status.WORKING, Status.PARTIAL):
        belief.live[name] = Open(id, market, symbol, left)
    elif rests and status in TERMINAL:
        belief.over[name] = Open(id, market, symbol, left)


def by_market(orders: Mapping[str, Open], market: str) -> dict[str, Decimal]:
    """What is left of these orders in one market."""
    return {name: one.left for name, one in orders.items() if one.market == market}
