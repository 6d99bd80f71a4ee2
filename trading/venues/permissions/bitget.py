"""Bitget: ``GET /api/v2/spot/account/info`` of classic and ``GET /api/v3/account/info`` of unified accounts."""

from __future__ import annotations

from collections.abc import Sequence

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, limited, named, names
from trading.venues.permissions.wording import words

# Four letters: area, o, and r for reading or w for writing.
_READS = ("readonly", "coor", "cpor", "stor", "smor", "ttor", "wtor", "wwor", "taxr", "chor", "p2pr", "pllr")
_SPOT, _FUTURES = ("stow", "spot_trade", "trade"), ("coow", "contract_trade", "trade")
_HARMLESS = (*_READS, "cpow", "smow", "ttow", "margin_trade")
_OUT, _WITHIN = ("wwow", "withdraw"), ("wtow", "transfer", "wallet_transfer")
_TRADES = ("uta_trade",)
_MANAGES = ("uta_mgt",)


def _read(told: Sequence[Json], about: About) -> Rights | None:
    classic, unified = fields(told[0], "data"), fields(told[1], "data")
    if classic is not None:
        return _classic(classic)
    return _unified(unified) if unified is not None else None


def _classic(row: dict[str, Json]) -> Rights | None:
    rights = names(row.get("authorities"))
    if not rights:
        return None
    found = named(rights, spot=_SPOT, futures=_FUTURES, withdraw=_OUT, transfer=_WITHIN, harmless=_HARMLESS)
    return Rights(
        spot=found.spot,
        futures=found.futures,
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=limited(row.get("ips")),
        unknown=found.unknown,
    )


def _unified(row: dict[str, Json]) -> Rights | None:
    rights = names(row.get("permissions"))
    if rights is None or row.get("permType") not in ("read-and-write", "read-only"):
        return None
    found = named(rights, spot=_TRADES, withdraw=_OUT, transfer=_WITHIN, harmless=(*_READS, *_MANAGES))
    trade = found.spot and row["permType"] == "read-and-write"
    return Rights(
        spot=trade,
        futures=trade,
        withdraw=found.withdraw,
        transfer=found.transfer,
        limited=limited(row.get("ips")),
        unknown=found.unknown,
    )


CHECKER = Checker(
    codes=("bitget",),
    questions=(Question("privateSpotGetV2SpotAccountInfo"), Question("privateUtaGetV3AccountInfo")),
    words=words(
        "Bitget",
        "API Management",
        withdraw="Withdraw",
        transfer="Transfer",
        trade="Read-write and Spot trading or Futures orders",
    ),
    read=_read,
    refusals={
        "40009": Means.SECRET,
        "40010": Means.SECRET,
        "40011": Means.PASSPHRASE,
        "40012": Means.PASSPHRASE,
        "40018": Means.ADDRESS,
        "40013": Means.STOPPED,
        "40014": Means.UNTOLD,
        "40084": Means.UNTOLD,  # a classic account was asked the unified question
        "40085": Means.UNTOLD,  # and the other way round
        "40004": Means.LATER,  # our clock
        "40005": Means.LATER,
        "40008": Means.LATER,
        "40015": Means.LATER,
        "429": Means.LATER,
    },
)
