"""Curated pools: published by the platform's curators, present in every tenant that offers them under the same id."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection, transaction

from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, NotFound
from obscura.core.events import announce
from pools.curated.models import CuratedFollowing, CuratedPool
from pools.events import PoolChanged, PoolHalted
from pools.models import Pool, Subscription
from pools.services.pools import PoolUnknown, shown_traders
from tenants import services as tenants
from tenants.models import Tenant
from tenants.scope import PUBLIC, current, each, entered

Published = CuratedPool.Status

_COPIED = ("name", "description", "risk_class", "slots", "leverage", "max_slippage_bps", "signal_ttl_s")

_FOLLOWED_IN = """select following.tenant from public.curated_curatedfollowing following
 join public.tenants_tenant tenant on tenant.schema_name = following.tenant
 where following.pool_id = %s and following.followers > 0 and tenant.status = 'open' and following.tenant <> %s
 order by following.tenant"""


class PoolUnfit(Conflict):
    """This pool cannot be published."""

    code = "pool_unfit"
    remedy = "Publish an active pool of the kind curated that has a trader, at Tenant Zero."


class NoTenantZero(NotFound):
    """There is no Tenant Zero yet."""

    code = "tenant_zero_missing"
    remedy = "Open Tenant Zero first; its traders are behind the curated pools."


def publish_curated(*, pool_id: UUID, actor: str) -> None:
    """Offer a pool of Tenant Zero to every tenant that offers curated pools. Publishing again renews what is shown.

    :raises PoolUnknown: Tenant Zero has no such pool
    :raises PoolUnfit: it is not curated, not active, or has no trader
    :raises NoTenantZero: there is none
    """
    facts = _facts_of(pool_id)
    with entered(PUBLIC), transaction.atomic():
        CuratedPool.objects.update_or_create(
            pk=pool_id,
            defaults={**facts, "status": Published.PUBLISHED, "published_at": clock.now(), "published_by": actor[:120]},
        )
        audit.record("pools.curated.published", actor=actor, subject=f"pool:{pool_id}")
    sync_curated()


def withdraw_curated(*, pool_id: UUID, actor: str) -> None:
    """Take an offer back: the pool is paused in every tenant it was offered to; what is open there still closes.

    :raises PoolUnknown: it was never published
    """
    with entered(PUBLIC), transaction.atomic():
        found = CuratedPool.objects.filter(pk=pool_id).exclude(status=Published.DRAFT)
        if not found.update(status=Published.WITHDRAWN):
            raise PoolUnknown
        audit.record("pools.curated.withdrawn", actor=actor, subject=f"pool:{pool_id}")
    sync_curated()


def unpublished() -> list[tuple[UUID, str]]:
    """Tenant Zero's pools that could be published and are not: (id, name)."""
    with entered(_zero()):
        rows = Pool.objects.filter(kind=Pool.Kind.CURATED, status=Pool.Status.ACTIVE, remote=False)
        found = list(rows.order_by("name", "pk").values_list("pk", "name"))
    with entered(PUBLIC):
        published = set(CuratedPool.objects.filter(status=Published.PUBLISHED).values_list("pk", flat=True))
    return [(pool_id, name) for pool_id, name in found if pool_id not in published]


def sync_curated() -> int:
    """Make every open tenant's curated pools what is published. Returns how many rows were made or changed.

    Whatever was missed (a tenant opened, suspended or changed meanwhile, a process that was killed) is put right here.
    """
    changed = 0
    for tenant in each(reason="curated pools"):
        changed += place_curated(tenant)
    return changed


def place_curated(tenant: Tenant) -> int:
    """Make the present tenant's curated pools what is published, and recount their followers."""
    with entered(PUBLIC):
        published = list(CuratedPool.objects.exclude(status=Published.DRAFT))
    if tenant.kind == Tenant.Kind.ZERO:
        changed = 0
    else:
        changed = sum(_place(one, tenant) for one in published)
    for one in published:
        with transaction.atomic():
            count_here(one.pk)
    return changed


def count_here(pool_id: UUID) -> None:
    """Write down how many follow a curated pool in the present tenant, in the caller's transaction.

    All whose copies may still have to be closed are counted. Whoever comes second waits for the first, so that the
    last one to write has seen everybody.
    """
    if not CuratedPool.objects.filter(pk=pool_id).exists():
        return  # curated, but not published yet: followed at Tenant Zero alone
    place: dict[str, Any] = {"pool_id": pool_id, "tenant": current()}
    CuratedFollowing.objects.get_or_create(**place)
    CuratedFollowing.objects.select_for_update(no_key=True).get(**place)
    followers = Subscription.objects.filter(pool_id=pool_id).exclude(status=Subscription.Status.ENDED).count()
    CuratedFollowing.objects.filter(**place).exclude(followers=followers).update(followers=followers)


