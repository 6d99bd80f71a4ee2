"""What followers may read of their copies: outcomes in the order of time, what is open, and how much was copied.

Orders, denials and notices lie in three tables and are read as one list. Its order is that in which they were decided,
which is also what the indexes know; a page of it is sorted by the leads' times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from obscura.core.errors import Invalid
from trading import copies
from trading.domain.order_state import IN_FLIGHT, Status
from trading.domain.stops import State
from trading.models import Denial, Holding, Notice, Order, RestingStop

OVERLAP = timedelta(seconds=3)
"""A row's moment is taken before its transaction ends, so whoever asks for what is new gets a little of the old."""

LATE = timedelta(days=1)
"""How long before its last change an order may have been decided: copies end within seconds, reconciled ones within
the hour."""

MOST = 500
ENDED_EMPTY = [int(one) for one in (Status.REJECTED, Status.MISSED, Status.CANCELED, Status.EXPIRED)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class PageUnknown(Invalid):
    """There is no such page of copies."""

    code = "page_unknown"
    remedy = "Begin at the newest page and follow its links."


@dataclass(frozen=True, slots=True)
class CopyPage:
    """Some rows of `trading.copies`, newest first; `older` is what `before` takes for the rows behind them."""

    rows: tuple[dict[str, Any], ...]
    older: str | None


@dataclass(frozen=True, slots=True)
class OpenHolding:
    """What a subscription holds of a lead's position; `qty` is below zero for a short, `cost` in the quote asset.

    :param stops: what rests for it at the exchange: ("stop" or "take", price)
    """

    subscription_id: int
    market: str
    symbol: str
    qty: Decimal
    cost: Decimal
    leverage: int
    stops: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class CopyCounts:
    """How many trades were copied, in whole or in part, and how many were not."""

    copied: int = 0
    not_copied: int = 0


def copies_of(
    user_id: UUID,
    *,
    pool_id: UUID | None = None,
    only: str | None = None,
    after: int | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """A user's outcomes as rows of `trading.copies`, newest first by the lead's time.

    :param only: ``copied`` or ``not_copied``; both without notices
    :param after: a row's cursor; only what changed after it (and a little before it), and whatever is still on its way
    :param before: see `CopyPage.older`
    :param limit: the newest so many, 500 at most
    :raises PageUnknown: `before` is not what a page gave
    """
    return list(copies_page(user_id, pool_id=pool_id, only=only, after=after, before=before, limit=limit).rows)


def copies_page(
    user_id: UUID,
    *,
    pool_id: UUID | None = None,
    only: str | None = None,
    after: int | None = None,
    before: str | None = None,
    limit: int = 50,
) -> CopyPage:
    """As `copies_of`, with the way to the page behind it."""
    limit = min(limit, MOST)
    orders, denials = Order.objects.filter(user_id=user_id), Denial.objects.filter(user_id=user_id)
    notices = Notice.objects.filter(user_id=user_id)
    if pool_id is not None:
        orders, denials = orders.filter(pool_id=pool_id), denials.filter(pool_id=pool_id)
        notices = notices.filter(pool_id=pool_id)
    if only is not None:
        notices = notices.none()
    if only == "copied":
        orders, denials = orders.filter(filled__gt=0), denials.none()
    elif only == "not_copied":
        orders = orders.filter(status__in=ENDED_EMPTY, filled=0)
    if after:
        orders, denials = _changed_since(orders, denials, after)
        notices = notices.filter(at__gte=_since(after))
    if before:
        orders, denials, notices = _behind(orders, denials, notices, before)
    found: list[tuple[datetime, str, int, Order | Denial | Notice]] = [
        *((one.created_at, "o", one.pk, one) for one in orders.order_by("-created_at", "-id")[: limit + 1]),
        *((one.at, "d", one.pk, one) for one in denials.order_by("-at", "-id")[: limit + 1]),
        *((one.at, "n", one.pk, one) for one in notices.order_by("-at", "-id")[: limit + 1]),
    ]
    found.sort(key=lambda entry: entry[:3], reverse=True)
    page = found[:limit]
    older = _mark(*page[-1][:3]) if len(found) > limit else None
    page.sort(key=lambda entry: (_traded_at(entry[3]), *entry[:3]), reverse=True)
    return CopyPage(tuple(_row(entry[3]) for entry in page), older)


def open_holdings_of(subscription_ids: Iterable[int]) -> list[OpenHolding]:
    """What these subscriptions hold, by subscription and symbol; those of one symbol and several leads together."""
    ids = list(subscription_ids)
    found: dict[tuple[int, str, str], OpenHolding] = {}
    resting: dict[tuple[int, str, str], list[tuple[str, Decimal]]] = {}
    for stop in RestingStop.objects.filter(subscription_id__in=ids, state=State.RESTING, ended_at=None).order_by("id"):
        place = (stop.subscription_id, stop.market, stop.symbol)
        resting.setdefault(place, []).append((stop.kind, stop.trigger_price))
    rows = Holding.objects.filter(subscription_id__in=ids).exclude(qty=0)
    for row in rows.order_by("subscription_id", "symbol", "market", "id"):
        key = (row.subscription_id, row.market, row.symbol)
        held = found.get(key)
        qty, cost = (held.qty, held.cost) if held else (Decimal(0), Decimal(0))
        stops = tuple(resting.get(key, ()))
        found[key] = OpenHolding(*key, qty=qty + row.qty, cost=cost + row.cost, leverage=row.leverage, stops=stops)
    return list(found.values())


def copy_counts(subscription_ids: Iterable[int]) -> dict[int, CopyCounts]:
    """How much of each subscription's trades was copied. What is still on its way counts for neither."""
    ids = list(subscription_ids)
    orders = Order.objects.filter(subscription_id__in=ids).values_list("subscription_id")
    copied, missed = Count("pk", Q(filled__gt=0)), Count("pk", Q(filled=0, status__in=ENDED_EMPTY))
    denials = Denial.objects.filter(subscription_id__in=ids).values_list("subscription_id")
    counted = {pk: CopyCounts(yes, no) for pk, yes, no in orders.annotate(yes=copied, no=missed)}
    for pk, denied in denials.annotate(denied=Count("pk")):
        before = counted.get(pk, CopyCounts())
        counted[pk] = CopyCounts(before.copied, before.not_copied + denied)
    return {pk: counted.get(pk, CopyCounts()) for pk in ids}


def _changed_since(
    orders: QuerySet[Order], denials: QuerySet[Denial], after: int
) -> tuple[QuerySet[Order], QuerySet[Denial]]:
    since = _since(after)
    # An order on its way has no moment of change of its own; there are few of them, so all are told again.
    changed = Q(created_at__gte=since) | Q(done_at__gte=since) | Q(status__in=[int(one) for one in IN_FLIGHT])
    return orders.filter(changed, created_at__gte=since - LATE), denials.filter(at__gte=since)


def _since(after: int) -> datetime:
    return max(_moment(after) - OVERLAP, _EPOCH + LATE)


def _behind(
    orders: QuerySet[Order], denials: QuerySet[Denial], notices: QuerySet[Notice], before: str
) -> tuple[QuerySet[Order], QuerySet[Denial], QuerySet[Notice]]:
    try:
        micros, kind, pk = before.split("-")
        moment, number = _moment(int(micros)), int(pk)
    except (ValueError, OverflowError) as error:
        raise PageUnknown from error
    if kind not in ("o", "d", "n") or not 0 <= number < 2**63:
        raise PageUnknown
    # Of one moment, notices stand before orders, and those before denials.
    earlier_notice, earlier_order, earlier_denial = Q(at__lt=moment), Q(created_at__lt=moment), Q(at__lt=moment)
    if kind == "n":
        earlier_notice |= Q(at=moment, pk__lt=number)
        earlier_order |= Q(created_at=moment)
        earlier_denial |= Q(at=moment)
    elif kind == "o":
        earlier_order |= Q(created_at=moment, pk__lt=number)
        earlier_denial |= Q(at=moment)
    else:
        earlier_denial |= Q(at=moment, pk__lt=number)
    return orders.filter(earlier_order), denials.filter(earlier_denial), notices.filter(earlier_notice)


def _mark(moment: datetime, kind: str, pk: int) -> str:
    return f"{(moment - _EPOCH) // _MICROSECOND}-{kind}-{pk}"


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _traded_at(one: Order | Denial | Notice) -> datetime:
    return one.at if isinstance(one, Notice) else one.lead_at


def _row(one: Order | Denial | Notice) -> dict[str, Any]:
    if isinstance(one, Notice):
        return copies.notice_row(
            id=one.pk, user=str(one.user_id), pool=str(one.pool_id), symbol=one.symbol, market=one.market,
            at=one.at, words=one.words,
        )  # fmt: skip
    lead = copies.LeadTrade(str(one.pool_id), one.symbol, one.market, one.side, one.effect, one.lead_price, one.lead_at)
    whose: dict[str, Any] = {"lead": lead, "id": one.pk, "user": str(one.user_id)}
    if isinstance(one, Denial):
        return copies.denial_row(**whose, at=one.at, reason=one.reason, detail=one.detail)
    return copies.order_row(
        **whose,
        cursor=copies.cursor(one.done_at or one.created_at),
        status=Status(one.status),
        qty=one.qty,
        filled=one.filled,
        average=one.average,
        accepted_at=one.accepted_at,
        words=one.error,
    )
