"""What a tenant is entitled to, as billing wrote it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from obscura.core.money import parse


@dataclass(frozen=True, slots=True)
class Entitlements:
    """Limits of a plan. None means no limit."""

    max_subscriptions: int | None = None
    max_copy_usd: Decimal | None = None
    api: bool = True


def entitlements(stored: Mapping[str, object]) -> Entitlements:
    """Read the entitlements stored on a tenant."""
    most = stored.get("max_subscriptions")
    return Entitlements(
        max_subscriptions=int(str(most)) if most is not None else None,
        max_copy_usd=parse(stored.get("max_copy_usd")),
        api=bool(stored.get("api", True)),
    )
