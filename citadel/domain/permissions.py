"""What a key may do, read from a venue's answers: it must be able to trade and must not be able to take money out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

WITHDRAWALS_ON = (
    "This key may withdraw. At Binance open API Management, edit the restrictions of the key, clear "
    "Enable Withdrawals, save, then connect it again."
)
TRANSFERS_ON = (
    "This key may move money to other accounts. At Binance open API Management, edit the key, clear "
    "Universal Transfer and Internal Transfer, save, connect again."
)
NO_TRADING = (
    "This key may not trade. At Binance open API Management, edit the restrictions of the key, tick "
    "Enable Spot & Margin Trading or Futures, save, connect again."
)
KEY_UNKNOWN = (
    "The exchange does not accept this key. Check that it is the whole key, not deleted, and that our addresses "
    "are allowed if it is limited to addresses."
)
SECRET_WRONG = "The secret does not belong to this key. Enter both again; if the secret is lost, make a new key."
NOT_TOLD = "The exchange does not tell what else this key may do. See to it that it cannot withdraw."
NOT_ASKED = (
    "This exchange cannot be asked here what a key may do. Look at the key there and confirm that it may trade and "
    "cannot withdraw or transfer."
)
SECRET_MALFORMED = (
    "The secret is not what this exchange gives out. Copy it again, whole, and connect the account again."
)
OTHER_FORM = "This key was kept before its exchange could be asked. Connect the account again."
ANYWHERE = "The key works from any address. Limit it to ours at the exchange."
AWAY = "The exchange does not answer. It is asked again by itself."

_BAD_KEY = {-2008, -2014, -2015}
_BAD_SIGNATURE = -1022


class Finding(Enum):
    """What is to be done with a key.

    GOOD: may trade. BAD: refuse, `reason` says why. AMBER: cannot be known, the user must confirm what `reason` asks.
    AWAY: the venue could not be asked; nothing is known.
    """

    GOOD = "good"
    BAD = "bad"
    AMBER = "amber"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about a key."""

    finding: Finding
    reason: str = ""
    permissions: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A venue's answer: the HTTP status (0 and below: none) and the body."""

    status: int
    body: bytes


def unasked(reason: str = NOT_ASKED) -> Verdict:
    """For exchanges that are not asked: nothing is known of the key."""
    return Verdict(Finding.AMBER, reason, {"trade": None, "withdraw": None, "transfer": None, "note": NOT_TOLD})


_REMARKS = frozenset({"note", "confirm", "confirmed_at", "confirmed_by", "expires_at"})


def confirmed(found: Mapping[str, object], before: Mapping[str, object]) -> dict[str, object]:
    """What is kept of a key that its exchange does not tell about for certain.

    Its owner's word goes on while nothing else is found than what it was given for; otherwise it is asked for.
    """

    def rights(permissions: Mapping[str, object]) -> dict[str, object]:
        return {name: value for name, value in permissions.items() if name not in _REMARKS}

    if "confirmed_at" in before and rights(found) == rights(before):
        return {**found, "confirmed_at": before["confirmed_at"], "confirmed_by": before.get("confirmed_by", "")}
    return {**found, "confirm": True}


def of_binance(account: Answer, restrictions: Answer | None) -> Verdict:
    """The verdict on a Binance key.

    :param account: of ``GET /api/v3/account``, which tells that key and secret are right and the account may trade
    :param restrictions: of ``GET /sapi/v1/account/apiRestrictions``, which tells what the key may do; may be None
        where the first answer settles it
    """
    refused = _refused(account)
    if refused:
        return refused
    told = _read(account)
    if told is None or not isinstance(told.get("canTrade"), bool):
        return Verdict(Finding.AWAY, AWAY)
    if told["canTrade"] is False:
        return Verdict(Finding.BAD, "The exchange has stopped trading on this account. Ask the exchange why.")
    if restrictions is None or _unanswered(restrictions):
        return Verdict(Finding.AWAY, AWAY)
    return _of_restrictions(_read(restrictions) if restrictions.status == 200 else None)


def settled(account: Answer) -> bool:
    """Whether the account's answer alone decides: it was refused, or nobody answered."""
    return account.status != 200


def _of_restrictions(told: dict[str, Any] | None) -> Verdict:
    if told is None or "enableWithdrawals" not in told:
        return Verdict(Finding.GOOD, permissions={"trade": True, "withdraw": None, "transfer": None, "note": NOT_TOLD})
    spot, futures = told.get("enableSpotAndMarginTrading") is True, told.get("enableFutures") is True
    transfer = told.get("enableInternalTransfer") is True or told.get("permitsUniversalTransfer") is True
    withdraw = told["enableWithdrawals"] is not False  # what is not a clear no is a yes
    limited = told.get("ipRestrict") is True
    permissions: dict[str, object] = {
        "trade": spot or futures,
        "spot": spot,
        "futures": futures,
        "withdraw": withdraw,
        "transfer": transfer,
        "ip_restricted": limited,
        "note": "" if limited else ANYWHERE,
    }
    if withdraw:
        return Verdict(Finding.BAD, WITHDRAWALS_ON, permissions)
    if transfer:
        return Verdict(Finding.BAD, TRANSFERS_ON, permissions)
    if not (spot or futures):
        return Verdict(Finding.BAD, NO_TRADING, permissions)
    return Verdict(Finding.GOOD, permissions=permissions)


def _refused(answer: Answer) -> Verdict | None:
    if answer.status == 200:
        return None
    told = _read(answer) or {}
    code = told.get("code")
    if answer.status in (400, 401) and code in _BAD_KEY:
        return Verdict(Finding.BAD, KEY_UNKNOWN)
    if answer.status in (400, 401) and code == _BAD_SIGNATURE:
        return Verdict(Finding.BAD, SECRET_WRONG)
    # Throttled, in maintenance, our clock off, or something new: none of it says anything about the key.
    return Verdict(Finding.AWAY, AWAY)


def _unanswered(answer: Answer) -> bool:
    return answer.status <= 0 or answer.status >= 500 or answer.status in (403, 408, 418, 429)


def _read(answer: Answer) -> dict[str, Any] | None:
    try:
        told = json.loads(answer.body)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