def relay_targets(pool_id: UUID) -> list[str]:
    """Schemas of the other open tenants where somebody follows a curated pool."""
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOWED_IN, [pool_id, current()])
        return [schema for (schema,) in cursor.fetchall()]


def home_of(pool_id: UUID) -> str:
    """The schema in which a pool's leads trade: Tenant Zero's for a pool whose signals are relayed, else the present.

    :raises PoolUnknown: there is no such pool here
    """
    remote = Pool.objects.filter(pk=pool_id).values_list("remote", flat=True).first()
    if remote is None:
        raise PoolUnknown
    return str(_zero().schema_name) if remote else current()


def _place(one: CuratedPool, tenant: Tenant) -> int:
    offered = one.status == Published.PUBLISHED and tenant.offers_curated
    facts = {**{name: getattr(one, name) for name in (*_COPIED, "fee_percentage")}, "shown_traders": one.traders}
    with transaction.atomic():
        places = Pool.objects.select_for_update(no_key=True)
        pool = places.filter(pk=one.pk).first()
        # Read behind the lock: of two that place it, the later one has seen at least as much as the earlier.
        values = {**facts, **_origin(one.pk)}
        if not offered and values["status"] != Pool.Status.CLOSED:
            values["status"] = Pool.Status.PAUSED
        if pool is None:
            if not offered:
                return 0
            # A sweep may place it at the same moment: whoever comes second finds it.
            made = {"kind": Pool.Kind.CURATED, "remote": True, "created_at": clock.now(), **values}
            pool, created = places.get_or_create(pk=one.pk, defaults=made)
            if created:
                announce(PoolChanged(pool_id=one.pk, status=str(values["status"])))
                return 1
        changed = [name for name, value in values.items() if getattr(pool, name) != value]
        for name in changed:
            setattr(pool, name, values[name])
        if changed:
            pool.save(update_fields=changed)
        if "origin_halt" in changed:
            _halted_at_origin(pool)
        if pool.status == Pool.Status.CLOSED:
            _close_subscriptions(pool)
    return 1 if changed else 0


def _halted_at_origin(pool: Pool) -> None:
    verb = "halted" if pool.origin_halt else "released"
    audit.record(f"pools.pool.{verb}", actor="origin", subject=f"pool:{pool.pk}", halt=pool.origin_halt)
    if pool.origin_halt == Pool.Halt.CLOSE:
        announce(PoolHalted(pool_id=pool.pk))


def _close_subscriptions(pool: Pool) -> None:
    live = [Subscription.Status.ACTIVE, Subscription.Status.PAUSED]
    Subscription.objects.filter(pool=pool, status__in=live).update(
        status=Subscription.Status.CLOSING, reason="The pool was closed."
    )


def _origin(pool_id: UUID) -> dict[str, object]:
    """What Tenant Zero's pool is at this moment; a draft is shown to nobody, so it counts as paused."""
    with entered(_zero()):
        row = Pool.objects.filter(pk=pool_id, kind=Pool.Kind.CURATED, remote=False)
        found = row.values("status", "halt", "when_silent").first()
    if found is None:
        return {"status": Pool.Status.PAUSED}
    status = Pool.Status.PAUSED if found["status"] == Pool.Status.DRAFT else found["status"]
    return {"status": status, "origin_halt": found["halt"], "when_silent": found["when_silent"]}


def _facts_of(pool_id: UUID) -> dict[str, object]:
    with entered(_zero()):
        pool = Pool.objects.filter(pk=pool_id).first()
        if pool is None:
            raise PoolUnknown
        leads = shown_traders(pool)
        if pool.kind != Pool.Kind.CURATED or pool.status != Pool.Status.ACTIVE or not leads:
            raise PoolUnfit
        shown = [
            {"id": str(one.id), "name": one.name, "weight": str(one.weight), "environment": one.environment}
            for one in leads
        ]
        return {name: getattr(pool, name) for name in (*_COPIED, "fee_percentage")} | {"traders": shown}


def _zero() -> Tenant:
    with entered(PUBLIC):
        schema = Tenant.objects.filter(kind=Tenant.Kind.ZERO).values_list("schema_name", flat=True).first()
    if schema is None:
        raise NoTenantZero
    return tenants.tenant_by_schema(schema)
