"""USD-M's conditional orders: what waits for a price, and what becomes of it, with exact numbers."""

from __future__ import annotations

import pytest

from .support import Key, Venue

STOP = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "reduceOnly": "true"}
IMMEDIATELY = (400, {"code": -2021, "msg": "Order would immediately trigger."})


def algo(venue: Venue, key: Key, **params: str) -> tuple[int, dict]:
    status, _, answer = venue.call("POST", "/fapi/v1/algoOrder", key, **{**STOP, **params})
    return status, answer


def state(venue: Venue, key: Key, name: str) -> dict:
    return venue.call("GET", "/fapi/v1/algoOrder", key, clientAlgoId=name)[2]


def long(venue: Venue, key: Key, quantity: str = "0.1") -> None:
    assert venue.usdm(key, side="BUY", type="MARKET", quantity=quantity)[1]["status"] == "FILLED"


@pytest.fixture
def ben(venue: Venue) -> Key:
    venue.price("BTCUSDT", "60000")
    return venue.account()


def test_a_stop_waits_and_closes_when_its_price_is_reached(venue: Venue, ben: Key) -> None:
    long(venue, ben)
    status, kept = algo(venue, ben, quantity="0.1", triggerPrice="59000", clientAlgoId="ben-stop")
    assert (status, kept["algoStatus"], kept["triggerPrice"], kept["orderType"]) == (200, "NEW", "59000", "STOP_MARKET")

    venue.price("BTCUSDT", "59500")
    assert state(venue, ben, "ben-stop")["algoStatus"] == "NEW"
    venue.price("BTCUSDT", "58900")

    told = state(venue, ben, "ben-stop")
    assert (told["algoStatus"], told["actualQty"], told["actualPrice"]) == ("FINISHED", "0.1", "58899.9")
    _, _, order = venue.call("GET", "/fapi/v1/order", ben, symbol="BTCUSDT", origClientOrderId="ben-stop")
    assert (str(order["orderId"]), order["status"], order["executedQty"]) == (told["actualOrderId"], "FILLED", "0.1")
    assert venue.call("GET", "/fapi/v3/positionRisk", ben)[2] == []


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "before", "after"),
    [
        ("SELL", "STOP_MARKET", "59000", "59001", "58999"),
        ("BUY", "STOP_MARKET", "61000", "60999", "61001"),
        ("SELL", "TAKE_PROFIT_MARKET", "61000", "60999", "61001"),
        ("BUY", "TAKE_PROFIT_MARKET", "59000", "59001", "58998"),
    ],
)
def test_each_kind_is_reached_from_its_own_side(venue: Venue, ben: Key, side, kind, trigger, before, after) -> None:
    assert venue.usdm(ben, side="BUY" if side == "SELL" else "SELL", type="MARKET", quantity="0.1")[0] == 200
    algo(venue, ben, side=side, type=kind, quantity="0.1", triggerPrice=trigger, clientAlgoId="one")

    venue.price("BTCUSDT", before)
    assert state(venue, ben, "one")["algoStatus"] == "NEW"
    venue.price("BTCUSDT", after)
    assert state(venue, ben, "one")["algoStatus"] == "FINISHED"


def test_a_trailing_stop_follows_the_best_price(venue: Venue, ben: Key) -> None:
    long(venue, ben)
    algo(venue, ben, type="TRAILING_STOP_MARKET", quantity="0.1", callbackRate="1", clientAlgoId="trail")

    for price in ("61000", "62000", "61500"):
        venue.price("BTCUSDT", price)
        assert state(venue, ben, "trail")["algoStatus"] == "NEW"
    venue.price("BTCUSDT", "61379")  # 1 % below 62,000 is 61,380

    assert state(venue, ben, "trail")["algoStatus"] == "FINISHED"


def test_without_a_position_a_reduce_only_stop_is_rejected_when_reached(venue: Venue, ben: Key) -> None:
    algo(venue, ben, quantity="0.1", triggerPrice="59000", clientAlgoId="orphan")

    venue.price("BTCUSDT", "58000")

    assert state(venue, ben, "orphan")["algoStatus"] == "REJECTED"
    assert venue.call("GET", "/fapi/v3/positionRisk", ben)[2] == []


def test_a_stop_for_the_whole_position_takes_what_there_is_then(venue: Venue, ben: Key) -> None:
    whole = {name: value for name, value in STOP.items() if name != "reduceOnly"} | {"closePosition": "true"}
    for name in ("whole", "nothing"):
        params = whole | {"triggerPrice": "59000", "clientAlgoId": name}
        assert venue.call("POST", "/fapi/v1/algoOrder", ben, **params)[0] == 200
    long(venue, ben, "0.3")

    venue.price("BTCUSDT", "58000")

    assert state(venue, ben, "whole")["actualQty"] == "0.3"
    assert state(venue, ben, "nothing")["algoStatus"] == "EXPIRED"


