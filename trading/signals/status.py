"""What became of a signal: its copies counted, its failures named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Min, Q
from django.db.models.functions import Coalesce

from obscura.core.errors import NotFound
from trading.domain.order_state import IN_FLIGHT, Status
from trading.models import Denial, Order, Signal

MOST_ERRORS = 100

_PENDING = Q(status__in=[int(one) for one in IN_FLIGHT])
_COPIED = Q(status=int(Status.FILLED)) | Q(status__in=[int(Status.CANCELED), int(Status.EXPIRED)], filled__gt=0)


class SignalUnknown(NotFound):
    """There is no such signal in this pool."""

    code = "signal_unknown"


@dataclass(frozen=True, slots=True)
class Failure:
    """One follower without a copy. `error` is a reason's machine name: ours for a denial, the venue's otherwise."""

    subscriber_id: str
    error: str
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class SignalStatus:
    """Where a signal stands. `status`: queued, processing, completed, partial or failed. Times in milliseconds."""

    signal_id: int
    pool_id: UUID
    status: str
    priority: int
    created_at: datetime
    updated_at: datetime
    total_subscribers: int
    executions_pending: int
    executions_completed: int
    executions_failed: int
    queue_wait_ms: int | None
    avg_execution_ms: int | None
    errors: tuple[Failure, ...]


def signal_status(*, pool_id: UUID, signal_id: int) -> SignalStatus:
    """How a signal's copies stand; a denial counts as failed, with its reason. Both legs of a flip are counted.

    :raises SignalUnknown: this pool has no such signal, or it is for one follower alone
    """
    first = Signal.objects.filter(pool_id=pool_id, pk=signal_id, only_for=None).first()
    if first is None:
        raise SignalUnknown
    legs = list(Signal.objects.filter(pool_id=pool_id, external_id=first.external_id).order_by("leg"))
    orders = Order.objects.filter(signal_id__in=[leg.pk for leg in legs])
    denials = Denial.objects.filter(signal_id__in=[leg.pk for leg in legs])
    took = ExpressionWrapper(Coalesce("accepted_at", "done_at") - F("sent_at"), output_field=DurationField())
    sums = orders.aggregate(
        total=Count("id"),
        pending=Count("id", filter=_PENDING),
        completed=Count("id", filter=_COPIED),
        took=Avg(took, filter=Q(sent_at__isnull=False)),
        begun=Min("created_at"),
    )
    denied = denials.count()
    failed = sums["total"] - sums["pending"] - sums["completed"] + denied
    planned = all(leg.state in (Signal.State.PLANNED, Signal.State.DONE) for leg in legs)
    begun = sums["begun"] or min((leg.planned_at for leg in legs if leg.planned_at), default=None)
    return SignalStatus(
        signal_id=first.pk,
        pool_id=pool_id,
        status=_word(legs, planned, sums["pending"], sums["completed"], failed),
        priority=first.priority,
        created_at=first.received_at,
        updated_at=_touched(legs, orders),
        total_subscribers=sums["total"] + denied,
        executions_pending=sums["pending"],
        executions_completed=sums["completed"],
        executions_failed=failed,
        queue_wait_ms=_ms((begun - first.received_at).total_seconds()) if begun else None,
        avg_execution_ms=_ms(sums["took"].total_seconds()) if sums["took"] else None,
        errors=_failures(orders, denials),
    )


def _word(legs: list[Signal], planned: bool, pending: int, completed: int, failed: int) -> str:
    if all(leg.state == Signal.State.NEW for leg in legs):
        return "queued"
    if not planned or pending:
        return "processing"
    if not failed:
        return "completed"
    return "partial" if completed else "failed"


def _touched(legs: list[Signal], orders: object) -> datetime:
    moments = [moment for leg in legs for moment in (leg.received_at, leg.planned_at, leg.done_at) if moment]
    latest = orders.order_by(F("done_at").desc(nulls_last=True)).values_list("done_at", flat=True).first()  # type: ignore[attr-defined]
    return max([*moments, latest] if latest else moments)


def _failures(orders: object, denials: object) -> tuple[Failure, ...]:
    lost = orders.exclude(_PENDING | _COPIED).order_by("id")[:MOST_ERRORS]  # type: ignore[attr-defined]
    refused = denials.order_by("id")[:MOST_ERRORS]  # type: ignore[attr-defined]
    found = [
        Failure(
            str(one.subscription_id), one.error_code or Status(one.status).name.lower(), one.done_at or one.created_at
        )
        for one in lost
    ]
    found += [Failure(str(one.subscription_id), one.reason, one.at) for one in refused]
    return tuple(found[:MOST_ERRORS])


def _why(order: Order) -> str:
    return order.error_code or Status(order.status).name.lower()


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
