"""What the signer counts of its own work, for `stats`: a few additions a chunk, nothing a row."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from typing import Any

BOUNDS_US = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000)
"""Microseconds for a chunk, up to which its signing is counted."""


class Measures:
    """Signatures by kind and exchange, and how long chunks take to sign."""

    def __init__(self) -> None:
        self._signed: Counter[tuple[str, str]] = Counter()
        self._buckets = [0] * (len(BOUNDS_US) + 1)
        self._took_ns, self._started_ms = 0, time.time_ns() // 1_000_000

    def one(self, kind: str, exchange: str) -> None:
        """One thing was signed that did not come in a chunk."""
        self._signed[kind, exchange] += 1

    def chunk(self, kind: str, exchange: str, *, signed: int, took_ns: int) -> None:
        """A chunk was looked at, and so many of its rows signed.

        :param kind: `citadel.domain.policy.Kind`
        """
        self._signed[kind, exchange] += signed
        self._took_ns += took_ns
        self._buckets[bisect_left(BOUNDS_US, took_ns / 1000)] += 1

    def told(self) -> dict[str, Any]:
        """For `stats`."""
        return {
            "signed": [[kind, exchange, count] for (kind, exchange), count in self._signed.items()],
            "signing": {"buckets": list(self._buckets), "took_us": self._took_ns // 1000},
            "started_ms": self._started_ms,
        }
