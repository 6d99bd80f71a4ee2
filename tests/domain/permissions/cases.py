"""Every exchange that tells what a key may do, with a good key and with each of the bad ones."""

from __future__ import annotations

from dataclasses import replace

from tests.domain.permissions import answers as a
from tests.domain.permissions.answers import Case, rights
from trading.venues.permissions.base import NO_ADDRESSES_TOLD
from trading.venues.permissions.hyperliquid import ANY_ADDRESS

_BINANCE = Case(
    good=a.binance(),
    permissions=rights(spot=True, futures=True),
    withdraw=a.binance(enableWithdrawals=True),
    transfer=a.binance(permitsUniversalTransfer=True),
    read_only=a.binance(enableSpotAndMarginTrading=False, enableFutures=False),
    anywhere=a.binance(ipRestrict=False),
    unclear=[a.binance()[0], {"enableReading": True}],
    secret="-1022",
    later="-1021",
)
_FUTURES = replace(_BINANCE, read_only=a.binance(enableFutures=False))
_BYBIT = Case(
    good=a.bybit(),
    permissions=rights(spot=True, futures=True, expires=a.SPRING),
    withdraw=a.bybit(wallet=("Withdraw",)),
    transfer=a.bybit(wallet=("AccountTransfer",)),
    read_only=a.bybit(read_only=1),
    anywhere=a.bybit(ips=["*"]),
    unclear=a.bybit(groups={"FiatBybitPay": ["FaitPayOrder"]}),
    secret="10004",
    later="10006",
)
_OKX = Case(
    good=a.okx(),
    permissions=rights(spot=True, futures=True),
    withdraw=a.okx("read_only,withdraw,trade"),
    read_only=a.okx("read_only"),
    anywhere=a.okx(ip=""),
    unclear=a.okx("read_only,trade,something_new"),
    secret="50113",
    later="50011",
)
_KUCOIN = Case(
    good=a.kucoin(),
    permissions=rights(spot=True, futures=True),
    withdraw=a.kucoin("General,Spot,Futures,Withdrawal"),
    transfer=a.kucoin("General,Spot,Futures,InnerTransfer"),
    read_only=a.kucoin("General"),
    anywhere=a.kucoin(ipWhitelist=""),
    unclear=a.kucoin("General,Spot,Futures,Pay"),
    secret="400005",
    later="429000",
)
_GATE = Case(
    good=a.gate(),
    permissions=rights(spot=True, futures=False),
    withdraw=a.gate(extra=[{"name": "withdraw", "read_only": False}]),
    transfer=a.gate(wallet=False),
    read_only=a.gate(spot=True),
    anywhere=a.gate(ip_whitelist=[]),
    unclear=a.gate(extra=[{"name": "custody", "read_only": False}]),
    secret="INVALID_SIGNATURE",
    later="TOO_MANY_REQUESTS",
    about=replace(a.ABOUT, key="key-0001"),
)
_ORDERLY = Case(
    good=a.orderly(),
    permissions=rights(spot=False, futures=True, expires=a.SPRING),
    withdraw=a.orderly("read,trading,withdraw"),
    transfer=a.orderly("read,trading,asset"),
    read_only=a.orderly("read"),
    anywhere=a.orderly(ip_restriction_list=[]),
    unclear=a.orderly("read,trading,bridge"),
    secret="-1001",
    later="-1003",
)

