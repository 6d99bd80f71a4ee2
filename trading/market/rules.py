"""A venue's rules for its symbols, as data: read from the exchange information that ccxt keeps beside each market."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any


def rules_of(info: Mapping[str, Any]) -> dict[str, str] | None:
    """The rules of one symbol of Binance's exchangeInfo, all as text; None where one that is needed is missing.

    Keys: tick, step, min_qty, max_qty, market_max_qty, min_notional, base, quote. The step is the coarser of those
    for limit and market orders: a size that fits it fits both.
    """
    filters = {one["filterType"]: one for one in info.get("filters", ())}
    price, lot, market_lot = (filters.get(name) for name in ("PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE"))
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
    if not (price and lot and notional):
        return None
    market_lot = market_lot or lot
    least = notional.get("minNotional") or notional.get("notional") or "0"
    return {
        "tick": _plain(price["tickSize"]),
        "step": _plain(max(lot["stepSize"], market_lot["stepSize"], key=Decimal)),
        "min_qty": _plain(max(lot["minQty"], market_lot["minQty"], key=Decimal)),
        "max_qty": _plain(lot["maxQty"]),
        "market_max_qty": _plain(market_lot["maxQty"] if Decimal(market_lot["maxQty"]) else lot["maxQty"]),
        "min_notional": _plain(least),
        "base": str(info["baseAsset"]),
        "quote": str(info["quoteAsset"]),
    }


def table(infos: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Rules by symbol of everything that trades. What is halted or incomplete is left out, and so cannot be opened."""
    found = {}
    for info in infos:
        if info.get("status") == "TRADING" and (rules := rules_of(info)):
            found[str(info["symbol"])] = rules
    return found


def _plain(number: object) -> str:
    """`0.00001000` as `0.00001`: the same number, whoever wrote it."""
    text = f"{Decimal(str(number)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
