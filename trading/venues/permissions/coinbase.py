"""Coinbase: ``GET /api/v3/brokerage/key_permissions``."""

from __future__ import annotations

from collections.abc import Sequence

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, no, yes
from trading.venues.permissions.wording import words


def _read(told: Sequence[Json], about: About) -> Rights | None:
    answer = fields(told[0])
    if answer is None or not {"can_trade", "can_transfer"} <= answer.keys():
        return None
    trade, out = yes(answer["can_trade"]), not no(answer["can_transfer"])
    # One switch for sending money anywhere.
    return Rights(spot=trade, futures=trade, withdraw=out, transfer=out, limited=None)


CHECKER = Checker(
    codes=("coinbase",),
    questions=(Question("v3PrivateGetBrokerageKeyPermissions"),),
    words=words(
        "Coinbase", "CDP portal > API keys", withdraw="Transfer", transfer="Transfer", trade="Trade", remade=True
    ),
    read=_read,
    refusals={"PERMISSION_DENIED": Means.UNTOLD, "rate_limit_exceeded": Means.LATER},
)
