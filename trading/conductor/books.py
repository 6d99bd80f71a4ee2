"""What followers have open, read once for a chunk: their unrealised result, and what limits on open copies need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from obscura.core.money import ZERO
from trading.domain.fanout import style_for
from trading.domain.people import Follower
from trading.domain.sizing import NOTHING_OPEN, Book
from trading.execution import db, store
from trading.execution.store import SignalRow

Marks = Callable[[SignalRow, str, str, Collection[str]], Mapping[str, Decimal]]
"""(signal, environment, market, symbols) to the prices of those that have one."""


def open_books(
    cursor: Any, *, schema: str, signal: SignalRow, members: Sequence[Follower], marks: Marks
) -> tuple[dict[int, Decimal | None], dict[int, Book]]:
    """By subscription: the result in USD of all it has open (None where a price is missing), and its book."""
    environments = {member.subscription: member.environment for member in members}
    results: dict[int, Decimal | None] = {}
    books: dict[int, Book] = {}
    counted: set[tuple[int, str, str]] = set()
    rows = cursor.execute(db.sql(store.OPEN_POSITIONS, schema), [list(environments)]).fetchall()
    wanted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for subscription, market, symbol, qty, *_ in rows:
        if qty:
            wanted[environments[subscription], market].add(symbol)
    prices = {where: marks(signal, *where, symbols) for where, symbols in wanted.items()}
    for subscription, market, symbol, qty, cost, leverage, pending, opening, carried, trader, side, left in rows:
        if qty:
            mark = prices[environments[subscription], market].get(symbol)
            results[subscription] = _valued(results.get(subscription, ZERO), qty, cost, mark)
        same = market == signal.market and symbol == signal.symbol
        book = books.get(subscription, NOTHING_OPEN)
        if qty or opening:
            pair = subscription, market, symbol
            book = book._replace(
                pairs=book.pairs + (pair not in counted),
                pair_money=book.pair_money + (cost / leverage + pending if same else ZERO),
                in_pair=book.in_pair or same,
            )
            counted.add(pair)
        if same and trader == signal.trader_id and side == signal.position_side:
            book = book._replace(carried=carried, closed_by_owner=left)
        books[subscription] = book
    _count_recent(cursor, schema, signal, members, books)
    return results, books


def _valued(so_far: Decimal | None, qty: Decimal, cost: Decimal, mark: Decimal | None) -> Decimal | None:
    if mark is None or so_far is None:
        return None
    worth = abs(qty) * mark
    return so_far + (worth - cost if qty > 0 else cost - worth)


def _count_recent(
    cursor: Any, schema: str, signal: SignalRow, members: Sequence[Follower], books: dict[int, Book]
) -> None:
    """How many opens were planned lately, for those who have a rule about it."""
    windows: dict[int, int] = {}
    for member in members:
        if member.settings is not None:
            style = style_for(member.settings, symbol=signal.symbol, short=False)
            if style is not None and style.burst_opens is not None:
                windows[member.subscription] = style.burst_ms or 0
    if not windows:
        return
    ids, lengths = list(windows), list(windows.values())
    for subscription, recent in cursor.execute(db.sql(store.RECENT_OPENS, schema), [ids, lengths]).fetchall():
        books[subscription] = books.get(subscription, NOTHING_OPEN)._replace(recent=recent)
