"""What workers do for the platform itself."""

from __future__ import annotations

import celery
import psycopg
import redis
from django.db import DatabaseError

from obscura.core import log
from obscura.ops.metrics import tables

_logger = log.get("metrics")


@celery.shared_task(name="obscura.measure", ignore_result=True)  # type: ignore[untyped-decorator]
def measure() -> None:
    """Lay down how things stand, for the page of numbers. Where that cannot be looked up, what is there ages."""
    try:
        tables.look()
    except (DatabaseError, psycopg.Error, redis.RedisError) as error:
        _logger.warning("metrics.unmeasured", error=type(error).__name__)
