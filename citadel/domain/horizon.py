"""How long what was erased may still be read in backups: a generation of the provider's key lives half of it as the
active one, and half of it beside its successor, so that a backup of the database restores for that long."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

USUAL = "30"
LONGEST_DAYS = 3650
SLACK = timedelta(days=1)
"""For turns that come late: the vault was away, or a node."""


class HorizonInvalid(Exception):
    """OBSCURA_KEYS_HORIZON_DAYS is not understood. Give days: more than 0, at most 3650."""

    code = "horizon_invalid"


class Horizon(NamedTuple):
    """:param half: how long a generation is active, and how long it is kept after that"""

    half: timedelta

    @classmethod
    def read(cls, text: str) -> Horizon:
        """From a number of days.

        :raises HorizonInvalid: it is none, or out of range
        """
        try:
            days = float(text)
        except ValueError:
            raise HorizonInvalid from None
        if not 0 < days <= LONGEST_DAYS:
            raise HorizonInvalid
        return cls(timedelta(days=days) / 2)

    def due(self, *, made: datetime, now: datetime) -> bool:
        """Whether the active generation is to be followed by another one."""
        return made + self.half <= now

    def ripe(self, *, left: datetime, now: datetime) -> bool:
        """Whether a generation that was left then may be destroyed."""
        return left + self.half <= now

    def unreadable_by(self, *, made: datetime, now: datetime) -> date:
        """The day by which nothing opens any more that is erased now, under an active generation made then."""
        return (max(made + self.half, now) + self.half + SLACK).date()


USUAL_HORIZON = Horizon.read(USUAL)
