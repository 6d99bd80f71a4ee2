"""The real exchange's public streams as the paper venue's market."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import aiohttp
import orjson

from ..exchange import Key
from ..symbols import SPOT, USDM
from ..tape import Tape
from . import frames

log = logging.getLogger(__name__)
BASES = {
    SPOT: ("https://api.binance.com/api/v3/depth", "wss://stream.binance.com:9443/stream"),
    USDM: ("https://fapi.binance.com/fapi/v1/depth", "wss://fstream.binance.com/public/stream"),
}
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "LINKUSDT")
QUIET_SECONDS = 20.0
PAUSES = (0.2, 1.0, 2.0, 5.0, 10.0)


class Live:
    """Follows trades, best prices and depth of each market over one connection.

    While a connection is down or silent its market is halted: a price that is not known is no price. `upstream`
    (`http://host:port`) puts another venue of this protocol in the exchange's place.
    """

    name = "live"

    def __init__(self, tape: Tape, *, upstream: str | None = None, symbols: Sequence[str] = SYMBOLS) -> None:
        self.tape, self.symbols, self.connects = tape, symbols, 0
        self.bases = {market: _moved(urls, upstream) if upstream else urls for market, urls in BASES.items()}

    async def run(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=10)) as session:
            await asyncio.gather(*(self._follow(session, market) for market in self.bases))

    async def _follow(self, session: aiohttp.ClientSession, market: str) -> None:
        tries = 0
        while True:
            try:
                async for _ in self._once(session, market):
                    tries = 0
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as problem:
                log.warning("live %s market: %s: %s", market, type(problem).__name__, problem)
            for symbol in self.symbols:
                self.tape.halt((market, symbol))
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    async def _once(self, session: aiohttp.ClientSession, market: str) -> Any:
        """Subscribe first, then take the snapshots, so that nothing falls between; yields after each frame."""
        depth, stream = self.bases[market]
        names = [
            f"{symbol.lower()}@{kind}" for symbol in self.symbols for kind in ("trade", "bookTicker", "depth@100ms")
        ]
        async with session.ws_connect(stream, heartbeat=QUIET_SECONDS, max_msg_size=1 << 24) as socket:
            self.connects += 1
            await socket.send_str(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
            known: dict[Key, int] = {}
            for symbol in self.symbols:
                async with session.get(depth, params={"symbol": symbol, "limit": "1000"}) as answer:
                    if answer.status == 200:
                        book = await answer.json(loads=orjson.loads)
                        frames.snapshot(self.tape, (market, symbol), book)
                        known[market, symbol] = book["lastUpdateId"]
            while True:
                message = await asyncio.wait_for(socket.receive(), QUIET_SECONDS)
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                data = orjson.loads(message.data).get("data")
                # What the snapshot already holds must not be applied over it.
                if data and data.get("u", 1 << 62) > known.get((market, data.get("s")), 0):
                    frames.take(self.tape, market, data)
                yield


def _moved(urls: tuple[str, str], upstream: str) -> tuple[str, str]:
    depth, stream = urls
    socket = upstream.replace("http", "ws", 1)
    return upstream + "/" + depth.split("/", 3)[3], socket + "/" + stream.split("/", 3)[3]
