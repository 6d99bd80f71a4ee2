"""Write back what venues said: orders, their fills, what they change in holdings and budgets, in one transaction.

What an order was before decides what is settled: the difference between the venue's cumulative figures and the row's
own. So a result that is told twice, late, or in another order than it happened changes nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import redis

import pools.followers
import tenants.feed
from obscura.core import clock, log
from obscura.core.money import ZERO
from obscura.core.nudge import send as nudges
from pools.followers import Settlement
from proofs.domain.receipts import Leaves
from trading import copies, metrics
from trading.domain import priorities
from trading.domain.order_state import TERMINAL, TRANSITIONS, Status
from trading.domain.settlement import Position, Progress, settle
from trading.execution import arrays, db, store
from trading.execution.store import SignalRow
from trading.market import cache
from trading.venues.binance import Report, Trade

_logger = log.get("results")

OVER = frozenset({Status.CANCELED, Status.EXPIRED})


class Told(NamedTuple):
    """One venue report on one order. `attempt` is the attempt it answers, or None where the venue was asked."""

    order: int
    attempt: int | None
    report: Report


class _Row(NamedTuple):
    """An order as it was (the columns of LOCK_ORDERS)."""

    id: int
    subscription: int
    user: str
    account: str
    status: Status
    attempts: int
    qty: Decimal
    filled: Decimal
    average: Decimal | None
    reserved: Decimal
    leverage: int
    lead_price: Decimal | None
    client_id: str
    created_at: datetime
    lead_at: datetime
    sent_at: datetime | None
    accepted_at: datetime | None
    signal: int
    environment: str


class _Change(NamedTuple):
    row: _Row
    to: Status
    report: Report
    done_at: datetime | None


class Written(NamedTuple):
    """What is to be sent and told once the results are committed."""

    messages: Sequence[nudges.Message]
    rows: Sequence[dict[str, Any]]
    moved: Mapping[Status, int] = {}


def write(*, schema: str, signal: SignalRow, told: Sequence[Told], subscriptions: Sequence[int] | None = None) -> None:
    """Write reports on orders of one signal, settle them, and tell the followers.

    :param subscriptions: whose orders they are, where the caller knows
    """
    if not told:
        return
    session = db.session()
    with session.transaction():
        cursor = session.cursor()
        if subscriptions is None:
            rows = cursor.execute(db.sql(store.WHOSE, schema), [[item.order for item in told]]).fetchall()
            subscriptions = [row[0] for row in rows]
        pools.followers.lock(cursor, schema=schema, subscriptions=subscriptions)
        written = write_within(cursor, schema=schema, signal=signal, told=told)
    tell(schema=schema, written=written)


def write_within(cursor: Any, *, schema: str, signal: SignalRow, told: Sequence[Told]) -> Written:
    """As `write`, in the caller's transaction, who has locked the subscriptions and calls `tell` after the commit."""
    reports = {item.order: item for item in told}
    rows = [
        _Row(*row[:4], Status(row[4]), *row[5:])
        for row in cursor.execute(db.sql(store.LOCK_ORDERS, schema), [list(reports)]).fetchall()
    ]
    now = clock.now()
    changes = [change for row in rows if (change := _change(row, reports[row.id], now)) is not None]
    if not changes:
        return Written((), ())
    _update_orders(cursor, schema, changes)
    fees = _insert_fills(cursor, schema, signal, changes)
    waiting = _settle(cursor, schema, signal, changes, fees, now)
    if any(change.row.status in TERMINAL and change.to not in TERMINAL for change in changes):
        cursor.execute(db.sql(store.GO_ON, schema), [signal.id])
    messages = _nudge(cursor, schema, signal, changes, waiting)
    moved = Counter(change.to for change in changes if change.to is not change.row.status)
    return Written(messages, _feed_rows(signal, changes, now), moved)


def tell(*, schema: str, written: Written) -> None:
    """Send the nudges, tell the followers what was committed, and count it."""
    metrics.reached(written.moved)
    for message in written.messages:
        nudges.send(message)
    if written.rows:
        tenants.feed.publish(schema=schema, rows=written.rows)


