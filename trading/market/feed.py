"""Follows the best prices of one market in one environment over its public stream; keeps its rules and moves fresh."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import orjson
import redis
import redis.asyncio

from obscura.core import log
from trading.execution.reads import calmly
from trading.market import moves
from trading.market.board import Board
from trading.market.cache import move_key, price_key, rules_key
from trading.market.rules import table
from trading.venues.quirks import Venue
from trading.venues.session import Sessions

WRITE_S = 0.05
RULES_S = 3600.0
AWAY_S = 0.2
LOST_S = 0.5  # how often to look whether what was written is still there
PING_MS = 1_000  # a quiet top is confirmed by the pong that follows it
PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0)

_logger = log.get("market")


class Feed:
    """One market of one environment. `wanted` gives the symbols to watch, as the venue writes them."""

    def __init__(
        self,
        *,
        environment: str,
        venue: Venue,
        sessions: Sessions,
        client: redis.asyncio.Redis,
        wanted: Callable[[], frozenset[str]],
    ) -> None:
        self.environment, self.venue, self.wanted = environment, venue, wanted
        self._sessions, self._client = sessions, client
        self._board = Board()
        self._exchange: Any = None
        self._seen: dict[str, Any] = {}
        where = (environment, venue.exchange, venue.market)
        self._price_key, self._rules_key, self._move_key = price_key(*where), rules_key(*where), move_key(*where)
        self._timetable = moves.Timetable()

    async def run(self) -> None:
        """Follow until cancelled; a venue that is away is tried again with growing, jittered pauses."""
        await self._lasting(self._open)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lasting(self._watch))
            tasks.create_task(self._lasting(self._write))
            tasks.create_task(self._lasting(self._refresh))
            tasks.create_task(self._lasting(self._move))

    async def _lasting(self, work: Callable[[], Any]) -> None:
        """Until the work returns. What ccxt and Redis raise has no common class but Exception."""
        tries = 0
        while True:
            began = time.monotonic()
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - told, and tried again: prices must not stop for one bad frame
                tries = 0 if time.monotonic() - began > 30 else tries + 1
                _logger.warning(
                    "market.interrupted",
                    environment=self.environment,
                    market=self.venue.market,
                    part=getattr(work, "__name__", ""),
                    error=f"{type(error).__name__}: {error}"[:160],
                )
                await asyncio.sleep(PAUSES_S[min(tries, len(PAUSES_S) - 1)] * random.uniform(0.5, 1.5))
            else:
                return

    async def _open(self) -> None:
        self._exchange = await self._sessions.template(self.venue.ccxt_id, self.environment)
        self._exchange.streaming = {**self._exchange.streaming, "keepAlive": PING_MS}
        await self._put_rules()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(RULES_S * random.uniform(0.9, 1.0))
            await self._exchange.load_markets(True)
            await self._put_rules()

    async def _move(self) -> None:
        """Find out, one symbol after another and calmly, how far each moves on a usual day."""
        while True:
            await asyncio.sleep(moves.PAUSE_S * random.uniform(0.8, 1.2))
            symbol = self._timetable.next(self._unified().keys(), time.monotonic())
            if symbol is not None:
                await self.put_move(symbol)

    async def put_move(self, symbol: str) -> None:
        """Ask for one symbol's candles and keep what they say; what they do not say any more is forgotten."""
        # Whatever comes of it: one symbol that fails must not keep the others waiting.
        self._timetable.asked(symbol, time.monotonic(), known=False)
        now_ms = int(time.time() * 1000)
        with calmly():
            move = await moves.read(self._exchange, market=self.venue.market, symbol=symbol, now_ms=now_ms)
        if move is None:
            await self._client.hdel(self._move_key, symbol)
            return
        await self._client.hset(self._move_key, symbol, moves.body(move))
        self._timetable.asked(symbol, time.monotonic(), known=True)

    async def _put_rules(self) -> None:
        found = table(market["info"] for market in self._exchange.markets.values())
        rows = {symbol: orjson.dumps(rules) for symbol, rules in found.items()}
        if not rows:
            return
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.delete(self._rules_key)  # a symbol that was delisted has no rules any more
            pipe.hset(self._rules_key, mapping=rows)
            await pipe.execute()
        _logger.info("market.rules", environment=self.environment, market=self.venue.market, symbols=len(rows))

    def _unified(self) -> dict[str, str]:
        """The wanted symbols that this market has: ccxt's name by the venue's."""
        known = self._exchange.markets_by_id
        return {symbol: known[symbol][0]["symbol"] for symbol in sorted(self.wanted()) if symbol in known}

    async def _watch(self) -> None:
        while True:
            names = self._unified()
            if not names:
                await asyncio.sleep(1.0)
                continue
            # The writer reads what the exchange keeps; here it is enough that the streams stay open.
            try:
                async with asyncio.timeout(5.0):
                    await self._exchange.watch_bids_asks(list(names.values()))
            except TimeoutError:
                continue  # nothing changed; look again at what is wanted
            await asyncio.sleep(WRITE_S)

    async def _write(self) -> None:
        looked = time.monotonic()
        while True:
            await asyncio.sleep(WRITE_S)
            try:
                if time.monotonic() > looked + LOST_S:
                    looked = time.monotonic()
                    if not await self._client.exists(self._rules_key):
                        # Redis began anew and has nothing of what it was told.
                        self._board.again()
                        await self._put_rules()
                await self._put_prices()
            except redis.RedisError as error:
                _logger.warning("market.unwritten", market=self.venue.market, error=type(error).__name__)
                looked = 0.0  # whoever comes back may have forgotten everything
                await asyncio.sleep(AWAY_S)

    async def _put_prices(self) -> None:
        if rows := self._rows():
            await self._client.hset(self._price_key, mapping=rows)

    def _rows(self) -> dict[str, bytes]:
        heard = max((_heard_s(client) for client in self._exchange.clients.values()), default=0.0)
        for ticker in self._exchange.bidsasks.values():
            raw = ticker["info"]
            symbol = raw["s"]
            if self._seen.get(symbol) is not raw:
                self._seen[symbol] = raw
                self._board.show(symbol, bid=raw["b"], ask=raw["a"], at=time.time())
            elif heard:
                self._board.heard(symbol, at=heard)
        return self._board.due()


def _heard_s(client: Any) -> float:
    """When a stream's peer last spoke, in epoch seconds: a frame or a pong; 0 where it is not connected."""
    if client.closed():
        return 0.0
    return max(client.lastPong or 0, client.last_message_at or 0) / 1000
