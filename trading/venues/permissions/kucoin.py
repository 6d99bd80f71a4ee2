"""KuCoin: ``GET /api/v1/user/api-key``, for spot and futures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, limited, named, names
from trading.venues.permissions.wording import words


def _read(told: Sequence[Json], about: About) -> Rights | None:
    row = fields(told[0], "data")
    listed = row.get("permission") if row else None
    rights = names(listed) if isinstance(listed, str) else None
    if row is None or not rights:
        return None
    found = named(
        rights,
        spot=("Spot", "Trade", "Margin"),
        futures=("Futures",),
        withdraw=("Withdraw", "Withdrawal"),
        transfer=("Transfer", "InnerTransfer", "FlexTransfer", "FlexTransfers"),
        harmless=("General", "Earn"),
    )
    return Rights(
        spot=found.spot,
        futures=found.futures,
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=limited(row.get("ipWhitelist", "")),  # left out where there are none
        unknown=found.unknown,
    )


SPOT = Checker(
    codes=("kucoin",),
    questions=(Question("privateGetUserApiKey"),),
    words=words(
        "KuCoin",
        "API Management",
        withdraw="Withdrawal",
        transfer="Transfer and Flex Transfers",
        trade="Spot Trading or Futures Trading",
    ),
    read=_read,
    refusals={
        "400004": Means.PASSPHRASE,
        "400005": Means.SECRET,
        "400006": Means.ADDRESS,
        "400007": Means.UNTOLD,
        "130201": Means.STOPPED,
        "400002": Means.LATER,  # our clock
        "429000": Means.LATER,
    },
)
FUTURES = replace(
    SPOT,
    codes=("kucoinfutures",),
    words=replace(
        SPOT.words,
        trade="This key may not trade futures. At KuCoin open API Management, edit the key, tick Futures Trading, "
        "save, connect it again.",
    ),
    futures_only=True,
)
