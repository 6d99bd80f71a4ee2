"""One connection to one account's user stream, over ccxt.pro: told when it stands, and every fill that comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from obscura.core import clock, log
from trading.sentinel.seen import SeenFill, from_stream

CONNECT_LIMIT_S = 20.0

EXECUTIONS = ("TRADE", "CALCULATED")
"""Execution types that are trades; the second is a liquidation."""

_logger = log.get("stream")

OnFill = Callable[[SeenFill], None]
OnLeverage = Callable[[str, int], None]


def tap(exchange: Any, *, market: str, on_fill: OnFill, on_leverage: OnLeverage = lambda *_: None) -> None:
    """Have every fill handed to `on_fill` as its message comes in; on futures, changes of leverage to `on_leverage`.

    ccxt.pro keeps the last thousand trades for whoever awaits them, and parses each. Taking them where they come in
    loses none however many come at once. `watch_my_trades` then never answers; it ends with the reason when the
    stream is lost.
    """

    def take(_client: Any, message: Mapping[str, Any]) -> None:
        if message.get("x") not in EXECUTIONS or int(message.get("t", -1)) <= 0:
            return
        try:
            fill = from_stream(market=market, info=message, received_at=clock.now())
        except (KeyError, ArithmeticError, ValueError) as error:
            # The backfill asks for it again in seconds, in another form.
            _logger.error("stream.unreadable", market=market, error=type(error).__name__)
            return
        on_fill(fill)

    exchange.handle_my_trade = take
    if market == "spot":
        return
    handle = exchange.handle_message

    def look(client: Any, message: Any) -> Any:
        # ccxt passes this event over.
        if isinstance(message, Mapping) and message.get("e") == "ACCOUNT_CONFIG_UPDATE" and "ac" in message:
            on_leverage(str(message["ac"]["s"]), int(message["ac"]["l"]))
        return handle(client, message)

    exchange.handle_message = look


async def established(exchange: Any, *, market: str) -> asyncio.Task[Any]:
    """Connect and subscribe. Returns the task that ends, with an error, when the stream is lost.

    :raises TimeoutError: the venue did not let us in within 20 seconds
    :raises ccxt.BaseError, Problem: it refused, or the signer did
    """
    async with asyncio.timeout(CONNECT_LIMIT_S):
        if market == "spot":
            await exchange.authenticate({"type": "spot"})  # returns when the subscription is confirmed
        watching: asyncio.Task[Any] = asyncio.ensure_future(exchange.watch_my_trades())
        try:
            while not _connected(exchange):
                if watching.done():
                    watching.result()
                await asyncio.sleep(0.005)  # noqa: ASYNC110 - ccxt makes the client somewhere within the call
        except BaseException:
            await ended(watching)
            raise
    return watching


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task and see it end, whatever it ends with."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


def _connected(exchange: Any) -> bool:
    private = [client for url, client in exchange.clients.items() if "listenKey=" in url or "ws-api" in url]
    return any(client.isConnected and not client.error for client in private)
