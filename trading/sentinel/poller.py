"""Asks a venue for the trades of a lead account that no stream told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from obscura.core import clock
from trading.domain.intents import SPOT
from trading.sentinel.marks import Mark
from trading.sentinel.seen import SeenFill, from_history

PAGE = 1000
SPAN_MS = {"spot": 24 * 3600 * 1000, "usdm": 7 * 24 * 3600 * 1000}
"""The longest span between startTime and endTime that the venue answers."""

Ask = Callable[[dict[str, Any]], Awaitable[list[Mapping[str, Any]]]]


async def trades(exchange: Any, *, market: str, mark: Mark) -> list[SeenFill]:
    """All trades of one symbol from a mark on, oldest first.

    :raises ccxt.BaseError: the venue did not answer; nothing is known then
    """
    ask: Ask = exchange.private_get_mytrades if market == SPOT else exchange.fapiprivate_get_usertrades
    if mark.from_id is not None:
        rows = await _from_id(ask, mark.symbol, mark.from_id)
    else:
        rows = await _since(ask, mark.symbol, clock.millis(mark.since), SPAN_MS[market])
    received_at = clock.now()
    return [from_history(market=market, info=row, received_at=received_at) for row in rows]


async def _from_id(ask: Ask, symbol: str, first: int) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    while True:
        page = await ask({"symbol": symbol, "fromId": first, "limit": PAGE})
        found += page
        if len(page) < PAGE:
            return found
        first = max(int(row["id"]) for row in page) + 1


async def _since(ask: Ask, symbol: str, start: int, span: int) -> list[Mapping[str, Any]]:
    now = clock.millis(clock.now())
    while True:
        # Without an end the venue chooses one; a span that reaches beyond now has none to choose.
        page = await ask({"symbol": symbol, "startTime": start, "endTime": start + span - 1, "limit": PAGE})
        if page:
            last = max(int(row["id"]) for row in page)
            return [*page, *await _from_id(ask, symbol, last + 1)]
        start += span
        if start > now:
            return []
