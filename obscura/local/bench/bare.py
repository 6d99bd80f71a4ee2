"""The floor to compare with: the same orders by a bare aiohttp client that signs by hand and knows nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import aiohttp
import orjson
import uvloop

from obscura.local.crowd import Keys

CONNECTIONS = 64
WARM_UP = 200
ALONE = 200


class Bare(NamedTuple):
    """CPU microseconds an order, orders a second, how many were accepted, and what one takes by itself from end to end.

    The last is what latencies are told in: it is the machine's and the venue's own speed, whatever they are.
    """

    cpu_us: float
    per_second: float
    accepted: int
    order_us: float = 0.0


def measure(*, venue: str, pairs: Sequence[Keys], orders: int, quantity: str) -> Bare:
    """Place `orders` market orders, buys and sells in turn, over 64 connections; each is signed, sent and read.

    :param venue: host:port of the venue's plain HTTP port
    """
    return uvloop.run(_measure(venue, pairs, orders, quantity))


async def _measure(venue: str, pairs: Sequence[Keys], orders: int, quantity: str) -> Bare:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        await _place(session, venue, pairs, WARM_UP, quantity)
        wall, cpu = time.perf_counter(), time.process_time()
        accepted = await _place(session, venue, pairs, orders, quantity)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        alone = time.perf_counter()
        await _place(session, venue, pairs, ALONE, quantity, lanes=1)
        alone = time.perf_counter() - alone
    return Bare(round(cpu / orders * 1e6, 1), round(orders / wall), accepted, round(alone / ALONE * 1e6, 1))


async def _place(
    session: aiohttp.ClientSession,
    venue: str,
    pairs: Sequence[Keys],
    count: int,
    quantity: str,
    lanes: int = CONNECTIONS,
) -> int:
    numbers = iter(range(count))
    url = f"http://{venue}/api/v3/order"
    accepted = 0

    async def lane() -> None:
        nonlocal accepted
        for number in numbers:
            pair = pairs[number % len(pairs)]
            side = "BUY" if number // len(pairs) % 2 == 0 else "SELL"
            query = (
                f"symbol=BTCUSDT&side={side}&type=MARKET&newOrderRespType=FULL&quantity={quantity}"
                f"&newClientOrderId={uuid.uuid4().hex}&recvWindow=5000&timestamp={time.time_ns() // 1_000_000}"
            )
            signature = hmac.new(pair.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
            headers = {
                "Host": "api.binance.com",
                "X-MBX-APIKEY": pair.api_key,
                "Content-Type": "application/x-www-form-urlencoded",
            }
            async with session.post(url, data=f"{query}&signature={signature}", headers=headers) as answer:
                body = orjson.loads(await answer.read())
                accepted += answer.status == 200 and body["status"] == "FILLED"

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return accepted
