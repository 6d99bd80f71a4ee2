"""One order as its form says it: which way it goes, how much, at what price, and whether it can only reduce."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from citadel.domain.policy import Fields

_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_IDENT = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)
_SYMBOL = re.compile(r"[A-Z0-9_]{2,40}", re.ASCII)

_TIMES = frozenset({"GTC", "IOC", "FOK", "GTX"})
_CLOSING_SIDES = frozenset({("LONG", "SELL"), ("SHORT", "BUY")})


class Order(NamedTuple):
    """What an order's form comes to.

    :param qty: in the symbol's base asset
    :param price: its limit; None: at market
    :param reduces: the venue itself takes it as nothing but a reduction (USD-M: reduce-only, or the closing side of a
        position side)
    :param client_id: the id it is known by, once for all attempts
    """

    symbol: str
    buys: bool
    qty: Decimal
    price: Decimal | None
    reduces: bool
    client_id: str


def read_order(fields: Fields) -> Order | str:
    """The order in an order's form whose field names have been looked at, or why it is not understood."""
    symbol, side, kind = fields["symbol"], fields["side"], fields["type"]
    if not _SYMBOL.fullmatch(symbol) or side not in ("BUY", "SELL") or kind not in ("MARKET", "LIMIT"):
        return "field_value"
    if (kind == "LIMIT") != ("price" in fields) or (kind == "LIMIT") != (fields.get("timeInForce") in _TIMES):
        return "field_value"
    if kind == "MARKET" and "timeInForce" in fields:
        return "field_value"
    qty, price = _positive(fields["quantity"]), _positive(fields["price"]) if "price" in fields else None
    reduces = _reduces(fields, side)
    if qty is None or reduces is None or (price is None) != (kind == "MARKET"):
        return "field_value"
    if not _IDENT.fullmatch(fields["newClientOrderId"]):
        return "field_value"
    return Order(symbol, side == "BUY", qty, price, reduces, fields["newClientOrderId"])


def like(shape: Order, *, quantity: str, client_id: str) -> Order | str:
    """An order that differs from one that was read in quantity and id alone."""
    qty = _positive(quantity)
    if qty is None or not _IDENT.fullmatch(client_id):
        return "field_value"
    return Order(shape.symbol, shape.buys, qty, shape.price, shape.reduces, client_id)


def read_stop(fields: Fields) -> Order | str:
    """The order in a conditional order's form; one that does not reduce is not understood."""
    if fields["algoType"] != "CONDITIONAL" or fields["type"] not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
        return "field_value"
    if fields["side"] not in ("BUY", "SELL") or not _SYMBOL.fullmatch(fields["symbol"]):
        return "field_value"
    qty, trigger = _positive(fields["quantity"]), _positive(fields["triggerPrice"])
    if qty is None or trigger is None or not _IDENT.fullmatch(fields["clientAlgoId"]):
        return "field_value"
    if not _reduces(fields, fields["side"]):
        return "stop_must_reduce"
    return Order(fields["symbol"], fields["side"] == "BUY", qty, trigger, True, fields["clientAlgoId"])


def _reduces(fields: Fields, side: str) -> bool | None:
    """None: the two ways to say it do not go together."""
    flag, position = fields.get("reduceOnly"), fields.get("positionSide", "BOTH")
    if flag not in (None, "true", "false") or position not in ("BOTH", "LONG", "SHORT"):
        return None
    if position == "BOTH":
        return flag == "true"
    return None if flag is not None else (position, side) in _CLOSING_SIDES


def _positive(text: str) -> Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number if number > 0 else None
