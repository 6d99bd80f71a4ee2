"""Which tenant is behind a host, a schema or a key: asked by every request, so kept for 30 s and dropped on change."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis
from django.db import connection, transaction

from obscura.core import log, redis_clients
from obscura.core.errors import NotFound
from tenants.types import KeyHolder

if TYPE_CHECKING:
    from tenants.models import Tenant

KEPT_S = 30.0
POLL_S = 1.0
GENERATION = "obscura:directory:generation"

_logger = log.get("directory")
_kept: dict[tuple[str, str], tuple[Any, float]] = {}
_seen: dict[str, Any] = {"generation": None, "until": 0.0, "forgotten": 0}


class UnknownTenant(NotFound):
    """No tenant is reached this way."""

    code = "tenant_unknown"
    remedy = "Check the host name. A tenant answers at its own hosts alone."


def tenant_by_host(host: str) -> Tenant | None:
    """The tenant that answers at this host (no port), or None."""
    found: Tenant | None = _ask("host", host.lower(), _find_host)
    return found


def tenant_by_schema(schema: str) -> Tenant:
    """The tenant with this schema.

    :raises UnknownTenant: there is none
    """
    found: Tenant | None = _ask("schema", schema, _find_schema)
    if found is None:
        raise UnknownTenant
    return found


def tenant_by_id(tenant_id: int) -> Tenant:
    """The tenant with this id.

    :raises UnknownTenant: there is none
    """
    found: Tenant | None = _ask("id", str(tenant_id), _find_id)
    if found is None:
        raise UnknownTenant
    return found


def halted(schema: str) -> bool:
    """Whether a kill switch keeps this tenant from opening anything: its own, or the platform's."""
    tenant = tenant_by_schema(schema)
    return bool(tenant.halt or tenant.platform_halt)


def holder_of(key: str) -> KeyHolder | None:
    """Who holds this API key, or None for a key that is unknown or revoked."""
    found: KeyHolder | None = _ask("key", key_digest(key), _find_key)
    return found


def key_digest(key: str) -> str:
    """What is stored of a key. Keys are long and random, so a plain SHA-256 cannot be searched."""
    return hashlib.sha256(key.encode()).hexdigest()


def is_warm(kind: str, name: str) -> bool:
    """Whether an answer is at hand without asking anybody; then a coroutine need not leave its thread for it."""
    entry = _kept.get((kind, name))
    now = time.monotonic()
    return entry is not None and entry[1] > now and _seen["until"] > now


def changed() -> None:
    """A tenant, host or key was changed: forget everything, here at once and in other processes within a second."""

    def tell() -> None:
        forget()
        try:
            # Not a count: one that began anew with an emptied Redis could come to what somebody has seen before.
            redis_clients.sync().set(GENERATION, secrets.token_hex(8))
        except redis.RedisError as error:
            # The others then find out when what they keep is 30 s old.
            _logger.warning("directory.untold", error=type(error).__name__)

    forget()
    transaction.on_commit(tell)


def forget() -> None:
    """Drop what this process keeps, and let nobody keep what he is just reading."""
    _seen["forgotten"] += 1
    _kept.clear()


def _ask(kind: str, name: str, find: Callable[[str], Any]) -> Any:
    now = time.monotonic()
    _hear(now)
    entry = _kept.get((kind, name))
    if entry is not None and entry[1] > now:
        return entry[0]
    from tenants.scope import PUBLIC, entered

    forgotten = _seen["forgotten"]
    with entered(PUBLIC):
        found = find(name)
        # What an open transaction sees may never come true, so only settled answers are kept.
        if found is not None and not connection.in_atomic_block and forgotten == _seen["forgotten"]:
            _kept[(kind, name)] = (found, now + KEPT_S)
    return found


def _hear(now: float) -> None:
    if _seen["until"] > now:
        return
    _seen["until"] = now + POLL_S
    try:
        generation = redis_clients.sync().get(GENERATION)
    except redis.RedisError as error:
        _logger.warning("directory.unheard", error=type(error).__name__)
        return
    if generation != _seen["generation"]:
        _seen["generation"] = generation
        forget()


def _find_host(host: str) -> Tenant | None:
    from tenants.models import Domain

    domain = Domain.objects.select_related("tenant").filter(domain=host).first()
    found: Tenant | None = domain.tenant if domain else None
    return found


def _find_schema(schema: str) -> Tenant | None:
    from tenants.models import Tenant

    found: Tenant | None = Tenant.objects.filter(schema_name=schema).first()
    return found


def _find_id(tenant_id: str) -> Tenant | None:
    from tenants.models import Tenant

    found: Tenant | None = Tenant.objects.filter(pk=tenant_id).first()
    return found


def _find_key(digest: str) -> KeyHolder | None:
    from tenants.models import ApiKey

    key = ApiKey.objects.filter(digest=digest, revoked_at=None).first()
    if key is None:
        return None
    return KeyHolder(
        key_id=key.id,
        prefix=key.prefix,
        tenant_id=key.tenant_id,
        environment=key.environment,
        scopes=frozenset(key.scopes),
    )
