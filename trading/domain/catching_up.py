"""A subscription beside its leads: what it lacks, what it has too much, and what its owner closed himself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from obscura.core.money import ZERO

Place = TypeVar("Place", bound=Hashable)


class Step(StrEnum):
    """What would bring one position in line."""

    OPEN = "open"
    CLOSE = "close"
    KEEP = "keep"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Mine:
    """What a follower holds of a position; `busy` while orders are on their way."""

    qty: Decimal
    closed_by_owner: bool = False
    busy: bool = False


def steps(*, leads: Mapping[Place, Decimal], mine: Mapping[Place, Mine]) -> list[tuple[Place, Step]]:
    """What to do about each position that either side has, those of the leads first. Quantities are signed.

    Sizes are not compared: a follower's own is what his terms made of it. A position on the wrong side is closed, and
    the lead's is opened behind it. While orders are on their way nothing is known, and nothing is done.
    """
    found: list[tuple[Place, Step]] = []
    for place, qty in leads.items():
        own = mine.get(place, Mine(ZERO))
        if own.busy:
            found.append((place, Step.WAIT))
        elif own.qty * qty > 0:
            found.append((place, Step.KEEP))
        else:
            if own.qty:
                found.append((place, Step.CLOSE))
            found.append((place, Step.OPEN))
    for place, own in mine.items():
        if place not in leads and (own.qty or own.busy):
            found.append((place, Step.WAIT if own.busy else Step.CLOSE))
    return found
