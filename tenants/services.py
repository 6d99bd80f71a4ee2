"""What neighbours may ask of tenants: open, suspend and reopen one, mint and revoke keys, write entitlements."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction

from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Invalid, NotFound
from obscura.core.events import announce
from tenants import directory, onboarding
from tenants.access.passkeys import passkeys_of
from tenants.directory import UnknownTenant, tenant_by_schema
from tenants.events import TenantHalted, TenantOpened, TenantSuspended
from tenants.models import ApiKey, Tenant
from tenants.scope import PUBLIC, each, entered
from tenants.types import SCOPES, TenantRef

__all__ = [
    "UnknownTenant",
    "each",
    "entered",
    "halt_platform",
    "halt_tenant",
    "mint_api_key",
    "open_tenant",
    "passkeys_of",
    "release_platform",
    "release_tenant",
    "reopen_tenant",
    "revoke_api_key",
    "set_entitlements",
    "suspend_tenant",
    "tenant_by_schema",
]

_MOST_TENANTS = 2**24
_BUSINESS = (Tenant.Kind.ZERO, Tenant.Kind.PARTNER)
_SECRET_BYTES = 32
_SHOWN = 8


class UnknownScope(Invalid):
    """A scope of that name does not exist."""

    code = "scope_unknown"
    remedy = f"Use some of: {', '.join(SCOPES)}."


class KeyUnknown(NotFound):
    """There is no such API key."""

    code = "key_unknown"


def open_tenant(
    *, name: str, slug: str, kind: str, hosts: Sequence[str], brand_colour: str = "#d9a62e", actor: str
) -> TenantRef:
    """Open a tenant: its schema ``t_<slug>``, its hosts (the first is the primary one), its row.

    :param kind: "partner" or "zero"
    :raises onboarding.SchemaTaken: the slug is taken
    :raises onboarding.HostTaken: another tenant answers at one of the hosts
    :raises onboarding.NotATenant: a name, slug, host or colour that cannot be
    """
    with transaction.atomic():
        tenant = onboarding.open_schema(
            schema=onboarding.schema_of(slug), name=name, kind=kind, hosts=hosts, brand_colour=brand_colour
        )
        assert tenant.id < _MOST_TENANTS, "client order ids hold 24 bits of a tenant's id"
        with entered(PUBLIC):
            halted = Tenant.objects.filter(kind__in=_BUSINESS).exclude(platform_halt="").first()
            if halted is not None:  # the platform's switch is on, for whoever comes as well
                Tenant.objects.filter(pk=tenant.id).update(platform_halt=halted.platform_halt)
            audit.record(
                "tenants.tenant.opened", actor=actor, subject=f"tenant:{tenant.schema_name}", hosts=list(hosts)
            )
            directory.changed()
            announce(TenantOpened(tenant_id=tenant.id, schema=tenant.schema_name))
    return TenantRef(id=tenant.id, schema=tenant.schema_name, name=tenant.name, kind=tenant.kind)


def suspend_tenant(*, tenant_id: int, actor: str) -> None:
    """Close a tenant's doors: its hosts and keys answer 503 until it is reopened. Repeating it changes nothing.

    :raises UnknownTenant: there is none, or it is the platform's own
    """
    if _set_status(tenant_id, Tenant.Status.SUSPENDED, "tenants.tenant.suspended", actor):
        tenant = directory.tenant_by_id(tenant_id)
        announce(TenantSuspended(tenant_id=tenant.id, schema=tenant.schema_name))


def reopen_tenant(*, tenant_id: int, actor: str) -> None:
    """Open a suspended tenant's doors again. Repeating it changes nothing.

    :raises UnknownTenant: there is none, or it is the platform's own
    """
    _set_status(tenant_id, Tenant.Status.OPEN, "tenants.tenant.reopened", actor)


def _set_status(tenant_id: int, status: str, action: str, actor: str) -> bool:
    with entered(PUBLIC), transaction.atomic():
        tenant = _business(tenant_id)
        if tenant.status == status:
            return False
        Tenant.objects.filter(pk=tenant.pk).update(status=status)
        audit.record(action, actor=actor, subject=f"tenant:{tenant.schema_name}")
        directory.changed()
        return True


def halt_tenant(*, tenant_id: int, actor: str, close: bool = False) -> None:
    """Open nothing at a tenant, within a second everywhere, until `release_tenant`. Repeating it changes nothing.

    :param close: close everything that is open there as well
    :raises UnknownTenant: there is none, or it is the platform's own
    """
    _set_halt(tenant_id, Tenant.Halt.CLOSE if close else Tenant.Halt.OPENS, actor)


def release_tenant(*, tenant_id: int, actor: str) -> None:
    """Let a tenant that was halted open again; the platform's own switch stays as it is.

    :raises UnknownTenant: see `halt_tenant`
    """
    _set_halt(tenant_id, "", actor)


def _set_halt(tenant_id: int, halt: str, actor: str) -> None:
    with entered(PUBLIC), transaction.atomic():
        tenant = _business(tenant_id)
        if tenant.halt == halt:
            return
        Tenant.objects.filter(pk=tenant.pk).update(halt=halt)
        _tell_halt([tenant], "tenants.tenant", f"tenant:{tenant.schema_name}", halt, actor)


def halt_platform(*, actor: str, close: bool = False) -> int:
    """Open nothing at any tenant, within a second everywhere, until `release_platform`. Returns how many were halted.

    :param close: close everything that is open anywhere as well
    """
    return _set_platform_halt(Tenant.Halt.CLOSE if close else Tenant.Halt.OPENS, actor)


def release_platform(*, actor: str) -> int:
    """Let tenants open again, but for those that are halted themselves. Returns for how many the switch was on."""
    return _set_platform_halt("", actor)


def _set_platform_halt(halt: str, actor: str) -> int:
    with entered(PUBLIC), transaction.atomic():
        rows = Tenant.objects.select_for_update().filter(kind__in=_BUSINESS).exclude(platform_halt=halt)
        found = list(rows.order_by("pk"))
        Tenant.objects.filter(pk__in=[tenant.pk for tenant in found]).update(platform_halt=halt)
        if found:
            _tell_halt(found, "tenants.platform", "platform", halt, actor)
    return len(found)


def _tell_halt(found: Sequence[Tenant], what: str, subject: str, halt: str, actor: str) -> None:
    audit.record(f"{what}.{'halted' if halt else 'released'}", actor=actor, subject=subject, halt=halt)
    directory.changed()
    if halt == Tenant.Halt.CLOSE:
        for tenant in found:
            announce(TenantHalted(tenant_id=tenant.id, schema=tenant.schema_name))


def _business(tenant_id: int) -> Tenant:
    found: Tenant | None = Tenant.objects.select_for_update().filter(pk=tenant_id, kind__in=_BUSINESS).first()
    if found is None:
        raise UnknownTenant
    return found


def mint_api_key(
    *, tenant_id: int, label: str, environment: str, scopes: Sequence[str], actor: str
) -> tuple[str, UUID]:
    """Make an API key. Only its digest is kept, so the returned text is seen this once.

    :param environment: "live" or "test" (paper venue only)
    :return: the key, ``obsc_live_...`` or ``obsc_test_...``, and its id
    :raises UnknownScope: see `tenants.types.SCOPES`
    """
    if environment not in ApiKey.Environment.values:
        raise Invalid("A key is live or test.", code="environment_unknown", remedy='Use "live" or "test".')
    if not set(scopes) <= set(SCOPES):
        raise UnknownScope
    start = f"obsc_{environment}_"
    key = start + secrets.token_urlsafe(_SECRET_BYTES)
    with entered(PUBLIC), transaction.atomic():
        made = ApiKey.objects.create(
            tenant=_business(tenant_id),
            label=label[:80],
            prefix=key[: len(start) + _SHOWN],
            digest=directory.key_digest(key),
            environment=environment,
            scopes=sorted(set(scopes)),
            created_at=clock.now(),
        )
        audit.record("tenants.key.minted", actor=actor, subject=f"key:{made.prefix}", scopes=made.scopes)
    return key, made.id


def revoke_api_key(*, key_id: UUID, actor: str) -> None:
    """End a key. Every process refuses it within a second. Repeating it changes nothing.

    :raises KeyUnknown: there is no such key
    """
    with entered(PUBLIC), transaction.atomic():
        key = ApiKey.objects.select_for_update().filter(pk=key_id).first()
        if key is None:
            raise KeyUnknown
        if key.revoked_at is None:
            ApiKey.objects.filter(pk=key_id).update(revoked_at=clock.now())
            audit.record("tenants.key.revoked", actor=actor, subject=f"key:{key.prefix}")
            directory.changed()


def set_entitlements(*, tenant_id: int, values: Mapping[str, object]) -> None:
    """Write down what a tenant may; `obscura.core.features.entitlements` reads it. Values are JSON.

    :raises UnknownTenant: there is none
    """
    with entered(PUBLIC), transaction.atomic():
        tenant = _business(tenant_id)
        Tenant.objects.filter(pk=tenant.pk).update(entitlements=dict(values))
        directory.changed()
