"""USD-M: margin, positions, realized profit, reduce-only and hedge mode, with exact numbers."""

from __future__ import annotations

import pytest

from .support import Key, Venue


def position(venue: Venue, key: Key) -> list[tuple[str, str, str, str]]:
    _, _, rows = venue.call("GET", "/fapi/v3/positionRisk", key)
    return [(row["symbol"], row["positionSide"], row["positionAmt"], row["entryPrice"]) for row in rows]


def wallet(venue: Venue, key: Key) -> tuple[str, str]:
    _, _, [row] = venue.call("GET", "/fapi/v3/balance", key)
    return row["balance"], row["availableBalance"]


def test_a_long_is_opened_grown_and_closed_with_its_profit(venue: Venue) -> None:
    ben = venue.account()
    market = {"type": "MARKET", "quantity": "0.1"}

    _, order = venue.usdm(ben, side="BUY", **market)
    assert (order["status"], order["avgPrice"], order["cumQuote"]) == ("FILLED", "60000", "6000")
    assert wallet(venue, ben) == ("9997", "9697")  # fee 3, margin 300 at 20x
    venue.price("BTCUSDT", "61000")
    venue.usdm(ben, side="BUY", **market)
    assert position(venue, ben) == [("BTCUSDT", "BOTH", "0.2", "60500")]
    venue.usdm(ben, side="SELL", type="MARKET", quantity="0.2", reduceOnly="true")

    assert position(venue, ben) == []
    # bought 0.1 at 60,000 and at 61,000, sold 0.2 at 60,999.90: 99.98 won, 15.14999 paid in fees of 0.05 %
    assert wallet(venue, ben)[0] == "10087.83001"
    _, _, trades = venue.call("GET", "/fapi/v1/userTrades", ben, symbol="BTCUSDT")
    assert [(trade["side"], trade["realizedPnl"], trade["commission"]) for trade in trades] == [
        ("BUY", "0", "3"),
        ("BUY", "0", "3.05"),
        ("SELL", "99.98", "6.09999"),
    ]


def test_a_flip_closes_and_opens_in_one_order(venue: Venue) -> None:
    ben = venue.account()

    venue.usdm(ben, side="SELL", type="MARKET", quantity="0.1")
    venue.usdm(ben, side="BUY", type="MARKET", quantity="0.3")

    assert position(venue, ben) == [("BTCUSDT", "BOTH", "0.2", "60000")]
    _, _, trades = venue.call("GET", "/fapi/v1/userTrades", ben, symbol="BTCUSDT")
    assert [trade["realizedPnl"] for trade in trades] == ["0", "-0.01"]


def test_reduce_only_never_opens_and_is_cut_to_the_position(venue: Venue) -> None:
    ben = venue.account("reducer")
    close = {"side": "SELL", "type": "MARKET", "reduceOnly": "true"}

    assert venue.usdm(ben, quantity="0.1", **close) == (400, {"code": -2022, "msg": "ReduceOnly Order is rejected."})
    venue.usdm(ben, side="BUY", type="MARKET", quantity="0.002")
    _, order = venue.usdm(ben, quantity="0.5", **close)

    assert (order["status"], order["origQty"], order["executedQty"]) == ("FILLED", "0.002", "0.002")
    assert position(venue, ben) == []


def test_a_small_close_is_exempt_from_the_least_notional(venue: Venue) -> None:
    ben = venue.account()
    venue.usdm(ben, side="BUY", type="MARKET", quantity="0.002")

    status, answer = venue.usdm(ben, side="SELL", type="MARKET", quantity="0.001")
    closed, _ = venue.usdm(ben, side="SELL", type="MARKET", quantity="0.001", reduceOnly="true")

    assert (status, answer["code"], closed) == (400, -4164, 200)


def test_margin_and_leverage_bound_what_is_opened(venue: Venue) -> None:
    ben = venue.account("margin", usdm={"USDT": "100"})

    status, answer = venue.usdm(ben, side="BUY", type="MARKET", quantity="0.04")
    assert (status, answer["code"]) == (400, -2019)
    _, _, leverage = venue.call("POST", "/fapi/v1/leverage", ben, symbol="BTCUSDT", leverage=50)
    assert leverage["leverage"] == 50
    assert venue.usdm(ben, side="BUY", type="MARKET", quantity="0.04")[0] == 200
    assert venue.usdm(ben, side="BUY", type="MARKET", quantity="0.05")[1]["code"] == -2019

    status, _, answer = venue.call("POST", "/fapi/v1/leverage", ben, symbol="BTCUSDT", leverage=126)
    assert (status, answer["code"]) == (400, -4028)


