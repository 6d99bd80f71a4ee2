"""Curated pools: a signal of Tenant Zero is written again in every tenant where somebody follows the pool."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError, connection

from obscura.core import log
from obscura.core.nudge.send import Message, done, write
from pools import services as pools
from tenants import services as tenants
from tenants.models import Tenant
from tenants.scope import PUBLIC, current, entered
from trading.domain import priorities
from trading.domain.intents import ZERO, Intent
from trading.models import Signal
from trading.signals.record import RELAY, Source, record

TASK = "trading.relay"

_logger = log.get("relay")


class RelayIncomplete(Exception):
    """Not every tenant has the signal yet; its promise stays and is kept later."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A signal that has to reach other tenants, and the nudge that will see to it if nobody else does."""

    origin: str
    pool_id: UUID
    external_id: str
    message: Message


def promise(*, pool_id: UUID, external_id: str, priority: int = priorities.NORMAL) -> list[Relay]:
    """In the recording transaction: a promise to relay, where the pool is curated and followed elsewhere.

    Nothing is sent by this. Call `send` after the commit, or hand the message to the broker.
    """
    origin = current()
    if not _is_zero(origin) or not pools.relay_targets(pool_id):
        return []
    ids = {"pool_id": str(pool_id), "external_id": external_id}
    with connection.cursor() as cursor:
        queue = priorities.queue_of(priority)
        message = write(cursor.cursor, tenant=origin, task=TASK, queue=queue, ids=ids)
    return [Relay(origin, pool_id, external_id, message)]


def _is_zero(schema: str) -> bool:
    present: object = connection.tenant  # type: ignore[attr-defined]
    kind = getattr(present, "kind", None)  # a context may have been entered by name alone
    if kind is None and schema != PUBLIC:
        kind = tenants.tenant_by_schema(schema).kind
    return bool(kind == Tenant.Kind.ZERO)


def send(relays: Iterable[Relay]) -> int:
    """Relay now, in this process, and forget the promises that were kept. Returns how many signals were new."""
    made = 0
    for one in relays:
        with entered(one.origin):
            try:
                made += relay(pool_id=one.pool_id, external_id=one.external_id)
            except RelayIncomplete:
                continue  # logged where it happened; the sweep comes back to the promise
            done(one.message.id)
    return made


def relay(*, pool_id: UUID, external_id: str) -> int:
    """Write a signal of the present tenant, as it is, into each tenant that follows. Safe to repeat.

    Each tenant has a transaction of its own, in an order that is drawn: nobody is always last.

    :returns: in how many tenants it was new
    :raises RelayIncomplete: a tenant could not be written; the others were
    """
    signals = list(Signal.objects.filter(pool_id=pool_id, external_id=external_id).order_by("leg"))
    if not signals:
        return 0
    source = _source(signals)
    targets = list(pools.relay_targets(pool_id))
    random.shuffle(targets)
    made, failed = 0, []
    for schema in targets:
        try:
            with entered(schema):
                made += record(pool_id=pool_id, sources=[source])[0].made
        except DatabaseError as error:
            failed.append(schema)
            _logger.error("relay.failed", tenant=schema, pool=str(pool_id), error=type(error).__name__)
    if failed:
        raise RelayIncomplete(f"{len(failed)} of {len(targets)} tenants")
    return made


def _source(signals: list[Signal]) -> Source:
    first = signals[0]
    return Source(
        external_id=first.external_id,
        source=RELAY,
        trader_id=first.trader_id,
        weight=first.weight,
        exchange=first.exchange,
        market=first.market,
        symbol=first.symbol,
        side=first.side,
        position_side=first.position_side,
        qty=sum((one.qty for one in signals), ZERO),
        price=first.price,
        order_type=first.order_type,
        priority=first.priority,
        test_only=first.test_only,
        metadata=first.metadata,
        lead_at=first.lead_at,
        received_at=first.received_at,
        lead_equity=first.lead_equity,
        lead_leverage=first.lead_leverage,
        stop_loss_pct=first.stop_loss_pct,
        take_profit_pct=first.take_profit_pct,
        # What it means was found out once, from the lead's position at Tenant Zero.
        known=tuple(Intent(one.leg, one.effect, one.side, one.qty, one.fraction, ZERO) for one in signals),  # type: ignore[arg-type]
    )
