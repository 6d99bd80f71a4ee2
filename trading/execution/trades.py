"""Fetch the executions that an order's answer did not name: futures answer without them, questions always do.

Each question weighs five on the venue's scale, so they may use a small part of its limit alone and wait when that is
used up: a fee that is known a minute later hurts nobody, an order that finds the door shut does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings

from citadel.client import Chunk, Result
from obscura.core import clock
from obscura.core.money import ZERO
from pools import followers
from trading.execution import db, gate, limits, results
from trading.execution.execute import load_signal
from trading.execution.lane import lane
from trading.execution.limits import Place
from trading.execution.store import SignalRow
from trading.venues import binance

AT_ONCE = 40

_INCOMPLETE = """select o.id, o.account_id::text, o.environment, o.client_id, o.venue_order_id, o.subscription_id
 from {s}.trading_order o where o.id = any(%s) and o.filled > 0 and o.venue_order_id <> ''
   and o.filled > coalesce((select sum(f.qty) from {s}.trading_fill f where f.order_id = o.id), 0)
 order by o.id"""


def fetch(*, schema: str, signal_id: int, orders: Sequence[int]) -> int:
    """Fetch missing trades of these orders, insert those that are new, and charge their fees.

    Returns how many orders are still without: there was no room in the limits, or the venue did not answer.
    """
    signal = load_signal(schema=schema, signal_id=signal_id)
    if signal is None:
        return 0
    rows = db.session().execute(db.sql(_INCOMPLETE, schema), [list(orders)]).fetchall()
    left = len(rows)
    for start in range(0, len(rows), AT_ONCE):
        answered = _fetch_part(schema, signal, rows[start : start + AT_ONCE])
        left -= answered
        if not answered:
            break
    return left


def _fetch_part(schema: str, signal: SignalRow, rows: Sequence[Any]) -> int:
    found: list[tuple[int, str, str, binance.Trade]] = []
    answered = 0
    by_id = {row[0]: row for row in rows}
    for result in ask(schema=schema, signal=signal, rows=rows):
        if result.status != 200:
            continue
        answered += 1
        order, account, _, client, *_ = by_id[result.row]
        found += [(order, account, client, trade) for trade in binance.read_trades(body=result.body)]
    session = db.session()
    with session.transaction():
        cursor = session.cursor()
        subscriptions = {row[0]: row[5] for row in rows}
        followers.lock(cursor, schema=schema, subscriptions=list(subscriptions.values()))
        fees = results.insert_trades(cursor, schema=schema, signal=signal, trades=found)
        _charge(cursor, schema, signal, {subscriptions[order]: fee for order, fee in fees.items()})
    return answered


def _charge(cursor: Any, schema: str, signal: SignalRow, fees: dict[int, tuple[Decimal, Decimal]]) -> None:
    """Take fees that became known later from the result (quote asset) or from what is held (base asset)."""
    in_kind = {subscription: base for subscription, (base, _) in fees.items() if base and signal.effect == "open"}
    if in_kind:
        cursor.execute(
            db.sql(
                """update {s}.trading_holding h set qty = h.qty - u.fee
 from unnest(%s::bigint[], %s::numeric[]) u(id, fee)
 where h.subscription_id = u.id and h.trader_id = %s and h.market = %s and h.symbol = %s and h.side = %s
   and h.qty >= u.fee""",
                schema,
            ),
            [
                list(in_kind),
                [str(fee) for fee in in_kind.values()],
                signal.trader_id,
                signal.market,
                signal.symbol,
                signal.position_side,
            ],
        )
    changes = [
        followers.Settlement(subscription, ZERO, ZERO, -quote) for subscription, (_, quote) in fees.items() if quote
    ]
    followers.settle(cursor, schema=schema, changes=changes, today=clock.now().date())


def ask(*, schema: str, signal: SignalRow, rows: Sequence[Any], kind: str = limits.TRADES) -> list[Result]:
    """One question for each order; a row is (order id, account, environment, client order id, venue order id, …).

    :param kind: how much of the limits they may use: what something waits for may use more than a fee may
    """
    now, window = clock.millis(clock.now()), settings.COPY_RECV_WINDOW_MS
    groups = _admitted(schema, signal, rows, kind)
    chunks = [
        Chunk(
            venue=signal.exchange,
            market=signal.market,
            env=place.environment,
            method="GET",
            path=binance.TRADES_PATH[signal.market],
            head=binance.question(symbol=signal.symbol, recv_window_ms=window),
            rows=[(row[0], UUID(row[1]).bytes, f"&orderId={row[4]}&timestamp={now}".encode()) for row in group],
            not_after_ms=now + window // 2,
            timeout_ms=settings.COPY_HTTP_TIMEOUT_MS,
            address=place.address,
        )
        for place, group in groups.items()
    ]
    heard: list[Result] = []
    if chunks:
        lane().send(schema=schema, chunks=chunks, on_results=heard.extend).result(timeout=15)
    for place, group in groups.items():
        mine = {row[0] for row in group}
        limits.heed(place, [answer for answer in heard if answer.row in mine])
    return heard


def _admitted(schema: str, signal: SignalRow, rows: Sequence[Any], kind: str) -> dict[Place, list[Any]]:
    """Those that may be asked after now, by place."""
    groups: dict[Place, list[Any]] = defaultdict(list)
    addresses = gate.addresses_of(schema, [row[1] for row in rows])
    for row in rows:
        groups[Place(row[2], signal.exchange, signal.market, addresses[row[1]])].append(row)
    for place, group in list(groups.items()):
        weight = place.venue.trades_weight if place.venue else 1
        admitted = limits.admit(place, kind, count=len(group), weight=weight)
        groups[place] = [row for at, row in enumerate(group) if admitted.held(at) is None]
        if not groups[place]:
            del groups[place]
    return groups
