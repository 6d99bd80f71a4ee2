"""Mend differences by rule. No fill is ever invented: a holding is cut to what is there, an order is asked after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from obscura.core import clock
from obscura.core.money import ZERO
from pools import followers
from pools.followers import Settlement
from proofs.domain.receipts import leaf
from trading.domain import drift, settlement
from trading.domain.drift import Cut, Difference
from trading.domain.settlement import Position
from trading.execution import db, reconcile
from trading.execution.accounts import belief
from trading.execution.accounts.checks import Account

CLOSED_OUTSIDE = "closed_outside"

LEAF_FIELDS = (
    "subscription_id",
    "account_id",
    "trader_id",
    "market",
    "symbol",
    "side",
    "qty",
    "cost",
    "released",
    "reason",
    "at",
)
"""What the leaf of an adjustment is made of, in this order."""

_LOCK = """select id, subscription_id, trader_id::text, market, symbol, side, qty, cost, leverage
 from {s}.trading_holding where id = any(%s) order by id for update"""

_WRITE = """update {s}.trading_holding set qty = %s, cost = %s, updated_at = clock_timestamp() where id = %s"""

_ADJUST = """insert into {s}.trading_adjustment (subscription_id, account_id, trader_id, market, symbol, side, qty,
   cost, released, reason, at, user_id, leaf) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""

_RESOLVED = "update {s}.trading_drift set resolved_at = %s, done = %s where id = %s"
_DONE = "update {s}.trading_drift set done = %s where id = %s"

_DUE = """update {s}.trading_order set lease_until = clock_timestamp() where id = %s and status in (4, 5)"""


def cut(*, schema: str, account: Account, row: int, difference: Difference) -> bool:
    """Cut the account's holdings to what is there, release their exposure, and leave a row for each.

    Nothing is done where anything has moved since the difference was seen. Returns whether it was done.
    """
    session, now = db.session(), clock.now()
    with session.transaction():
        cursor = session.cursor()
        owners = followers.on_accounts(cursor, schema=schema, accounts=[account.id])
        followers.lock(cursor, schema=schema, subscriptions=list(owners))
        ours = belief.of(schema=schema, accounts=[account], now=now, cursor=cursor)[account.id]
        held = drift.placed(ours.held, {difference.place: difference.theirs})
        held = [one for one in held if one.place == difference.place]
        unsteady = difference.place[:2] in ours.unsteady
        if ours.busy or unsteady or sum((one.qty for one in held), ZERO) != difference.ours:
            return False
        cuts = drift.cuts(held, difference)
        _apply(cursor, schema, account, cuts, now)
        missing = sum((one.qty for one in cuts), ZERO)
        words = f"Closed at the exchange: copies were cut by {missing.normalize():f} to what is there"
        cursor.execute(db.sql(_RESOLVED, schema), [now, words, row])
    return True


def _apply(cursor: Any, schema: str, account: Account, cuts: Sequence[Cut], now: datetime) -> None:
    amounts = {one.id: one.qty for one in cuts}
    settlements: dict[int, Decimal] = {}
    for id, subscription, trader, market, symbol, side, qty, cost, leverage in cursor.execute(
        db.sql(_LOCK, schema), [list(amounts)]
    ).fetchall():
        after = settlement.cut(position=Position(qty, cost, leverage), qty=amounts[id])
        cursor.execute(db.sql(_WRITE, schema), [after.position.qty, after.position.cost, id])
        taken, gone = qty - after.position.qty, cost - after.position.cost
        released = -after.exposure
        values = [subscription, account.id, trader, market, symbol, side, taken, gone, released, CLOSED_OUTSIDE, now]
        digest = leaf("adjustment", values)
        cursor.execute(db.sql(_ADJUST, schema), [*values, account.user, digest])
        settlements[subscription] = settlements.get(subscription, ZERO) + after.exposure
    changes = [Settlement(subscription, ZERO, exposure, ZERO) for subscription, exposure in settlements.items()]
    followers.settle(cursor, schema=schema, changes=changes, today=now.date())


def adopt(*, schema: str, row: int, order: int) -> bool:
    """An order that we think is over is open at the venue: it is asked after, and its state there becomes ours."""
    known = reconcile.ask_after(schema=schema, orders=[order])
    if known:
        db.session().execute(db.sql(_DONE, schema), ["Asked after, and taken back into the record", row])
    return bool(known)


def ask(*, schema: str, row: int, order: int) -> bool:
    """An order that we think is open is not at the venue: the sweep asks after it at once, as after any other."""
    session = db.session()
    moved = session.execute(db.sql(_DUE, schema), [order]).rowcount
    session.execute(db.sql(_DONE, schema), ["Asked after", row])
    return bool(moved)
