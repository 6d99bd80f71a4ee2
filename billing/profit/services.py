"""Settle shares of profit and read what is due. Reached through `billing.services`."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from billing.domain.profit_share import share_of
from billing.profit.models import ProfitShare
from billing.types import ShareRef
from obscura.core import clock
from obscura.core.audit import write as audit

PLATFORM_PERCENTAGE = Decimal(3)


def settle_share(
    *, subscription_id: int, pool_id: UUID, user_id: UUID, result: Decimal, fee_percentage: Decimal, cause: str
) -> ShareRef | None:
    """Write down what is due on a subscription's result; None where it is not above what was charged before.

    The caller holds the subscription's row. May be repeated: the same result is charged once.

    :param result: of everything closed so far, in USD
    """
    with transaction.atomic():
        last = ProfitShare.objects.filter(subscription_id=subscription_id).order_by("-result").first()
        mark = max(last.result, Decimal(0)) if last else Decimal(0)
        found = share_of(
            result=result,
            high_water=mark,
            fee_percentage=fee_percentage,
            platform_percentage=PLATFORM_PERCENTAGE,
        )
        if found is None:
            return None
        row = ProfitShare.objects.create(
            subscription_id=subscription_id,
            pool_id=pool_id,
            user_id=user_id,
            cause=cause,
            result=result,
            high_water_before=mark,
            profit=found.profit,
            fee_percentage=fee_percentage,
            platform_percentage=PLATFORM_PERCENTAGE,
            creator_usd=found.creator,
            platform_usd=found.platform,
            at=clock.now(),
        )
        audit.record(
            "billing.share.due",
            actor="system",
            subject=f"subscription:{subscription_id}",
            cause=cause,
            creator_usd=str(found.creator),
            platform_usd=str(found.platform),
        )
    return ref(row)


def shares_of(user_id: UUID, *, subscription_id: int | None = None) -> list[ShareRef]:
    """What is due of a user's profits, newest first."""
    rows = ProfitShare.objects.filter(user_id=user_id)
    if subscription_id is not None:
        rows = rows.filter(subscription_id=subscription_id)
    return [ref(row) for row in rows.order_by("-at", "-id")[:500]]


def due_of(user_id: UUID, *, subscription_id: int | None = None) -> Decimal:
    """All that is due of a user's profits together, in USD: to those who made the pools and to the platform."""
    rows = ProfitShare.objects.filter(user_id=user_id)
    if subscription_id is not None:
        rows = rows.filter(subscription_id=subscription_id)
    found = rows.aggregate(creators=Sum("creator_usd"), platform=Sum("platform_usd"))
    return (found["creators"] or Decimal(0)) + (found["platform"] or Decimal(0))


def ref(row: ProfitShare) -> ShareRef:
    """The value that leaves the app."""
    return ShareRef(
        row.subscription_id, row.cause, row.result, row.high_water_before, row.profit, row.creator_usd,
        row.platform_usd, row.at,
    )  # fmt: skip
