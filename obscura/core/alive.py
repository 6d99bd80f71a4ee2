"""Who is alive: each process reports itself every few seconds, and anyone may ask."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import orjson
import redis

from obscura.core import log, redis_clients

KEY = "obscura:alive"
INTERVAL_S = 2.0
SILENT_AFTER_S = 10.0

_logger = log.get("alive")


def report(process: str, **facts: Any) -> None:
    """Say that `process` of this pid is alive, with a few facts about it."""
    body = orjson.dumps({"process": process, "pid": os.getpid(), "at": time.time(), **facts})
    redis_clients.sync().hset(KEY, f"{process}:{os.getpid()}", body)


def processes() -> list[dict[str, Any]]:
    """Every process that reported within the last ten seconds, sorted by name."""
    client = redis_clients.sync()
    rows = [(field, orjson.loads(body)) for field, body in client.hgetall(KEY).items()]
    limit = time.time() - SILENT_AFTER_S
    silent = [field for field, row in rows if row["at"] < limit]
    if silent:
        client.hdel(KEY, *silent)
    return sorted((row for _, row in rows if row["at"] >= limit), key=lambda row: str(row["process"]))


def say(process: str) -> None:
    """Report, and only log it where Redis is away."""
    try:
        report(process)
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
