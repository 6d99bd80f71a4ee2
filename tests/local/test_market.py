"""Rules as the venue tells them, and which prices are worth writing down."""

from __future__ import annotations

import orjson

from trading.market.board import Board
from trading.market.rules import rules_of, table

SPOT = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "filters": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.00001000", "minQty": "0.00001000", "maxQty": "9000.00000000"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.00000000", "minQty": "0.00000000", "maxQty": "71.2"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
    ],
}
USDM = {
    **SPOT,
    "filters": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "120"},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
    ],
}


def test_rules_of_spot() -> None:
    assert rules_of(SPOT) == {
        "tick": "0.01",
        "step": "0.00001",
        "min_qty": "0.00001",
        "max_qty": "9000",
        "market_max_qty": "71.2",
        "min_notional": "5",
        "base": "BTC",
        "quote": "USDT",
    }


def test_rules_of_futures() -> None:
    rules = rules_of(USDM)
    assert rules is not None
    assert (rules["tick"], rules["step"], rules["market_max_qty"], rules["min_notional"]) == (
        "0.1", "0.001", "120", "100",
    )  # fmt: skip


def test_what_is_halted_or_incomplete_has_no_rules() -> None:
    halted = {**SPOT, "symbol": "ETHUSDT", "status": "BREAK"}
    bare = {**SPOT, "symbol": "LINKUSDT", "filters": SPOT["filters"][:1]}
    assert set(table([SPOT, halted, bare])) == {"BTCUSDT"}


def test_a_top_is_written_when_it_changes() -> None:
    board = Board()
    board.show("BTCUSDT", bid="59999.99", ask="60000.00", at=100.0)
    assert {name: orjson.loads(row) for name, row in board.due().items()} == {
        "BTCUSDT": {"bid": "59999.99", "ask": "60000.00", "at": 100.0}
    }
    assert board.due() == {}
    board.show("BTCUSDT", bid="60000.00", ask="60000.01", at=100.1)
    assert list(board.due()) == ["BTCUSDT"]


def test_a_quiet_top_is_confirmed_by_a_stream_that_lives() -> None:
    board = Board()
    board.show("BTCUSDT", bid="1", ask="2", at=100.0)
    board.due()
    board.heard("BTCUSDT", at=100.4)
    assert board.due() == {}
    board.heard("BTCUSDT", at=100.5)
    assert orjson.loads(board.due()["BTCUSDT"])["at"] == 100.5


def test_a_dead_stream_confirms_nothing() -> None:
    board = Board()
    board.show("BTCUSDT", bid="1", ask="2", at=100.0)
    board.due()
    board.heard("BTCUSDT", at=99.0)
    board.heard("ETHUSDT", at=105.0)
    assert board.due() == {}
