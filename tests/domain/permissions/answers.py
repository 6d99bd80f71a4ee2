"""Answers of exchanges about an API key, in the shapes their documentation shows. The key is key-0001 everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trading.venues.permissions import About, Told

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
KEY, AGENT, OWNER = "key-0001", "0x" + "a" * 40, "0x" + "b" * 40
HERE = "203.0.113.7"
SPRING = "2027-04-01T00:00:00+00:00"
SPRING_MS = 1_806_537_600_000

ABOUT = About(now=NOW, key=KEY)

Answers = list[Told]


def rights(
    spot: bool, futures: bool, limited: bool | None = True, note: str = "", expires: str | None = None
) -> dict[str, object]:
    """What a key is said to be allowed that may trade and nothing else."""
    told: dict[str, object] = {
        "trade": spot or futures, "spot": spot, "futures": futures, "withdraw": False, "transfer": False,
        "ip_restricted": limited, "note": note,
    }  # fmt: skip
    return told if expires is None else told | {"expires_at": expires}


@dataclass(frozen=True)
class Case:
    """One exchange: what it answers about a good key, and about keys that are not. Empty: it has no such right."""

    good: Answers
    permissions: Mapping[str, object]
    withdraw: Answers
    read_only: Answers
    secret: str
    later: str
    transfer: Sequence[Told] = ()
    anywhere: Sequence[Told] = ()
    unclear: Sequence[Told] = ()
    about: About = ABOUT


# -- switches --------------------------------------------------------------------------------------------------------


def binance(can_trade: object = True, **changed: object) -> Answers:
    account = {"makerCommission": 15, "canTrade": can_trade, "canWithdraw": True, "accountType": "SPOT", "balances": []}
    switches = {
        "ipRestrict": True, "createTime": 1698645219000, "enableReading": True, "enableWithdrawals": False,
        "enableInternalTransfer": False, "enableMargin": False, "enableFutures": True, "enableVanillaOptions": False,
        "permitsUniversalTransfer": False, "enableSpotAndMarginTrading": True, "enablePortfolioMarginTrading": False,
    }  # fmt: skip
    return [account, switches | changed]


def bingx(**changed: object) -> Answers:
    switches = {
        "ipRestrict": True, "createTime": 1698645219000, "enableReading": True, "enableSpotAndMarginTrading": True,
        "enableWithdrawals": False, "enableInternalTransfer": False, "enableFutures": True,
        "permitsUniversalTransfer": False, "enableVanillaOptions": False,
    }  # fmt: skip
    return [{"code": 0, "timestamp": 1702733126509, "data": switches | changed}]


def bingx_numbers(*numbers: object, addresses: object = (HERE,)) -> Answers:
    return [{"apiKey": KEY, "note": "", "permissions": list(numbers), "ipAddresses": list(addresses)}]  # type: ignore[call-overload]


def coinbase(**changed: object) -> Answers:
    told = {"can_view": True, "can_trade": True, "can_transfer": False, "portfolio_uuid": "p-1"}
    return [told | {"portfolio_type": "DEFAULT"} | changed]


# -- lists of names --------------------------------------------------------------------------------------------------


def bybit(
    wallet: object = (), read_only: object = 0, groups: Mapping[str, Any] | None = None, **changed: object
) -> Answers:
    lists: dict[str, Any] = {
        "ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": wallet, "Options": [],
        "Derivatives": ["DerivativesTrade"], "Exchange": ["ExchangeHistory"], "Earn": [], "FiatP2P": [], "NFT": [],
        "FiatBybitPay": [], "FiatConvertBroker": [], "BlockTrade": [], "Affiliate": [], "CopyTrading": [],
    }  # fmt: skip
    lists["Wallet"] = list(wallet) if isinstance(wallet, tuple) else wallet
    result = {
        "id": "1", "note": "copies", "apiKey": KEY, "readOnly": read_only, "secret": "", "type": 1, "ips": [HERE],
        "permissions": lists | dict(groups or {}), "deadlineDay": 125, "expiredAt": "2027-04-01T00:00:00Z",
        "createdAt": "2026-10-01T00:00:00Z", "uta": 1, "userID": 1, "isMaster": True, "parentUid": "0",
    }  # fmt: skip
    return [{"retCode": 0, "retMsg": "", "result": result | changed, "retExtInfo": {}, "time": 1795780800000}]


def okx(perm: object = "read_only,trade", ip: object = HERE) -> Answers:
    row = {"acctLv": "2", "autoLoan": False, "uid": "1", "mainUid": "1", "label": "copies", "perm": perm, "ip": ip}
    return [{"code": "0", "data": [row | {"posMode": "net_mode", "roleType": "0"}], "msg": ""}]


def kucoin(permission: object = "General,Spot,Futures", **changed: object) -> Answers:
    row = {
        "remark": "copies", "apiKey": KEY, "apiVersion": 3, "permission": permission, "ipWhitelist": HERE,
        "createdAt": 1728443843000, "uid": 1, "isMaster": True,
    }  # fmt: skip
    return [{"code": "200000", "data": row | changed}]


def kraken(*permissions: str, **changed: object) -> Answers:
    result = {
        "apiKeyName": "copies", "apiKey": KEY, "nonce": "1795780800", "nonceWindow": 0,
        "permissions": ["query-funds", "query-open-trades", "query-closed-trades", "close-trades", *permissions],
        "iban": "AA11", "validUntil": "1806537600", "queryFrom": "0", "queryTo": "0", "createdTime": "1790000000",
        "modifiedTime": "1790000000", "ipAllowlist": [HERE], "lastUsed": "1795780000",
    }  # fmt: skip
    return [{"error": [], "result": result | changed}]


def mexc(
    permissions: object = "SPOT_ACCOUNT_READ,SPOT_DEAL_READ,SPOT_DEAL_WRITE,CONTRACT_DEAL_WRITE", **changed: object
) -> Answers:
    return [{"accessKey": KEY, "status": "VALID", "permissions": permissions, "ips": HERE} | changed]


def htx(permission: object = "readOnly,trade", **changed: object) -> Answers:
    row = {
        "accessKey": KEY, "status": "normal", "note": "copies", "permission": permission, "ipAddresses": HERE,
        "validDays": -1, "createTime": 1591348751000, "updateTime": 1591348751000,
    }  # fmt: skip
    other = row | {"accessKey": "key-0002", "permission": "readOnly,trade,withdraw"}
    return [{"code": 200, "data": 1}, {"code": 200, "message": "success", "data": [other, row | changed]}]


def bitget(*authorities: str, **changed: object) -> Answers:
    row = {"userId": "1", "inviterId": "2", "ips": HERE, "authorities": list(authorities), "parentId": 1}
    return [
        {"code": "00000", "msg": "success", "requestTime": 1, "data": row | {"traderType": "not_trader"} | changed},
        None,
    ]


def bitget_unified(*permissions: str, kind: str = "read-and-write") -> Answers:
    row = {"userId": "1", "permType": kind, "permissions": list(permissions), "ips": HERE}
    return [None, {"code": "00000", "msg": "success", "requestTime": 1, "data": row}]


# -- rows ------------------------------------------------------------------------------------------------------------


def gate(wallet: object = True, spot: object = False, extra: Sequence[object] = (), **changed: object) -> Answers:
    perms = [{"name": "wallet", "read_only": wallet}, {"name": "spot", "read_only": spot}, *extra]
    row = {"state": 1, "mode": 1, "name": "copies", "user_id": 1, "perms": perms, "ip_whitelist": [HERE]}
    row |= {"currency_pairs": [], "key": "key-00*****", "created_at": 1753030929} | changed
    other = row | {"key": "ffff1234*****", "perms": [{"name": "withdraw", "read_only": False}]}
    detail = {"user_id": 1, "ip_whitelist": [HERE], "currency_pairs": [], "key": {"mode": 1}, "tier": 2}
    return [detail, [other, row]]


def bitfinex(orders: object = 1, wallets: object = 0, withdraw: object = 0) -> Answers:
    return [
        [
            ["account", 1, 0], ["history", 1, 0], ["orders", 1, orders], ["positions", 1, 1], ["funding", 1, 0],
            ["settings", 1, 0], ["wallets", 1, wallets], ["withdraw", 0, withdraw], ["ui_withdraw", 0, 0],
        ]
    ]  # fmt: skip


def deribit(scope: object = "account:read block_trade:read trade:read_write wallet:read", **changed: object) -> Answers:
    row = {
        "timestamp": 1560236001108, "max_scope": scope, "id": 1, "enabled": True, "default": False, "name": "copies",
        "client_secret": "never-kept", "client_id": KEY, "enabled_features": [], "ip_whitelist": [HERE],
    }  # fmt: skip
    other = row | {"client_id": "key-0002", "max_scope": "wallet:read_write"}
    return [{"jsonrpc": "2.0", "id": 2553, "result": [other, row | changed]}]


def orderly(scope: object = "read,trading", **changed: object) -> Answers:
    row = {
        "orderly_key": f"ed25519:{KEY}", "key_status": "ACTIVE", "ip_restriction_list": [HERE],
        "ip_restriction_status": "ALLOW_LIST", "expiration": SPRING_MS, "scope": scope, "tag": "",
    }  # fmt: skip
    return [{"success": True, "timestamp": 1, "data": {"rows": [row | changed]}}]


def hyperliquid(
    role: object = "agent", owner: object = OWNER.upper().replace("X", "x"), ends: object = SPRING_MS
) -> Answers:
    agents = [{"name": "copies", "address": AGENT, "validUntil": ends}]
    return [{"role": role, "data": {"user": owner}}, agents]
