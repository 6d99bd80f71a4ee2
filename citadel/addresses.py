"""Our own addresses that requests leave from. An account keeps to one: exchanges limit each, and keys may name it."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from django.conf import settings

from citadel.models import ExchangeAccount


def configured() -> tuple[str, ...]:
    """The addresses in OBSCURA_EGRESS_ADDRESSES; none where the system chooses."""
    return tuple(settings.EGRESS_ADDRESSES)


def in_use(pinned: str) -> str:
    """Where an account's requests really leave from: one that is no longer there is replaced by the first."""
    known = configured()
    if pinned in known:
        return pinned
    return known[0] if known else ""


def least_used(*, exchange: str, environment: str, account_id: UUID) -> str:
    """The address with the fewest of this tenant's accounts at an exchange.

    Other tenants are not counted; where several are as good, the new account's id decides, so that tenants of one
    account each do not all take the first.
    """
    known = configured()
    if len(known) < 2:
        return known[0] if known else ""
    rows = ExchangeAccount.objects.filter(exchange=exchange, environment=environment).exclude(status="revoked")
    used = Counter(in_use(pinned) for pinned in rows.values_list("egress_address", flat=True))
    fewest = min(used[address] for address in known)
    best = [address for address in known if used[address] == fewest]
    return best[account_id.int % len(best)]
