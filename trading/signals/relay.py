"""Curated pools: a signal of Tenant Zero is written again in every tenant where somebody follows the pool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db import DatabaseError, connection

from obscura.core import log
from obscura.core.nudge.send import Message, done, write
from pools import services as pools
from tenants import services as tenants
from tenants.models import Tenant
from tenants.scope import PUBLIC, current, entered
from trading.conductor import draws
from trading.domain import draw, priorities
from trading.domain.intents import ZERO, Intent
from trading.models import Signal
from trading.signals.record import RELAY, Source, call_for_plan, record

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
    signals: tuple[Signal, ...] = ()
    targets: tuple[str, ...] = ()


def targets_of(pool_id: UUID) -> tuple[str, ...]:
    """The tenants to which signals of this pool of the present tenant are relayed. Where there are any, its own plan
    waits for its drawn turn among them."""
    return tuple(pools.relay_targets(pool_id)) if _is_zero(current()) else ()


def promise(
    *,
    pool_id: UUID,
    external_id: str,
    priority: int = priorities.NORMAL,
    signals: Sequence[Signal] = (),
    targets: Sequence[str] = (),
) -> Relay:
    """In the recording transaction, of a signal whose plan is held: a promise to relay it, and to plan it here.

    :param signals: what was recorded, and `targets` to which it goes, so that whoever sends it need not ask again

    Nothing is sent by this. Call `send` after the commit, or hand the message to the broker.
    """
    origin = current()
    ids = {"pool_id": str(pool_id), "external_id": external_id}
    with connection.cursor() as cursor:
        queue = priorities.queue_of(priority)
        message = write(cursor.cursor, tenant=origin, task=TASK, queue=queue, ids=ids)
    return Relay(origin, pool_id, external_id, message, tuple(signals), tuple(targets))


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
                made += relay(
                    pool_id=one.pool_id, external_id=one.external_id, signals=one.signals, targets=one.targets
                )
            except RelayIncomplete:
                continue  # logged where it happened; the sweep comes back to the promise
            done(one.message.id)
    return made


def relay(*, pool_id: UUID, external_id: str, signals: Sequence[Signal] = (), targets: Sequence[str] = ()) -> int:
    """Write a signal of the present tenant, as it is, into each tenant that follows, and plan it here. Safe to repeat.

    Each tenant has a transaction of its own, and this one a place among them: their order is drawn from the signal's
    seed, which is committed to as the followers' order is. A tenant is told its place and what all drew, without names.

    :param signals: the signals of that id, by leg; looked up where they are not given, as `targets` are
    :returns: in how many tenants it was new
    :raises RelayIncomplete: a tenant could not be written; the others were
    """
    signals = signals or list(Signal.objects.filter(pool_id=pool_id, external_id=external_id).order_by("leg"))
    if not signals:
        return 0
    source, home = _source(signals), current()
    seed = draws.seed(schema=home, pool_id=pool_id, seq=signals[0].seq)
    order = draw.of_tenants(seed=seed, names=[home, *(targets or pools.relay_targets(pool_id))])
    values = [draw.value_of(seed=seed, name=schema).hex() for schema in order]
    made, failed, here = 0, [], False
    try:
        for place, schema in enumerate(order, 1):
            told = {"place": place, "number": signals[0].seq, "drawn": values}
            if schema == home:
                call_for_plan(pool_id=pool_id, signals=signals)
                here = True
                continue
            try:
                with entered(schema):
                    one = replace(source, metadata={**source.metadata, "relay": told})
                    made += record(pool_id=pool_id, sources=[one])[0].made
            except DatabaseError as error:
                failed.append(schema)
                _logger.error("relay.failed", tenant=schema, pool=str(pool_id), error=type(error).__name__)
    finally:
        if not here:  # whatever is wrong elsewhere, this tenant's followers do not wait for it
            call_for_plan(pool_id=pool_id, signals=signals)
    if failed:
        raise RelayIncomplete(f"{len(failed)} of {len(order) - 1} tenants")
    return made


def _source(signals: Sequence[Signal]) -> Source:
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
        priority=max(one.priority for one in signals),
        close_priority=min(one.priority for one in signals),
        test_only=first.test_only,
        metadata=first.metadata,
        lead_at=first.lead_at,
        received_at=first.received_at,
        lead_equity=first.lead_equity,
        lead_leverage=first.lead_leverage,
        stop_loss_pct=first.stop_loss_pct,
        take_profit_pct=first.take_profit_pct,
        # What it means was found out once, from the lead's position at Tenant Zero.
        known=tuple(
            Intent(one.leg, one.effect, one.side, one.qty, one.fraction, ZERO, one.position_since)  # type: ignore[arg-type]
            for one in signals
        ),
    )
