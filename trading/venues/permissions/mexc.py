"""MEXC: ``GET /api/v3/apiKey/info`` about the key that is named."""

from __future__ import annotations

from collections.abc import Sequence

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, limited, moment, named, names
from trading.venues.permissions.wording import words

_AREAS = ("SPOT_ACCOUNT", "SPOT_DEAL", "SPOT_DEPOSIT", "SPOT_WITHDRAW", "SPOT_TRANSFER", "CONTRACT_ACCOUNT",
          "CONTRACT_DEAL")  # fmt: skip
_READS = tuple(f"{area}_{end}" for area in _AREAS for end in ("READ", "R"))


def _writes(*areas: str) -> tuple[str, ...]:
    return tuple(f"{area}_{end}" for area in areas for end in ("WRITE", "W"))


def _read(told: Sequence[Json], about: About) -> Rights | None:
    row = fields(told[0], "data") or fields(told[0])
    rights = names(row.get("permissions")) if row else None
    if row is None or not rights:
        return None
    found = named(
        rights,
        spot=_writes("SPOT_DEAL"),
        futures=_writes("CONTRACT_DEAL"),
        withdraw=_writes("SPOT_WITHDRAW"),
        transfer=_writes("SPOT_TRANSFER"),
        harmless=(*_READS, *_writes("SPOT_ACCOUNT", "SPOT_DEPOSIT", "CONTRACT_ACCOUNT")),
    )
    return Rights(
        spot=found.spot,
        futures=found.futures,
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=limited(row.get("ips", row.get("ip"))),
        expires=moment(row.get("expireTime")),
        unknown=found.unknown,
        stopped=str(row.get("status", "VALID")).upper() != "VALID",
    )


CHECKER = Checker(
    codes=("mexc",),
    questions=(Question("spotPrivateGetApiKeyInfo", {"accessKey": "{apiKey}"}),),
    words=words("MEXC", "API Management", withdraw="Withdraw", transfer="Transfer", trade="Trade of Spot or Futures"),
    read=_read,
    refusals={
        "602": Means.SECRET,
        "700002": Means.SECRET,
        "406": Means.ADDRESS,
        "700006": Means.ADDRESS,
        "402": Means.EXPIRED,
        "403": Means.UNTOLD,
        "701": Means.UNTOLD,
        "700007": Means.UNTOLD,
        "700003": Means.LATER,  # our clock
        "429": Means.LATER,
    },
)
