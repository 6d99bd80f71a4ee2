"""What may be traded, and the filters an order must pass: as recorded from the exchange, or as written down here."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from .amounts import units

SPOT, USDM = "spot", "usdm"
INFO_FILE = Path("venues", "binance_exchangeInfo_spot.json.gz")
TIERS_FILE = Path("venues", "binance_leverage_tiers.json.gz")
SPOT_ORDERS = ["LIMIT", "LIMIT_MAKER", "MARKET"]
USDM_ORDERS = [
    "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET",
]  # fmt: skip

# asset, spot tick, spot step, USD-M tick, step, most a market order, least notional, price and quantity decimals
WRITTEN_DOWN = (
    ("BTC", "0.01000000", "0.00001000", "0.10", "0.001", "120", "100", 2, 3),
    ("ETH", "0.01000000", "0.00010000", "0.01", "0.001", "2000", "20", 2, 3),
    ("SOL", "0.01000000", "0.00100000", "0.0100", "0.01", "5000", "5", 4, 2),
    ("BNB", "0.01000000", "0.00100000", "0.010", "0.01", "2000", "5", 3, 2),
    ("LINK", "0.01000000", "0.01000000", "0.001", "0.01", "20000", "20", 3, 2),
)
# leverage, notional cap, notional floor, maintenance margin ratio, cumulative amount
WRITTEN_BRACKETS = (
    (125, 300_000, 0, "0.004", "0"),
    (100, 800_000, 300_000, "0.005", "300"),
    (75, 3_000_000, 800_000, "0.0065", "1500"),
    (50, 12_000_000, 3_000_000, "0.01", "12000"),
    (20, 70_000_000, 12_000_000, "0.02", "132000"),
    (10, 100_000_000, 70_000_000, "0.025", "482000"),
    (5, 230_000_000, 100_000_000, "0.05", "2982000"),
    (4, 480_000_000, 230_000_000, "0.1", "14482000"),
    (2, 1_200_000_000, 480_000_000, "0.15", "38482000"),
    (1, 1_800_000_000, 1_200_000_000, "0.5", "458482000"),
)


@dataclass(slots=True)
class Bracket:
    leverage: int
    cap: int
    floor: int
    ratio: str
    cum: str


@dataclass(slots=True)
class Symbol:
    """One market's identity and rules. Amounts are units of 1e-8; `info` is its entry in exchangeInfo."""

    market: str
    name: str
    base: str
    quote: str
    info: dict[str, Any]
    tick: int = 1
    min_price: int = 0
    max_price: int = 0
    step: int = 1
    min_qty: int = 0
    max_qty: int = 0
    market_step: int = 0
    market_min: int = 0
    market_max: int = 0
    min_notional: int = 0
    notional_on_market: bool = True
    up: tuple[int, int] = (5, 1)  # price over reference at most, as a fraction
    down: tuple[int, int] = (1, 5)
    max_orders: int = 200
    max_conditional: int = 10
    brackets: list[Bracket] = field(default_factory=list)
    trading: bool = False

    def open(self) -> None:
        self.trading = True
        self.info["status"] = "TRADING"


def _fraction(text: str) -> tuple[int, int]:
    return units(text), 100_000_000


def _read_filters(one: Symbol) -> Symbol:
    for rule in one.info["filters"]:
        kind = rule["filterType"]
        if kind == "PRICE_FILTER":
            one.min_price, one.max_price = units(rule["minPrice"]), units(rule["maxPrice"])
            one.tick = units(rule["tickSize"]) or 1
        elif kind == "LOT_SIZE":
            one.min_qty, one.max_qty, one.step = (units(rule[name]) for name in ("minQty", "maxQty", "stepSize"))
        elif kind == "MARKET_LOT_SIZE":
            one.market_min, one.market_max = units(rule["minQty"]), units(rule["maxQty"])
            one.market_step = units(rule["stepSize"])
        elif kind == "NOTIONAL":
            one.min_notional, one.notional_on_market = units(rule["minNotional"]), rule["applyMinToMarket"]
        elif kind == "MIN_NOTIONAL":
            one.min_notional = units(rule["notional"])
        elif kind == "PERCENT_PRICE_BY_SIDE":
            one.up, one.down = _fraction(rule["bidMultiplierUp"]), _fraction(rule["askMultiplierDown"])
        elif kind == "PERCENT_PRICE":
            one.up, one.down = _fraction(rule["multiplierUp"]), _fraction(rule["multiplierDown"])
        elif kind == "MAX_NUM_ORDERS":
            one.max_orders = rule.get("maxNumOrders") or rule["limit"]
    return one