def _change(row: _Row, told: Told, now: datetime) -> _Change | None:
    """What the report makes of the order, or None where it makes nothing of it."""
    report = told.report
    to = report.status
    if to is None:
        return None
    stale = told.attempt is not None and told.attempt != row.attempts
    if stale and to in (Status.UNSURE, Status.REJECTED, Status.MISSED):
        return None  # an earlier attempt's refusal says nothing about the present one
    if to == row.status and report.filled <= row.filled:
        return None
    if report.filled < row.filled or (row.status in OVER and report.filled == row.filled and to is not Status.FILLED):
        return None  # older than what is known: an order that is over is left for the sake of a fill alone
    if to != row.status and to not in TRANSITIONS[row.status]:
        if report.filled > row.filled:
            _logger.error("results.illegal_move", order=row.id, was=row.status.name, to=to.name)
        return None
    return _Change(row, to, report, now if to in TERMINAL else None)


def _update_orders(cursor: Any, schema: str, changes: Sequence[_Change]) -> None:
    reports = [change.report for change in changes]
    cursor.execute(
        db.sql(store.WRITE_RESULTS, schema),
        [
            arrays.tokens(change.row.id for change in changes),
            arrays.tokens(int(change.to) for change in changes),
            arrays.texts(report.venue_id for report in reports),
            arrays.tokens(max(change.report.filled, change.row.filled) for change in changes),
            arrays.tokens(report.average for report in reports),
            arrays.texts(report.code[:32] for report in reports),
            arrays.texts(report.words[:200] for report in reports),
            arrays.moments(report.at for report in reports),
            arrays.moments(change.done_at for change in changes),
        ],
    )


def _insert_fills(
    cursor: Any, schema: str, signal: SignalRow, changes: Sequence[_Change]
) -> dict[int, tuple[Decimal, Decimal]]:
    """Insert the trades that are new; by order, the fees of those: (in the base asset, in the quote asset)."""
    return insert_trades(
        cursor,
        schema=schema,
        signal=signal,
        trades=[
            (change.row.id, change.row.account, change.row.client_id, trade)
            for change in changes
            for trade in change.report.trades
        ],
    )


def insert_trades(
    cursor: Any, *, schema: str, signal: SignalRow, trades: Sequence[tuple[int, str, str, Trade]]
) -> dict[int, tuple[Decimal, Decimal]]:
    """As `_insert_fills`, of (order id, account, client order id, trade)."""
    if not trades:
        return {}
    leaves = Leaves("fill", [schema, signal.market, signal.symbol])
    new = [trade for *_, trade in trades]
    inserted = cursor.execute(
        db.sql(store.INSERT_FILLS, schema),
        [
            signal.market,
            signal.symbol,
            arrays.tokens(order for order, *_ in trades),
            arrays.tokens(account for _, account, *_ in trades),
            arrays.texts(trade.trade_id for trade in new),
            arrays.tokens(trade.qty for trade in new),
            arrays.tokens(trade.price for trade in new),
            arrays.tokens(trade.fee for trade in new),
            arrays.texts(trade.fee_asset for trade in new),
            arrays.moments(trade.at for trade in new),
            arrays.digests(
                leaves.leaf(client, trade.trade_id, trade.qty, trade.price, trade.fee, trade.fee_asset, trade.at)
                for _, _, client, trade in trades
            ),
        ],
    ).fetchall()
    fees: dict[int, tuple[Decimal, Decimal]] = {}
    for order, _, _, fee, asset in inserted:
        base, quote = fees.get(order, (ZERO, ZERO))
        if asset and signal.symbol.startswith(asset):
            base += fee
        elif asset and signal.symbol.endswith(asset):
            quote += fee
        fees[order] = (base, quote)
    return fees


