"""How each stream stands, for whoever wants to know: the Redis hash obscura:streams."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import orjson
import redis

from obscura.core import log, redis_clients

KEY = "obscura:streams"
SILENT_AFTER_S = 30.0

_logger = log.get("streams")


@dataclass(slots=True)
class StreamState:
    """One stream of one lead account.

    :param state: ``connecting``, ``backfilling``, ``live`` or ``waiting`` (before the next try)
    :param problem: the last reason it was lost
    :param heard: when it was last live (epoch seconds); 0 where it never was
    """

    schema: str
    account: str
    exchange: str
    environment: str
    market: str
    state: str = "connecting"
    since: float = 0.0
    connects: int = 0
    fills: int = 0
    backfilled: int = 0
    last_fill: float = 0.0
    last_poll: float = 0.0
    write_ms: float = 0.0
    problem: str = ""
    heard: float = 0.0

    def turn(self, state: str, problem: str | None = None) -> None:
        """It is now in another state."""
        self._hear()
        if state != self.state:
            self.state, self.since = state, time.time()
        if problem is not None:
            self.problem = problem

    def _hear(self) -> None:
        if self.state == "live":
            self.heard = time.time()

    @property
    def field(self) -> str:
        """Its field in the hash."""
        return f"{self.schema}:{self.account}:{self.market}"

    def as_dict(self) -> dict[str, Any]:
        self._hear()
        return {name: getattr(self, name) for name in self.__slots__} | {"at": time.time(), "pid": os.getpid()}


def publish(states: list[StreamState], gone: list[str]) -> None:
    """Write how the streams of this process stand; `gone` are fields to take away. Never raises for Redis."""
    try:
        client = redis_clients.sync()
        if states:
            client.hset(KEY, mapping={one.field: orjson.dumps(one.as_dict()) for one in states})
        if gone:
            client.hdel(KEY, *gone)
    except redis.RedisError as error:
        _logger.warning("streams.unpublished", error=type(error).__name__)


def streams() -> list[dict[str, Any]]:
    """Every stream that somebody reported within the last 30 seconds."""
    rows = [orjson.loads(body) for body in redis_clients.sync().hvals(KEY)]
    limit = time.time() - SILENT_AFTER_S
    return sorted((row for row in rows if row["at"] >= limit), key=lambda row: (row["schema"], row["account"]))


def heard() -> dict[tuple[str, str, str], float]:
    """By schema, account and market, when each stream was last known to be live, whoever reported it and however long
    ago: that of a sentinel which is gone was live until its last word."""
    rows = [orjson.loads(body) for body in redis_clients.sync().hvals(KEY)]
    return {(row["schema"], row["account"], row["market"]): float(row.get("heard", 0.0)) for row in rows}
