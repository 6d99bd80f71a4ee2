"""USD-M calls of an account."""

from __future__ import annotations

import os
import time
from typing import Any

from . import refusals, reports, shapes, usdm
from .refusals import Refused
from .rest_spot import ordered, traded
from .routes import KEYED, SIGNED, Call, route
from .spot import cancel as cancel_order
from .spot import find
from .symbols import USDM, Symbol
from .wanted import flag, need, symbol_of, whole

LISTEN_SECONDS = 3_600
ANSWERS = {"ACK": shapes.usdm_ack, "RESULT": shapes.usdm_order}


def _symbol(call: Call) -> Symbol:
    return symbol_of(call.params, call.exchange.symbols[USDM])


@route("POST", "/fapi/v1/order", market=USDM, access=SIGNED, weight=0, order=True)
def place(call: Call) -> Any:
    kind = call.params.get("newOrderRespType") or "ACK"
    if kind not in ANSWERS:
        raise refusals.malformed("newOrderRespType", "^(ACK|RESULT)$")
    order = usdm.place(call.exchange, call.owner, call.params)
    assert order is not None
    return ANSWERS[kind](order)


@route("POST", "/fapi/v1/order/test", market=USDM, access=SIGNED)
def test(call: Call) -> Any:
    usdm.place(call.exchange, call.owner, call.params, test=True)
    return {}


@route("GET", "/fapi/v1/order", market=USDM, access=SIGNED)
def status(call: Call) -> Any:
    _symbol(call)
    order = find(call.owner, call.params, USDM)
    if order is None:
        raise refusals.no_such_order()
    return shapes.usdm_order(order)


@route("DELETE", "/fapi/v1/order", market=USDM, access=SIGNED)
def cancel(call: Call) -> Any:
    _symbol(call)
    return shapes.usdm_order(cancel_order(call.exchange, call.owner, find(call.owner, call.params, USDM), ""))


@route("DELETE", "/fapi/v1/allOpenOrders", market=USDM, access=SIGNED)
def cancel_all(call: Call) -> Any:
    symbol = _symbol(call)
    for order in [order for order in call.owner.usdm.open.values() if order.symbol is symbol]:
        call.exchange.end(order, "CANCELED")
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


@route("GET", "/fapi/v1/openOrder", market=USDM, access=SIGNED)
def open_order(call: Call) -> Any:
    _symbol(call)
    order = find(call.owner, call.params, USDM)
    if order is None or order.id not in call.owner.usdm.open:
        raise refusals.no_such_order()
    return shapes.usdm_order(order)


@route("GET", "/fapi/v1/openOrders", market=USDM, access=SIGNED)
def open_orders(call: Call) -> Any:
    symbol = _symbol(call) if "symbol" in call.params else None
    return [shapes.usdm_order(order) for order in call.owner.usdm.open.values() if symbol in (None, order.symbol)]


@route("GET", "/fapi/v1/allOrders", market=USDM, access=SIGNED, weight=5)
def all_orders(call: Call) -> Any:
    return [shapes.usdm_order(order) for order in ordered(call, USDM)]


@route("GET", "/fapi/v1/userTrades", market=USDM, access=SIGNED, weight=5)
def user_trades(call: Call) -> Any:
    return [shapes.usdm_trade(trade) for trade in traded(call, USDM)]


@route("GET", "/fapi/v2/account", market=USDM, access=SIGNED, weight=5)
def account_with_all_positions(call: Call) -> Any:
    return shapes.usdm_account(call.exchange, call.owner, flat=True)


@route("GET", "/fapi/v3/account", market=USDM, access=SIGNED, weight=5)
def account(call: Call) -> Any:
    return shapes.usdm_account(call.exchange, call.owner, flat=False)


@route("GET", "/fapi/v2/balance", "/fapi/v3/balance", market=USDM, access=SIGNED, weight=5)
def balance(call: Call) -> Any:
    return shapes.usdm_balance(call.exchange, call.owner)


@route("GET", "/fapi/v2/positionRisk", market=USDM, access=SIGNED, weight=5)
def all_position_risk(call: Call) -> Any:
    symbol = _symbol(call).name if "symbol" in call.params else None
    return list(shapes.positions(call.exchange, call.owner, symbol, flat=True))


@route("GET", "/fapi/v3/positionRisk", market=USDM, access=SIGNED, weight=5)
def position_risk(call: Call) -> Any:
    symbol = _symbol(call).name if "symbol" in call.params else None
    return list(shapes.positions(call.exchange, call.owner, symbol, flat=False))


@route("POST", "/fapi/v1/leverage", market=USDM, access=SIGNED)
def leverage(call: Call) -> Any:
    return usdm.set_leverage(call.exchange, call.owner, _symbol(call), whole(call.params, "leverage"))


