"""Signals that a follower asks for himself, for his subscription alone: close this now, open what the lead holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid4

from django.db import connection

from obscura.core import clock
from tenants.scope import current
from trading.domain import priorities
from trading.domain.intents import BUY, ONE, SELL, ZERO, Intent
from trading.leads import LeadHeld
from trading.models import Holding, Order, PoolLane, Signal
from trading.signals.record import OWNER, Source, record

Place = tuple[UUID, str, str, str]
"""Lead, market, symbol and side of a position."""


def close_held(*, pool_id: UUID, rows: Sequence[Holding]) -> list[Holding]:
    """Record the close of each, in the caller's transaction, which is `alone`. Returns those that are not under way."""
    if not rows:
        return []
    busy = under_way(rows[0].subscription_id, effect="close")
    begun = [row for row in rows if place_of(row) not in busy]
    now, token = clock.now(), uuid4().hex[:12]
    sources = []
    for row in begun:
        qty = abs(row.qty)
        side = BUY if row.qty < 0 or (not row.qty and _opens_short(row)) else SELL
        sources.append(
            Source(
                external_id=_name("close", row.subscription_id, token, place_of(row)),
                source=OWNER,
                trader_id=row.trader_id,
                market=row.market,
                symbol=row.symbol,
                side=side,
                position_side=row.side,
                qty=qty,
                price=None,
                lead_at=now,
                received_at=now,
                priority=priorities.HIGH,
                known=(Intent(0, "close", side, qty, ONE, ZERO),),
                only_for=row.subscription_id,
            )
        )
    record(pool_id=pool_id, sources=sources)
    return begun


def open_held(*, pool_id: UUID, subscription_id: int, leads: Iterable[LeadHeld], token: str) -> int:
    """Record an open of each position a lead holds, at present prices; in the caller's transaction, which is `alone`.

    :param token: the same one again records nothing again
    :returns: how many are new
    """
    busy, now = under_way(subscription_id, effect="open"), clock.now()
    sources = []
    for held in leads:
        if held.place in busy:
            continue
        side, qty = (BUY if held.qty > 0 else SELL), abs(held.qty)
        sources.append(
            Source(
                external_id=_name("open", subscription_id, token, held.place),
                source=OWNER,
                trader_id=held.trader_id,
                weight=held.weight,
                market=held.market,
                symbol=held.symbol,
                side=side,
                position_side=held.side,
                qty=qty,
                price=None,
                lead_at=now,
                received_at=now,
                priority=priorities.HIGH,
                known=(Intent(0, "open", side, qty, ONE, ZERO),),
                only_for=subscription_id,
            )
        )
    return sum(one.made for one in record(pool_id=pool_id, sources=sources)) if sources else 0


def alone(subscription_id: int) -> None:
    """Wait until nobody else asks anything for this subscription, until the transaction ends."""
    with connection.cursor() as cursor:
        name = f"own:{current()}:{subscription_id}"
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def hold_lane(pool_id: UUID) -> None:
    """Lock the pool's lane until the transaction ends. A pool without one has never had a signal, and no planner."""
    PoolLane.objects.select_for_update().filter(pk=pool_id).first()


def under_way(subscription_id: int, *, effect: str) -> set[Place]:
    """Positions about which its owner has asked something that is not done yet."""
    rows = Signal.objects.filter(only_for=subscription_id, source=OWNER, effect=effect).exclude(state="done")
    return set(rows.values_list("trader_id", "market", "symbol", "position_side"))


def place_of(row: Holding) -> Place:
    """What a holding is known by."""
    return row.trader_id, row.market, row.symbol, row.side


def _opens_short(row: Holding) -> bool:
    """What is being opened is not held yet; its orders say which way."""
    orders = Order.objects.filter(
        subscription_id=row.subscription_id, trader_id=row.trader_id, market=row.market, symbol=row.symbol,
        position_side=row.side, effect="open",
    )  # fmt: skip
    return orders.order_by("-pk").values_list("side", flat=True).first() == SELL


def _name(what: str, subscription_id: int, token: str, place: Place) -> str:
    trader, market, symbol, side = place
    return f"own:{what}:{subscription_id}:{token}:{market}:{symbol}:{side}:{trader.hex}"
