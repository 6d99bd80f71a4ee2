"""Values the tenants app gives to its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

SCOPES = ("signal:write", "pool:manage", "pool:read", "stream:access")


@dataclass(frozen=True, slots=True)
class TenantRef:
    """A tenant as its neighbours know it."""

    id: int
    schema: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who calls with an API key."""

    key_id: UUID
    prefix: str
    tenant_id: int
    environment: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class PasskeyRef:
    """A passkey of a user's: its id, its public key in COSE, and the host of the tenant's that it was made at."""

    ident: bytes
    key: bytes
    site: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the live feed: what became of one lead trade on one follower's account."""

    id: str
    user_id: str
    pool_id: str
    cursor: str
    html: str


@dataclass(frozen=True, slots=True)
class PersonRef:
    """A user of a tenant; texts are empty where they are not known."""

    id: UUID
    external_ref: str
    email: str
    created_at: datetime
