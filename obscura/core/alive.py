"""Who is alive: each process reports itself every few seconds, and anyone may ask. With it goes what it has counted."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import orjson
import redis

from obscura.core import log, metrics, redis_clients

KEY = "obscura:alive"
INTERVAL_S = 2.0
SILENT_AFTER_S = 10.0
FORGOTTEN_AFTER_S = 3_600.0

_logger = log.get("alive")


def report(process: str, **facts: Any) -> None:
    """Say that `process` of this pid is alive, with a few facts about it."""
    body = orjson.dumps({"process": process, "pid": os.getpid(), "at": time.time(), **facts})
    redis_clients.sync().hset(KEY, f"{process}:{os.getpid()}", body)


def processes() -> list[dict[str, Any]]:
    """Every process that reported within the last ten seconds, sorted by name."""
    limit = time.time() - SILENT_AFTER_S
    return sorted((row for row in _reports() if row["at"] >= limit), key=lambda row: str(row["process"]))


def ages() -> dict[str, float]:
    """For how many seconds each kind of process has been silent, of those that reported within the last hour."""
    now, found = time.time(), dict[str, float]()
    for row in _reports():
        name, age = str(row["process"]), max(0.0, now - row["at"])
        found[name] = min(age, found.get(name, age))
    return found


def _reports() -> list[dict[str, Any]]:
    client = redis_clients.sync()
    rows = [(field, orjson.loads(body)) for field, body in client.hgetall(KEY).items()]
    limit = time.time() - FORGOTTEN_AFTER_S
    forgotten = [field for field, row in rows if row["at"] < limit]
    if forgotten:
        client.hdel(KEY, *forgotten)
    return [row for _, row in rows if row["at"] >= limit]


def say(process: str) -> None:
    """Report this process and hand over what it has counted. Where Redis is away that is only logged."""
    try:
        report(process)
        metrics.hand_over()
    except redis.RedisError as error:
        _logger.warning("alive.unreported", process=process, error=type(error).__name__)


def in_thread(process: str) -> None:
    """Report from a daemon thread for the rest of the process's life."""

    def run() -> None:
        while True:
            say(process)
            time.sleep(INTERVAL_S)

    threading.Thread(target=run, name="alive", daemon=True).start()


async def in_loop(process: str) -> None:
    """Report from an event loop until cancelled."""
    while True:
        await asyncio.to_thread(say, process)
        await asyncio.sleep(INTERVAL_S)
