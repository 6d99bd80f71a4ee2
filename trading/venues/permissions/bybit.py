"""Bybit: ``GET /v5/user/query-api``."""

from __future__ import annotations

from collections.abc import Sequence

from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights
from trading.venues.permissions.reading import fields, limited, moment, named, names, no, yes
from trading.venues.permissions.wording import words

_TRADES = ("Spot", "ContractTrade", "Derivatives", "Options")
_HARMLESS = ("Exchange", "Earn", "NFT", "CopyTrading", "BlockTrade", "Affiliate")
# FiatP2P, FiatBybitPay and FiatConvertBroker pay somebody: a key that has one of them is not known to be harmless.


def _read(told: Sequence[Json], about: About) -> Rights | None:
    result = fields(told[0], "result")
    groups = fields(told[0], "result", "permissions")
    if result is None or groups is None or not (yes(result.get("readOnly")) or no(result.get("readOnly"))):
        return None
    lists = {group: names(listed) for group, listed in groups.items()}
    wallet = lists.get("Wallet")
    if wallet is None:
        return None
    out = named(wallet, withdraw=("Withdraw",), transfer=("AccountTransfer", "SubMemberTransfer"))
    known = {"Wallet", *_TRADES, *_HARMLESS}
    new = any(listed != [] for group, listed in lists.items() if group not in known)
    writes = no(result["readOnly"])
    return Rights(
        spot=writes and "SpotTrade" in (lists.get("Spot") or []),
        futures=writes and _futures(lists),
        withdraw=out.withdraw,
        transfer=out.transfer,
        limited=limited(result.get("ips")),
        expires=moment(result.get("expiredAt")),
        unknown=out.unknown or new,
    )


def _futures(lists: dict[str, list[str] | None]) -> bool:
    return "Order" in (lists.get("ContractTrade") or []) or "DerivativesTrade" in (lists.get("Derivatives") or [])


CHECKER = Checker(
    codes=("bybit", "bybiteu", "bybitid"),
    questions=(Question("privateGetV5UserQueryApi"),),
    words=words(
        "Bybit",
        "API",
        withdraw="Withdrawal under Wallet",
        transfer="Account Transfer and Subaccount Transfer under Wallet",
        trade="Read-Write and Spot Trade or Contract Orders",
    ),
    read=_read,
    refusals={
        "10004": Means.SECRET,
        "10010": Means.ADDRESS,
        "33004": Means.EXPIRED,
        "10024": Means.STOPPED,
        "10027": Means.STOPPED,
        "10005": Means.UNTOLD,
        "10002": Means.LATER,  # our clock
        "10006": Means.LATER,
        "10009": Means.LATER,  # our address asked too often
        "10018": Means.LATER,
    },
)
