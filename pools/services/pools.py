"""Pools: open them, change them, and see them; custom pools show themselves to their owner alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, Invalid, NotFound
from obscura.core.events import announce
from pools.events import PoolChanged
from pools.models import Pool, PoolTrader, Subscription, Trader
from pools.types import Lead, PoolRef, PoolTerms, ShownTrader

Status, Kind = Pool.Status, Pool.Kind
Ended = Subscription.Status.ENDED

MOVES: Mapping[str, frozenset[str]] = {
    Status.DRAFT: frozenset({Status.ACTIVE, Status.CLOSED}),
    Status.ACTIVE: frozenset({Status.PAUSED, Status.CLOSED}),
    Status.PAUSED: frozenset({Status.ACTIVE, Status.CLOSED}),
    Status.CLOSED: frozenset(),
}

# Besides `name` and `traders`, what may be given when a pool is made or changed, with its bounds.
_WHOLE = {"slots": (1, 100), "leverage": (1, 20), "max_slippage_bps": (1, 1_000), "signal_ttl_s": (1, 3_600)}
LEAST_FEE, MOST_FEE = Decimal(0), Decimal(20)
LONGEST_DESCRIPTION = 2_000


class PoolUnknown(NotFound):
    """There is no such pool."""

    code = "pool_unknown"


class PoolInvalid(Invalid):
    """The pool is not described well."""

    code = "pool_invalid"


class PoolMoveRefused(Conflict):
    """A pool in this state cannot be moved to that one."""

    code = "pool_state"
    remedy = "A draft can be activated, an active pool paused, a paused one activated; a closed pool stays closed."


class PoolIsRemote(Conflict):
    """This pool is run by the platform and cannot be changed here."""

    code = "pool_curated"
    remedy = "Open a pool of your own, or ask the platform's curators."


def create_pool(
    *,
    kind: str,
    name: str,
    actor: str,
    description: str = "",
    risk_class: str = "medium",
    owner_id: UUID | None = None,
    traders: Sequence[tuple[UUID, Decimal]] = (),
    **terms: object,
) -> PoolRef:
    """Make a pool in draft.

    :param kind: ``partner``, ``curated`` (at Tenant Zero) or ``custom`` (`owner_id` is whose it is)
    :param traders: (trader id, weight), weights above 0 and at most 1
    :param terms: ``slots`` (1-100), ``leverage`` (1-20), ``max_slippage_bps`` (1-1000), ``signal_ttl_s`` (1-3600),
        ``fee_percentage`` (0-20), ``when_silent`` (tell or close); each has a default
    :raises PoolInvalid: `details` names the fields
    :raises NotFound: no such owner or trader
    """
    values = _checked(name=name, description=description, risk_class=risk_class, **terms)
    if kind not in Kind.values:
        raise PoolInvalid("The kind is partner, curated or custom.")
    if (kind == Kind.CUSTOM) != (owner_id is not None):
        raise PoolInvalid("A custom pool has an owner, and no other has one.")
    if owner_id is not None and not get_user_model().objects.filter(pk=owner_id).exists():
        raise NotFound("There is no such user.", code="user_unknown")
    with transaction.atomic():
        pool = Pool.objects.create(kind=kind, owner_id=owner_id, created_at=clock.now(), **values)
        _seat(pool, traders)
        audit.record("pools.pool.created", actor=actor, subject=f"pool:{pool.pk}", kind=kind)
    return pool_of(pool_id=pool.pk)


class LeadFollowed(Conflict):
    """A lead that people copy cannot be taken out of the pool: what is open would never be closed."""

    code = "lead_followed"
    remedy = "Give it a small weight, or pause the pool; take it out when nobody follows the pool any more."


def change_pool(
    *,
    pool_id: UUID,
    actor: str,
    traders: Sequence[tuple[UUID, Decimal]] | None = None,
    user_id: UUID | None = None,
    **changes: object,
) -> PoolRef:
    """Change what is given: ``name``, ``description``, ``risk_class``, `traders` (all of them), and the terms.

    :param user_id: whose pool it has to be; None for the tenant's own staff and keys
    :raises PoolUnknown: there is none, or it is another user's
    :raises PoolIsRemote: the platform runs it
    :raises PoolMoveRefused: it is closed
    :raises PoolInvalid: `details` names the fields
    :raises LeadFollowed: a lead would go whose trades people hold: their closes would be heard by nobody
    """
    values = _checked(**changes)
    with transaction.atomic():
        pool = _locked(pool_id, user_id)
        if pool.status == Status.CLOSED:
            raise PoolMoveRefused("A closed pool cannot be changed.")
        for name, value in values.items():
            setattr(pool, name, value)
        pool.save(update_fields=list(values) or ["name"])
        if traders is not None:
            leaving = PoolTrader.objects.filter(pool=pool).exclude(trader__in=[trader for trader, _ in traders])
            if leaving.exists() and pool.subscriptions.exclude(status="ended").exists():
                raise LeadFollowed
            leaving.delete()
            _seat(pool, traders)
        told = {name: str(value) for name, value in values.items() if name != "description"}
        audit.record("pools.pool.changed", actor=actor, subject=f"pool:{pool.pk}", **told)
        announce(PoolChanged(pool_id=pool.pk, status=pool.status))
    return pool_of(pool_id=pool_id)


def add_trader(*, pool_id: UUID, trader_id: UUID, weight: Decimal = Decimal(1), actor: str = "system") -> None:
    """Give a trader a place in a pool, or another weight in it.

    :raises NotFound: no such pool or trader
    :raises PoolIsRemote: the platform runs it
    :raises PoolInvalid: the weight is not above 0 and at most 1
    """
    with transaction.atomic():
        pool = _locked(pool_id, None)
        _seat(pool, [(trader_id, weight)])
        audit.record("pools.pool.trader_added", actor=actor, subject=f"pool:{pool_id}", trader=str(trader_id))
        announce(PoolChanged(pool_id=pool_id, status=pool.status))


def activate_pool(*, pool_id: UUID, actor: str, user_id: UUID | None = None) -> PoolRef:
    """Let a pool be followed and its trades be copied. May be repeated.

    :raises PoolUnknown, PoolIsRemote, PoolMoveRefused: see `change_pool`
    """
    return _move(pool_id, Status.ACTIVE, actor, user_id)


def pause_pool(*, pool_id: UUID, actor: str, user_id: UUID | None = None) -> PoolRef:
    """Open nothing more in a pool until it is activated again; closes go on. May be repeated.

    :raises PoolUnknown, PoolIsRemote, PoolMoveRefused: see `change_pool`
    """
    return _move(pool_id, Status.PAUSED, actor, user_id)


def close_pool(*, pool_id: UUID, actor: str, user_id: UUID | None = None) -> PoolRef:
    """End a pool for good: nothing is opened any more, its subscriptions close what they hold. May be repeated.

    :raises PoolUnknown, PoolIsRemote, PoolMoveRefused: see `change_pool`
    """
    return _move(pool_id, Status.CLOSED, actor, user_id)


def pool_terms(pool_id: UUID) -> PoolTerms:
    """How a pool's trades are copied.

    :raises PoolUnknown: there is no such pool here
    """
    pool = Pool.objects.filter(pk=pool_id).first()
    if pool is None:
        raise PoolUnknown
    by_signals = PoolTrader.objects.filter(pool=pool, trader__account=None)
    capitals = dict(by_signals.values_list("trader_id", "trader__reference_capital_usd"))
    return PoolTerms(
        id=pool.pk,
        kind=pool.kind,
        name=pool.name,
        status=pool.status,
        slots=pool.slots,
        leverage=pool.leverage,
        max_slippage_bps=pool.max_slippage_bps,
        signal_ttl_s=pool.signal_ttl_s,
        remote=pool.remote,
        traders=tuple(Lead(pool.pk, one.id, one.weight, capitals.get(one.id)) for one in shown_traders(pool)),
    )


def pool_of(*, pool_id: UUID, user_id: UUID | None = None) -> PoolRef:
    """One pool.

    :param user_id: who looks, see `pools_of`; None for the tenant's own staff
    :raises PoolUnknown: there is none he may see
    """
    rows = _seen_by(user_id) if user_id is not None else Pool.objects.all()
    pool = counted(rows.filter(pk=pool_id)).first()
    if pool is None:
        raise PoolUnknown
    return ref(pool)


def pools_of(
    *, user_id: UUID | None = None, kinds: Sequence[str] | None = None, after: UUID | None = None, limit: int = 100
) -> list[PoolRef]:
    """Pools in the order in which they were made, those behind the id `after`.

    :param user_id: who looks: drafts and others' custom pools are left out, closed ones too unless he follows them;
        None for the tenant's own staff and keys: everything that is not custom
    :param kinds: only these
    """
    rows = _seen_by(user_id) if user_id is not None else Pool.objects.exclude(kind=Kind.CUSTOM)
    if kinds is not None:
        rows = rows.filter(kind__in=kinds)
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return [ref(pool) for pool in counted(rows).order_by("pk")[:limit]]


def count_followers(pool_id: UUID) -> int:
    """How many subscriptions of a pool are not ended."""
    return Subscription.objects.filter(pool=pool_id).exclude(status=Ended).count()


def counted(rows: QuerySet[Pool]) -> QuerySet[Pool]:
    """The pools with all that `ref` needs."""
    followers = Count("subscriptions", filter=Q(subscriptions__isnull=False) & ~Q(subscriptions__status=Ended))
    return rows.annotate(followers=followers).prefetch_related("places__trader__account")


def shown_traders(pool: Pool) -> list[ShownTrader]:
    """A pool's leads as followers may know them, heaviest first."""
    if pool.remote:
        found = [
            ShownTrader(UUID(one["id"]), one["name"], Decimal(one["weight"]), one.get("environment"))
            for one in pool.shown_traders
        ]
    else:
        found = [
            ShownTrader(
                place.trader_id,
                place.trader.name,
                place.weight,
                place.trader.account.environment if place.trader.account else None,
            )
            for place in pool.places.all()
        ]
    return sorted(found, key=lambda one: (-one.weight, one.id))


