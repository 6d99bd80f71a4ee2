"""Conditional orders of USD-M (the exchange's algo service): kept until a price is reached, then orders like others.

The price of a contract's last trade decides, and stands for the mark price as well; where there was no trade, the
middle of the book. Exact in units of 1e-8.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from . import refusals, reports, usdm, wanted
from .exchange import Exchange
from .ledger import Account, Conditional
from .refusals import Refused
from .symbols import USDM, Symbol
from .wanted import amount, flag, need

STOPS, TAKES, TRAILING = ("STOP", "STOP_MARKET"), ("TAKE_PROFIT", "TAKE_PROFIT_MARKET"), "TRAILING_STOP_MARKET"
TYPES = (*STOPS, *TAKES, TRAILING)
LIMITED = ("STOP", "TAKE_PROFIT")
"""Types that become limit orders."""
LEAST_CALLBACK, MOST_CALLBACK = 10_000_000, 1_000_000_000
"""0.1 and 10, in percent."""
PERCENT = 100 * 100_000_000


def place(exchange: Exchange, account: Account, params: Mapping[str, str]) -> Conditional:
    """Keep a conditional order.

    :raises Refused: nothing happened
    """
    if not account.may_trade:
        raise refusals.bad_key()
    if need(params, "algoType") != "CONDITIONAL":
        raise Refused(-1102, "Mandatory parameter 'algoType' was not sent, was empty/null, or malformed.")
    symbol = wanted.symbol_of(params, exchange.symbols[USDM])
    row = _read(symbol, account, params)
    _fit(exchange, account, symbol, row)
    id = exchange.ledger.next_id()
    exchange.journal.write(["conditional", account.id, id, symbol.name, list(row.values())])
    kept = exchange.ledger.add_conditional(account, id, symbol.name, list(row.values()))
    exchange.tell(account, USDM, reports.algo_update(kept, "NEW"))
    return kept


def _read(symbol: Symbol, account: Account, params: Mapping[str, str]) -> dict[str, object]:
    side, kind = need(params, "side"), need(params, "type")
    if side not in ("BUY", "SELL"):
        raise Refused(-1117, "Invalid side.")
    if kind not in TYPES:
        raise Refused(-1116, "Invalid orderType.")
    tif = params.get("timeInForce", "GTC")
    if tif not in ("GTC", "IOC", "FOK", "GTX"):
        raise Refused(-1115, "Invalid timeInForce.")
    working = params.get("workingType") or "CONTRACT_PRICE"
    if working not in ("CONTRACT_PRICE", "MARK_PRICE"):
        raise refusals.malformed("workingType", "^(CONTRACT_PRICE|MARK_PRICE)$")
    whole = flag(params, "closePosition")
    if whole:
        if kind not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
            raise Refused(-4136, "Target strategy invalid for orderType.")
        for name in ("quantity", "reduceOnly"):
            if name in params:
                raise refusals.not_required(name)
    position_side = params.get("positionSide") or "BOTH"
    if position_side not in ("BOTH", "LONG", "SHORT"):
        raise Refused(-4060, "Invalid position side.")
    if account.hedged != (position_side != "BOTH"):
        raise Refused(-4061, "Order's position side does not match user's setting.")
    if account.hedged and "reduceOnly" in params:
        raise refusals.not_required("reduceonly")
    callback = 0
    if kind == TRAILING:
        callback = amount(params, "callbackRate")
        if not LEAST_CALLBACK <= callback <= MOST_CALLBACK:
            raise Refused(-2007, "Invalid callBack rate.")
    return {
        "side": side,
        "type": kind,
        "tif": tif,
        "quantity": 0 if whole else amount(params, "quantity"),
        "price": amount(params, "price") if kind in LIMITED else 0,
        "trigger": 0 if kind == TRAILING else amount(params, "triggerPrice"),
        "client_id": wanted.client_id(params.get("clientAlgoId"), usdm=True),
        "at_ms": time.time_ns() // 1_000_000,
        "working": working,
        "reduce_only": flag(params, "reduceOnly"),
        "whole": whole,
        "position_side": position_side,
        "activate": amount(params, "activatePrice") if params.get("activatePrice") else 0,
        "callback": callback,
    }


def _fit(exchange: Exchange, account: Account, symbol: Symbol, row: dict[str, object]) -> None:
    if not symbol.trading:
        raise refusals.market_closed()
    quantity, trigger = int(str(row["quantity"])), int(str(row["trigger"]))
    if quantity % symbol.step:
        raise Refused(-1111, "Precision is over the maximum defined for this asset.")
    if not row["whole"] and quantity < symbol.min_qty:
        raise Refused(-4004, "Quantity less than min quantity.")
    if quantity > symbol.max_qty:
        raise Refused(-4005, "Quantity greater than max quantity.")
    for price in (trigger, int(str(row["price"])), int(str(row["activate"]))):
        if price % symbol.tick:
            raise Refused(-4014, "Price not increased by tick size.")
    now = exchange.price((USDM, symbol.name))
    if trigger and now is not None and _reached(str(row["type"]), str(row["side"]), trigger, now):
        raise Refused(-2021, "Order would immediately trigger.")
    open_ones = [one for one in account.conditionals.values() if one.status == "NEW"]
    if any(one.client_id == row["client_id"] for one in open_ones):
        raise refusals.duplicate_usdm()
    if sum(one.symbol is symbol for one in open_ones) >= symbol.max_conditional:
        raise Refused(-4045, "Reach max stop order limit.")


def _reached(kind: str, side: str, trigger: int, price: int) -> bool:
    """A stop follows the market in its own direction, a take profit waits for it from the other side."""
    up = (side == "BUY") == (kind in STOPS)
    return price >= trigger if up else price <= trigger


def cancel(exchange: Exchange, one: Conditional | None) -> Conditional:
    """Give a conditional order up.

    :raises Refused: -2011, it is not there (any more)
    """
    if one is None or one.status != "NEW":
        raise refusals.unknown_order()
    _move(exchange, one, "CANCELED")
    return one


def find(account: Account, params: Mapping[str, str]) -> Conditional | None:
    """The one named by `algoId` or `clientAlgoId`; with both, both must fit."""
    by_id, by_client = params.get("algoId"), params.get("clientAlgoId")
    if not by_id and not by_client:
        raise Refused(-1102, "Param 'algoid' or 'clientalgoid' must be sent, but both were empty/null!")
    if by_id:
        if not (by_id.isascii() and by_id.isdigit()):
            raise refusals.malformed("algoId", "^[0-9]{1,20}$")
        found = account.conditionals.get(int(by_id))
    else:
        found = account.conditional_by_client.get(by_client or "")
    return None if found is None or (by_client and found.client_id != by_client) else found


def moved(exchange: Exchange, name: str) -> None:
    """The price of a symbol changed: what is reached becomes an order."""
    price = exchange.price((USDM, name))
    if price is None:
        return
    for one in list(exchange.ledger.conditional[name].values()):
        if one.type == TRAILING:
            if _trailed(one, price):
                _fire(exchange, one)
        elif _reached(one.type, one.side, one.trigger, price):
            _fire(exchange, one)


def _trailed(one: Conditional, price: int) -> bool:
    """Whether the price came back from its best by the callback rate. The best is not kept: a venue that starts again
    begins with the price of that moment, as if the order had been placed then."""
    falls = one.side == "SELL"
    if one.activate and not one.best and (price < one.activate if falls else price > one.activate):
        return False
    one.best = max(one.best, price) if falls else min(one.best or price, price)
    back = one.best - price if falls else price - one.best
    return back * PERCENT >= one.best * one.callback


def _fire(exchange: Exchange, one: Conditional) -> None:
    _move(exchange, one, "TRIGGERING")
    account, name = one.account, one.symbol.name
    params = {"symbol": name, "side": one.side, "newClientOrderId": one.client_id, "positionSide": one.position_side}
    quantity = one.quantity
    if one.whole:
        held = account.position(name, one.position_side).amount
        quantity = max(0, held if one.side == "SELL" else -held)
        if not quantity:
            _move(exchange, one, "EXPIRED", reason="Position is closed.")
            return
    params["quantity"] = reports.full(quantity)
    if (one.reduce_only or one.whole) and not account.hedged:
        params["reduceOnly"] = "true"
    params |= {"type": "MARKET"} if one.type not in LIMITED else {
        "type": "LIMIT", "timeInForce": one.tif, "price": reports.full(one.price),
    }  # fmt: skip
    try:
        order = usdm.place(exchange, account, params)
    except Refused as no:
        _move(exchange, one, "REJECTED", reason=no.msg)
        return
    assert order is not None
    _move(exchange, one, "TRIGGERED", order_id=order.id)


def _move(exchange: Exchange, one: Conditional, status: str, *, order_id: int = 0, reason: str = "") -> None:
    at_ms = reports.now_ms()
    exchange.journal.write(["moved", one.id, status, at_ms, order_id, reason])
    exchange.ledger.move_conditional(one, status, at_ms, order_id, reason)
    exchange.tell(one.account, USDM, reports.algo_update(one, status))
    if one.status != status:
        exchange.tell(one.account, USDM, reports.algo_update(one, one.status))
