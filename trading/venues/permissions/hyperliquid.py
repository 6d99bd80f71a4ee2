"""Hyperliquid: whose wallet the private key is. An API wallet trades for an account and cannot withdraw from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from citadel.domain.permissions import Finding, Verdict
from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights, Words
from trading.venues.permissions.reading import fields, moment

MASTER = (
    "This is the private key of an account itself, which may withdraw. At Hyperliquid open More > API, authorise an "
    "API wallet, then connect with that wallet's private key."
)
NOT_APPROVED = (
    "Hyperliquid knows no API wallet of this key: it is not authorised or has expired. At Hyperliquid open More > API, "
    "authorise it, then connect again."
)
FOREIGN = (
    "This API wallet belongs to another account. Enter the address of the account that authorised it, or the key of an "
    "API wallet of this account."
)
ANY_ADDRESS = "Hyperliquid cannot limit an API wallet to addresses."
_CONFIRM = (
    "Hyperliquid does not tell for certain whose key this is. Confirm that it is of an API wallet, made under More > "
    "API, and not of the account."
)


def _read(told: Sequence[Json], about: About) -> Rights | Verdict | None:
    role = (fields(told[0]) or {}).get("role")
    if role in ("user", "subAccount", "vault"):
        refused = {"trade": True, "spot": True, "futures": True, "withdraw": True, "transfer": True}
        return Verdict(Finding.BAD, MASTER, {**refused, "ip_restricted": None, "note": ""})
    if role == "missing":
        return Verdict(Finding.BAD, NOT_APPROVED)
    owner = (fields(told[0], "data") or {}).get("user")
    if role != "agent" or not isinstance(owner, str) or not owner or not about.account:
        return None
    if owner.lower() != about.account.lower():
        return Verdict(Finding.BAD, FOREIGN)
    expires = _end(told[1], about.key)
    return Rights(True, True, False, False, None, expires=expires, note=ANY_ADDRESS)


def _end(agents: Json, key: str) -> datetime | None:
    for row in agents if isinstance(agents, list) else ():
        address = row.get("address") if isinstance(row, dict) else None
        if isinstance(address, str) and address.lower() == key.lower():
            return moment(row.get("validUntil"))
    return None  # the one without a name is not listed


CHECKER = Checker(
    codes=("hyperliquid",),
    questions=(
        Question("publicPostInfo", {"type": "userRole", "user": "{signer}"}),
        Question("publicPostInfo", {"type": "extraAgents", "user": "{walletAddress}"}),
    ),
    words=Words(MASTER, MASTER, NOT_APPROVED, _CONFIRM),
    read=_read,
    refusals={"422": Means.UNTOLD, "429": Means.LATER},
)
