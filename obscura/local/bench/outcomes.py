"""Counts outcomes on the live feed, so that waiting for them costs the database nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence

import orjson

from obscura.core import redis_clients
from tenants import feed

ON_THE_WAY = frozenset({"waiting", "checking"})


class Outcomes:
    """Listens to the feeds of tenants from now on."""

    def __init__(self, schemas: Sequence[str]) -> None:
        self._feed = redis_clients.sync().pubsub(ignore_subscribe_messages=True)
        self._feed.subscribe(*(feed.channel(schema) for schema in schemas))
        self._seen: set[tuple[bytes, str]] = set()

    def wait(self, count: int, *, limit: float) -> bool:
        """Until `count` copies have come to their end since the last call; False where they did not in time."""
        end = time.monotonic() + limit
        while len(self._seen) < count and time.monotonic() < end:
            message = self._feed.get_message(timeout=0.5)
            if message is None:
                continue
            rows = orjson.loads(message["data"])["rows"]
            self._seen |= {(message["channel"], row["id"]) for row in rows if row["outcome"] not in ON_THE_WAY}
        enough = len(self._seen) >= count
        self._seen.clear()
        return enough
