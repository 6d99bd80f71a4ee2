"""Calls that need no account, of both markets: time, rules, prices, books, candles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from . import refusals
from .amounts import full, rounded_ratio, short
from .refusals import Refused
from .reports import now_ms
from .routes import Call, route
from .symbols import SPOT, USDM
from .tape import INTERVALS, MINUTE
from .wanted import symbol_of, whole


@route("GET", "/api/v3/ping", market=SPOT)
@route("GET", "/fapi/v1/ping", market=USDM)
def ping(call: Call) -> Any:
    return {}


@route("GET", "/api/v3/time", market=SPOT)
@route("GET", "/fapi/v1/time", market=USDM)
def clock(call: Call) -> Any:
    return {"serverTime": now_ms()}


OfMarket = Callable[[Call, str], Any]


def _both(path: str, weight: int) -> Callable[[OfMarket], OfMarket]:
    """The same call on both markets: the handler gets (call, market)."""

    def register(handler: OfMarket) -> OfMarket:
        route("GET", "/api/v3" + path, market=SPOT, weight=weight)(lambda call: handler(call, SPOT))
        route("GET", "/fapi/v1" + path, market=USDM, weight=weight)(lambda call: handler(call, USDM))
        return handler

    return register


def _names(call: Call, market: str) -> tuple[list[str], bool]:
    """The symbols asked for that have a price, and whether it was exactly one."""
    if "symbol" in call.params:
        symbol = symbol_of(call.params, call.exchange.symbols[market])
        return [symbol.name], True
    if "symbols" in call.params:
        try:
            wanted = orjson.loads(call.params["symbols"])
        except orjson.JSONDecodeError:
            raise refusals.malformed("symbols", '["A","B"]') from None
        if not isinstance(wanted, list) or not all(one in call.exchange.symbols[market] for one in wanted):
            raise refusals.bad_symbol()
        return wanted, False
    return [name for name, one in call.exchange.symbols[market].items() if one.trading], False


@_both("/exchangeInfo", weight=20)
def exchange_info(call: Call, market: str) -> Any:
    symbols = call.exchange.symbols[market]
    if "symbol" in call.params or "symbols" in call.params:
        names, _ = _names(call, market)
        infos = [symbols[name].info for name in names]
    else:
        infos = [one.info for one in symbols.values()]
    answer: dict[str, Any] = {"timezone": "UTC", "serverTime": now_ms(), "obscuraMarket": call.exchange.source}
    if market == USDM:
        answer |= {"futuresType": "U_MARGINED", "assets": [{"asset": "USDT", "marginAvailable": True}]}
    return {**answer, "rateLimits": call.exchange.limits[market].rules(), "exchangeFilters": [], "symbols": infos}


@route("GET", "/dapi/v1/exchangeInfo", market=USDM)
def coin_margined(call: Call) -> Any:
    """The venue has no coin-margined market, and says so with an empty list."""
    empty: dict[str, Any] = {"timezone": "UTC", "serverTime": now_ms()}
    empty["rateLimits"] = call.exchange.limits[USDM].rules()
    return {**empty, "exchangeFilters": [], "symbols": []}


@_both("/depth", weight=5)
def depth(call: Call, market: str) -> Any:
    symbol = symbol_of(call.params, call.exchange.symbols[market])
    bids, asks = call.tape.levels((market, symbol.name), whole(call.params, "limit", 100, most=5_000))
    answer: dict[str, Any] = {"lastUpdateId": call.exchange.book((market, symbol.name)).update_id}
    if market == USDM:
        answer |= {"E": now_ms(), "T": now_ms()}
    return answer | {"bids": bids, "asks": asks}


@_both("/ticker/24hr", weight=2)
def day_ticker(call: Call, market: str) -> Any:
    names, one = _names(call, market)
    rows = [call.tape.ticker((market, name)) for name in names]
    return rows[0] if one else rows


@_both("/ticker/price", weight=2)
def price_ticker(call: Call, market: str) -> Any:
    names, one = _names(call, market)
    number = full if market == SPOT else short
    rows = []
    for name in names:
        price = call.exchange.price((market, name))
        if price is not None:
            rows.append({"symbol": name, "price": number(price)} | ({"time": now_ms()} if market == USDM else {}))
    if one and not rows:
        raise refusals.market_closed()
    return rows[0] if one else rows


@_both("/ticker/bookTicker", weight=2)
def book_ticker(call: Call, market: str) -> Any:
    names, one = _names(call, market)
    rows = []
    for name in names:
        bids, asks = call.tape.levels((market, name), 1)
        (bid, bid_quantity), (ask, ask_quantity) = (bids or [["0", "0"]])[0], (asks or [["0", "0"]])[0]
        row = {"symbol": name, "bidPrice": bid, "bidQty": bid_quantity, "askPrice": ask, "askQty": ask_quantity}
        rows.append(row | ({"time": now_ms()} if market == USDM else {}))
    return rows[0] if one else rows


@_both("/trades", weight=25)
def trades(call: Call, market: str) -> Any:
    symbol = symbol_of(call.params, call.exchange.symbols[market])
    number = full if market == SPOT else short
    known = list(call.tape.trades.get((market, symbol.name), ()))[-whole(call.params, "limit", 500, most=1_000) :]
    return [
        {
            "id": id,
            "price": number(price),
            "qty": number(quantity),
            "quoteQty": number(price * quantity // 100_000_000),
            "time": at_ms,
            "isBuyerMaker": buyer_is_maker,
            "isBestMatch": True,
        }
        for id, price, quantity, at_ms, buyer_is_maker in known
    ]


@_both("/aggTrades", weight=4)
def aggregate_trades(call: Call, market: str) -> Any:
    """One row a trade: nothing here aggregates."""
    symbol = symbol_of(call.params, call.exchange.symbols[market])
    number = full if market == SPOT else short
    known = list(call.tape.trades.get((market, symbol.name), ()))
    first, limit = whole(call.params, "fromId", 0), whole(call.params, "limit", 500, most=1_000)
    rows = [
        {"a": id, "p": number(price), "q": number(quantity), "f": id, "l": id, "T": at_ms, "m": maker, "M": True}
        for id, price, quantity, at_ms, maker in known
        if id >= first
    ]
    return rows[:limit] if first else rows[-limit:]


@route("GET", "/api/v3/avgPrice", market=SPOT, weight=2)
def average_price(call: Call) -> Any:
    symbol = symbol_of(call.params, call.exchange.symbols[SPOT])
    span = call.tape.span((SPOT, symbol.name), 5)
    if span is None:
        raise refusals.market_closed()
    average = rounded_ratio(span.quote, span.volume)
    return {"mins": 5, "price": full(average), "closeTime": now_ms()}


@_both("/klines", weight=2)
def klines(call: Call, market: str) -> Any:
    symbol, interval = symbol_of(call.params, call.exchange.symbols[market]), call.params.get("interval", "")
    if interval not in INTERVALS:
        raise Refused(-1120, "Invalid interval.")
    number, width = (full if market == SPOT else short), INTERVALS[interval] * MINUTE
    since, until = whole(call.params, "startTime", 0), whole(call.params, "endTime", now_ms() + width)
    limit = whole(call.params, "limit", 500, most=1_500)
    rows = [
        [
            row.start,
            number(row.open),
            number(row.high),
            number(row.low),
            number(row.close),
            number(row.volume),
            row.start + width - 1,
            number(row.quote),
            row.count,
            number(row.buy),
            number(row.buy_quote),
            "0",
        ]
        for row in call.tape.klines((market, symbol.name), interval)
        if since <= row.start <= until
    ]
    return rows[:limit] if "startTime" in call.params else rows[-limit:]


@route("GET", "/fapi/v2/ticker/price", market=USDM)
def usdm_price(call: Call) -> Any:
    return price_ticker(call, USDM)


@route("GET", "/fapi/v1/premiumIndex", market=USDM)
def premium_index(call: Call) -> Any:
    names, one = _names(call, USDM)
    now = now_ms()
    rows = [
        {
            "symbol": name,
            "markPrice": short(call.exchange.price((USDM, name)) or 0),
            "indexPrice": short(call.exchange.price((USDM, name)) or 0),
            "estimatedSettlePrice": "0",
            "lastFundingRate": "0.00000000",
            "interestRate": "0.00010000",
            "nextFundingTime": now - now % (480 * MINUTE) + 480 * MINUTE,
            "time": now,
        }
        for name in names
    ]
    return rows[0] if one else rows
