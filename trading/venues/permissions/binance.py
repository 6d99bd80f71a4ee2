"""Binance: ``GET /api/v3/account`` and ``GET /sapi/v1/account/apiRestrictions``, for spot and both futures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from citadel.domain.permissions import NO_TRADING, TRANSFERS_ON, WITHDRAWALS_ON, Finding, Verdict
from trading.venues.permissions.base import About, Checker, Json, Means, Question, Rights, Words
from trading.venues.permissions.reading import fields, moment, no, yes

NO_FUTURES = (
    "This key may not trade futures. At Binance open API Management, edit the restrictions of the key, tick "
    "Enable Futures, save, connect again."
)
_STOPPED = "The exchange has stopped trading on this account. Ask the exchange why."
_CONFIRM = (
    "Binance does not tell for certain what this key may do. Look in API Management and confirm that it cannot "
    "withdraw or transfer."
)


def flags(told: Json) -> Rights | None:
    """The rights in an object of switches as Binance names them, which others have taken over."""
    switches = fields(told)
    if switches is None or "enableWithdrawals" not in switches:
        return None
    within, universal = switches.get("enableInternalTransfer", False), switches.get("permitsUniversalTransfer", False)
    return Rights(
        spot=yes(switches.get("enableSpotAndMarginTrading")),
        futures=yes(switches.get("enableFutures")),
        withdraw=not no(switches["enableWithdrawals"]),
        transfer=not (no(within) and no(universal)),
        limited=yes(switches.get("ipRestrict")),
        expires=moment(switches.get("tradingAuthorityExpirationTime")),
    )


def _read(told: Sequence[Json], about: About) -> Rights | Verdict | None:
    account = fields(told[0])
    if account is None or not (yes(account.get("canTrade")) or no(account.get("canTrade"))):
        return None
    if no(account["canTrade"]):
        return Verdict(Finding.BAD, _STOPPED)
    return flags(told[1])


SPOT = Checker(
    codes=("binance",),
    questions=(
        Question("privateGetAccount", {"omitZeroBalances": "true"}, ccxt="binance"),
        Question("sapiGetAccountApiRestrictions", ccxt="binance"),
    ),
    words=Words(WITHDRAWALS_ON, TRANSFERS_ON, NO_TRADING, _CONFIRM),
    read=_read,
    refusals={
        "-1022": Means.SECRET,
        "-1021": Means.LATER,  # our clock
        "-1003": Means.LATER,
        "-1100": Means.UNTOLD,
        "404": Means.UNTOLD,
    },
)
FUTURES = replace(
    SPOT,
    codes=("binanceusdm", "binancecoinm"),
    words=Words(WITHDRAWALS_ON, TRANSFERS_ON, NO_FUTURES, _CONFIRM),
    futures_only=True,
)
