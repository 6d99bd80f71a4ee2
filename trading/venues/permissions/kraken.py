"""Kraken: ``POST /0/private/GetApiKeyInfo``, which any key may ask about itself."""

from __future__ import annotations

from collections.abc import Sequence

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, limited, moment, named, names
from trading.venues.permissions.wording import words

# Who may write an address book of withdrawals prepares one.
_OUT = ("withdraw-funds", "add-withdraw-address", "update-withdraw-address")
_HARMLESS = (
    "query-funds",
    "add-funds",
    "earn-funds",
    "query-open-trades",
    "query-closed-trades",
    "close-trades",
    "query-ledger",
    "export-data",
    "create-ws-token",
)


def _read(told: Sequence[Json], about: About) -> Rights | None:
    result = fields(told[0], "result")
    listed = result.get("permissions") if result else None
    rights = names(listed) if isinstance(listed, list) else None
    if result is None or rights is None:
        return None
    found = named(rights, spot=("modify-trades",), withdraw=_OUT, harmless=_HARMLESS)
    return Rights(
        spot=found.spot,
        futures=False,
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=limited(result.get("ipAllowlist")),
        expires=moment(result.get("validUntil")),
        unknown=found.unknown,
    )


CHECKER = Checker(
    codes=("kraken",),
    questions=(Question("privatePostGetApiKeyInfo"),),
    words=words(
        "Kraken",
        "Settings > API",
        withdraw="Withdraw and both rights on withdrawal addresses",
        transfer="every right to transfer",
        trade="Create & modify orders",
    ),
    read=_read,
    refusals={
        "EAPI:Invalid signature": Means.SECRET,
        "EGeneral:Permission denied": Means.UNTOLD,
        "EAPI:Invalid nonce": Means.LATER,
        "EAPI:Rate limit exceeded": Means.LATER,
        "EGeneral:Temporary lockout": Means.LATER,
        "EService:Unavailable": Means.LATER,
    },
)
