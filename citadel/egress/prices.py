"""Last prices, asked of the venues and told to the signer: what an order may be worth is nobody else's word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import orjson

from citadel.domain.frames import pack
from citadel.domain.policy import HOSTS
from citadel.egress.routes import Route, Routes
from obscura.core.wire import Answer

Market = tuple[str, str, str]
"""(venue, market, "paper" | "live")."""

PATHS = {("binance", "spot"): "/api/v3/ticker/price", ("binance", "usdm"): "/fapi/v2/ticker/price"}
EVERY_S = {"paper": 1.0, "live": 2.0}
"""Seconds between two questions. One answer holds all symbols; it weighs 4 (spot) or 2 (USD-M) of a minute's 6,000."""

TIMEOUT_S = 5.0
A_FRAME = 5_000
"""Symbols in one frame."""


class Prices:
    """Follows the markets that requests go to.

    :param tell: gives a frame to every signer that listens
    """

    def __init__(self, *, routes: Routes, tell: Callable[[bytes], None]) -> None:
        self._routes, self._tell = routes, tell
        self._known: dict[Market, dict[str, str]] = {}
        self._following: dict[Market, asyncio.Task[None]] = {}

    def follow(self, route: Route) -> None:
        """Ask for the prices of this route's market from now on; and of spot, which the others are reckoned with."""
        venue, market, env, _ = route
        for name in {market, "spot"}:
            if (venue, name, env) not in self._following and (venue, name) in PATHS:
                task = asyncio.get_running_loop().create_task(self._follow((venue, name, env)))
                self._following[venue, name, env] = task

    def everything(self) -> Iterator[bytes]:
        """All that is known, as frames for a signer that has just come."""
        for market, prices in self._known.items():
            yield from _frames(market, prices, whole=True)

    async def _follow(self, market: Market) -> None:
        while True:
            prices = await self._asked(market)
            if prices:
                before = self._known.get(market)
                changed = prices if before is None else {
                    symbol: price for symbol, price in prices.items() if before.get(symbol) != price
                }  # fmt: skip
                self._known[market] = prices
                for frame in _frames(market, changed, whole=before is None or before.keys() - prices.keys() != set()):
                    self._tell(frame)
            await asyncio.sleep(EVERY_S[market[2]])

    async def _asked(self, market: Market) -> dict[str, str] | None:
        """What the venue says; None where it does not, and then a signer's prices grow old."""
        venue, name, env = market
        pool = self._routes.pool((venue, name, env, self._routes.prices_from))
        if pool is None:
            return None
        heard: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        host = HOSTS[venue, name]
        request = f"GET {PATHS[venue, name]} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("ascii")
        pool.submit(
            request,
            lambda answer: None if heard.done() else heard.set_result(answer),
            timeout=TIMEOUT_S,
            not_after_ms=_NEVER,
            urgent=False,
        )
        return read(await heard)


_NEVER = 1 << 62


def read(answer: Answer) -> dict[str, str] | None:
    """Prices by symbol, as text, from an answer of the venue; None where it is none."""
    if answer.status != 200:
        return None
    try:
        rows = orjson.loads(answer.body)
        return {str(row["symbol"]): str(row["price"]) for row in rows}
    except (ValueError, TypeError, KeyError):
        return None


def _frames(market: Market, prices: Mapping[str, str], *, whole: bool) -> Iterator[bytes]:
    """At least one: that nothing has changed is news as well."""
    items = list(prices.items())
    for start in range(0, max(1, len(items)), A_FRAME):
        part = dict(items[start : start + A_FRAME])
        yield pack({"op": "marks", "market": list(market), "prices": part, "whole": whole and start == 0})
