"""The one place that reads the wall clock; everything below a door takes `now` as an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def millis(moment: datetime) -> int:
    """Milliseconds since the epoch, as venues count."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=1024)
def from_millis(value: int) -> datetime:
    """An aware UTC moment from a venue's milliseconds: a chunk's orders share a few of them."""
    return _EPOCH + timedelta(milliseconds=value)


def micros(moment: datetime) -> int:
    """Microseconds since the epoch, exactly: a float of seconds loses the last of them."""
    since = moment - _EPOCH
    return since.days * _DAY_US + since.seconds * 1_000_000 + since.microseconds
