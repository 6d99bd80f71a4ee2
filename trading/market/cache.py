"""Prices, venue rules and daily moves as the market process last wrote them, read from Redis."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import redis

from obscura.core import redis_clients
from trading.domain.market import UNBOUNDED, Bracket, MarketFacts, Quote, Rules

_RULES_KEPT_S = 30.0
BRACKETS_HOLD_S = 3 * 24 * 3600.0
"""They are fetched anew each day; after this long without they are not known any more."""
_rules: dict[tuple[str, str], tuple[float, Rules]] = {}

MAX_MOVE_AGE_S = 6 * 3600.0
"""A usual day of longer ago is not known any more."""

_MOVES_KEPT_S = 30.0
_moves: dict[tuple[str, str], tuple[float, Decimal | None]] = {}


def price_key(environment: str, exchange: str, market: str) -> str:
    """The hash of prices by symbol."""
    return f"obscura:price:{environment}:{exchange}:{market}"


def rules_key(environment: str, exchange: str, market: str) -> str:
    """The hash of rules by symbol."""
    return f"obscura:rules:{environment}:{exchange}:{market}"


def brackets_key(environment: str, exchange: str, market: str) -> str:
    """The hash of leverage brackets by symbol: ``{"at": epoch seconds, "rows": [[leverage, cap as text], …]}``."""
    return f"obscura:brackets:{environment}:{exchange}:{market}"


def move_key(environment: str, exchange: str, market: str) -> str:
    """The hash of daily moves by symbol."""
    return f"obscura:move:{environment}:{exchange}:{market}"


def quote(*, environment: str, exchange: str, market: str, symbol: str) -> Quote | None:
    """The last known price of a symbol, however old; None where none was ever seen."""
    return _quote(redis_clients.sync().hget(price_key(environment, exchange, market), symbol))


def rules(*, environment: str, exchange: str, market: str, symbol: str) -> Rules | None:
    """The venue's rules for a symbol; None where they are not known.

    Where Redis has lost them, or is away, those that this process read last hold until they are there again.
    """
    key = (rules_key(environment, exchange, market), symbol)
    kept = _rules.get(key)
    if kept and time.monotonic() - kept[0] < _RULES_KEPT_S:
        return kept[1]
    try:
        body = redis_clients.sync().hget(*key)
        if body is None:
            return kept[1] if kept and not redis_clients.sync().exists(key[0]) else None
    except redis.RedisError:
        if kept is None:
            raise
        return kept[1]
    row = orjson.loads(body)
    known: Sequence[Bracket] = UNBOUNDED
    if market == "usdm":
        known = brackets(environment=environment, exchange=exchange, market=market, symbol=symbol)
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
        brackets=known,
    )
    if known:  # what is being fetched is looked for again at once
        _rules[key] = (time.monotonic(), found)
    return found


def brackets(*, environment: str, exchange: str, market: str, symbol: str) -> tuple[Bracket, ...]:
    """The leverage brackets of a symbol; empty where they are not known, or were not confirmed for days."""
    body = redis_clients.sync().hget(brackets_key(environment, exchange, market), symbol)
    if body is None:
        return ()
    found = orjson.loads(body)
    if time.time() - found["at"] > BRACKETS_HOLD_S:
        return ()
    return tuple(Bracket(leverage, Decimal(cap)) for leverage, cap in found["rows"])


def brackets_age_s(*, environment: str, exchange: str, market: str) -> dict[str, float]:
    """By symbol, how long ago its brackets were fetched."""
    rows = redis_clients.sync().hgetall(brackets_key(environment, exchange, market))
    return {symbol.decode(): time.time() - orjson.loads(body)["at"] for symbol, body in rows.items()}


def put_brackets(*, environment: str, exchange: str, market: str, symbol: str, rows: Sequence[Bracket]) -> None:
    """Keep what the venue said of a symbol just now."""
    body = orjson.dumps({"at": time.time(), "rows": [[leverage, str(cap)] for leverage, cap in rows]})
    redis_clients.sync().hset(brackets_key(environment, exchange, market), symbol, body)


def rules_loaded(*, environment: str, exchange: str, market: str) -> bool:
    """Whether any rules of this market are known: only then is a missing symbol an unknown one."""
    return bool(redis_clients.sync().hlen(rules_key(environment, exchange, market)))


def loaded(*, environment: str, exchange: str, market: str) -> bool:
    """Whether Redis has anything of this market's prices and rules: it has lost all of it, or has a part in hand."""
    where = (environment, exchange, market)
    return bool(redis_clients.sync().exists(price_key(*where), rules_key(*where)) == 2)


def facts(*, environment: str, exchange: str, market: str, symbol: str) -> MarketFacts:
    """Price, rules and daily move of a symbol."""
    where = {"environment": environment, "exchange": exchange, "market": market, "symbol": symbol}
    return MarketFacts(quote(**where), rules(**where), daily_move(**where))


def daily_move(*, environment: str, exchange: str, market: str, symbol: str) -> Decimal | None:
    """How far the price moves on a usual day, as a part of it; None where that is not known, or no longer.

    Kept for half a minute, known or not, so that a signal nobody sizes by it costs no question.
    """
    key = (move_key(environment, exchange, market), symbol)
    kept = _moves.get(key)
    if kept and time.monotonic() - kept[0] < _MOVES_KEPT_S:
        return kept[1]
    body = redis_clients.sync().hget(*key)
    row = {} if body is None else orjson.loads(body)
    found = Decimal(row["move"]) if row and time.time() - row["at"] <= MAX_MOVE_AGE_S else None
    _moves[key] = (time.monotonic(), found)
    return found


def marks(*, environment: str, exchange: str, market: str) -> Mapping[str, Decimal]:
    """The middle price of every symbol that has one: what is open is valued at it."""
    rows = redis_clients.sync().hgetall(price_key(environment, exchange, market))
    return {symbol.decode(): found.middle for symbol, body in rows.items() if (found := _quote(body)) is not None}


def quotes(*, environment: str, exchange: str, market: str, symbols: Iterable[str]) -> Mapping[str, Quote | None]:
    """The last known price of each of these symbols, however old; None where none was ever seen."""
    wanted = list(symbols)
    rows = redis_clients.sync().hmget(price_key(environment, exchange, market), wanted)
    return {symbol: _quote(body) for symbol, body in zip(wanted, rows, strict=True)}


def middles(*, environment: str, exchange: str, market: str, symbols: Iterable[str]) -> dict[str, Decimal | None]:
    """The middle price of each of these symbols; None where none was ever seen."""
    found = quotes(environment=environment, exchange=exchange, market=market, symbols=symbols)
    return {symbol: None if one is None else one.middle for symbol, one in found.items()}


def forget() -> None:
    """Drop what this process keeps, for tests and after a change of rules."""
    _rules.clear()
    _moves.clear()


def _quote(body: bytes | None) -> Quote | None:
    if body is None:
        return None
    row = orjson.loads(body)
    return Quote(Decimal(row["bid"]), Decimal(row["ask"]), datetime.fromtimestamp(row["at"], UTC))
