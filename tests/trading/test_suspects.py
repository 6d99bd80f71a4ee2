"""What an account holds tells where to look for trades that nobody told."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tests.trading.support import NOON, fill
from trading.sentinel.seen import from_history, from_stream
from trading.sentinel.suspects import Held, likely, possible, unexplained

D = Decimal
SYMBOLS = [
    {"id": "BTCUSDT", "base": "BTC", "quote": "USDT", "active": True},
    {"id": "ETHUSDT", "base": "ETH", "quote": "USDT", "active": True},
    {"id": "ETHBTC", "base": "ETH", "quote": "BTC", "active": True},
    {"id": "OLDUSDT", "base": "OLD", "quote": "USDT", "active": False},
]
ASSETS = {row["id"]: (row["base"], row["quote"]) for row in SYMBOLS}
LATER = NOON + timedelta(seconds=5)


def test_two_assets_that_changed_point_to_their_symbol():
    before, now = Held({"USDT": "1000"}, NOON), Held({"USDT": "700", "ETH": "0.1"}, LATER)

    assert before.changed(now) == {"USDT", "ETH"}
    assert likely(market="spot", changed=before.changed(now), symbols=SYMBOLS) == {"ETHUSDT"}


def test_a_round_trip_leaves_its_trace_in_the_quote_asset():
    before, now = Held({"USDT": "1000"}, NOON), Held({"USDT": "999.4"}, LATER)

    changed = before.changed(now)

    assert likely(market="spot", changed=changed, symbols=SYMBOLS) == set()
    assert possible(changed=changed, symbols=SYMBOLS) == {"BTCUSDT", "ETHUSDT"}


def test_trades_that_are_known_explain_what_changed():
    before, now = Held({"USDT": "1000"}, NOON), Held({"USDT": "399.4", "BTC": "0.01"}, LATER)
    bought = fill(1, market="spot", qty="0.01", at=LATER, fee=D("0.6"), fee_asset="USDT")
    earlier = fill(2, market="spot", qty="5", at=NOON)

    def open_questions(fills):
        return unexplained(market="spot", before=before, now=now, fills=fills, symbols=ASSETS)

    assert open_questions([bought, earlier]) == set()
    assert open_questions([earlier]) == {"USDT", "BTC"}


def test_futures_are_reckoned_by_position_and_wallet():
    before, now = Held({"USDT": "1000", "BTCUSDT:BOTH": "0.02"}, NOON), Held({"USDT": "1009.5"}, LATER)
    closed = fill(1, side="sell", qty="0.02", at=LATER, fee=D("0.5"), fee_asset="USDT", realised=D(10))

    assert likely(market="usdm", changed=before.changed(now), symbols=SYMBOLS) == {"BTCUSDT"}
    assert unexplained(market="usdm", before=before, now=now, fills=[closed], symbols=ASSETS) == set()
    assert unexplained(market="usdm", before=before, now=now, fills=[], symbols=ASSETS) == {"USDT", "BTCUSDT:BOTH"}


def test_a_trade_is_the_same_whether_told_or_asked_for():
    told = {
        "s": "BTCUSDT", "t": 5, "i": 7, "S": "SELL", "ps": "BOTH", "l": "0.020", "L": "60000.10", "n": "0.6",
        "N": "USDT", "T": 1_795_000_000_123, "X": "FILLED", "x": "TRADE", "rp": "10",
    }  # fmt: skip
    asked = {
        "symbol": "BTCUSDT", "id": 5, "orderId": 7, "side": "SELL", "positionSide": "BOTH", "qty": "0.020",
        "price": "60000.10", "commission": "0.6", "commissionAsset": "USDT", "time": 1_795_000_000_123,
        "realizedPnl": "10",
    }  # fmt: skip

    one = from_stream(market="usdm", info=told, received_at=NOON)
    other = from_history(market="usdm", info=asked, received_at=NOON)

    same = (
        "symbol",
        "trade_id",
        "order_id",
        "side",
        "position_side",
        "qty",
        "price",
        "fee",
        "fee_asset",
        "at",
        "realised",
    )
    assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
    assert (one.order_done, one.backfilled, other.order_done, other.backfilled) == (True, False, False, True)
