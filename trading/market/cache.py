"""Prices and venue rules as the market process last wrote them, read from Redis."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import orjson

from obscura.core import redis_clients
from trading.domain.market import MarketFacts, Quote, Rules

_RULES_KEPT_S = 30.0
_rules: dict[tuple[str, str], tuple[float, Rules]] = {}


def price_key(environment: str, exchange: str, market: str) -> str:
    """The hash of prices by symbol."""
    return f"obscura:price:{environment}:{exchange}:{market}"


def rules_key(environment: str, exchange: str, market: str) -> str:
    """The hash of rules by symbol."""
    return f"obscura:rules:{environment}:{exchange}:{market}"


def quote(*, environment: str, exchange: str, market: str, symbol: str) -> Quote | None:
    """The last known price of a symbol, however old; None where none was ever seen."""
    return _quote(redis_clients.sync().hget(price_key(environment, exchange, market), symbol))


def rules(*, environment: str, exchange: str, market: str, symbol: str) -> Rules | None:
    """The venue's rules for a symbol; None where they are not known."""
    key = (rules_key(environment, exchange, market), symbol)
    kept = _rules.get(key)
    if kept and time.monotonic() - kept[0] < _RULES_KEPT_S:
        return kept[1]
    body = redis_clients.sync().hget(*key)
    if body is None:
        return None
    row = orjson.loads(body)
    found = Rules(
        tick=Decimal(row["tick"]),
        step=Decimal(row["step"]),
        min_qty=Decimal(row["min_qty"]),
        max_qty=Decimal(row["max_qty"]),
        market_max_qty=Decimal(row["market_max_qty"]),
        min_notional=Decimal(row["min_notional"]),
        base=row["base"],
        quote=row["quote"],
        reduce_exempt=market == "usdm",
    )
    _rules[key] = (time.monotonic(), found)
    return found


def rules_loaded(*, environment: str, exchange: str, market: str) -> bool:
    """Whether any rules of this market are known: only then is a missing symbol an unknown one."""
    return bool(redis_clients.sync().hlen(rules_key(environment, exchange, market)))


def facts(*, environment: str, exchange: str, market: str, symbol: str) -> MarketFacts:
    """Price and rules of a symbol."""
    where = {"environment": environment, "exchange": exchange, "market": market, "symbol": symbol}
    return MarketFacts(quote(**where), rules(**where))


def marks(*, environment: str, exchange: str, market: str) -> Mapping[str, Decimal]:
    """The middle price of every symbol that has one: what is open is valued at it."""
    rows = redis_clients.sync().hgetall(price_key(environment, exchange, market))
    return {symbol.decode(): found.middle for symbol, body in rows.items() if (found := _quote(body)) is not None}


def quotes(*, environment: str, exchange: str, market: str, symbols: Iterable[str]) -> Mapping[str, Quote | None]:
    """The last known price of each of these symbols, however old; None where none was ever seen."""
    wanted = list(symbols)
    rows = redis_clients.sync().hmget(price_key(environment, exchange, market), wanted)
    return {symbol: _quote(body) for symbol, body in zip(wanted, rows, strict=True)}


def forget() -> None:
    """Drop what this process keeps, for tests and after a change of rules."""
    _rules.clear()


def _quote(body: bytes | None) -> Quote | None:
    if body is None:
        return None
    row = orjson.loads(body)
    return Quote(Decimal(row["bid"]), Decimal(row["ask"]), datetime.fromtimestamp(row["at"], UTC))
