"""Close what many followers of a pool hold of one place by one signal, when a kill switch asks for all of it.

One for each follower would be planned one after another, and a thousand of them for as long as a market needs to fall.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from trading.domain import priorities
from trading.domain.guard import Held
from trading.domain.intents import ONE, ZERO, Intent
from trading.models import Signal
from trading.signals.record import GUARD, Source, record

MANY = 10
"""From so many on they are closed together."""
PAUSE = timedelta(seconds=15)
"""After one that left something open, until the next."""


class Place(NamedTuple):
    """What one signal closes: of one lead in one symbol, all of it long or all of it short."""

    pool: UUID
    exchange: str
    trader: UUID
    market: str
    symbol: str
    side: str
    short: bool


def places(held: Iterable[tuple[UUID, str, Held]]) -> dict[Place, list[Held]]:
    """The places of which many hold something that is not being closed yet.

    A place of which some are long and others short is left out: one signal closes in one direction.

    :param held: each with its pool and exchange
    """
    found: dict[Place, list[Held]] = defaultdict(list)
    for pool, exchange, one in held:
        if one.qty and not one.closing:
            found[Place(pool, exchange, one.trader, one.market, one.symbol, one.side, one.qty < 0)].append(one)
    return {
        place: members
        for place, members in found.items()
        if len(members) >= MANY and place._replace(short=not place.short) not in found
    }


def close(*, place: Place, held: Sequence[Held], now: datetime) -> bool:
    """Begin to close them. False where that is under way, or was tried a moment ago.

    May be part of a larger transaction; the pool's lane stays locked until that ends.
    """
    prefix = f"halt:{place.trader}:{place.market}:{place.symbol}:{place.side}:"
    with transaction.atomic(savepoint=False):
        before = Signal.objects.filter(pool_id=place.pool, external_id__startswith=prefix)
        last = before.order_by("-seq").values_list("state", "received_at").first()
        if last is not None and (last[0] != Signal.State.DONE or now - last[1] < PAUSE):
            return False
        qty: Decimal = sum((abs(one.qty) for one in held), ZERO)
        side = "buy" if place.short else "sell"
        source = Source(
            external_id=f"{prefix}{before.count()}",
            source=GUARD,
            trader_id=place.trader,
            exchange=place.exchange,
            market=place.market,
            symbol=place.symbol,
            side=side,
            position_side=place.side,
            qty=qty,
            price=None,
            priority=priorities.CRITICAL,
            metadata={"cause": "halt"},
            lead_at=now,
            received_at=now,
            # Known: no position of the lead is read or moved.
            known=(Intent(0, "close", side, qty, ONE, ZERO),),
        )
        return record(pool_id=place.pool, sources=[source])[0].made
