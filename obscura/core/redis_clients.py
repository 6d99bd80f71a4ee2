"""Redis clients, one per process and kind, with time limits that fit what they are used for."""

from __future__ import annotations

import os

import redis
import redis.asyncio
from django.conf import settings

_sync: dict[int, redis.Redis] = {}


def sync() -> redis.Redis:
    """The process's client for short commands. A child made by fork gets its own."""
    pid = os.getpid()
    if pid not in _sync:
        _sync.clear()
        _sync[pid] = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, protocol=2)
    return _sync[pid]


def aio(*, blocking: bool = False) -> redis.asyncio.Redis:
    """A new asyncio client; `blocking` for readers that wait at the server for longer than a command's limit."""
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=None if blocking else 2,
        socket_connect_timeout=2,
        health_check_interval=30,
        protocol=2,
    )
