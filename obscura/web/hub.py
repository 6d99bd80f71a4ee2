"""The live feed's upper end: one reader of all tenants' feeds in a process, and the sockets it hands rows to.

The broker keeps nothing. So whenever the reader (re)joins it, every socket is told that it is behind and reads what it
missed from the tables: a row is never lost, at worst it comes twice.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import orjson
import redis
from django.conf import settings

from obscura.core import log, redis_clients

MOST_WAITING = 1_000
QUIET_S = 15.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0

_logger = log.get("live")


class Inbox:
    """Rows that wait for one socket, one of each id. Bounded: who does not keep up is sent away to read them later."""

    def __init__(self, *, schema: str, user: str, pool: str = "") -> None:
        self.schema, self.user, self.pool = schema, user, pool
        self.behind = True
        self.woken = asyncio.Event()
        self.woken.set()
        self._rows: dict[str, Mapping[str, Any]] = {}

    @property
    def full(self) -> bool:
        """Whether more waits than is kept."""
        return len(self._rows) > MOST_WAITING

    def offer(self, row: Mapping[str, Any]) -> None:
        """Take a row, unless it is another pool's or older than what waits already."""
        if self.full or (self.pool and row["pool"] != self.pool):
            return
        known = self._rows.get(row["id"])
        if known is None or known["cursor"] <= row["cursor"]:
            self._rows[row["id"]] = row
            self.woken.set()

    def fell_behind(self) -> None:
        """Rows may have passed unseen."""
        self.behind = True
        self.woken.set()

    def take(self) -> list[Mapping[str, Any]]:
        """All that waits."""
        rows = list(self._rows.values())
        self._rows.clear()
        return rows


class Hub:
    """Reads the feeds while anybody listens, and hands each row to the sockets of its tenant and user."""

    def __init__(self) -> None:
        self.hears = asyncio.Event()
        self._inboxes: dict[tuple[str, str], set[Inbox]] = defaultdict(set)
        self._reader: asyncio.Task[None] | None = None
        self._prefix = f"{settings.REDIS_CHANNELS}feed:"

    def join(self, inbox: Inbox) -> None:
        """Hand rows to this inbox from now on."""
        self._inboxes[inbox.schema, inbox.user].add(inbox)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read(), name="live-hub")

    def leave(self, inbox: Inbox) -> None:
        """Hand it nothing more. May be repeated."""
        key = (inbox.schema, inbox.user)
        self._inboxes[key].discard(inbox)
        if not self._inboxes[key]:
            del self._inboxes[key]
        if not self._inboxes and self._reader is not None:
            self._reader.cancel()
            self._reader = None
            self.hears.clear()

    async def _read(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            try:
                async for _ in self._messages():
                    pause = FIRST_PAUSE_S
            except (redis.RedisError, OSError) as error:
                self.hears.clear()
                _logger.warning("live.broker_lost", error=type(error).__name__)
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _messages(self) -> AsyncIterator[Mapping[str, Any]]:
        client = redis_clients.aio(blocking=True)
        subscription = client.pubsub()
        try:
            await subscription.psubscribe(f"{self._prefix}*")
            quiet = 0
            while True:
                message = await subscription.get_message(timeout=QUIET_S)
                if message is None:
                    quiet += 1
                    if quiet > 1:
                        raise redis.ConnectionError("the broker does not answer")
                    await subscription.ping()
                    continue
                quiet = 0
                self._hear(message)
                yield message
        finally:
            await subscription.aclose()
            await client.aclose()

    def _hear(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "psubscribe":  # now, or again after the client reconnected by itself
            self.hears.set()
            for inboxes in self._inboxes.values():
                for inbox in inboxes:
                    inbox.fell_behind()
        elif message["type"] == "pmessage":
            self._spread(message["channel"].decode().removeprefix(self._prefix), message["data"])

    def _spread(self, schema: str, data: bytes) -> None:
        for row in orjson.loads(data)["rows"]:
            for inbox in self._inboxes.get((schema, row["user"]), ()):
                inbox.offer(row)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running loop, which is one for the process that serves pages."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
