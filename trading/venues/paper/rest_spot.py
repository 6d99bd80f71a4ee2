"""Spot calls of an account, and the wallet calls a client makes while it loads markets."""

from __future__ import annotations

import os
from typing import Any

from . import refusals, shapes, spot
from .ledger import Order
from .routes import KEYED, SIGNED, Call, route
from .symbols import SPOT
from .wanted import flag, symbol_of, whole

ANSWERS = {"ACK": shapes.spot_ack, "RESULT": shapes.spot_result, "FULL": shapes.spot_full}


@route("GET", "/api/v3/account", market=SPOT, access=SIGNED, weight=20)
def account(call: Call) -> Any:
    return shapes.spot_account(call.owner, zero=not flag(call.params, "omitZeroBalances"))


@route("POST", "/api/v3/order", market=SPOT, access=SIGNED, order=True)
def place(call: Call) -> Any:
    kind = call.params.get("newOrderRespType") or ("FULL" if call.params.get("type") in ("MARKET", "LIMIT") else "ACK")
    if kind not in ANSWERS:
        raise refusals.malformed("newOrderRespType", "^(ACK|RESULT|FULL)$")
    order = spot.place(call.exchange, call.owner, call.params)
    assert order is not None
    return ANSWERS[kind](order)


@route("POST", "/api/v3/order/test", market=SPOT, access=SIGNED)
def test(call: Call) -> Any:
    spot.place(call.exchange, call.owner, call.params, test=True)
    return {}


@route("GET", "/api/v3/order", market=SPOT, access=SIGNED, weight=4)
def status(call: Call) -> Any:
    symbol_of(call.params, call.exchange.symbols[SPOT])
    order = spot.find(call.owner, call.params)
    if order is None:
        raise refusals.no_such_order()
    return shapes.spot_order(order)


@route("DELETE", "/api/v3/order", market=SPOT, access=SIGNED)
def cancel(call: Call) -> Any:
    symbol_of(call.params, call.exchange.symbols[SPOT])
    cancel_id = call.params.get("newClientOrderId") or os.urandom(11).hex()
    order = spot.cancel(call.exchange, call.owner, spot.find(call.owner, call.params), cancel_id)
    return shapes.spot_canceled(order, cancel_id)


@route("DELETE", "/api/v3/openOrders", market=SPOT, access=SIGNED)
def cancel_all(call: Call) -> Any:
    symbol = symbol_of(call.params, call.exchange.symbols[SPOT])
    orders = [order for order in call.owner.spot.open.values() if order.symbol is symbol]
    if not orders:
        raise refusals.unknown_order()
    cancel_id = os.urandom(11).hex()
    return [
        shapes.spot_canceled(spot.cancel(call.exchange, call.owner, order, cancel_id), cancel_id) for order in orders
    ]


@route("GET", "/api/v3/openOrders", market=SPOT, access=SIGNED, weight=6)
def open_orders(call: Call) -> Any:
    symbol = symbol_of(call.params, call.exchange.symbols[SPOT]) if "symbol" in call.params else None
    return [shapes.spot_order(order) for order in call.owner.spot.open.values() if symbol in (None, order.symbol)]


def ordered(call: Call, market: str) -> list[Order]:
    """The `allOrders` selection: from an order id on, or in a time span, oldest first, the newest when too many."""
    symbol = symbol_of(call.params, call.exchange.symbols[market])
    first, limit = whole(call.params, "orderId", 0), whole(call.params, "limit", 500, most=1_000)
    since, until = whole(call.params, "startTime", 0), whole(call.params, "endTime", 2**62)
    found = [
        order
        for order in call.owner.desk(market).orders.values()
        if order.symbol is symbol and order.id >= first and since <= order.at_us // 1000 <= until
    ]
    return found[:limit] if first or since else found[-limit:]


def traded(call: Call, market: str) -> list[Any]:
    """The `myTrades` selection: by order, from a trade id on, or in a time span; oldest first."""
    symbol = symbol_of(call.params, call.exchange.symbols[market])
    first, limit = whole(call.params, "fromId", 0), whole(call.params, "limit", 500, most=1_000)
    since, until = whole(call.params, "startTime", 0), whole(call.params, "endTime", 2**62)
    of_order = whole(call.params, "orderId", 0)
    found = [
        trade
        for trade in call.owner.desk(market).trades.get(symbol.name, ())
        if trade.id >= first and since <= trade.at_ms <= until and (not of_order or trade.order.id == of_order)
    ]
    return found[:limit] if first or since else found[-limit:]


@route("GET", "/api/v3/allOrders", market=SPOT, access=SIGNED, weight=20)
def all_orders(call: Call) -> Any:
    return [shapes.spot_order(order) for order in ordered(call, SPOT)]


@route("GET", "/api/v3/myTrades", market=SPOT, access=SIGNED, weight=20, of_one_order=5)
def my_trades(call: Call) -> Any:
    return [shapes.spot_trade(trade) for trade in traded(call, SPOT)]


@route("GET", "/api/v3/rateLimit/order", market=SPOT, access=SIGNED, weight=40)
def order_counts(call: Call) -> Any:
    return call.exchange.limits[SPOT].counts(call.owner.id)


@route("GET", "/api/v3/account/commission", market=SPOT, access=SIGNED, weight=20)
def commission(call: Call) -> Any:
    symbol = symbol_of(call.params, call.exchange.symbols[SPOT])
    zero = {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00000000", "seller": "0.00000000"}
    standard = zero | {"maker": "0.00100000", "taker": "0.00100000"}
    return {"symbol": symbol.name, "standardCommission": standard, "taxCommission": zero}


@route("GET", "/sapi/v1/account/apiRestrictions", market=SPOT, access=SIGNED)
def restrictions(call: Call) -> Any:
    """What the key may do. There is nothing to withdraw here, but a key can say that it may."""
    return {
        "ipRestrict": False,
        "createTime": 1_700_000_000_000,
        "enableReading": True,
        "enableWithdrawals": call.owner.may_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": call.owner.may_trade,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": call.owner.may_trade,
        "enablePortfolioMarginTrading": False,
    }


@route("GET", "/sapi/v1/capital/config/getall", market=SPOT, access=SIGNED, weight=10)
def coins(call: Call) -> Any:
    assets = {one.base for one in call.exchange.symbols[SPOT].values() if one.trading} | {"USDT"}
    flags = {"depositAllEnable": False, "withdrawAllEnable": False, "isLegalMoney": False, "trading": True}
    sums = {"locked": "0", "freeze": "0", "withdrawing": "0", "ipoing": "0", "ipoable": "0", "storage": "0"}
    return [{"coin": asset, "name": asset, "free": "0", **flags, **sums, "networkList": []} for asset in sorted(assets)]


@route("GET", "/sapi/v1/margin/allPairs", "/sapi/v1/margin/isolated/allPairs", market=SPOT, access=KEYED)
def margin_pairs(call: Call) -> Any:
    """The venue lends nothing."""
    return []
