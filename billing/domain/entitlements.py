"""From a plan to what a tenant may: the values that are written on the tenant."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """What a plan allows; None is no limit.

    :param max_subscriptions: running at the same time, over all users of the tenant
    :param max_copy_usd: the most one copy may use
    :param api: whether the partner API answers
    :param requests_per_minute: of all the tenant's API keys together; None is the platform's own limit
    """

    max_subscriptions: int | None
    max_copy_usd: Decimal | None
    api: bool
    requests_per_minute: int | None = None


def values_of(plan: str, limits: PlanLimits) -> dict[str, object]:
    """The entitlements of a plan, as JSON that `obscura.core.features` reads back without loss."""
    most = limits.max_copy_usd
    return {
        "plan": plan,
        "max_subscriptions": limits.max_subscriptions,
        "max_copy_usd": None if most is None else format(most, "f"),
        "api": limits.api,
        "requests_per_minute": limits.requests_per_minute,
    }
