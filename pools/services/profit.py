"""When a share of profit is settled: before money is withdrawn, at the end of a month, and when the copying ends."""

from __future__ import annotations

from django.db import transaction

from billing import services as billing
from billing.types import ShareRef
from pools.models import Subscription


def settle(row: Subscription, *, cause: str) -> ShareRef | None:
    """Settle the share of a subscription whose row the caller holds. A pool of one's own costs nothing."""
    if row.pool.owner_id == row.user_id:
        return None
    return billing.settle_share(
        subscription_id=row.pk,
        pool_id=row.pool_id,
        user_id=row.user_id,
        result=row.realised,
        fee_percentage=row.pool.fee_percentage,
        cause=cause,
    )


def settle_month() -> int:
    """Settle every running subscription of the tenant. Returns for how many something is due; may be repeated."""
    due = 0
    for pk in Subscription.objects.exclude(status="ended").filter(realised__gt=0).values_list("pk", flat=True):
        with transaction.atomic():
            row = Subscription.objects.select_for_update(no_key=True, of=("self",)).select_related("pool").get(pk=pk)
            due += settle(row, cause="month") is not None
    return due