def _move(pool_id: UUID, to: str, actor: str, user_id: UUID | None) -> PoolRef:
    with transaction.atomic():
        pool = _locked(pool_id, user_id)
        if pool.status != to:
            if to not in MOVES[pool.status]:
                raise PoolMoveRefused(f"The pool is {pool.status}.")
            pool.status = to
            pool.save(update_fields=["status"])
            if to == Status.CLOSED:
                Subscription.objects.filter(
                    pool=pool, status__in=[Subscription.Status.ACTIVE, Subscription.Status.PAUSED]
                ).update(status=Subscription.Status.CLOSING, reason="The pool was closed.")
            audit.record(f"pools.pool.{to}", actor=actor, subject=f"pool:{pool.pk}")
            announce(PoolChanged(pool_id=pool.pk, status=to))
    return pool_of(pool_id=pool_id)


def _locked(pool_id: UUID, user_id: UUID | None) -> Pool:
    rows = Pool.objects.filter(pk=pool_id)
    if user_id is not None:
        rows = rows.filter(kind=Kind.CUSTOM, owner_id=user_id)
    pool = rows.select_for_update(no_key=True).first()
    if pool is None:
        raise PoolUnknown
    if pool.remote:
        raise PoolIsRemote
    return pool


def _seen_by(user_id: UUID) -> QuerySet[Pool]:
    own = Q(kind=Kind.CUSTOM, owner_id=user_id)
    followed = Q(pk__in=Subscription.objects.filter(user_id=user_id).exclude(status=Ended).values("pool_id")) & ~Q(
        kind=Kind.CUSTOM
    )
    offered = Q(status__in=[Status.ACTIVE, Status.PAUSED]) & ~Q(kind=Kind.CUSTOM)
    return Pool.objects.filter(own | followed | offered)


