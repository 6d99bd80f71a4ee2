"""Spot orders to the last satoshi: fills, fees, locks, filters, and what happens at the edges."""

from __future__ import annotations

from .support import Venue


def test_a_market_buy_pays_its_fee_in_what_it_received(venue: Venue) -> None:
    ben = venue.account()

    status, order = venue.spot(ben, side="BUY", type="MARKET", quantity="0.015", newClientOrderId="ben-1")

    assert status == 200
    assert (order["status"], order["executedQty"], order["cummulativeQuoteQty"]) == (
        "FILLED",
        "0.01500000",
        "900.00000000",
    )
    [fill] = order["fills"]
    assert (fill["price"], fill["qty"]) == ("60000.00000000", "0.01500000")
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00001500", "BTC")
    assert venue.balances(ben) == {"USDT": ("9100.00000000", "0.00000000"), "BTC": ("0.01498500", "0.00000000")}


def test_a_market_sell_pays_its_fee_in_the_quote_asset(venue: Venue) -> None:
    ben = venue.account(spot={"BTC": "1"})

    _, order = venue.spot(ben, side="SELL", type="MARKET", quantity="0.01")

    assert order["fills"][0]["price"] == "59999.99000000"
    assert venue.balances(ben) == {"BTC": ("0.99000000", "0.00000000"), "USDT": ("599.39990010", "0.00000000")}


def test_an_order_walks_the_book_and_every_level_is_a_trade_of_its_own(venue: Venue) -> None:
    ben = venue.account()
    venue.price("BTCUSDT", "60000", asks=[["60000", "0.01"], ["60010", "0.02"], ["60020", "5"]], market="spot")

    _, order = venue.spot(ben, side="BUY", type="MARKET", quantity="0.04")

    assert [(fill["price"], fill["qty"]) for fill in order["fills"]] == [
        ("60000.00000000", "0.01000000"),
        ("60010.00000000", "0.02000000"),
        ("60020.00000000", "0.01000000"),
    ]
    assert order["cummulativeQuoteQty"] == "2400.40000000"
    _, _, trades = venue.call("GET", "/api/v3/myTrades", ben, symbol="BTCUSDT")
    assert [trade["id"] for trade in trades] == [fill["tradeId"] for fill in order["fills"]]
    _, _, later = venue.call("GET", "/api/v3/myTrades", ben, symbol="BTCUSDT", fromId=trades[1]["id"], limit=1)
    assert [trade["id"] for trade in later] == [trades[1]["id"]]
    _, _, none = venue.call("GET", "/api/v3/myTrades", ben, symbol="BTCUSDT", startTime=trades[0]["time"] + 1)
    assert none == []


def test_a_market_order_larger_than_the_book_takes_it_and_expires(venue: Venue) -> None:
    ben = venue.account()
    venue.price("BTCUSDT", "60000", asks=[["60000", "0.01"]], market="spot")

    _, order = venue.spot(ben, side="BUY", type="MARKET", quantity="0.04")

    assert (order["status"], order["executedQty"]) == ("EXPIRED", "0.01000000")


def test_an_amount_of_the_quote_asset_buys_whole_steps(venue: Venue) -> None:
    ben = venue.account()

    _, order = venue.spot(ben, side="BUY", type="MARKET", quoteOrderQty="100")

    assert (order["executedQty"], order["cummulativeQuoteQty"]) == ("0.00166000", "99.60000000")
    assert (order["status"], order["origQuoteOrderQty"]) == ("FILLED", "100.00000000")


def test_a_limit_order_waits_locked_and_fills_at_its_price_when_the_market_comes(venue: Venue) -> None:
    ben = venue.account()

    _, order = venue.spot(ben, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price="59000")
    assert (order["status"], venue.balances(ben)["USDT"]) == ("NEW", ("4100.00000000", "5900.00000000"))
    venue.price("BTCUSDT", "58000")
    _, _, filled = venue.call("GET", "/api/v3/order", ben, symbol="BTCUSDT", orderId=order["orderId"])

    assert (filled["status"], filled["cummulativeQuoteQty"]) == ("FILLED", "5900.00000000")
    assert venue.balances(ben) == {"USDT": ("4100.00000000", "0.00000000"), "BTC": ("0.09990000", "0.00000000")}


