"""HTX: ``GET /v2/user/uid``, then ``GET /v2/user/api-key`` of that user, which lists one key or all."""

from __future__ import annotations

from collections.abc import Sequence

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import days_from, fields, limited, named, names, own
from trading.venues.permissions.wording import words


def _read(told: Sequence[Json], about: About) -> Rights | None:
    answer = fields(told[1])
    row = own(answer.get("data"), "accessKey", about.key) if answer else None
    listed = row.get("permission") if row else None
    rights = names(listed) if isinstance(listed, str) else None
    if row is None or not rights:
        return None
    found = named(rights, spot=("trade",), withdraw=("withdraw",), harmless=("readOnly",))
    return Rights(
        spot=found.spot,
        futures=found.spot,
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=limited(row.get("ipAddresses", "")),  # left out where there are none
        expires=days_from(about.now, row.get("validDays")),  # -1: never
        unknown=found.unknown,
        stopped=row.get("status") != "normal",
    )


CHECKER = Checker(
    codes=("htx",),
    questions=(
        Question("v2PrivateGetUserUid", gives=("uid", "data")),
        Question("v2PrivateGetUserApiKey", {"uid": "{uid}", "accessKey": "{apiKey}"}),
    ),
    words=words("HTX", "API Management", withdraw="Withdraw", transfer="Withdraw", trade="Trade"),
    read=_read,
    refusals={"1003": Means.SECRET, "2002": Means.UNTOLD, "1002": Means.UNTOLD, "429": Means.LATER},
)
