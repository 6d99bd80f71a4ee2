"""The one place that reads the wall clock; everything below a door takes `now` as an argument."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def millis(moment: datetime) -> int:
    """Milliseconds since the epoch, as venues count."""
    return int(moment.timestamp() * 1000)


def from_millis(value: int) -> datetime:
    """An aware UTC moment from a venue's milliseconds."""
    return datetime.fromtimestamp(value / 1000, UTC)
