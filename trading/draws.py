"""What may be read of draws: the commitment in force, and for past signals the seed, the start and one's own place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Min

from tenants.scope import current
from trading.conductor import draws
from trading.domain import draw
from trading.models import Denial, DrawChain, Order, PoolLane, Signal
from trading.models.source import WAITS
from trading.signals.intake import public_id

MOST = 100


@dataclass(frozen=True, slots=True)
class Commitment:
    """The anchor of the seeds of the signals from number `first` to `last`; a revision above 0 replaced another."""

    anchor: str
    first: int
    last: int
    revision: int
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """A follower among those of a signal: how many subscribed before him, and when he was served, from 1."""

    subscription_id: int
    rank: int
    place: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """One signal's draw. `seed` is None until it and all earlier ones are planned; `start` is counted from 0."""

    signal_id: str
    seq: int
    index: int
    commitment: Commitment
    symbol: str
    side: str
    effect: str
    lead_at: datetime
    followers: int
    start: int
    seed: str | None
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Draws:
    """The commitments for the next signals, and past draws, newest first; `older` is what `before` takes."""

    commitments: tuple[Commitment, ...]
    drawn: tuple[Drawn, ...]
    older: int | None


def draws_of(
    pool_id: UUID, *, subscription_ids: Iterable[int] = (), before: int | None = None, limit: int = 20
) -> Draws:
    """The draws of a pool that the caller may see.

    :param subscription_ids: whose places to tell, where they have one
    :param before: only signals with a lower number
    """
    limit = max(1, min(limit, MOST))
    rows = Signal.objects.filter(pool_id=pool_id, draw_chain__isnull=False).order_by("-seq")
    if before is not None:
        rows = rows.filter(seq__lt=before)
    signals = list(rows[: limit + 1])
    page = signals[:limit]
    waiting = Signal.objects.filter(WAITS, pool_id=pool_id).aggregate(first=Min("seq"))["first"]
    chains = {one.pk: _commitment(one) for one in DrawChain.objects.filter(pool_id=pool_id)}
    places = _places([one.pk for one in page], list(subscription_ids))
    drawn = tuple(
        Drawn(
            signal_id=public_id(one.pk),
            seq=one.seq,
            index=draw.link(one.seq).nth,
            commitment=chains[one.draw_chain],
            symbol=one.symbol,
            side=one.side,
            effect=one.effect,
            lead_at=one.lead_at,
            followers=one.draw_followers,
            start=one.draw_start,
            # A seed gives away all earlier ones of its chain: theirs have to be used up.
            seed=bytes(one.seed).hex() if one.seed and (waiting is None or one.seq < waiting) else None,
            places=places.get(one.pk, ()),
        )
        for one in page
        if one.draw_chain in chains
    )
    return Draws(commit(pool_id), drawn, page[-1].seq if len(signals) > limit else None)


def commit(pool_id: UUID) -> tuple[Commitment, ...]:
    """Publish the commitments for a pool's next signals where that was not done. Returns those in force."""
    seq = PoolLane.objects.filter(pk=pool_id).values_list("last_seq", flat=True).first() or 0
    number = draw.link(seq + 1).number
    with transaction.atomic(), connection.cursor() as cursor:
        found = draws.publish(cursor.cursor, schema=current(), pool_id=pool_id, number=number)
    rows = DrawChain.objects.filter(pool_id=pool_id, number__gte=number).order_by("number", "revision")
    latest = {one.number: one for one in rows}
    latest[number] = next(one for one in rows if one.pk == found)
    return tuple(_commitment(one) for _, one in sorted(latest.items()))


def _commitment(chain: DrawChain) -> Commitment:
    first = chain.number * draw.LENGTH + 1
    return Commitment(bytes(chain.anchor).hex(), first, first + draw.LENGTH - 1, chain.revision, chain.published_at)


def _places(signals: list[int], subscriptions: list[int]) -> dict[int, tuple[Place, ...]]:
    found: dict[int, list[Place]] = {}
    for subscription in subscriptions:
        ranks: dict[int, int] = {}
        own: dict[int, int] = {}
        for table in (Order, Denial):
            rows = table.objects.filter(signal_id__in=signals)
            earlier = rows.filter(subscription_id__lt=subscription).values_list("signal_id")
            for signal, count in earlier.annotate(count=Count("pk")):
                ranks[signal] = ranks.get(signal, 0) + count
            own |= dict(rows.filter(subscription_id=subscription, place__gt=0).values_list("signal_id", "place"))
        for signal, place in own.items():
            found.setdefault(signal, []).append(Place(subscription, ranks.get(signal, 0), place))
    return {signal: tuple(places) for signal, places in found.items()}