CASES: dict[str, Case] = {
    "binance": _BINANCE,
    "binanceusdm": _FUTURES,
    "binancecoinm": _FUTURES,
    "bybit": _BYBIT,
    "bybiteu": _BYBIT,
    "bybitid": _BYBIT,
    "okx": _OKX,
    "myokx": _OKX,
    "okxus": _OKX,
    "kucoin": _KUCOIN,
    "kucoinfutures": replace(_KUCOIN, read_only=a.kucoin("General,Spot")),
    "gate": _GATE,
    "gateeu": _GATE,
    "woofipro": _ORDERLY,
    "modetrade": _ORDERLY,
    "bingx": Case(
        good=a.bingx(),
        permissions=rights(spot=True, futures=True),
        withdraw=a.bingx(enableWithdrawals=True),
        transfer=a.bingx(enableInternalTransfer=True),
        read_only=a.bingx(enableSpotAndMarginTrading=False, enableFutures=False),
        anywhere=a.bingx(ipRestrict=False),
        unclear=a.bingx_numbers(1, 2, 3, 9),
        secret="100001",
        later="",
    ),
    "kraken": Case(
        good=a.kraken("modify-trades"),
        permissions=rights(spot=True, futures=False, expires=a.SPRING),
        withdraw=a.kraken("modify-trades", "withdraw-funds"),
        read_only=a.kraken(),
        anywhere=a.kraken("modify-trades", ipAllowlist=[]),
        unclear=a.kraken("modify-trades", "spend-funds"),
        secret="EAPI:Invalid signature",
        later="EAPI:Rate limit exceeded",
    ),
    "coinbase": Case(
        good=a.coinbase(),
        permissions=rights(spot=True, futures=True, limited=None, note=NO_ADDRESSES_TOLD),
        withdraw=a.coinbase(can_transfer=True),
        read_only=a.coinbase(can_trade=False),
        unclear=[{"can_view": True, "can_trade": True}],
        secret="",
        later="rate_limit_exceeded",
    ),
    "mexc": Case(
        good=a.mexc(),
        permissions=rights(spot=True, futures=True),
        withdraw=a.mexc("SPOT_DEAL_WRITE,SPOT_WITHDRAW_WRITE"),
        transfer=a.mexc(["SPOT_DEAL_WRITE", "SPOT_TRANSFER_W"]),
        read_only=a.mexc("SPOT_ACCOUNT_READ,SPOT_WITHDRAW_READ,SPOT_TRANSFER_READ"),
        anywhere=a.mexc(ips=""),
        unclear=a.mexc("SPOT_DEAL_WRITE,SPOT_PAY_WRITE"),
        secret="700002",
        later="700003",
    ),
    "htx": Case(
        good=a.htx(),
        permissions=rights(spot=True, futures=True),
        withdraw=a.htx("readOnly,trade,withdraw"),
        read_only=a.htx("readOnly"),
        anywhere=a.htx(ipAddresses=""),
        unclear=a.htx(accessKey="key-0003"),
        secret="1003",
        later="429",
    ),
    "bitfinex": Case(
        good=a.bitfinex(),
        permissions=rights(spot=True, futures=True, limited=None, note=NO_ADDRESSES_TOLD),
        withdraw=a.bitfinex(withdraw=1),
        transfer=a.bitfinex(wallets=1),
        read_only=a.bitfinex(orders=0),
        unclear=[[["orders", 1, 1]]],
        secret="",
        later="10114",
    ),
    "bitget": Case(
        good=a.bitget("stor", "stow", "coow", "cpow", "wtor"),
        permissions=rights(spot=True, futures=True),
        withdraw=a.bitget("stow", "wwow"),
        transfer=a.bitget("stow", "wtow"),
        read_only=a.bitget("stor", "coor", "wwor"),
        anywhere=a.bitget("stow", "coow", ips=""),
        unclear=a.bitget("stow", "p2p"),
        secret="40009",
        later="40008",
    ),
    "deribit": Case(
        good=a.deribit(),
        permissions=rights(spot=True, futures=True),
        withdraw=a.deribit("account:read trade:read_write wallet:read_write"),
        read_only=a.deribit("account:read trade:read wallet:none"),
        anywhere=a.deribit(ip_whitelist=[]),
        unclear=a.deribit("account:read_write trade:read_write"),
        secret="10000",
        later="10028",
    ),
    "hyperliquid": Case(
        good=a.hyperliquid(),
        permissions=rights(spot=True, futures=True, limited=None, note=ANY_ADDRESS, expires=a.SPRING),
        withdraw=a.hyperliquid("user"),
        read_only=a.hyperliquid("missing"),
        unclear=a.hyperliquid(owner=None),
        secret="",
        later="429",
        about=replace(a.ABOUT, key=a.AGENT, account=a.OWNER),
    ),
}

ONLY_DATES = {"upbit": "expire_at", "bithumb": "expire_at"}
"""These list the keys and when they end, and not what they may do."""

WITHOUT_TRANSFER = {"okx", "myokx", "okxus", "kraken", "coinbase", "htx", "deribit", "hyperliquid"}
"""Here moving money to others takes the right to withdraw."""

WITHOUT_ADDRESSES = {"coinbase", "bitfinex", "hyperliquid"}
"""These do not tell whether a key is limited to addresses."""
