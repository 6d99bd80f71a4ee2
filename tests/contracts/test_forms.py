"""Our hand-built order forms say what the pinned ccxt would say for the same orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import ccxt
import pytest

from trading.venues.binance import order_head, order_tail

COID = "0123456789abcdef" * 2

# What the venue lists about itself, as far as an order's form depends on it.
SPOT_ROW = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "orderTypes": ["LIMIT", "MARKET"],
    "isSpotTradingAllowed": True,
    "permissions": ["SPOT"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
    ],
}
USDM_ROW = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "orderTypes": ["LIMIT", "MARKET"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "1000000", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    ],
}


@pytest.fixture(scope="module")
def exchange() -> Any:
    """The stock exchange class, knowing two markets, speaking to nobody."""
    made = ccxt.binance({"options": {"crossMarginPairsData": [], "isolatedMarginPairsData": []}})
    made.set_markets([made.parse_market(SPOT_ROW), made.parse_market(USDM_ROW)])
    return made


@pytest.mark.parametrize(
    ("symbol", "type", "side", "qty", "price", "tif", "reduce_only", "position_side"),
    [
        ("BTC/USDT", "market", "buy", "0.00199", None, "", False, "BOTH"),
        ("BTC/USDT", "market", "sell", "1.5", None, "", False, "BOTH"),
        ("BTC/USDT", "limit", "buy", "0.00199", "50250.01", "IOC", False, "BOTH"),
        ("BTC/USDT", "limit", "sell", "0.0005", "49750", "GTC", False, "BOTH"),
        ("BTC/USDT:USDT", "market", "sell", "0.012", None, "", True, "BOTH"),
        ("BTC/USDT:USDT", "limit", "buy", "2", "50250.1", "IOC", False, "BOTH"),
        ("BTC/USDT:USDT", "market", "sell", "0.012", None, "", False, "LONG"),
    ],
)
def test_an_order_is_written_as_ccxt_writes_it(
    exchange: Any, symbol: str, type: str, side: str, qty: str, price: str | None, tif: str, reduce_only: bool,
    position_side: str,
) -> None:  # fmt: skip
    head = order_head(
        market="usdm" if ":" in symbol else "spot",
        symbol="BTCUSDT",
        side=side,
        type=type,
        time_in_force=tif,
        limit_price=None if price is None else Decimal(price),
        reduce_only=reduce_only,
        position_side=position_side,
        recv_window_ms=5000,
    )
    ours = dict(parse_qsl((head + order_tail(client_id=COID, qty=Decimal(qty), timestamp_ms=1)).decode()))
    params: dict[str, Any] = {"clientOrderId": COID}
    params |= {"timeInForce": tif} if tif else {}
    params |= {"reduceOnly": True} if reduce_only else {}
    params |= {"positionSide": position_side} if position_side != "BOTH" else {}

    asked = exchange.create_order_request(
        symbol, type, side, float(qty), None if price is None else float(price), params
    )

    theirs = {name: "true" if value is True else str(value) for name, value in asked.items()}
    # Theirs signs the moment and the window elsewhere.
    assert {name: value for name, value in ours.items() if name not in ("timestamp", "recvWindow")} == theirs
