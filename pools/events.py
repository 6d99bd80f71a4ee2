"""News of the pools app."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PoolChanged:
    """A pool was activated, paused or closed, or its leads changed: whoever watches leads looks again."""

    pool_id: UUID
    status: str


@dataclass(frozen=True, slots=True)
class SubscriptionStarted:
    """Somebody follows a pool from now on."""

    subscription_id: int
    pool_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class SubscriptionStopping:
    """A subscription opens nothing any more and ends when its copies are closed."""

    subscription_id: int
    pool_id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class PoolHalted:
    """A pool was halted, and everything that is open in it is to be closed."""

    pool_id: UUID


@dataclass(frozen=True, slots=True)
class UserHalted:
    """A follower stopped everything, and everything they hold is to be closed."""

    user_id: UUID