def _settle(
    cursor: Any,
    schema: str,
    signal: SignalRow,
    changes: Sequence[_Change],
    fees: Mapping[int, tuple[Decimal, Decimal]],
    now: datetime,
) -> list[int]:
    """Move holdings and budgets by what is new. Returns the subscriptions of which something that waited may go now."""
    subscriptions = [change.row.subscription for change in changes]
    held = {
        row[1]: row
        for row in cursor.execute(
            db.sql(store.HOLDINGS, schema),
            [arrays.tokens(subscriptions), signal.trader_id, signal.market, signal.symbol, signal.position_side],
        ).fetchall()
    }
    holdings: list[tuple[int, Decimal, Decimal, int, int, Decimal, Decimal]] = []
    settlements: list[Settlement] = []
    waiting: list[int] = []
    for change in changes:
        row, report = change.row, change.report
        ended = change.to in TERMINAL and row.status not in TERMINAL
        # An order that was thought to be over and is not: what its end released is held again until it really ends.
        revived = row.status in TERMINAL and change.to not in TERMINAL
        counted = int(ended) - int(revived)
        released = row.reserved * counted
        base_fee, quote_fee = fees.get(row.id, (ZERO, ZERO))
        qty = max(report.filled - row.filled, ZERO)
        worth = report.worth - row.filled * (row.average or ZERO) if qty else ZERO
        exposure = realised = ZERO
        flat = 0
        holding = held.get(row.subscription)
        if holding is not None:
            after = settle(
                position=Position(holding[2], holding[3], holding[4]),
                effect=signal.effect,
                side=signal.side,
                progress=Progress(qty, worth, base_fee, quote_fee),
                dust=_dust(signal, row.environment) if change.to is Status.FILLED else ZERO,
            )
            exposure, realised = after.exposure, after.realised
            opened, closed = (counted, 0) if signal.effect == "open" else (0, counted)
            result = holding[7] + realised
            if not after.position.qty and holding[2]:
                flat, result = (result > 0) - (result < 0), ZERO
            holdings.append((holding[0], after.position.qty, after.position.cost, opened, closed, released, result))
            closes_left, opens_left = holding[6] - closed > 0, holding[5] - opened > 0
            if ended and (closes_left or (opens_left and signal.effect == "close")):
                waiting.append(row.subscription)
        if released or exposure or realised:
            settlements.append(Settlement(row.subscription, released, exposure, realised, flat))
    if holdings:
        columns = [arrays.tokens(column) for column in zip(*holdings, strict=True)]
        cursor.execute(db.sql(store.WRITE_HOLDINGS, schema), columns)
    pools.followers.settle(cursor, schema=schema, changes=settlements, today=now.date())
    return waiting


def _dust(signal: SignalRow, environment: str) -> Decimal:
    """The size below which what the lead's last close leaves is written off."""
    if signal.effect != "close" or Decimal(str(signal.fraction)) < 1:
        return ZERO
    where = {"exchange": signal.exchange, "market": signal.market, "symbol": signal.symbol}
    try:
        rules = cache.rules(environment=environment, **where)
    except redis.RedisError:
        return ZERO  # what remains can be written off another time: what the venue said is written now
    return ZERO if rules is None else rules.step


def _nudge(
    cursor: Any, schema: str, signal: SignalRow, changes: Sequence[_Change], waiting: Sequence[int]
) -> list[nudges.Message]:
    """Promise what follows from these results: waiting closes, and trades the answer did not name."""
    messages = []
    if waiting:
        place = [signal.pool_id, list(waiting), signal.trader_id, signal.market, signal.symbol]
        found = cursor.execute(db.sql(store.NEXT_WAITING, schema), place).fetchall()
        for other, priority in found:
            queue = priorities.queue_of(min(priority, priorities.HIGH))
            ids = {"signal_id": other, "first": min(waiting), "last": max(waiting)}
            messages.append(nudges.write(cursor, tenant=schema, task="trading.execute", queue=queue, ids=ids))
    unnamed = [change.row.id for change in changes if change.report.filled and not change.report.trades]
    if unnamed:
        ids = {"signal_id": signal.id, "orders": unnamed}
        messages.append(nudges.write(cursor, tenant=schema, task="trading.fetch_trades", queue="low", ids=ids))
    return messages


def _feed_rows(signal: SignalRow, changes: Sequence[_Change], now: datetime) -> list[dict[str, Any]]:
    lead = signal.lead_trade()
    columns = lead.columns()
    # A state that is not the last has no moment of its own in the row; told live, it must not look older than the last.
    moment = copies.cursor(now)
    return [
        copies.order_row(
            lead=lead,
            columns=columns,
            id=row.id,
            user=row.user,
            cursor=moment,
            status=to,
            qty=row.qty,
            filled=report.filled,
            average=report.average,
            accepted_at=row.accepted_at or report.at,
            words=report.words,
        )
        for row, to, report, _ in changes
    ]
