"""A clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class StillClock:
    """Stands in for obscura.core.clock.now. ``still.now`` is what it shows; ``still.forward(seconds=5)`` moves it."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **parts: float) -> datetime:
        """Move on by a timedelta's parts and return the new moment."""
        self.now += timedelta(**parts)
        return self.now
