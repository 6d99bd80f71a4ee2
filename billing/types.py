"""Values the billing app gives to its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class ShareRef:
    """A share of profit that is due, in USD.

    :param cause: ``withdrawal``, ``month`` or ``end``
    :param result: of everything closed until then; `high_water` is the highest result charged before
    """

    subscription_id: int
    cause: str
    result: Decimal
    high_water: Decimal
    profit: Decimal
    creator_usd: Decimal
    platform_usd: Decimal
    at: datetime
