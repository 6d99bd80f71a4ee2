"""The other floor: ccxt as it comes, a clone for each account, on the same venue in the same run."""

from __future__ import annotations

import asyncio
import copy
import itertools
import ssl
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import uvloop

from obscura.local.bench.bare import CONNECTIONS, WARM_UP, Bare
from obscura.local.crowd import Keys


def measure(*, venue: str, pairs: Sequence[Keys], orders: int, quantity: str) -> Bare:
    """Place `orders` with `create_order`: one loaded exchange, a shallow copy of it an account, one shared session.

    That is the best that ccxt can do: markets, connections and the TLS context are shared, and its limiter is off.

    :param venue: host:port of the venue's plain HTTP port
    """
    return uvloop.run(_measure(venue, pairs, orders, quantity))


async def _measure(venue: str, pairs: Sequence[Keys], orders: int, quantity: str) -> Bare:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        template = _exchange(venue, session)
        await template.load_markets()
        clones = [_clone(template, pair) for pair in pairs]
        await _place(clones, WARM_UP, quantity)
        wall, cpu = time.perf_counter(), time.process_time()
        accepted = await _place(clones, orders, quantity)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Bare(round(cpu / orders * 1e6, 1), round(orders / wall), accepted)


def _exchange(venue: str, session: aiohttp.ClientSession) -> Any:
    exchange = ccxt.binance({"enableRateLimit": False, "session": session})
    exchange.own_session = False
    exchange.ssl_context = ssl.create_default_context()
    exchange.options |= {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False}
    exchange.has["fetchCurrencies"] = False
    exchange.options["crossMarginPairsData"] = exchange.options["isolatedMarginPairsData"] = []
    exchange.urls["api"] = {
        name: f"http://{venue}/" + url.split("/", 3)[3] for name, url in exchange.urls["api"].items()
    }
    exchange.headers = {"Host": "api.binance.com"}
    return exchange


def _clone(template: Any, pair: Keys) -> Any:
    clone = copy.copy(template)
    clone.apiKey, clone.secret = pair.api_key, pair.secret
    clone.options = dict(template.options)
    return clone


async def _place(clones: Sequence[Any], count: int, quantity: str) -> int:
    numbers = itertools.count()
    accepted = 0

    async def lane() -> None:
        nonlocal accepted
        while (number := next(numbers)) < count:
            side = "buy" if number // len(clones) % 2 == 0 else "sell"
            order = await clones[number % len(clones)].create_order("BTC/USDT", "market", side, float(quantity))
            accepted += order["status"] == "closed"

    await asyncio.gather(*(lane() for _ in range(CONNECTIONS)))
    return accepted
