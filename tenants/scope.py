"""The tenant of the present context: entering one, walking all, and keys that never leave it.

The tenant is a ContextVar (obscura.core.db.ctxpg): it follows a call into threads and tasks and ends with its scope.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from obscura.core import log
from obscura.core.db.session import connection

if TYPE_CHECKING:
    from tenants.models import Tenant

PUBLIC = "public"

_logger = log.get("tenants")


def current() -> str:
    """The schema of the present context; "public" where no tenant was entered."""
    return str(connection.schema_name)


@contextmanager
def entered(tenant: Tenant | str) -> Iterator[Tenant]:
    """Be in a tenant for the length of a block, then where one was before.

    :param tenant: a Tenant or the name of its schema; "public" for the platform's own tables
    :raises tenants.directory.UnknownTenant: no tenant has this schema
    """
    from tenants import directory

    before, included = connection.tenant, connection.include_public_schema
    if not isinstance(tenant, str):
        connection.set_tenant(tenant)
    elif tenant == PUBLIC:
        connection.set_schema_to_public()
    else:
        connection.set_tenant(directory.tenant_by_schema(tenant))
    try:
        yield cast("Tenant", connection.tenant)
    finally:
        connection.set_tenant(before, included)


def each(*, reason: str, suspended: bool = False) -> Iterator[Tenant]:
    """Walk all open tenants, being in each for the length of one step.

    :param reason: why several tenants are visited; it is logged
    :param suspended: those whose doors are closed as well
    """
    from tenants.models import Tenant

    states = [Tenant.Status.OPEN, *([Tenant.Status.SUSPENDED] if suspended else [])]
    with entered(PUBLIC):
        found = list(
            Tenant.objects.filter(kind__in=[Tenant.Kind.ZERO, Tenant.Kind.PARTNER], status__in=states).order_by("id")
        )
    _logger.debug("tenants.each", reason=reason, count=len(found))
    for tenant in found:
        with entered(tenant):
            yield tenant


def cache_key(key: str, key_prefix: str, version: int) -> str:
    """Django's KEY_FUNCTION: every cache key begins with the schema, in threads and in coroutines alike."""
    return f"{current()}:{key_prefix}:{version}:{key}"


def reverse_cache_key(key: str) -> str:
    """The key as its caller wrote it."""
    return key.split(":", 3)[3]
