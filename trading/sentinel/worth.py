"""What a watched lead's account is worth, and its leverage by symbol: copies may be sized by the lead's share.

Kept in Redis, with the time at which the venue said it. What is lost or old is not known, and whoever sizes by it is
denied.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any
from uuid import UUID

import orjson

from obscura.core import clock, redis_clients
from obscura.core.money import ZERO
from trading.domain.intents import SPOT, USDM

MAX_AGE = timedelta(minutes=10)
"""What the venue said longer ago is not known any more."""

LEVERAGES_S = 240.0
"""Between two readings of all leverages; a change is told by the stream in between."""

PRICES_S = 60.0
CENTS = Decimal("1e-8")
DOLLAR = "USDT"
BRIDGES = ("BTC", "ETH", "BNB")

_WHOLE = ""
"""The field that says when all leverages were read."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a signal says of its lead's means; None is what is not known.

    :param equity: of the whole account, spot and futures together, in USD. A follower has one budget for both, and the
        lead's share is what it put into a trade of all that it could have
    :param leverage: on futures, in the signal's symbol
    """

    equity: Decimal | None = None
    leverage: int | None = None


UNKNOWN = Measure()


def worth_key(schema: str, account_id: UUID | str, market: str) -> str:
    """What one market of an account is worth."""
    return f"obscura:worth:{schema}:{account_id}:{market}"


def leverage_key(schema: str, account_id: UUID | str) -> str:
    """The hash of an account's leverages by symbol."""
    return f"obscura:leverage:{schema}:{account_id}"


def measure(*, schema: str, account_id: UUID, market: str, symbol: str) -> Measure:
    """What is known now of a lead that trades `symbol`.

    The account's equity is known when that of each of its watched markets is: half of it would make every trade look
    twice as bold as it is.

    :raises redis.RedisError: Redis is away
    """
    with redis_clients.sync().pipeline(transaction=False) as pipe:
        pipe.mget([worth_key(schema, account_id, one) for one in (SPOT, USDM)])
        pipe.hmget(leverage_key(schema, account_id), symbol, _WHOLE)
        bodies, (level, read_at) = pipe.execute()
    now = clock.now()
    found = {one: orjson.loads(body) for one, body in zip((SPOT, USDM), bodies, strict=True) if body}
    equity: Decimal | None = None
    if market in found:
        parts = [found.get(one) for one in found[market]["markets"]]
        if all(part is not None and _fresh(part["at"], now) for part in parts):
            equity = sum((Decimal(part["equity"]) for part in parts if part is not None), ZERO)
    leverage = None
    if market == USDM and level and read_at and _fresh(read_at.decode(), now):
        leverage = int(level)
    return Measure(equity, leverage)


def remember(
    *, schema: str, account_id: UUID, market: str, markets: tuple[str, ...], equity: Decimal, at: datetime
) -> None:
    """Note what one market of an account is worth.

    :param markets: all of the account's that are watched
    """
    body = orjson.dumps({"equity": format(equity, "f"), "at": at.isoformat(), "markets": list(markets)})
    redis_clients.sync().set(worth_key(schema, account_id, market), body, ex=MAX_AGE)


def remember_leverages(*, schema: str, account_id: UUID, levels: Mapping[str, int], at: datetime) -> None:
    """Note all leverages of an account, as the venue just said."""
    key = leverage_key(schema, account_id)
    with redis_clients.sync().pipeline(transaction=True) as pipe:
        pipe.delete(key)
        pipe.hset(key, mapping={**levels, _WHOLE: at.isoformat()})
        pipe.expire(key, MAX_AGE)
        pipe.execute()


def change_leverages(*, schema: str, account_id: UUID, levels: Mapping[str, int]) -> None:
    """Note leverages that the stream told. Before all of them were read once, nothing is known."""
    key = leverage_key(schema, account_id)
    client = redis_clients.sync()
    if levels and client.exists(key):
        client.hset(key, mapping=dict(levels))


def valued(amounts: Mapping[str, str], prices: Mapping[str, str]) -> Decimal:
    """What spot balances come to in USD, at the venue's last prices. What trades for nothing there counts nothing."""
    total = sum((Decimal(amount) * _price(asset, prices) for asset, amount in amounts.items()), ZERO)
    return total.quantize(CENTS, ROUND_FLOOR)


def _price(asset: str, prices: Mapping[str, str]) -> Decimal:
    if asset == DOLLAR:
        return Decimal(1)
    if f"{asset}{DOLLAR}" in prices:
        return Decimal(prices[f"{asset}{DOLLAR}"])
    turned = Decimal(prices.get(f"{DOLLAR}{asset}", 0))  # money of a country: dollars are sold for it
    if turned:
        return 1 / turned
    for bridge in BRIDGES:
        if f"{asset}{bridge}" in prices and f"{bridge}{DOLLAR}" in prices:
            return Decimal(prices[f"{asset}{bridge}"]) * Decimal(prices[f"{bridge}{DOLLAR}"])
    # What is lent to the exchange and can be had back at any time is listed as LDBTC.
    return _price(asset[2:], prices) if len(asset) > 4 and asset.startswith("LD") else ZERO


class Prices:
    """The venue's last prices of all symbols, asked for once a minute however many accounts are valued."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, dict[str, str]]] = {}

    async def of(self, environment: str, exchange: Any) -> Mapping[str, str]:
        """By symbol.

        :raises ccxt.BaseError: the venue did not answer
        """
        kept = self._kept.get(environment)
        if kept is None or time.monotonic() - kept[0] > PRICES_S:
            rows = await exchange.public_get_ticker_price()
            kept = self._kept[environment] = (time.monotonic(), {row["symbol"]: row["price"] for row in rows})
        return kept[1]


async def leverages(exchange: Any) -> dict[str, int]:
    """The leverage of every symbol, whether anything is open in it or not.

    :raises ccxt.BaseError: the venue did not answer
    """
    return {row["symbol"]: int(row["leverage"]) for row in await exchange.fapiprivate_get_symbolconfig()}


def _fresh(at: str, now: datetime) -> bool:
    return now - datetime.fromisoformat(at) <= MAX_AGE
