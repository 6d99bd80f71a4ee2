"""BingX: ``GET /openApi/v1/account/apiPermissions``, which is documented as switches and also comes as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.binance import flags
from trading.venues.permissions.reading import fields, limited, named
from trading.venues.permissions.wording import words

_SPOT, _READ, _FUTURES, _UNIVERSAL, _WITHDRAW, _WITHIN = "1", "2", "3", "4", "5", "7"


def _read(told: Sequence[Json], about: About) -> Rights | None:
    answer = fields(told[0], "data") or fields(told[0])
    if answer is None:
        return None
    return _numbers(answer) if "permissions" in answer else flags(answer)


def _numbers(answer: dict[str, Any]) -> Rights | None:
    codes, addresses = answer["permissions"], limited(answer.get("ipAddresses"))
    if not isinstance(codes, list) or not codes or addresses is None:
        return None
    found = named(
        (str(code) for code in codes),
        spot=(_SPOT,),
        futures=(_FUTURES,),
        withdraw=(_WITHDRAW,),
        transfer=(_UNIVERSAL, _WITHIN),
        harmless=(_READ,),
    )
    return Rights(
        spot=found.spot,
        futures=found.futures,
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=addresses,
        unknown=found.unknown,
    )


CHECKER = Checker(
    codes=("bingx",),
    questions=(Question("accountV1PrivateGetAccountApiPermissions"),),
    words=words(
        "BingX",
        "API Management",
        withdraw="Withdraw",
        transfer="Universal Transfer and Internal Transfer",
        trade="Spot Trading or Perpetual Futures Trading",
    ),
    read=_read,
    refusals={"100001": Means.SECRET, "100419": Means.ADDRESS, "100004": Means.UNTOLD},
)
