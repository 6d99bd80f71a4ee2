"""WOOFi Pro and Mode Trade, both of Orderly: ``GET /v1/client/key_info``. A withdrawal takes the wallet's signature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, limited, moment, named, names, own
from trading.venues.permissions.wording import words


def _read(told: Sequence[Json], about: About) -> Rights | None:
    data = fields(told[0], "data")
    row = own(data.get("rows"), "orderly_key", about.key) if data else None
    listed = row.get("scope") if row else None
    rights = names(listed) if isinstance(listed, str) else None
    if row is None or not rights:
        return None
    found = named(rights, futures=("trading",), transfer=("asset",), harmless=("read",))
    return Rights(
        spot=False,
        futures=found.futures,
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=limited(row.get("ip_restriction_list")),
        expires=moment(row.get("expiration")),
        unknown=found.unknown,
        stopped=row.get("key_status") != "ACTIVE",
    )


WOOFI = Checker(
    codes=("woofipro",),
    questions=(Question("v1PrivateGetClientKeyInfo", {"key_status": "ACTIVE"}),),
    words=words("WOOFi Pro", "Portfolio > API keys", withdraw="Asset", transfer="Asset", trade="Trading", remade=True),
    read=_read,
    refusals={"-1001": Means.SECRET, "3": Means.SECRET, "-1003": Means.LATER, "-1000": Means.LATER},
)
MODE = replace(
    WOOFI,
    codes=("modetrade",),
    words=words("Mode Trade", "Portfolio > API keys", withdraw="Asset", transfer="Asset", trade="Trading", remade=True),
)
