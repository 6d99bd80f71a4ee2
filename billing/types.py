"""Values the billing app gives to its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PlanRef:
    """A plan and its limits; None is no limit."""

    code: str
    name: str
    max_subscriptions: int | None
    max_copy_usd: Decimal | None
    api: bool
    requests_per_minute: int | None
