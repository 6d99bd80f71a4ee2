"""What a follower closes himself, whatever its leads do."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Q

from obscura.core.audit import write as audit
from pools import services as pools
from trading.leads import held_by_leads
from trading.models import Holding
from trading.signals.asked import alone, close_held, place_of
from trading.signals.own import Mine, leave_until_next_entry


def close_copies(
    *, subscription_id: int, user_id: UUID, actor: str, symbol: str | None = None, market: str | None = None
) -> int:
    """Close what a subscription holds, all of it or one symbol, whatever its leads do. Returns how many closes began.

    A close of what is still being bought waits until it is bought. What is closing already is left alone, so this may
    be repeated. What the lead still holds is not opened again unasked.

    :raises pools.services.SubscriptionUnknown: this user has none of this id
    """
    one = pools.subscription(subscription_id=subscription_id, user_id=user_id)
    with transaction.atomic():
        alone(subscription_id)
        rows = Holding.objects.filter(Q(opening__gt=0) | ~Q(qty=0), subscription_id=subscription_id, closing=0)
        if symbol is not None:
            rows = rows.filter(symbol=symbol)
        if market is not None:
            rows = rows.filter(market=market)
        begun = close_held(pool_id=one.pool_id, rows=list(rows.order_by("pk")))
        still = {held.place for held in held_by_leads(one.pool_id)}
        Holding.objects.filter(pk__in=[row.pk for row in begun if place_of(row) in still]).update(closed_by_owner=True)
        # A lead's position may not be known where its trades are.
        unknown = [Mine.of(row) for row in begun if place_of(row) not in still]
        leave_until_next_entry(pool_id=one.pool_id, holdings=unknown)
        if begun:
            said = {"symbols": sorted({row.symbol for row in begun})}
            audit.record("trading.copies.closed", actor=actor, subject=f"subscription:{subscription_id}", **said)
    return len(begun)
