"""Bitfinex: ``POST /v2/auth/r/permissions``, a list of scope, may read, may write."""

from __future__ import annotations

from collections.abc import Sequence

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import named, no, yes
from trading.venues.permissions.wording import words

_HARMLESS = ("account", "history", "orders", "positions", "funding", "settings")


def _read(told: Sequence[Json], about: About) -> Rights | None:
    rows = told[0]
    if not isinstance(rows, list) or not rows:
        return None
    for row in rows:
        if not isinstance(row, list) or len(row) < 3 or not isinstance(row[0], str):
            return None
    sure = {row[0] for row in rows if yes(row[2])}
    found = named(
        (row[0] for row in rows if not no(row[2])),
        withdraw=("withdraw", "ui_withdraw"),
        transfer=("wallets",),
        harmless=_HARMLESS,
    )
    # A list without the scope says nothing of it.
    listed = {row[0] for row in rows}
    return Rights(
        spot="orders" in sure,
        futures="orders" in sure,
        withdraw=found.withdraw or (False if "withdraw" in listed else None),
        transfer=found.transfer or (False if "wallets" in listed else None),
        limited=None,
        unknown=found.unknown,
    )


CHECKER = Checker(
    codes=("bitfinex",),
    questions=(Question("privatePostAuthRPermissions"),),
    words=words(
        "Bitfinex",
        "API Keys",
        withdraw="Withdrawals",
        transfer="the right to transfer between wallets",
        trade="the right to create and cancel orders",
        remade=True,
    ),
    read=_read,
    refusals={"10001": Means.UNTOLD, "10114": Means.LATER, "11010": Means.LATER, "20060": Means.LATER},
)
