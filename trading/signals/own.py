"""Closes for one follower alone: what its guard or its owner ends, whatever the lead does.

They are signals like others, for one subscription: planned, claimed, sent and settled on the way that is proven. Their
id follows from the holding and from how often it was tried: asking again, from any process, begins nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from obscura.core.clock import micros
from trading.domain.intents import ONE, ZERO, Intent
from trading.domain.reasons import Reason
from trading.models import Denial, Holding, Signal
from trading.signals.record import GUARD, Source, record

TRIES = 16
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
"""After a close of the guard's that left something open, until the next one; doubled each time."""

TOO_SMALL = (Reason.BELOW_MIN_QTY.value, Reason.BELOW_MIN_NOTIONAL.value)


class Place(NamedTuple):
    """Whose copies are closed: a subscription, in its pool, on an account at an exchange."""

    pool_id: UUID
    subscription_id: int
    exchange: str


class Mine(NamedTuple):
    """One open holding, as a close of it needs it. `opened_at` is None for one from before that was kept."""

    id: int
    trader_id: UUID
    market: str
    symbol: str
    side: str
    qty: Decimal
    opened_at: datetime | None

    @classmethod
    def of(cls, row: Holding) -> Mine:
        """From its row."""
        return cls(row.pk, row.trader_id, row.market, row.symbol, row.side, row.qty, row.opened_at)


def close_holdings(
    *, place: Place, holdings: Sequence[Mine], source: str, cause: str, priority: int, now: datetime
) -> list[Mine]:
    """Begin to close each of these holdings, whole. Returns those of which this call began it.

    One whose close is under way, asked for by whomever, is left alone. What a close left open is closed again when
    that is asked for again: by an owner at once, by the guard after a pause; not by the guard what is too small for the
    venue. May be part of a larger transaction; the pool's lane stays locked until that ends.

    :param source: `record.GUARD` or `record.OWNER`
    :param cause: why, kept with the signal
    """
    with transaction.atomic(savepoint=False):
        wanted = [one for one in holdings if one.qty]
        names = {one.id: _names(place, one) for one in wanted}
        tried = _tried(place.pool_id, [name for several in names.values() for name in several])
        begun: dict[str, Mine] = {}
        for one in wanted:
            before = [tried[name] for name in names[one.id] if name in tried]
            if _may(before, again=source == GUARD, now=now):
                begun[names[one.id][len(before)]] = one
        sources = [_source(place, one, name, source, cause, priority, now) for name, one in begun.items()]
        made = record(pool_id=place.pool_id, sources=sources) if sources else []
        return [begun[found.signals[0].external_id] for found in made if found.made]


def leave_until_next_entry(*, pool_id: UUID, holdings: Sequence[Mine]) -> None:
    """Mark what was closed before its lead: the lead's additions are not copied until the lead is out.

    What the lead has left already is not marked: its next trade there is an entry.
    """
    ids = [one.id for one in holdings if not _lead_is_out(pool_id, one)]
    if ids:
        Holding.objects.filter(pk__in=ids).update(closed_by_owner=True)


def _names(place: Place, one: Mine) -> list[str]:
    opened = micros(one.opened_at) if one.opened_at else 0
    return [f"own:{place.subscription_id}:{one.id}:{opened}:{number}" for number in range(TRIES)]


def _tried(pool_id: UUID, names: Sequence[str]) -> dict[str, Signal]:
    rows = Signal.objects.filter(pool_id=pool_id, external_id__in=names)
    return {row.external_id: row for row in rows.only("id", "external_id", "state", "received_at")}


def _may(before: Sequence[Signal], *, again: bool, now: datetime) -> bool:
    """Whether a close may begin after those that were tried; `again` is the guard, which asks without end."""
    if not before:
        return True
    last = before[-1]
    if last.state != Signal.State.DONE or len(before) >= TRIES:
        return False
    if not again:
        return True
    if now - last.received_at < min(FIRST_PAUSE * 2 ** (len(before) - 1), LONGEST_PAUSE):
        return False
    return not Denial.objects.filter(signal_id=last.pk, reason__in=TOO_SMALL).exists()


def _source(place: Place, one: Mine, external_id: str, source: str, cause: str, priority: int, now: datetime) -> Source:
    side = "sell" if one.qty > 0 else "buy"
    return Source(
        external_id=external_id,
        source=source,
        trader_id=one.trader_id,
        exchange=place.exchange,
        market=one.market,
        symbol=one.symbol,
        side=side,
        position_side=one.side,
        qty=abs(one.qty),
        price=None,
        priority=priority,
        metadata={"cause": cause},
        lead_at=now,
        received_at=now,
        # Known: no position of a lead is read or moved.
        known=(Intent(0, "close", side, abs(one.qty), ONE, ZERO),),
        only_for=place.subscription_id,
    )


def _lead_is_out(pool_id: UUID, one: Mine) -> bool:
    """Whether the lead's own last trade there closed all it had."""
    rows = Signal.objects.filter(
        pool_id=pool_id,
        only_for=None,
        trader_id=one.trader_id,
        market=one.market,
        symbol=one.symbol,
        position_side=one.side,
    )
    last = rows.order_by("-seq").values_list("effect", "fraction").first()
    return last is None or (last[0] == Signal.Effect.CLOSE and last[1] >= 1)
