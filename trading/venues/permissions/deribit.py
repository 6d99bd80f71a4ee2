"""Deribit: ``private/list_api_keys``. The answer holds secrets of the account's keys: it is read and never kept."""

from __future__ import annotations

from collections.abc import Sequence

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, limited, no, own
from trading.venues.permissions.wording import words

_AREAS = {"account", "trade", "wallet", "block_trade", "block_rfq"}
_LEVELS = {"none", "read", "read_write"}


def _read(told: Sequence[Json], about: About) -> Rights | None:
    answer = fields(told[0])
    row = own(answer.get("result"), "client_id", about.key) if answer else None
    scope = row.get("max_scope") if row else None
    if row is None or not isinstance(scope, str) or not scope.strip():
        return None
    parts = [part.partition(":") for part in scope.split()]
    levels = {area: level for area, _, level in parts}
    odd = any(area not in _AREAS or level not in _LEVELS for area, _, level in parts) or len(levels) < len(parts)
    trade = levels.get("trade") == "read_write"
    out = levels.get("wallet", "none") not in ("none", "read")  # what is not named is none
    return Rights(
        spot=trade,
        futures=trade,
        withdraw=out,
        transfer=out,
        limited=limited(row.get("ip_whitelist")),
        unknown=odd or levels.get("account") == "read_write",  # may make keys
        stopped=no(row.get("enabled")),
    )


CHECKER = Checker(
    codes=("deribit",),
    questions=(Question("privateGetListApiKeys"),),
    words=words(
        "Deribit",
        "API",
        withdraw="read_write of wallet",
        transfer="read_write of wallet",
        trade="read_write of trade",
    ),
    read=_read,
    refusals={
        "10000": Means.SECRET,
        "12000": Means.UNTOLD,  # it asks for a second factor
        "13003": Means.UNTOLD,
        "13012": Means.UNTOLD,
        "13021": Means.UNTOLD,
        "13002": Means.STOPPED,
        "10028": Means.LATER,
        "10040": Means.LATER,
        "13028": Means.LATER,
        "11051": Means.LATER,
    },
)
