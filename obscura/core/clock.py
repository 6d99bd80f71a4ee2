"""The one place that reads the wall clock; everything below a door takes `now` as an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def millis(moment: datetime) -> int:
    """Milliseconds since the epoch, as venues count."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_millis(value: int) -> datetime:
    """An aware UTC moment from a venue's milliseconds."""
    return _EPOCH + timedelta(milliseconds=value)


def micros(moment: datetime) -> int:
    """Microseconds since the epoch, exactly: a float of seconds loses the last of them."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
