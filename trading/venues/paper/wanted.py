"""What an order request asks for, read strictly: names, combinations, characters."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import refusals
from .amounts import NotANumber, units
from .refusals import Refused
from .symbols import Symbol

_CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}\Z")
_MOST_CLIENT_IDS = "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"


@dataclass(slots=True)
class Wanted:
    """An order before it is one; amounts in units of 1e-8, 0 where not given."""

    symbol: Symbol
    side: str
    type: str
    tif: str
    quantity: int
    price: int
    client_id: str
    reduce_only: bool = False
    position_side: str = "BOTH"
    quote_quantity: int = 0


def need(params: Mapping[str, str], name: str) -> str:
    value = params.get(name)
    if not value:
        raise refusals.missing(name)
    return value


def amount(params: Mapping[str, str], name: str) -> int:
    """A number above zero.

    :raises Refused: -1102 missing, -1100 not a number, -1111 more than eight decimals, -1013 zero
    """
    text = need(params, name)
    try:
        value = units(text)
    except NotANumber:
        digits = text.partition(".")[2].rstrip("0")
        raise (
            refusals.too_precise(name) if len(digits) > 8 and digits.isdigit() else refusals.malformed(name)
        ) from None
    if not value:
        raise Refused(-1013, f"Invalid {name}.")
    return value


def whole(params: Mapping[str, str], name: str, default: int | None = None, *, most: int | None = None) -> int:
    """An integer not below zero, at most `most`."""
    text = params.get(name)
    if text is None or text == "":
        if default is None:
            raise refusals.missing(name)
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise refusals.malformed(name, "^[0-9]{1,20}$")
    return int(text) if most is None else min(int(text), most)


def flag(params: Mapping[str, str], name: str) -> bool:
    text = params.get(name, "false").lower()
    if text not in ("true", "false"):
        raise refusals.malformed(name, "^(true|false)$")
    return text == "true"


def symbol_of(params: Mapping[str, str], symbols: Mapping[str, Symbol]) -> Symbol:
    found = symbols.get(need(params, "symbol"))
    if found is None:
        raise refusals.bad_symbol()
    return found


def client_id(given: str | None, *, usdm: bool) -> str:
    """The client's own id, or one that is made up."""
    named = given or os.urandom(11).hex()
    if not _CLIENT_ID.match(named):
        raise (
            Refused(-4015, "Client order id is not valid.")
            if usdm
            else refusals.malformed("newClientOrderId", _MOST_CLIENT_IDS)
        )
    return named


def read(params: Mapping[str, str], symbols: Mapping[str, Symbol], *, usdm: bool) -> Wanted:
    """The order of a request of either market.

    :raises Refused: with the code Binance gives for the first thing wrong
    """
    symbol = symbol_of(params, symbols)
    side, kind = need(params, "side"), need(params, "type")
    if side not in ("BUY", "SELL"):
        raise Refused(-1117, "Invalid side.")
    if usdm and kind in _CONDITIONAL:
        text = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        raise Refused(-4120, text)
    if kind not in symbol.info["orderTypes"]:
        raise Refused(-1116, "Invalid orderType.")
    tif = params.get("timeInForce", "")
    allowed = ("GTC", "IOC", "FOK", "GTX") if usdm else ("GTC", "IOC", "FOK")
    if tif and tif not in allowed:
        raise Refused(-1115, "Invalid timeInForce.")
    price = quote_quantity = quantity = 0
    if kind == "MARKET":
        for name in ("price", "timeInForce"):
            if name in params:
                raise refusals.not_required(name)
        if "quoteOrderQty" in params and not usdm:
            if "quantity" in params:
                raise refusals.not_required("quoteOrderQty")
            quote_quantity = amount(params, "quoteOrderQty")
        else:
            quantity = amount(params, "quantity")
        tif = "GTC"
    else:
        if kind == "LIMIT":
            need(params, "timeInForce")
        elif tif:
            raise refusals.not_required("timeInForce")
        quantity, price, tif = amount(params, "quantity"), amount(params, "price"), tif or "GTC"
    named = client_id(params.get("newClientOrderId"), usdm=usdm)
    wanted = Wanted(symbol, side, kind, tif, quantity, price, named, quote_quantity=quote_quantity)
    if usdm:
        wanted.position_side = params.get("positionSide") or "BOTH"
        if wanted.position_side not in ("BOTH", "LONG", "SHORT"):
            raise Refused(-4060, "Invalid position side.")
        if "reduceOnly" in params:
            wanted.reduce_only = flag(params, "reduceOnly")
    if not symbol.trading:
        raise refusals.market_closed()
    return wanted
