"""What one look of the guard tells the next. All of it can be lost: it is found again, a moment later."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from pools import services as pools
from tenants import scope
from trading.domain.guard import Held, Told, wishes
from trading.domain.people import Follower
from trading.sentinel import state

FORGET = timedelta(minutes=1)
REST = timedelta(seconds=5)
PEAK_EVERY = 20
"""In how many looks a peak is written that no trailing stop follows."""


class Lead(NamedTuple):
    """Where a trader's account is watched, and in which markets."""

    schema: str
    account: str
    markets: tuple[str, ...]


@dataclass(slots=True)
class Memory:
    """Kept by the process.

    :param leads: by trader, everywhere: a curated pool's trader is watched at Tenant Zero
    """

    leads: dict[UUID, Lead] = field(default_factory=dict)
    looks: int = 0
    _heard: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _streams: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _blind: dict[tuple[str, ...], tuple[datetime, datetime]] = field(default_factory=dict)
    _crossed: dict[int, tuple[datetime | None, Told]] = field(default_factory=dict)
    _asked: dict[int, tuple[datetime | None, datetime]] = field(default_factory=dict)

    def learn_leads(self) -> None:
        """Find out whose streams are watched, and where."""
        found = {}
        for tenant in scope.each(reason="leads whose streams are watched"):
            for one in pools.lead_accounts():
                found[one.trader_id] = Lead(str(tenant.schema_name), str(one.account_id), one.markets)
        self.leads = found

    def learn_streams(self) -> None:
        """Find out when each stream was last live. Asked once for each round over all tenants."""
        self.looks += 1
        self._streams = state.heard()

    def heard(self, lead: Lead, market: str, now: datetime) -> float:
        """When a lead was last heard (epoch seconds). One of whom nothing is known was heard when he was first asked
        after: a guard that has just begun does not cry."""
        place = (lead.schema, lead.account, market)
        latest = max(self._streams.get(place, 0.0), self._heard.get(place, 0.0)) or now.timestamp()
        self._heard[place] = latest
        return latest

    def blind(self, place: tuple[str, ...], known: bool, now: datetime) -> datetime | None:
        """Since when a price is not known; None where it is."""
        since, latest = self._blind.pop(place, (now, now))
        if known:
            return None
        if now - latest > FORGET:  # nobody held it meanwhile, so nobody looked
            since = now
        self._blind[place] = (since, now)
        return since

    def crossed(self, held: Held, cause: Told | None) -> Told | None:
        """The exit that a price has crossed, now or while a close of it was under way: prices come back, stops hold."""
        before = self._crossed.get(held.id)
        if cause is None and before is not None and before[0] == held.opened_at:
            cause = before[1]
        if cause is not None and held.closing:
            self._crossed[held.id] = (held.opened_at, cause)
        else:
            self._crossed.pop(held.id, None)
        return cause

    def rests(self, held: Held, now: datetime) -> bool:
        """Whether a close of it was asked for a moment ago and could not begin: it is not asked for in every look."""
        opened_at, until = self._asked.get(held.id, (None, now))
        return opened_at == held.opened_at and now < until

    def rest(self, held: Held, now: datetime) -> None:
        """A close of it was asked for, and did not begin: one is under way, or has failed a while ago."""
        self._asked[held.id] = (held.opened_at, now + REST)

    def peak_is_due(self, follower: Follower) -> bool:
        """Whether a new peak is to be written in this look."""
        _, style = wishes(follower.settings)
        follows = style.equity_stop_pct is not None and style.equity_stop_trailing
        return follows or not follower.exposure or self.looks % PEAK_EVERY == 0