def test_hedge_mode_keeps_two_positions_and_checks_the_side(venue: Venue) -> None:
    ben = venue.account()
    order = {"type": "MARKET", "quantity": "0.1"}

    assert venue.usdm(ben, side="BUY", positionSide="LONG", **order)[1]["code"] == -4061
    assert venue.call("POST", "/fapi/v1/positionSide/dual", ben, dualSidePosition="true")[0] == 200
    assert venue.call("POST", "/fapi/v1/positionSide/dual", ben, dualSidePosition="true")[2]["code"] == -4059
    assert venue.usdm(ben, side="BUY", **order)[1]["code"] == -4061
    venue.usdm(ben, side="BUY", positionSide="LONG", **order)
    venue.usdm(ben, side="SELL", positionSide="SHORT", **order)

    assert position(venue, ben) == [("BTCUSDT", "LONG", "0.1", "60000"), ("BTCUSDT", "SHORT", "-0.1", "59999.9")]
    assert venue.usdm(ben, side="SELL", positionSide="LONG", type="MARKET", quantity="0.2")[1]["code"] == -2022
    assert venue.usdm(ben, side="SELL", positionSide="LONG", **order)[0] == 200
    assert venue.call("POST", "/fapi/v1/positionSide/dual", ben, dualSidePosition="false")[2]["code"] == -4068


def test_a_closing_order_that_waits_never_opens_the_other_way(venue: Venue) -> None:
    ben = venue.account()
    venue.call("POST", "/fapi/v1/positionSide/dual", ben, dualSidePosition="true")
    long = {"positionSide": "LONG", "quantity": "0.1"}
    venue.usdm(ben, side="BUY", type="MARKET", **long)
    _, waiting = venue.usdm(ben, side="SELL", type="LIMIT", timeInForce="GTC", price="61000", **long)
    venue.usdm(ben, side="SELL", type="MARKET", **long)

    venue.price("BTCUSDT", "62000")

    assert position(venue, ben) == []
    _, _, order = venue.call("GET", "/fapi/v1/order", ben, symbol="BTCUSDT", orderId=waiting["orderId"])
    assert (order["status"], order["executedQty"]) == ("EXPIRED", "0")


def test_margin_type_changes_once_and_not_under_a_position(venue: Venue) -> None:
    ben = venue.account()
    change = {"symbol": "BTCUSDT", "marginType": "ISOLATED"}

    assert venue.call("POST", "/fapi/v1/marginType", ben, **change)[2] == {"code": 200, "msg": "success"}
    assert venue.call("POST", "/fapi/v1/marginType", ben, **change)[2]["code"] == -4046
    venue.usdm(ben, side="BUY", type="MARKET", quantity="0.1")
    assert venue.call("POST", "/fapi/v1/marginType", ben, symbol="BTCUSDT", marginType="CROSSED")[2]["code"] == -4048
    _, _, [row] = venue.call("GET", "/fapi/v2/positionRisk", ben, symbol="BTCUSDT")
    assert (row["marginType"], row["isolatedMargin"]) == ("isolated", "300")


def test_limits_wait_post_only_refuses_and_ids_are_unique_while_open(venue: Venue) -> None:
    ben = venue.account()
    limit = {"type": "LIMIT", "side": "BUY", "quantity": "0.1"}

    assert venue.usdm(ben, timeInForce="GTX", price="60000", **limit)[1]["code"] == -5022
    _, order = venue.usdm(ben, timeInForce="GTC", price="59000", newClientOrderId="w", **limit)
    assert (order["status"], wallet(venue, ben)) == ("NEW", ("10000", "9705"))
    assert venue.usdm(ben, timeInForce="GTC", price="59000", newClientOrderId="w", **limit)[1]["code"] == -4116
    venue.price("BTCUSDT", "58900")

    assert position(venue, ben) == [("BTCUSDT", "BOTH", "0.1", "59000")]
    _, _, orders = venue.call("GET", "/fapi/v1/allOrders", ben, symbol="BTCUSDT")
    assert [(one["status"], one["clientOrderId"]) for one in orders] == [("FILLED", "w")]


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "121"}, -4005),
        ({"quantity": "0.001"}, -4164),
        ({"quantity": "0.1", "type": "LIMIT", "timeInForce": "GTC", "price": "60000.05"}, -4014),
        ({"quantity": "0.1", "type": "LIMIT", "timeInForce": "GTC", "price": "70000"}, -4016),
        ({"quantity": "0.1", "newClientOrderId": "bad id"}, -4015),
    ],
)
def test_filters(venue: Venue, order: dict[str, str], code: int) -> None:
    status, answer = venue.usdm(venue.account(), **({"side": "BUY", "type": "MARKET"} | order))

    assert (status, answer["code"]) == (400, code)


def test_listen_keys_live_and_end(venue: Venue) -> None:
    ben = venue.account()

    assert venue.call("PUT", "/fapi/v1/listenKey", ben)[2]["code"] == -1125
    key = venue.call("POST", "/fapi/v1/listenKey", ben)[2]["listenKey"]
    assert venue.call("POST", "/fapi/v1/listenKey", ben)[2]["listenKey"] == key
    assert venue.call("PUT", "/fapi/v1/listenKey", ben)[2]["listenKey"] == key
    assert venue.call("DELETE", "/fapi/v1/listenKey", ben)[0] == 200
    assert venue.call("DELETE", "/fapi/v1/listenKey", ben)[2]["code"] == -1125
