"""The sentinel's own times, from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How patient the sentinel is.

    :param ping_ms: a frozen stream is noticed after about two and a half of these
    :param poll_s: the safety net asks for trades that often
    :param look_s: how often it is looked whose accounts are to be watched
    :param scan_pause_s: between two questions about symbols that are merely possible
    :param calm_s: a connection that lived so long ends a row of failures
    """

    ping_ms: int = 5_000
    poll_s: float = 15.0
    look_s: float = 3.0
    scan_pause_s: float = 0.25
    calm_s: float = 10.0
    longest_pause_s: float = 5.0

    @classmethod
    def read(cls) -> Options:
        """From OBSCURA_STREAM_PING_MS, _POLL_S, _LOOK_S and _SCAN_S."""
        usual = cls()
        return cls(
            ping_ms=int(os.environ.get("OBSCURA_STREAM_PING_MS", usual.ping_ms)),
            poll_s=float(os.environ.get("OBSCURA_STREAM_POLL_S", usual.poll_s)),
            look_s=float(os.environ.get("OBSCURA_STREAM_LOOK_S", usual.look_s)),
        )
