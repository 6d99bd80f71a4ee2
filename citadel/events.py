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
class AccountSealed:
    """An account's key has come into the vault; the vault does not ask its exchange itself what it may do."""

    account_id: UUID
    owner_id: UUID
    exchange: str


@dataclass(frozen=True, slots=True)
class AccountCheckDue:
    """An account's exchange, which the vault does not ask itself, is to be asked again what its key may do."""

    account_id: UUID
    owner_id: UUID
    exchange: str


@dataclass(frozen=True, slots=True)
class AccountRevoked:
    """An exchange account may not trade any more: its owner took it back, or a check refused it."""

    account_id: UUID
    owner_id: UUID
