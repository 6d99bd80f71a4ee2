"""Who is asked: host or API key decides the tenant, before anything else happens."""

from __future__ import annotations

from typing import NamedTuple

from obscura.core.errors import Problem, Unavailable
from tenants import directory
from tenants.directory import UnknownTenant
from tenants.models import Tenant
from tenants.types import KeyHolder


class KeyRefused(Problem):
    """This API key is unknown or revoked."""

    code, http_status = "key_refused", 401
    remedy = "Check the key, or ask for a new one in the back office."


class Suspended(Unavailable):
    """This service rests for the moment."""

    code, retryable = "tenant_suspended", True
    remedy = "Nothing is lost. Come back later, or ask the operator of this service when it opens again."


class Resolved(NamedTuple):
    """The tenant that is asked and, where a valid key was sent, who holds it."""

    tenant: Tenant
    holder: KeyHolder | None


def bare_host(host: str) -> str:
    """The host name of a Host header: lower case, without port."""
    name, _, port = host.strip().lower().rpartition(":")
    return name if name and port.isdigit() else host.strip().lower()


def resolve(host: str, key: str) -> Resolved:
    """The tenant behind a host name and an API key ("" for none).

    :raises UnknownTenant: nobody answers at this host, or the key belongs to another tenant than the host
    :raises KeyRefused: the key is unknown and no host says whose it might be
    :raises Suspended: the tenant is suspended
    """
    tenant = directory.tenant_by_host(host)
    holder = directory.holder_of(key) if key else None
    if holder is not None:
        if tenant is not None and tenant.id != holder.tenant_id:
            raise UnknownTenant
        tenant = tenant or directory.tenant_by_id(holder.tenant_id)
    if tenant is None:
        raise KeyRefused if key else UnknownTenant
    if tenant.status == Tenant.Status.SUSPENDED:
        raise Suspended
    return Resolved(tenant, holder)


def is_warm(host: str, key: str) -> bool:
    """Whether `resolve` can answer from memory, so that a coroutine may call it in place."""
    if key:
        holder = directory.is_warm("key", directory.key_digest(key)) and directory.holder_of(key)
        if not holder or not directory.is_warm("id", str(holder.tenant_id)):
            return False
    return directory.is_warm("host", host)
