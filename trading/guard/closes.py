"""Closes of what a follower holds because a kill switch says so."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from citadel import services as citadel
from obscura.core import clock
from obscura.core.audit import write as audit
from pools import services as pools
from pools.types import SubscriptionRef
from trading.domain import priorities
from trading.models import Holding
from trading.signals.own import Mine, Place, close_holdings, leave_until_next_entry
from trading.signals.record import OWNER


def close_all_of(*, user_id: UUID, actor: str) -> int:
    """Close everything a follower holds, before anything else. Returns how many closes were begun."""
    begun = 0
    for one in pools.subscriptions_of(user_id):
        rows = Holding.objects.filter(subscription_id=one.id).exclude(qty=0).order_by("pk")
        held = [Mine.of(row) for row in rows]
        begun += len(_close(one, held, cause="halt", priority=priorities.CRITICAL, actor=actor))
    return begun


def _close(one: SubscriptionRef, held: Sequence[Mine], *, cause: str, priority: int, actor: str) -> Sequence[Mine]:
    account = citadel.account(account_id=one.account_id, user_id=one.user_id)
    place = Place(one.pool_id, one.id, account.exchange)
    with transaction.atomic():
        begun = close_holdings(
            place=place, holdings=held, source=OWNER, cause=cause, priority=priority, now=clock.now()
        )
        leave_until_next_entry(pool_id=place.pool_id, holdings=begun)
        if begun:
            symbols = sorted({found.symbol for found in begun})
            audit.record(
                "trading.copies.closed", actor=actor, subject=f"subscription:{one.id}", symbols=symbols, cause=cause
            )
    return begun
