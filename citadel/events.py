"""News of the citadel app."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AccountActivated:
    """An exchange account was sealed and checked: it may trade."""

    account_id: UUID
    owner_id: UUID


@dataclass(frozen=True, slots=True)
class AccountRevoked:
    """An exchange account may not trade any more: its owner took it back, or a check refused it."""

    account_id: UUID
    owner_id: UUID
