"""Writes signals: each once, numbered in its pool's lane, with the lead's position moved in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from obscura.core.ids import signal_id
from obscura.core.nudge.send import nudge
from proofs.domain.receipts import leaf
from trading.domain import priorities
from trading.domain.intents import BOTH, ONE, ZERO, Intent, dated, intents
from trading.models import Signal
from trading.signals.rows import insert_new

LEAD, API, RELAY = "lead", "api", "relay"
GUARD, OWNER = "guard", "owner"
"""For one follower alone: what protects it, and what its owner asks for."""

LEAF_FIELDS = (
    "id",
    "pool_id",
    "seq",
    "external_id",
    "leg",
    "source",
    "body_digest",
    "trader_id",
    "weight",
    "exchange",
    "market",
    "symbol",
    "side",
    "position_side",
    "effect",
    "fraction",
    "qty",
    "price",
    "order_type",
    "priority",
    "test_only",
    "lead_at",
    "received_at",
)
"""What the leaf of a signal is made of, in this order."""

LEAF_EXTRAS = ("only_for", "lead_equity", "lead_leverage", "stop_loss_pct", "take_profit_pct")
"""What follows in the leaf where it is there, each behind its name."""


@dataclass(frozen=True, slots=True)
class Source:
    """A trade or a partner's signal, before it is told what it means for the pool's followers.

    :param qty: in the base asset, above zero
    :param fee: what the venue kept of a bought base asset
    :param dust: a rest of the lead's position below this cannot be traded
    :param close_priority: of its closes, where they are more urgent than its opens
    :param known: what it means was found out elsewhere (a relayed signal): no position is read or moved
    :param only_for: the one subscription it is for
    :param lead_equity: what the lead's account was worth then, in USD
    :param stop_loss_pct: in percent of the entry's price; so is `take_profit_pct`
    """

    external_id: str
    source: str
    trader_id: UUID
    market: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal | None
    lead_at: datetime
    received_at: datetime
    weight: Decimal = ONE
    exchange: str = "binance"
    position_side: str = BOTH
    order_type: str = "market"
    priority: int = priorities.NORMAL
    close_priority: int | None = None
    test_only: bool = False
    body_digest: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fee: Decimal = ZERO
    dust: Decimal = ZERO
    known: tuple[Intent, ...] | None = None
    only_for: int | None = None
    lead_equity: Decimal | None = None
    lead_leverage: int | None = None
    stop_loss_pct: Decimal | None = None
    take_profit_pct: Decimal | None = None

    @property
    def place(self) -> tuple[UUID, str, str, str, bool]:
        """Which position it moves."""
        return (self.trader_id, self.market, self.symbol, self.position_side, self.test_only)

    def urgency(self, effect: str) -> int:
        """How urgent its open or its close is."""
        return self.priority if effect == "open" or self.close_priority is None else self.close_priority


@dataclass(frozen=True, slots=True)
class Recorded:
    """The signals a source has in the pool, and whether this call made them."""

    signals: tuple[Signal, ...]
    made: bool


def record(*, pool_id: UUID, sources: Sequence[Source], held: bool = False) -> list[Recorded]:
    """Write what is new of `sources` into the pool's lane, in their order, and nudge its plan.

    :param held: its plan is nudged by somebody else, when it is this tenant's turn (`call_for_plan`)

    A source whose external id is in the pool already is answered with what is there; nothing is changed for it. May
    be part of a larger transaction; the pool's lane stays locked until that ends, so lock several pools in the order
    of their ids.
    """
    with transaction.atomic(savepoint=False):
        seq = _lock_lane(pool_id)
        known = _known(pool_id, sources)
        fresh = {source.external_id: source for source in reversed(sources) if source.external_id not in known}
        made: list[Signal] = []
        positions = _positions(pool_id, fresh.values())
        for source in sources:
            if fresh.get(source.external_id) is not source:
                continue
            for intent in source.known or _meaning(source, positions):
                seq += 1
                made.append(_signal(pool_id, source, intent, seq))
        if made:
            _insert(made)
            moved = {source.place: source.received_at for source in fresh.values() if source.known is None}
            if moved:
                _move(pool_id, positions, moved)
            _number(pool_id, seq)
            if not held:
                call_for_plan(pool_id=pool_id, signals=made)
    for signal in made:
        known.setdefault(signal.external_id, []).append(signal)
    return [
        Recorded(tuple(known[source.external_id]), made=fresh.get(source.external_id) is source) for source in sources
    ]


def signal_leaf(signal: Signal) -> list[object]:
    """The values that a signal's leaf is made of."""
    extras = [(name, getattr(signal, name)) for name in LEAF_EXTRAS if getattr(signal, name) is not None]
    return [*(getattr(signal, name) for name in LEAF_FIELDS), *(part for extra in extras for part in extra)]


