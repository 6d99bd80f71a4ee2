"""USD-M calls of conditional orders: ``/fapi/v1/algoOrder`` and its relatives."""

from __future__ import annotations

from typing import Any

from . import conditional, refusals, shapes
from .routes import SIGNED, Call, route
from .symbols import USDM
from .wanted import symbol_of, whole

MOST = 1_000


@route("POST", "/fapi/v1/algoOrder", market=USDM, access=SIGNED, weight=0, order=True)
def place(call: Call) -> Any:
    return shapes.algo_order(conditional.place(call.exchange, call.owner, call.params))


@route("GET", "/fapi/v1/algoOrder", market=USDM, access=SIGNED)
def status(call: Call) -> Any:
    found = conditional.find(call.owner, call.params)
    if found is None:
        raise refusals.no_such_order()
    return shapes.algo_status(found)


@route("DELETE", "/fapi/v1/algoOrder", market=USDM, access=SIGNED)
def cancel(call: Call) -> Any:
    gone = conditional.cancel(call.exchange, conditional.find(call.owner, call.params))
    return {"algoId": gone.id, "clientAlgoId": gone.client_id, "code": "200", "msg": "success"}


@route("DELETE", "/fapi/v1/algoOpenOrders", market=USDM, access=SIGNED)
def cancel_all(call: Call) -> Any:
    symbol = symbol_of(call.params, call.exchange.symbols[USDM])
    for one in list(call.owner.conditionals.values()):
        if one.symbol is symbol and one.status == "NEW":
            conditional.cancel(call.exchange, one)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


@route("GET", "/fapi/v1/openAlgoOrders", market=USDM, access=SIGNED, weight=40, with_symbol=1)
def open_ones(call: Call) -> Any:
    symbol = symbol_of(call.params, call.exchange.symbols[USDM]) if "symbol" in call.params else None
    mine = call.owner.conditionals.values()
    return [shapes.algo_status(one) for one in mine if one.status == "NEW" and symbol in (None, one.symbol)]


@route("GET", "/fapi/v1/allAlgoOrders", market=USDM, access=SIGNED, weight=5)
def all_ones(call: Call) -> Any:
    symbol = symbol_of(call.params, call.exchange.symbols[USDM])
    start, end = whole(call.params, "startTime", 0), whole(call.params, "endTime", 2**63)
    first, limit = whole(call.params, "algoId", 0), whole(call.params, "limit", 500, most=MOST)
    mine = [one for one in call.owner.conditionals.values() if one.symbol is symbol and one.id >= first]
    found = [one for one in mine if start <= one.at_ms <= end]
    return [shapes.algo_status(one) for one in (found[:limit] if first else found[-limit:])]
