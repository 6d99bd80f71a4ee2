"""News of the tenants app."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TenantOpened:
    """A tenant was opened."""

    tenant_id: int
    schema: str


@dataclass(frozen=True, slots=True)
class TenantSuspended:
    """A tenant was suspended: nothing opens there until it is open again."""

    tenant_id: int
    schema: str


@dataclass(frozen=True, slots=True)
class TenantHalted:
    """A tenant was halted, by itself or by the platform, and everything open there is to be closed."""

    tenant_id: int
    schema: str