def call_for_plan(*, pool_id: UUID, signals: Iterable[Signal]) -> None:
    """Nudge the plan of these signals."""
    # One for each queue: whoever is called for what is urgent leaves the rest to those called for that.
    for urgency in sorted({priorities.class_of(signal.priority) for signal in signals}):
        nudge("trading.plan", queue=priorities.NAMES[urgency], pool_id=str(pool_id), urgency=urgency)


def _lock_lane(pool_id: UUID) -> int:
    # One statement that makes the row where there is none, locks it and reads it.
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into trading_poollane (pool_id, last_seq) values (%s, 0) on conflict (pool_id)"
            " do update set last_seq = trading_poollane.last_seq returning last_seq",
            [pool_id],
        )
        return int(cursor.fetchone()[0])


def _number(pool_id: UUID, seq: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("update trading_poollane set last_seq = %s where pool_id = %s", [seq, pool_id])


def _known(pool_id: UUID, sources: Sequence[Source]) -> dict[str, list[Signal]]:
    names = [source.external_id for source in sources]
    with connection.cursor() as cursor:
        # Nearly always there is none, and this is asked for every trade.
        cursor.execute(
            "select 1 from trading_signal where pool_id = %s and external_id = any(%s) limit 1", [pool_id, names]
        )
        if cursor.fetchone() is None:
            return {}
    found: dict[str, list[Signal]] = {}
    for signal in Signal.objects.filter(pool_id=pool_id, external_id__in=names).order_by("leg"):
        found.setdefault(signal.external_id, []).append(signal)
    return found


Place = tuple[UUID, str, str, str, bool]
Position = tuple[Decimal, datetime | None]
"""What the lead holds, and since when."""


def _positions(pool_id: UUID, sources: Iterable[Source]) -> dict[Place, Position]:
    wanted = [source for source in sources if source.known is None]
    if not wanted:
        return {}
    traders, symbols = {one.trader_id for one in wanted}, {one.symbol for one in wanted}
    with connection.cursor() as cursor:
        cursor.execute(
            "select trader_id, market, symbol, side, test, qty, opened_at from trading_leadposition"
            " where pool_id = %s and trader_id = any(%s) and symbol = any(%s)",
            [pool_id, list(traders), list(symbols)],
        )
        found = {tuple(place): (qty, opened_at) for *place, qty, opened_at in cursor.fetchall()}
    return {one.place: found.get(one.place, (ZERO, None)) for one in wanted}


def _meaning(source: Source, positions: dict[Place, Position]) -> list[Intent]:
    held, opened_at = positions[source.place]
    steps = intents(
        position=held,
        side=source.side,
        qty=source.qty,
        market=source.market,
        position_side=source.position_side,
        fee=source.fee,
        dust=source.dust,
    )
    steps, opened_at = dated(steps, opened_at=opened_at, at=source.lead_at)
    positions[source.place] = (steps[-1].position_after, opened_at)
    return steps


def _move(pool_id: UUID, positions: Mapping[Place, Position], moved: Mapping[Place, datetime]) -> None:
    rows = [(pool_id, *place, *positions[place], at) for place, at in moved.items()]
    line = "(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into trading_leadposition"  # noqa: S608
            " (pool_id, trader_id, market, symbol, side, test, qty, opened_at, updated_at)"
            f" values {', '.join([line] * len(rows))}"
            " on conflict (pool_id, trader_id, market, symbol, side, test)"
            " do update set qty = excluded.qty, opened_at = excluded.opened_at, updated_at = excluded.updated_at",
            [value for row in rows for value in row],
        )


def _signal(pool_id: UUID, source: Source, intent: Intent, seq: int) -> Signal:
    return Signal(
        pool_id=pool_id,
        seq=seq,
        external_id=source.external_id,
        leg=intent.leg,
        source=source.source,
        body_digest=source.body_digest,
        trader_id=source.trader_id,
        weight=source.weight,
        exchange=source.exchange,
        market=source.market,
        symbol=source.symbol,
        side=intent.side,
        position_side=source.position_side,
        effect=intent.effect,
        fraction=intent.fraction,
        qty=intent.qty,
        price=source.price,
        order_type=source.order_type,
        priority=source.urgency(intent.effect),
        test_only=source.test_only,
        metadata=dict(source.metadata),
        only_for=source.only_for,
        lead_equity=source.lead_equity,
        lead_leverage=source.lead_leverage,
        stop_loss_pct=source.stop_loss_pct,
        take_profit_pct=source.take_profit_pct,
        lead_at=source.lead_at,
        position_since=intent.since,
        received_at=source.received_at,
    )


def _insert(signals: list[Signal]) -> None:
    """Two natural keys may have the same 48 bits: whoever finds the id taken steps on to the next probe."""
    left, probe = signals, 0
    while left:
        for signal in left:
            signal.id = signal_id(pool=signal.pool_id, external_id=signal.external_id, leg=signal.leg, probe=probe)
            signal.leaf = leaf("signal", signal_leaf(signal))
        new = {id(signal) for signal in insert_new(left)}
        left, probe = [signal for signal in left if id(signal) not in new], probe + 1
