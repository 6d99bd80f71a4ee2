"""The states of an order, and the one table of how it may move between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Status(IntEnum):
    """Where an order stands. The numbers are stored."""

    PLANNED = 1
    SENDING = 2
    UNSURE = 3
    WORKING = 4
    PARTIAL = 5
    FILLED = 6
    CANCELED = 7
    EXPIRED = 8
    REJECTED = 9
    MISSED = 10

    @classmethod
    def choices(cls) -> list[tuple[int, str]]:
        """For Django's `choices`."""
        return [(int(status), status.name.capitalize()) for status in cls]


S = Status

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    S.PLANNED: frozenset({S.SENDING, S.MISSED}),
    # MISSED from here: the vault refused to sign, so nothing has left and nothing will. PLANNED from here: it certainly
    # does not exist. Either its claimant found no room in the exchange's limits before anything had left, or the
    # exchange itself refused it for that reason. Not after it was UNSURE once: of that attempt something may be heard.
    S.SENDING: frozenset(
        {S.PLANNED, S.WORKING, S.PARTIAL, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.UNSURE, S.MISSED}
    ),
    # Only reconciliation leaves this state: it asked the venue, or gave up when nothing may be sent any more.
    S.UNSURE: frozenset({S.SENDING, S.WORKING, S.PARTIAL, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.MISSED}),
    S.WORKING: frozenset({S.PARTIAL, S.FILLED, S.CANCELED, S.EXPIRED}),
    S.PARTIAL: frozenset({S.FILLED, S.CANCELED, S.EXPIRED}),
    S.CANCELED: frozenset({S.PARTIAL, S.FILLED}),  # a fill that overtook the cancel
    S.EXPIRED: frozenset({S.PARTIAL, S.FILLED}),  # as above, for immediate-or-cancel
    S.REJECTED: frozenset(),
    S.FILLED: frozenset(),
    S.MISSED: frozenset({S.WORKING, S.PARTIAL, S.FILLED, S.CANCELED, S.EXPIRED}),  # a late truth is never dropped
}

TERMINAL = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.MISSED})
IN_FLIGHT = frozenset({S.PLANNED, S.SENDING, S.UNSURE, S.WORKING, S.PARTIAL})


class IllegalMove(Exception):
    """An order was asked to move along an arrow that does not exist."""


def sources(to: Status) -> tuple[int, ...]:
    """The states from which `to` may be entered: the WHERE clause of statements over sets."""
    return tuple(int(status) for status, targets in TRANSITIONS.items() if to in targets)


def check(current: Status, to: Status) -> None:
    """Raise IllegalMove unless the table allows the move."""
    if to not in TRANSITIONS[current]:
        raise IllegalMove(f"{current.name} cannot become {to.name}")
