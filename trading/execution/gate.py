"""Which claimed orders may leave now; the others go back to where they were, before anything of them has left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import citadel.services
from obscura.core import clock, log
from obscura.core.nudge import send as nudges
from pools import followers
from tenants import scope
from trading.domain import priorities
from trading.domain.waiting import Held
from trading.execution import arrays, db, limits, store
from trading.execution.limits import Place
from trading.execution.store import Claimed, SignalRow

_logger = log.get("gate")

AT_ONCE = 1_000
"""Orders in one call to Redis; a script that takes longer would keep everybody else waiting."""
SOONEST_MS, LATEST_MS = 250, 60_000
STALE_MS = 20
"""So long after an open has become too old it comes back, to be told as missed."""
_REMEMBERED = 100_000

_addresses: dict[str, str] = {}


class Back(NamedTuple):
    """An order that certainly does not exist at the venue: what it is, which attempt that was, why it waits."""

    order: int
    attempt: int
    subscription: int
    code: str
    words: str


class Passed(NamedTuple):
    """Orders by the place they may go to now; those that may not; when another try is worth it."""

    free: dict[Place, list[Claimed]]
    back: list[Back]
    wait_ms: int


def kind_of(signal: SignalRow) -> str:
    """What the orders of a signal may use of a limit."""
    if signal.effect == "close":
        return limits.CLOSE
    return limits.CRITICAL if signal.priority <= priorities.CRITICAL else limits.OPEN


def places(*, schema: str, signal: SignalRow, rows: Sequence[Claimed]) -> dict[Place, list[Claimed]]:
    """Orders by environment and by the address that their account keeps to."""
    found: dict[Place, list[Claimed]] = defaultdict(list)
    addresses = addresses_of(schema, [row.account for row in rows])
    for row in rows:
        found[Place(row.environment, signal.exchange, signal.market, addresses[row.account])].append(row)
    return found


def fit(*, schema: str, signal: SignalRow, rows: Sequence[Claimed]) -> Passed:
    """Take a place in the buckets for each order, as far as there is room."""
    kind, free, back, waits = kind_of(signal), {}, [], []
    for place, members in places(schema=schema, signal=signal, rows=rows).items():
        going: list[Claimed] = []
        for start in range(0, len(members), AT_ONCE):
            part = members[start : start + AT_ONCE]
            weight = place.venue.order_weight if place.venue else 1
            accounts = [row.account for row in part]
            admitted = limits.admit(place, kind, count=len(part), accounts=accounts, weight=weight)
            if admitted.wait_ms:
                waits.append(admitted.wait_ms)
            for at, row in enumerate(part):
                held = admitted.held(at)
                if held is None:
                    going.append(row)
                else:
                    back.append(_back(row, held))
        if going:
            free[place] = going
    return Passed(free, back, min(waits, default=0))


def _back(row: Claimed, held: Held) -> Back:
    return Back(row.id, row.attempt, row.subscription, held.value, held.words)


def give_back(*, schema: str, signal: SignalRow, rows: Sequence[Back], wait_ms: int) -> None:
    """SENDING to PLANNED, for the attempt that was claimed and no other; and the promise to come back to them.

    They come back when there is room again; opens at the latest when they have become too old.
    """
    wait = _bounded(schema, signal, wait_ms)
    session = db.session()
    with session.transaction():
        cursor = session.cursor()
        params = [
            wait,
            arrays.tokens(row.order for row in rows),
            arrays.tokens(row.attempt for row in rows),
            arrays.texts(row.code[:32] for row in rows),
            arrays.texts(row.words for row in rows),
        ]
        given = [row[0] for row in cursor.execute(db.sql(store.GIVE_BACK, schema), params).fetchall()]
        if not given:
            return
        ids = {"signal_id": signal.id, "first": min(given), "last": max(given)}
        queue = priorities.queue_of(signal.priority)
        # Only written: the sweep of nudges sends it when it is due.
        nudges.write(cursor, tenant=schema, task="trading.execute", queue=queue, ids=ids, wait_s=wait / 1000)
    reasons = sorted({row.code for row in rows})
    _logger.info("gate.held", schema=schema, signal=signal.id, orders=len(given), wait_ms=wait, reasons=reasons)


def _bounded(schema: str, signal: SignalRow, wait_ms: int) -> int:
    wait = min(max(wait_ms, SOONEST_MS), LATEST_MS)
    if signal.effect != "open":
        return wait
    terms = followers.terms(db.session().cursor(), schema=schema, pool_id=signal.pool_id)  # type: ignore[arg-type]
    if terms is None:
        return SOONEST_MS
    left: timedelta = signal.lead_at + terms.signal_ttl - clock.now()  # type: ignore[operator]
    return min(wait, max(int(left.total_seconds() * 1000), 0) + STALE_MS)


def addresses_of(schema: str, accounts: Sequence[str]) -> Mapping[str, str]:
    """The address that each account keeps to. Where there are not several, nobody is asked."""
    known = citadel.services.egress_addresses()
    if len(known) < 2:
        return dict.fromkeys(accounts, known[0] if known else "")
    missing = [account for account in accounts if account not in _addresses]
    if missing:
        if len(_addresses) > _REMEMBERED:
            _addresses.clear()
            missing = list(accounts)
        with scope.entered(schema):
            found = citadel.services.addresses_of([UUID(account) for account in missing])
        for account in missing:
            # An account that is gone is refused by the vault; from where does not matter.
            _addresses[account] = found.get(UUID(account), known[0])
    return _addresses