def _spot_info(name: str, base: str, quote: str, filters: list[dict], **more: Any) -> dict[str, Any]:
    return {
        "symbol": name,
        "status": "BREAK",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": SPOT_ORDERS,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
        **more,
    }


def _spot_filters(price: dict, lot: dict, market_lot: dict, least: str, on_market: bool) -> list[dict]:
    return [
        {"filterType": "PRICE_FILTER", **price},
        {"filterType": "LOT_SIZE", **lot},
        {"filterType": "MARKET_LOT_SIZE", **market_lot},
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": least,
            "applyMinToMarket": on_market,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ]


def _written_spot(base: str, tick: str, step: str) -> Symbol:
    filters = _spot_filters(
        {"minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
        {"minQty": step, "maxQty": "9000.00000000", "stepSize": step},
        {"minQty": "0.00000000", "maxQty": "2000.00000000", "stepSize": "0.00000000"},
        "5.00000000",
        True,
    )
    name = base + "USDT"
    return _read_filters(Symbol(SPOT, name, base, "USDT", _spot_info(name, base, "USDT", filters)))


def _recorded_spot(info: dict[str, Any]) -> Symbol:
    """An entry recorded in 2021, in today's words: MIN_NOTIONAL is NOTIONAL, PERCENT_PRICE is by side."""
    old = {rule["filterType"]: {k: v for k, v in rule.items() if k != "filterType"} for rule in info["filters"]}
    least = old.get("MIN_NOTIONAL", {"minNotional": "0.00000000", "applyToMarket": False})
    lot = old["LOT_SIZE"]
    market_lot = old.get("MARKET_LOT_SIZE", {"minQty": "0.00000000", "maxQty": lot["maxQty"], "stepSize": "0.00000000"})
    filters = _spot_filters(old["PRICE_FILTER"], lot, market_lot, least["minNotional"], least["applyToMarket"])
    kept = {name: info[name] for name in ("baseAssetPrecision", "quotePrecision", "quoteAssetPrecision")}
    name, base, quote = info["symbol"], info["baseAsset"], info["quoteAsset"]
    return _read_filters(Symbol(SPOT, name, base, quote, _spot_info(name, base, quote, filters, **kept)))


def _written_usdm(row: tuple) -> Symbol:
    base, _, _, tick, step, most, least, price_decimals, quantity_decimals = row
    name = base + "USDT"
    info = {
        "symbol": name,
        "pair": name,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "PENDING_TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": price_decimals,
        "quantityPrecision": quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW" if base == "BTC" else "Layer-1"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "10000", "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": most, "stepSize": step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": least},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": USDM_ORDERS,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }
    one = _read_filters(Symbol(USDM, name, base, "USDT", info))
    one.brackets = [Bracket(*bracket) for bracket in WRITTEN_BRACKETS]
    return one


def _whole(text: str) -> int:
    return int(text.partition(".")[0])


def load(data: Path | None) -> dict[str, dict[str, Symbol]]:
    """All symbols by market and name, halted until a price is known.

    With a data folder, spot is the recorded exchangeInfo and USD-M brackets are the recorded ones; what the
    recording does not have is as written down above.
    """
    spot = {row[0] + "USDT": _written_spot(row[0], row[1], row[2]) for row in WRITTEN_DOWN}
    usdm = {row[0] + "USDT": _written_usdm(row) for row in WRITTEN_DOWN}
    if data and (data / INFO_FILE).exists():
        with gzip.open(data / INFO_FILE) as recorded:
            spot |= {info["symbol"]: _recorded_spot(info) for info in orjson.loads(recorded.read())["symbols"]}
    if data and (data / TIERS_FILE).exists():
        with gzip.open(data / TIERS_FILE) as recorded:
            tiers = orjson.loads(recorded.read())
        for one in usdm.values():
            rows = [tier["info"] for tier in tiers.get(f"{one.base}/USDT:USDT", ())]
            if rows:
                one.brackets = [
                    Bracket(
                        int(row["initialLeverage"]),
                        _whole(row["notionalCap"]),
                        _whole(row["notionalFloor"]),
                        row["maintMarginRatio"],
                        row["cum"],
                    )
                    for row in rows
                ]
    return {SPOT: spot, USDM: usdm}
