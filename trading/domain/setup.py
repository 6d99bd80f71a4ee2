"""What an account must have at the venue before an order of ours fits it: position mode, margin mode, leverage."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from trading.domain.intents import BOTH, LONG, SELL, SHORT
from trading.domain.reasons import Reason

ISOLATED = "isolated"
"""The margin of every copy: what one position can lose is what was set apart for it, never the whole wallet."""

KNOWN_FOR = timedelta(days=1)
"""How long what the venue confirmed is believed: its owner may change it in the exchange's own app."""

TRIED_AGAIN = timedelta(minutes=1)
"""How long a refused change of mode is not tried again; opens are denied meanwhile."""


class State(NamedTuple):
    """What is known of an account, and of it in one symbol. None is what was never learnt."""

    hedged: bool | None = None
    hedged_at: datetime | None = None
    refused_at: datetime | None = None
    leverage: int | None = None
    margin: str | None = None
    set_at: datetime | None = None


class Lacks(NamedTuple):
    """What has to be set before an open is sent."""

    mode: bool
    margin: bool
    leverage: bool


def lacks(state: State, *, hedged: bool, leverage: int, now: datetime) -> Lacks:
    """What is not known to be as an open needs it.

    :param hedged: the lead's position mode
    """
    mode_known = state.hedged_at is not None and now - state.hedged_at < KNOWN_FOR
    symbol_known = state.set_at is not None and now - state.set_at < KNOWN_FOR
    return Lacks(
        mode=not mode_known or state.hedged is not hedged,
        margin=not symbol_known or state.margin != ISOLATED,
        leverage=not symbol_known or state.leverage != leverage,
    )


def refused(state: State | None, *, hedged: bool, now: datetime) -> tuple[Reason, dict[str, str]] | None:
    """Why nothing is opened in the lead's position mode on this account, if so: the venue has just said no to it."""
    if state is None or state.hedged is None or state.hedged is hedged or state.refused_at is None:
        return None
    if now - state.refused_at >= TRIED_AGAIN:
        return None
    return Reason.POSITION_MODE, {"account": mode_name(state.hedged), "lead": mode_name(hedged)}


def side_at_venue(*, position_side: str, side: str, hedged: bool | None) -> str:
    """The `positionSide` that an order of a signal needs on this account; the signal's own where nothing is known.

    Only closes are ever translated: what sells reduces a long, and what buys a short, whatever the mode calls it.
    """
    if hedged is None or hedged == (position_side != BOTH):
        return position_side
    if not hedged:
        return BOTH
    return LONG if side == SELL else SHORT


def mode_name(hedged: bool) -> str:
    """As the exchange calls it."""
    return "hedge" if hedged else "one-way"
