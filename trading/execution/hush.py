"""A venue that asks us to slow down (429) or has shut us out (418) is left alone for as long as it says.

The time is kept in Redis, so that every process obeys what one of them was told. Orders are not sent meanwhile: they
are asked after when the time is over, and sent while the trade is fresh.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import redis

from citadel.client import Result
from obscura.core import log, redis_clients

TOO_MANY = (418, 429)
DEFAULT_S, LONGEST_S = 5, 3600
_SEEN_FOR_S = 0.2

_logger = log.get("hush")
_seen: dict[str, tuple[float, bool]] = {}


def _key(environment: str, exchange: str, market: str) -> str:
    return f"obscura:hush:{environment}:{exchange}:{market}"


def heed(results: Iterable[Result], *, environment: str, exchange: str, market: str) -> None:
    """Remember the longest pause that any of these answers asks for."""
    pauses = [_pause(result) for result in results if result.status in TOO_MANY]
    if not pauses:
        return
    key = _key(environment, exchange, market)
    try:
        client = redis_clients.sync()
        if max(pauses) > max(client.ttl(key), 0):
            client.set(key, "1", ex=max(pauses))
    except redis.RedisError as error:
        _logger.warning("hush.unkept", error=type(error).__name__)
    _seen[key] = (time.monotonic(), True)
    _logger.warning("hush", environment=environment, exchange=exchange, market=market, seconds=max(pauses))


def hushed(*, environment: str, exchange: str, market: str) -> bool:
    """Whether this venue is to be left alone right now."""
    key = _key(environment, exchange, market)
    kept = _seen.get(key)
    if kept and time.monotonic() - kept[0] < _SEEN_FOR_S:
        return kept[1]
    try:
        found = bool(redis_clients.sync().exists(key))
    except redis.RedisError:
        found = False  # the venue itself still says no; nothing is lost by asking it
    _seen[key] = (time.monotonic(), found)
    return found


def forget() -> None:
    """Ask Redis again, whatever was seen a moment ago."""
    _seen.clear()


def _pause(result: Result) -> int:
    try:
        return min(max(int(result.headers.get("retry-after", "")), 1), LONGEST_S)
    except ValueError:
        return DEFAULT_S
