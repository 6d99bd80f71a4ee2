"""What overviews are made of: cards with one figure, tables with a few rows; and ages and moments in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Cell:
    """Some words; coloured where `label` is success, warning, danger or info, a link where there is one."""

    text: object
    label: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One figure and what belongs to it."""

    title: str
    figure: object
    notes: Sequence[Cell] = ()
    link: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headers; `empty` is said where there are none, `link` leads to all of them.

    `place` is the left or the right column, or the whole width below both.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)
    empty: str = "None."
    link: str = ""
    place: str = "wide"


def note(count: int, words: str, *, label: str = "") -> Cell:
    """A count with its words; coloured only where there is something to count."""
    return Cell(f"{count:,} {words}", label if count else "")


def age(seconds: float) -> str:
    """How long ago, in one unit: ``0.4 s``, ``12 s``, ``5 min``, ``3 h``, ``9 d``."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, length, below in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < below:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds // 86_400)} d"


def moment(at: datetime) -> str:
    """A moment to the second, UTC: ``20 Nov 2026, 08:34:12``."""
    return f"{at.day} {at:%b %Y, %H:%M:%S}"
