"""Whether a follower may join a lead's position at all: rules of opening that look at where it stands, not at money."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from trading.domain.reasons import Reason


class Lead(Protocol):
    """What is asked of a signal."""

    @property
    def since(self) -> datetime | None: ...


class Follower(Protocol):
    """What is asked of a subscription."""

    @property
    def account(self) -> str: ...

    @property
    def since(self) -> datetime | None: ...


class Held(Protocol):
    """What is asked of a holding."""

    @property
    def qty(self) -> Decimal: ...

    @property
    def opening(self) -> int: ...


def refused(
    lead: Lead, follower: Follower, held: Held | None, unfit: Mapping[str, tuple[Reason, dict[str, str]]]
) -> tuple[Reason, dict[str, str]] | None:
    """Why this follower does not join this open, or None.

    A position that the lead held before somebody followed is history until it is flat: who did not copy its beginning
    copies no add to it either. Who holds a part of it goes on.

    :param unfit: by account, why nothing can be opened on it at the venue
    """
    if follower.account in unfit:
        return unfit[follower.account]
    if lead.since is None or follower.since is None or lead.since >= follower.since:
        return None
    if held is not None and (held.qty or held.opening):
        return None
    return Reason.OLDER_POSITION, {"since": lead.since.isoformat(timespec="seconds")}
