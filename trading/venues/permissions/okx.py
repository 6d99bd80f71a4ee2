"""OKX: ``GET /api/v5/account/config``. The right to trade lets a key move money within the owner's accounts only."""

from __future__ import annotations

from collections.abc import Sequence

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, limited, named, names
from trading.venues.permissions.wording import words


def _read(told: Sequence[Json], about: About) -> Rights | None:
    answer = fields(told[0])
    rows = answer.get("data") if answer else None
    row = fields(rows[0]) if isinstance(rows, list) and len(rows) == 1 else None
    listed = row.get("perm") if row else None
    rights = names(listed) if isinstance(listed, str) else None
    if row is None or not rights:
        return None
    found = named(rights, spot=("trade",), withdraw=("withdraw",), harmless=("read_only",))
    return Rights(
        spot=found.spot,
        futures=found.spot,
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=limited(row.get("ip")),
        unknown=found.unknown,
    )


CHECKER = Checker(
    codes=("okx", "myokx", "okxus"),
    questions=(Question("privateGetAccountConfig"),),
    words=words("OKX", "API", withdraw="Withdraw", transfer="Withdraw", trade="Trade"),
    read=_read,
    refusals={
        "50113": Means.SECRET,
        "50105": Means.PASSPHRASE,
        "50110": Means.ADDRESS,
        "50027": Means.STOPPED,
        "50030": Means.UNTOLD,
        "50120": Means.UNTOLD,
        "50102": Means.LATER,  # our clock
        "50112": Means.LATER,
        "50011": Means.LATER,
        "50013": Means.LATER,
    },
)