@route("POST", "/fapi/v1/marginType", market=USDM, access=SIGNED)
def margin_type(call: Call) -> Any:
    usdm.set_margin_type(call.exchange, call.owner, _symbol(call), need(call.params, "marginType"))
    return {"code": 200, "msg": "success"}


@route("POST", "/fapi/v1/positionSide/dual", market=USDM, access=SIGNED)
def set_position_mode(call: Call) -> Any:
    need(call.params, "dualSidePosition")
    usdm.set_hedged(call.exchange, call.owner, flag(call.params, "dualSidePosition"))
    return {"code": 200, "msg": "success"}


@route("GET", "/fapi/v1/positionSide/dual", market=USDM, access=SIGNED, weight=30)
def position_mode(call: Call) -> Any:
    return {"dualSidePosition": call.owner.hedged}


@route("GET", "/fapi/v1/multiAssetsMargin", market=USDM, access=SIGNED, weight=30)
def multi_assets(call: Call) -> Any:
    return {"multiAssetsMargin": False}


@route("GET", "/fapi/v1/leverageBracket", market=USDM, access=SIGNED)
def brackets(call: Call) -> Any:
    symbols = [_symbol(call)] if "symbol" in call.params else list(call.exchange.symbols[USDM].values())
    rows = [
        {
            "symbol": symbol.name,
            "brackets": [
                {
                    "bracket": number,
                    "initialLeverage": one.leverage,
                    "notionalCap": one.cap,
                    "notionalFloor": one.floor,
                    "maintMarginRatio": _number(one.ratio),
                    "cum": _number(one.cum),
                }
                for number, one in enumerate(symbol.brackets, 1)
            ],
        }
        for symbol in symbols
    ]
    return rows


def _number(text: str) -> float:
    """These two fields are JSON numbers on the wire; nothing here computes with them."""
    return float(text)


@route("GET", "/fapi/v1/symbolConfig", market=USDM, access=SIGNED, weight=5)
def symbol_config(call: Call) -> Any:
    symbols = [_symbol(call)] if "symbol" in call.params else list(call.exchange.symbols[USDM].values())
    owner = call.owner
    return [
        {
            "symbol": one.name,
            "marginType": "ISOLATED" if one.name in owner.isolated else "CROSSED",
            "isAutoAddMargin": "false",
            "leverage": owner.leverage_of(one.name),
            "maxNotionalValue": str(usdm.most_notional(one, owner.leverage_of(one.name))),
        }
        for one in symbols
    ]


@route("GET", "/fapi/v1/accountConfig", market=USDM, access=SIGNED, weight=5)
def account_config(call: Call) -> Any:
    flags = {"canTrade": True, "canDeposit": False, "canWithdraw": False, "multiAssetsMargin": False}
    return {"feeTier": 0, **flags, "dualSidePosition": call.owner.hedged, "updateTime": 0, "tradeGroupId": -1}


@route("GET", "/fapi/v1/commissionRate", market=USDM, access=SIGNED, weight=20)
def commission(call: Call) -> Any:
    fees = {"makerCommissionRate": "0.0005", "takerCommissionRate": "0.0005"}
    return {"symbol": _symbol(call).name, **fees}


@route("POST", "/fapi/v1/listenKey", market=USDM, access=KEYED)
def open_listen_key(call: Call) -> Any:
    owner = call.owner
    if not listening(call):
        owner.listen_key = os.urandom(32).hex()
    owner.listen_until = time.time() + LISTEN_SECONDS
    return {"listenKey": owner.listen_key}


@route("PUT", "/fapi/v1/listenKey", market=USDM, access=KEYED)
def keep_listen_key(call: Call) -> Any:
    if not listening(call):
        raise refusals.no_listen_key()
    call.owner.listen_until = time.time() + LISTEN_SECONDS
    return {"listenKey": call.owner.listen_key}


@route("DELETE", "/fapi/v1/listenKey", market=USDM, access=KEYED)
def close_listen_key(call: Call) -> Any:
    if not listening(call):
        raise refusals.no_listen_key()
    expire(call.exchange, call.owner, tell=False)
    return {}


def listening(call: Call) -> bool:
    return call.owner.listen_key is not None and time.time() < call.owner.listen_until


def expire(exchange: Any, owner: Any, *, tell: bool) -> None:
    """The listen key is no more; its streams stay open and hear nothing again, as at the exchange."""
    if owner.listen_key is None:
        return
    if tell:
        exchange.tell(owner, USDM, reports.listen_key_expired(owner.listen_key))
    owner.listen_key = None
    owner.usdm.streams.clear()


@route("POST", "/fapi/v1/batchOrders", market=USDM, access=SIGNED, weight=5)
def batch(call: Call) -> Any:
    raise Refused(-1020, "This operation is not supported.")
