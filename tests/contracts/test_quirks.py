"""What a venue's codes mean, checked against the venue that gives them."""

from __future__ import annotations

import pytest

from trading.venues.quirks import BINANCE_SPOT, BINANCE_USDM, Meaning

from .support import Venue

MARKET = {"side": "BUY", "type": "MARKET"}
LIMIT = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "59000"}


@pytest.mark.parametrize(
    ("order", "meaning"),
    [
        (MARKET | {"quantity": "5"}, Meaning.INSUFFICIENT),
        (MARKET | {"quantity": "0.00001"}, Meaning.FILTER),
        (MARKET | {"quantity": "0.01", "timestamp": 1}, None),
        (MARKET | {"quantity": "0.01", "timestamp": 1700000000000}, Meaning.LATE),
        (LIMIT | {"quantity": "0.001", "newClientOrderId": "twice"}, Meaning.DUPLICATE),
        ({"side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.01", "price": "60000"}, Meaning.FILTER),
        (MARKET | {"quantity": "0.01", "symbol": "NOPE"}, None),
    ],
)
def test_spot_codes(venue: Venue, order: dict[str, str], meaning: Meaning | None) -> None:
    ben = venue.account()
    if order.get("newClientOrderId"):
        assert venue.spot(ben, **order)[0] == 200

    _, answer = venue.spot(ben, **order)

    assert BINANCE_SPOT.meaning(answer["code"], answer["msg"]) is meaning


@pytest.mark.parametrize(
    ("order", "meaning"),
    [
        (MARKET | {"quantity": "50"}, Meaning.INSUFFICIENT),
        (MARKET | {"quantity": "0.001"}, Meaning.FILTER),
        (MARKET | {"quantity": "0.01", "reduceOnly": "true"}, Meaning.REDUCE_ONLY),
        (MARKET | {"quantity": "0.01", "positionSide": "LONG"}, Meaning.POSITION_MODE),
        (LIMIT | {"quantity": "0.01", "newClientOrderId": "twice"}, Meaning.DUPLICATE),
    ],
)
def test_usdm_codes(venue: Venue, order: dict[str, str], meaning: Meaning) -> None:
    ben = venue.account()
    if order.get("newClientOrderId"):
        assert venue.usdm(ben, **order)[0] == 200

    _, answer = venue.usdm(ben, **order)

    assert BINANCE_USDM.meaning(answer["code"], answer["msg"]) is meaning


def test_settings_that_were_so_already_are_a_success(venue: Venue) -> None:
    ben = venue.account()

    for path, params in (
        ("/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "CROSSED"}),
        ("/fapi/v1/positionSide/dual", {"dualSidePosition": "false"}),
    ):
        _, _, answer = venue.call("POST", path, ben, **params)
        assert BINANCE_USDM.meaning(answer["code"], answer["msg"]) is Meaning.ALREADY


def test_a_halted_market_is_told_from_a_filter() -> None:
    assert BINANCE_SPOT.meaning(-1013, "Market is closed.") is Meaning.HALTED
    assert BINANCE_SPOT.meaning(-1013, "Filter failure: LOT_SIZE") is Meaning.FILTER
    assert BINANCE_SPOT.meaning(-424242) is None