def test_what_was_given_up_does_not_fire(venue: Venue, ben: Key) -> None:
    long(venue, ben)
    _, kept = algo(venue, ben, quantity="0.1", triggerPrice="59000", clientAlgoId="gone")

    _, _, answer = venue.call("DELETE", "/fapi/v1/algoOrder", ben, algoId=str(kept["algoId"]))
    assert answer == {"algoId": kept["algoId"], "clientAlgoId": "gone", "code": "200", "msg": "success"}
    venue.price("BTCUSDT", "58000")

    assert state(venue, ben, "gone")["algoStatus"] == "CANCELED"
    assert venue.call("DELETE", "/fapi/v1/algoOrder", ben, clientAlgoId="gone")[2]["code"] == -2011
    [row] = venue.call("GET", "/fapi/v3/positionRisk", ben)[2]
    assert row["positionAmt"] == "0.1"


def test_those_that_wait_are_listed_until_all_are_given_up(venue: Venue, ben: Key) -> None:
    for number in range(3):
        algo(venue, ben, quantity="0.1", triggerPrice=f"5900{number}", clientAlgoId=f"s{number}")

    _, headers, rows = venue.call("GET", "/fapi/v1/openAlgoOrders", ben, symbol="BTCUSDT")
    assert [row["clientAlgoId"] for row in rows] == ["s0", "s1", "s2"]
    venue.call("DELETE", "/fapi/v1/algoOpenOrders", ben, symbol="BTCUSDT")
    assert venue.call("GET", "/fapi/v1/openAlgoOrders", ben)[2] == []
    assert len(venue.call("GET", "/fapi/v1/allAlgoOrders", ben, symbol="BTCUSDT")[2]) == 3


@pytest.mark.parametrize("number", [9, 15])
def test_what_waits_survives_the_venue(venue: Venue, ben: Key, number: int) -> None:
    long(venue, ben)
    algo(venue, ben, quantity="0.1", triggerPrice="59000", clientAlgoId="kept")
    algo(venue, ben, quantity="0.1", triggerPrice="58000", clientAlgoId="given-up")
    venue.call("DELETE", "/fapi/v1/algoOrder", ben, clientAlgoId="given-up")

    venue.stop(number)
    venue.start()
    venue.price("BTCUSDT", "57000")

    assert state(venue, ben, "kept")["algoStatus"] == "FINISHED"
    assert state(venue, ben, "given-up")["algoStatus"] == "CANCELED"
    venue.stop()
    venue.start()
    assert state(venue, ben, "kept")["algoStatus"] == "FINISHED"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"quantity": "0.1", "triggerPrice": "60500"}, -2021),
        ({"quantity": "0.1", "triggerPrice": "59500", "type": "TAKE_PROFIT_MARKET"}, -2021),
        ({"quantity": "0.1"}, -1102),
        ({"triggerPrice": "59000"}, -1102),
        ({"quantity": "0.0001", "triggerPrice": "59000"}, -1111),
        ({"quantity": "0.1", "triggerPrice": "59000.01"}, -4014),
        ({"quantity": "0.1", "triggerPrice": "59000", "side": "HOLD"}, -1117),
        ({"quantity": "0.1", "triggerPrice": "59000", "type": "MARKET"}, -1116),
        ({"quantity": "0.1", "triggerPrice": "59000", "workingType": "GUESS"}, -1100),
        ({"quantity": "0.1", "triggerPrice": "59000", "clientAlgoId": "no spaces"}, -4015),
        ({"quantity": "0.1", "triggerPrice": "59000", "positionSide": "LONG"}, -4061),
        ({"quantity": "0.1", "triggerPrice": "59000", "closePosition": "true"}, -1106),
        ({"quantity": "0.1", "triggerPrice": "59000", "algoType": "TWAP"}, -1102),
        ({"quantity": "0.1", "type": "TRAILING_STOP_MARKET", "callbackRate": "11"}, -2007),
        ({"quantity": "0.1", "triggerPrice": "59000", "symbol": "NOSUCH"}, -1121),
    ],
)
def test_what_cannot_wait_is_refused_in_the_exchanges_words(venue: Venue, ben: Key, params, code) -> None:
    status, answer = algo(venue, ben, **params)

    assert (status, answer["code"]) == (400, code)
    assert venue.call("GET", "/fapi/v1/openAlgoOrders", ben)[2] == []


def test_the_same_name_twice_and_too_many_are_refused(venue: Venue, ben: Key) -> None:
    for number in range(10):
        assert algo(venue, ben, quantity="0.1", triggerPrice="59000", clientAlgoId=f"n{number}")[0] == 200

    assert algo(venue, ben, quantity="0.1", triggerPrice="59000", clientAlgoId="n1")[1]["code"] == -4116
    assert algo(venue, ben, quantity="0.1", triggerPrice="59000", clientAlgoId="n11")[1]["code"] == -4045


def test_the_order_endpoint_sends_conditional_types_to_theirs(venue: Venue, ben: Key) -> None:
    status, answer = venue.usdm(ben, side="SELL", type="STOP_MARKET", quantity="0.1", stopPrice="59000")

    assert (status, answer["code"]) == (400, -4120)


def test_nobody_finds_anothers(venue: Venue, ben: Key) -> None:
    _, kept = algo(venue, ben, quantity="0.1", triggerPrice="59000", clientAlgoId="bens")
    cleo = venue.account()

    assert venue.call("GET", "/fapi/v1/algoOrder", cleo, algoId=str(kept["algoId"]))[2]["code"] == -2013
    assert venue.call("DELETE", "/fapi/v1/algoOrder", cleo, algoId=str(kept["algoId"]))[2]["code"] == -2011