def test_a_crossing_limit_order_takes_what_is_good_and_lets_the_rest_wait(venue: Venue) -> None:
    ben = venue.account()
    venue.price("BTCUSDT", "60000", asks=[["60000", "0.01"], ["60500", "5"]], market="spot")

    _, order = venue.spot(ben, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.03", price="60100")

    assert (order["status"], order["executedQty"]) == ("PARTIALLY_FILLED", "0.01000000")
    assert venue.balances(ben)["USDT"] == ("8198.00000000", "1202.00000000")
    _, _, canceled = venue.call("DELETE", "/api/v3/order", ben, symbol="BTCUSDT", orderId=order["orderId"])
    assert (canceled["status"], canceled["origClientOrderId"]) == ("CANCELED", order["clientOrderId"])
    assert venue.balances(ben)["USDT"] == ("9400.00000000", "0.00000000")


def test_immediate_or_cancel_and_fill_or_kill(venue: Venue) -> None:
    ben = venue.account()
    venue.price("BTCUSDT", "60000", asks=[["60000", "0.01"], ["60500", "5"]], market="spot")
    order = {"side": "BUY", "type": "LIMIT", "quantity": "0.03", "price": "60100"}

    _, killed = venue.spot(ben, timeInForce="FOK", **order)
    _, cut = venue.spot(ben, timeInForce="IOC", **order)

    assert (killed["status"], killed["executedQty"]) == ("EXPIRED", "0.00000000")
    assert (cut["status"], cut["executedQty"]) == ("EXPIRED", "0.01000000")
    assert venue.balances(ben)["USDT"] == ("9400.00000000", "0.00000000")


def test_a_maker_order_that_would_take_is_refused(venue: Venue) -> None:
    ben = venue.account("maker")

    status, answer = venue.spot(ben, side="BUY", type="LIMIT_MAKER", quantity="0.01", price="60000")

    assert (status, answer) == (400, {"code": -2010, "msg": "Order would immediately match and take."})
    assert venue.executions("maker") == {}


def test_filters_refuse_by_name(venue: Venue) -> None:
    ben, limit = venue.account(), {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    for order, name in (
        (limit | {"quantity": "0.000001", "price": "60000"}, "LOT_SIZE"),
        (limit | {"quantity": "0.001", "price": "60000.001"}, "PRICE_FILTER"),
        (limit | {"quantity": "0.001", "price": "600000"}, "PERCENT_PRICE_BY_SIDE"),
        (limit | {"quantity": "0.00001", "price": "60000"}, "NOTIONAL"),
        ({"side": "BUY", "type": "MARKET", "quantity": "3000"}, "MARKET_LOT_SIZE"),
    ):
        assert venue.spot(ben, **order) == (400, {"code": -1013, "msg": f"Filter failure: {name}"})


def test_nobody_spends_what_he_does_not_have(venue: Venue) -> None:
    ben = venue.account("poor", spot={"USDT": "599.99"})

    status, answer = venue.spot(ben, side="BUY", type="MARKET", quantity="0.01")

    assert (status, answer["code"]) == (400, -2010)
    assert answer["msg"] == "Account has insufficient balance for requested action."
    assert venue.executions("poor") == {}


def test_an_order_sent_twice_is_counted_twice_by_the_witness(venue: Venue) -> None:
    """The exchange refuses a client id only while its order is open. A filled one is executed again: so are we."""
    ben = venue.account("twice")
    order = {"side": "BUY", "type": "MARKET", "quantity": "0.01", "newClientOrderId": "same"}

    assert [venue.spot(ben, **order)[0] for _ in range(2)] == [200, 200]

    row = venue.executions("twice")["same"]
    assert (row["count"], len(set(row["times"])), row["api_key"]) == (2, 2, ben.api_key)
    assert row["times"] == sorted(row["times"])
    assert venue.executions("twi").keys() == {"same"} and venue.executions("thrice") == {}


def test_a_client_id_is_refused_while_its_order_is_open(venue: Venue) -> None:
    ben = venue.account("open")
    order = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001", "price": "50000"}

    first, second = (venue.spot(ben, newClientOrderId="same", **order) for _ in range(2))

    assert (first[0], second) == (200, (400, {"code": -2010, "msg": "Duplicate order sent."}))
    assert venue.executions("open")["same"]["count"] == 1


def test_what_the_answer_says_is_what_was_asked_for(venue: Venue) -> None:
    ben = venue.account()
    order = {"side": "BUY", "type": "MARKET", "quantity": "0.01"}

    _, ack = venue.spot(ben, newOrderRespType="ACK", **order)
    _, result = venue.spot(ben, newOrderRespType="RESULT", **order)
    status, _, test = venue.call("POST", "/api/v3/order/test", ben, symbol="BTCUSDT", **order)

    assert ack.keys() == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert "fills" not in result and result["status"] == "FILLED"
    assert (status, test) == (200, {})
    _, _, orders = venue.call("GET", "/api/v3/allOrders", ben, symbol="BTCUSDT")
    assert [one["orderId"] for one in orders] == [ack["orderId"], result["orderId"]]


def test_another_account_finds_nothing(venue: Venue) -> None:
    ben, cleo = venue.account(), venue.account("cleo")
    _, order = venue.spot(ben, side="BUY", type="MARKET", quantity="0.01")

    for params in ({"orderId": order["orderId"]}, {"origClientOrderId": order["clientOrderId"]}):
        status, _, answer = venue.call("GET", "/api/v3/order", cleo, symbol="BTCUSDT", **params)
        assert (status, answer["code"]) == (400, -2013)
        status, _, answer = venue.call("DELETE", "/api/v3/order", cleo, symbol="BTCUSDT", **params)
        assert (status, answer["code"]) == (400, -2011)
    assert venue.call("GET", "/api/v3/myTrades", cleo, symbol="BTCUSDT")[2] == []
