"""Why an order that could be sent is not sent yet, and what a follower reads when it never was."""

from __future__ import annotations

from enum import Enum


class Held(Enum):
    """The value is what is stored beside the order; `words` while it waits, `missed` when the trade grew too old."""

    LIMITED = "rate_limit"
    PAUSED = "venue_pause"
    AWAY = "venue_away"

    @property
    def words(self) -> str:
        return _WORDS[self][0]

    @property
    def missed(self) -> str:
        return _WORDS[self][1]


_WORDS = {
    Held.LIMITED: (
        "The exchange's limits are used up; it is sent as soon as there is room",
        "The exchange's limits left no room for it while the trade was fresh",
    ),
    Held.PAUSED: (
        "The exchange asked for a pause; it is sent when that is over",
        "The exchange asked for a pause until the trade was too old",
    ),
    Held.AWAY: (
        "The exchange does not answer; it is sent as soon as it does",
        "The exchange did not answer while the trade was fresh",
    ),
}

OVERTAKEN = "overtaken", "The lead had closed before there was room for it at the exchange"
STALE_CODE, STALE_WORDS = "stale_signal", "The lead's trade was already too old"


def missed(code: str) -> tuple[str, str]:
    """Code and words of a copy that was missed, by what it had waited for."""
    for held in Held:
        # A venue's own code (-1003, 429 and the like) is kept while it waits: it means the same.
        if code == held.value:
            return held.value, held.missed
    return (Held.LIMITED.value, Held.LIMITED.missed) if code else (STALE_CODE, STALE_WORDS)
