"""Gate: ``GET /account/detail`` and ``GET /account/main_keys``. A sub-account's key may not ask the second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, limited, named, no, own, yes
from trading.venues.permissions.wording import words

_FUTURES = frozenset({"futures", "delivery"})
_HARMLESS = ("account", "spot", "margin", "options", "earn", "loan", "unified", "copy", "pilot", "alpha", *_FUTURES)


def _read(told: Sequence[Json], about: About) -> Rights | None:
    detail, keys = fields(told[0]), told[1]
    # A list of all keys of the main account, or the one that asks.
    row = own(keys, "key", about.key) if isinstance(keys, list) else fields(keys)
    listed = row.get("perms") if row else None
    if detail is None or row is None or not isinstance(listed, list):
        return None
    perms = [perm for perm in listed if isinstance(perm, dict) and isinstance(perm.get("name"), str)]
    if not perms or len(perms) != len(listed):
        return None
    return _rights(row, perms, detail.get("ip_whitelist"))


def _rights(row: dict[str, Any], perms: list[dict[str, Any]], addresses: Json) -> Rights:
    sure = {perm["name"].lower() for perm in perms if no(perm.get("read_only"))}
    found = named(
        (perm["name"] for perm in perms if not yes(perm.get("read_only"))), transfer=("wallet",), harmless=_HARMLESS
    )
    limits = limited(row.get("ip_whitelist"))
    return Rights(
        spot="spot" in sure,
        futures=bool(sure & _FUTURES),
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=limited(addresses) if limits is None else limits,
        unknown=found.unknown,
        stopped=str(row.get("state")) != "1",
    )


CHECKER = Checker(
    codes=("gate", "gateeu"),
    questions=(Question("privateAccountGetDetail"), Question("privateAccountGetMainKeys")),
    words=words(
        "Gate",
        "API Management",
        withdraw="Withdraw",
        transfer="Wallet or make it Read Only",
        trade="Read And Write for Spot Trade or Perpetual Futures",
    ),
    read=_read,
    refusals={
        "INVALID_SIGNATURE": Means.SECRET,
        "IP_FORBIDDEN": Means.ADDRESS,
        "FORBIDDEN": Means.UNTOLD,
        "READ_ONLY": Means.UNTOLD,
        "REQUEST_EXPIRED": Means.LATER,  # our clock
        "TOO_MANY_REQUESTS": Means.LATER,
        "SERVER_ERROR": Means.LATER,
        "TOO_BUSY": Means.LATER,
    },
)