def _seat(pool: Pool, traders: Sequence[tuple[UUID, Decimal]]) -> None:
    if len({trader for trader, _ in traders}) != len(traders):
        raise PoolInvalid("A trader has one place in a pool.", details={"fields": {"traders": "One is named twice."}})
    known = set(Trader.objects.filter(pk__in=[trader for trader, _ in traders]).values_list("pk", flat=True))
    for trader, weight in traders:
        if trader not in known:
            raise NotFound("There is no such trader.", code="trader_unknown")
        if not Decimal(0) < weight <= Decimal(1) or weight != weight.quantize(Decimal("0.0001")):
            words = "A weight is above 0 and at most 1, with four decimals."
            raise PoolInvalid(words, details={"fields": {"weight": words}})
        PoolTrader.objects.update_or_create(pool=pool, trader_id=trader, defaults={"weight": weight})


def _checked(**values: object) -> dict[str, object]:
    """The values that may be written, or PoolInvalid with what is wrong with each."""
    wrong = {name: words for name, value in values.items() if (words := _fault(name, value))}
    if wrong:
        raise PoolInvalid(details={"fields": wrong})
    return {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}


def _fault(name: str, value: object) -> str:
    if name == "name":
        good = isinstance(value, str) and 0 < len(value.strip()) <= 80 and value.isprintable()
        return "" if good else "A name has 1 to 80 printable characters."
    if name == "description":
        good = isinstance(value, str) and len(value) <= LONGEST_DESCRIPTION and "\x00" not in value
        return "" if good else f"A description has at most {LONGEST_DESCRIPTION} characters."
    if name == "risk_class":
        return "" if value in Pool.Risk.values else "The risk class is low, medium or high."
    if name == "when_silent":
        return "" if value in Pool.WhenSilent.values else "When a lead is silent: tell or close."
    if name == "fee_percentage":
        good = isinstance(value, Decimal) and value.is_finite() and LEAST_FEE <= value <= MOST_FEE
        return "" if good else f"The fee is {LEAST_FEE} to {MOST_FEE} percent of profit."
    if name in _WHOLE:
        low, high = _WHOLE[name]
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if good else f"This is a whole number from {low} to {high}."
    return "A pool has no such field."


def ref(pool: Pool) -> PoolRef:
    """The value that leaves the app, of a pool that was `counted`."""
    return PoolRef(
        id=pool.pk,
        kind=pool.kind,
        name=pool.name,
        description=pool.description,
        risk_class=pool.risk_class,
        status=pool.status,
        owner_id=pool.owner_id,
        fee_percentage=pool.fee_percentage,
        slots=pool.slots,
        leverage=pool.leverage,
        max_slippage_bps=pool.max_slippage_bps,
        signal_ttl_s=pool.signal_ttl_s,
        remote=pool.remote,
        traders=tuple(shown_traders(pool)),
        followers=pool.followers,  # type: ignore[attr-defined]
        created_at=pool.created_at,
    )
