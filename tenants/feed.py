"""The live feed's lower end: what became of copies is told to the tenant's browsers in one message a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import redis
from django.conf import settings

from obscura.core import log, redis_clients

_logger = log.get("feed")


def channel(schema: str) -> str:
    """The Redis channel of one tenant's feed: ``obscura:feed:<schema>``."""
    return f"{settings.REDIS_CHANNELS}feed:{schema}"


def publish(schema: str, rows: Sequence[dict[str, Any]]) -> None:
    """Tell a tenant's listeners of outcomes, as one message ``{"rows": [...]}``.

    A broker that is away is no error: whoever reconnects reads from the rows in the database, by cursor.
    """
    if not rows:
        return
    try:
        redis_clients.sync().publish(channel(schema), orjson.dumps({"rows": list(rows)}))
    except redis.RedisError as error:
        _logger.warning("feed.unpublished", schema=schema, rows=len(rows), error=type(error).__name__)
