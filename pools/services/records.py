"""Keep the record of what following a pool has brought, and say when a pool is too risky for new followers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from obscura.core import clock
from obscura.core.errors import Conflict
from pools.domain.performance import CLOSED_DOOR, CURVE_DAYS, Day, PoolRecord, record_of
from pools.models import Record, Subscription, SubscriptionDay

KEPT_DAYS = CURVE_DAYS + 30


class PoolTooRisky(Conflict):
    """This pool takes no new followers: what it brought moved too much or fell too deep."""

    code = "pool_too_risky"
    remedy = "Choose another pool, or come back when its risk is below 8. Whoever follows it already goes on."


def record_day(*, open_results: Mapping[int, Decimal | None], today: date | None = None) -> int:
    """Write down where every subscription of the tenant stands today, and work out the records of their pools anew.

    One whose open result is not known right now keeps what was written last. Returns how many were written.

    :param open_results: by subscription, the unrealised result of what it holds; absent is nothing open
    """
    today = today or clock.now().date()
    rows = [
        SubscriptionDay(
            subscription_id=pk,
            pool_id=pool_id,
            day=today,
            investment=investment,
            result=realised + (open_results.get(pk, Decimal(0)) or Decimal(0)),
        )
        for pk, pool_id, investment, realised in _standing(today)
        if open_results.get(pk, Decimal(0)) is not None
    ]
    with transaction.atomic():
        SubscriptionDay.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["subscription", "day"],
            update_fields=["investment", "result"],
            batch_size=500,
        )
        for pool_id in {row.pool_id for row in rows}:
            _work_out(pool_id, today)
    return len(rows)


def records_of(pool_ids: list[UUID]) -> dict[UUID, PoolRecord]:
    """The records of these pools; a pool without one is left out."""
    return {
        row.pool_id: PoolRecord(row.month, row.deepest_fall, row.risk, tuple(Decimal(value) for value in row.curve))
        for row in Record.objects.filter(pool_id__in=pool_ids)
    }


def refuse_risk(pool_id: UUID) -> None:
    """Let nobody new follow a pool of high risk.

    :raises PoolTooRisky: its risk is 8 or above
    """
    risk = Record.objects.filter(pool_id=pool_id).values_list("risk", flat=True).first()
    if risk is not None and risk >= CLOSED_DOOR:
        raise PoolTooRisky(details={"risk": risk})


def _standing(today: date) -> list[tuple[int, UUID, Decimal, Decimal]]:
    """Those that follow, and those that stopped today: their last day counts too."""
    rows = Subscription.objects.exclude(status="ended") | Subscription.objects.filter(ended_at__date=today)
    return list(rows.values_list("pk", "pool_id", "total_investment", "realised"))


def _work_out(pool_id: UUID, today: date) -> None:
    since = today - timedelta(days=KEPT_DAYS)
    found = SubscriptionDay.objects.filter(pool_id=pool_id, day__gte=since)
    days = [Day(*row) for row in found.values_list("subscription_id", "day", "investment", "result")]
    known = record_of(_from_where_they_stood(days, since), today=today)
    Record.objects.update_or_create(
        pool_id=pool_id,
        defaults={
            "month": known.month,
            "deepest_fall": known.deepest_fall,
            "risk": known.risk,
            "curve": [str(value) for value in known.curve],
            "at": clock.now(),
        },
    )


def _from_where_they_stood(days: list[Day], since: date) -> list[Day]:
    """What was gained before the first day that is looked at must not count as gained on it."""
    first: dict[int, Decimal] = {}
    for one in sorted(days, key=lambda each: each.day):
        if one.day == since:
            first[one.subscription] = one.result
    return [
        Day(one.subscription, one.day, one.investment, one.result - first.get(one.subscription, Decimal(0)))
        for one in days
    ]
