"""What the signer signs, and all it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel.domain import policy

NOW = 1_795_148_214_161
KEY = "k" * 64


def payload(text: str) -> str | None:
    return policy.refuse_payload(text.encode(), api_key=KEY, now_ms=NOW)


@pytest.mark.parametrize(
    ("market", "method", "path"),
    [
        ("spot", "POST", "/api/v3/order"),
        ("spot", "GET", "/api/v3/order"),
        ("spot", "DELETE", "/api/v3/order"),
        ("spot", "GET", "/api/v3/openOrders"),
        ("spot", "GET", "/api/v3/myTrades"),
        ("spot", "GET", "/api/v3/account"),
        ("usdm", "POST", "/fapi/v1/order"),
        ("usdm", "GET", "/fapi/v1/userTrades"),
        ("usdm", "GET", "/fapi/v3/balance"),
        ("usdm", "GET", "/fapi/v3/positionRisk"),
        ("usdm", "POST", "/fapi/v1/leverage"),
        ("usdm", "POST", "/fapi/v1/marginType"),
        ("usdm", "POST", "/fapi/v1/positionSide/dual"),
    ],
)
def test_trading_and_reading_are_allowed(market: str, method: str, path: str) -> None:
    assert policy.refuse_request(venue="binance", market=market, env="live", method=method, path=path) is None


@pytest.mark.parametrize(
    ("market", "method", "path"),
    [
        ("spot", "POST", "/sapi/v1/capital/withdraw/apply"),
        ("spot", "POST", "/sapi/v1/asset/transfer"),
        ("spot", "POST", "/sapi/v1/sub-account/universalTransfer"),
        ("spot", "POST", "/sapi/v1/margin/order"),
        ("spot", "POST", "/sapi/v1/account/enableFastWithdrawSwitch"),
        ("spot", "POST", "/sapi/v1/account/apiRestrictions"),
        ("spot", "POST", "/api/v3/account"),
        ("spot", "POST", "/fapi/v1/order"),
        ("usdm", "POST", "/api/v3/order"),
        ("usdm", "GET", "/fapi/v1/leverage"),
        ("spot", "post", "/api/v3/order"),
        ("spot", "POST", "/api/v3/order/"),
        ("spot", "POST", "/API/v3/order"),
        ("spot", "POST", "/api/v3/order?x=1"),
    ],
)
def test_everything_else_is_refused(market: str, method: str, path: str) -> None:
    why = policy.refuse_request(venue="binance", market=market, env="live", method=method, path=path)

    assert why == "request_not_allowed"


def test_no_allowed_path_moves_value_out() -> None:
    words = (
        "withdraw",
        "transfer",
        "capital",
        "sub-account",
        "convert",
        "loan",
        "borrow",
        "repay",
        "giftcard",
        "margin/",
    )

    assert not [request for request in policy.RULES if any(word in request[3] for word in words)]


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"a" * 5000,
        b"a=1 HTTP/1.1",
        b"a=1\r\nXEvil: 1",
        b"a=1\nb=2",
        b"a=1\x00",
        b"a=1#b",
        b"a=1?b",
        "a=\u00fc".encode(),
        b"a=1&a=2",
        b"a=1&&b=2",
        b"a=1&",
        b"&a=1",
        b"a",
        b"a=1=2",
        b"a=1+2",
        b"a=1;b=2",
        b"a=%31",
        b"a=%2b",
        b"%61=1",
        b"a=%26b%3D2",
        b"a=%0D%0A",
    ],
)
def test_parameters_that_could_be_read_in_two_ways_are_not_read(query: bytes) -> None:
    assert policy.query_fields(query) is None


def test_canonical_parameters_are_read_as_they_are() -> None:
    fields = policy.query_fields(b"symbol=BTCUSDT&quantity=0.001&newClientOrderId=a-b_c.d~e&ids=%5B1%2C2%5D")

    assert fields == {"symbol": "BTCUSDT", "quantity": "0.001", "newClientOrderId": "a-b_c.d~e", "ids": "[1,2]"}


@given(st.binary(max_size=60))
def test_no_parameters_with_a_control_character_or_a_space_pass(noise: bytes) -> None:
    read = policy.query_fields(noise) is not None

    assert not read or all(0x20 < byte < 0x7F for byte in noise)


def refused(text: str, *, market: str = "spot", method: str = "POST", path: str = "/api/v3/order") -> str | None:
    fields = policy.query_fields(text.encode())
    assert fields is not None
    return policy.refuse_fields(policy.RULES["binance", market, method, path], fields, now_ms=NOW)


ORDER = f"symbol=B&side=BUY&type=MARKET&quantity=1&newClientOrderId=x&timestamp={NOW}"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("", None),
        ("&newOrderRespType=FULL&recvWindow=5000", None),
        ("&quoteOrderQty=100", "field_not_allowed"),
        ("&stopPrice=1", "field_not_allowed"),
        ("&sideEffectType=AUTO_BORROW_REPAY", "field_not_allowed"),
        ("&reduceOnly=true", "field_not_allowed"),
        ("&signature=ff", "field_not_allowed"),
        ("&recvWindow=10001", "query_not_fresh"),
        ("&recvWindow=60000", "query_not_fresh"),
    ],
)
def test_an_order_has_the_fields_of_an_order(more: str, why: str | None) -> None:
    assert refused(ORDER + more) == why


@pytest.mark.parametrize("missing", ["symbol", "side", "type", "quantity", "newClientOrderId", "timestamp"])
def test_an_order_without_one_of_them_is_refused(missing: str) -> None:
    text = "&".join(part for part in ORDER.split("&") if not part.startswith(f"{missing}="))

    assert refused(text) == "field_missing"


@pytest.mark.parametrize(("at", "why"), [(-4999, None), (-5001, "query_not_fresh"), (1001, "query_not_fresh")])
def test_what_the_venue_would_take_later_or_not_any_more_is_not_signed(at: int, why: str | None) -> None:
    assert refused(ORDER.replace(str(NOW), str(NOW + at))) == why


def test_one_order_is_cancelled_at_a_time() -> None:
    cancels = {(market, path) for _, market, method, path in policy.RULES if method == "DELETE"}

    assert cancels == {("spot", "/api/v3/order"), ("usdm", "/fapi/v1/order"), ("usdm", "/fapi/v1/algoOrder")}


def test_the_subscription_to_the_own_stream_is_signed() -> None:
    assert payload(f"apiKey={KEY}&recvWindow=10000&timestamp={NOW}") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"timestamp={NOW}", "payload_not_allowed"),
        (f"symbol=BTCUSDT&timestamp={NOW}&recvWindow=5000", "payload_not_allowed"),
        (f"omitZeroBalances=true&timestamp={NOW}&recvWindow=5000", "payload_not_allowed"),
        (f"symbol=B&side=BUY&type=MARKET&quantity=1&timestamp={NOW}", "payload_not_allowed"),
        (f"symbol=B&orderId=1&timestamp={NOW}", "payload_not_allowed"),
        (f"coin=BTC&address=x&amount=1&timestamp={NOW}", "payload_not_allowed"),
        (f"apiKey={KEY}&symbol=B&timestamp={NOW}&recvWindow=5000", "payload_not_allowed"),
        (f"apiKey={KEY}&timestamp={NOW}", "payload_not_allowed"),
        (f"apiKey={'o' * 64}&recvWindow=5000&timestamp={NOW}", "payload_other_key"),
        (f"apiKey={KEY}&recvWindow=60000&timestamp={NOW}", "payload_not_fresh"),
        (f"apiKey={KEY}&recvWindow=5000&timestamp={NOW + 60_000}", "payload_not_fresh"),
        (f"apiKey={KEY}&recvWindow=5000&timestamp={NOW - 60_000}", "payload_not_fresh"),
        (f"apiKey={KEY}&recvWindow=5000&timestamp=-1", "payload_not_fresh"),
        (f"apiKey={KEY}&recvWindow=5000&timestamp=1e12", "payload_not_fresh"),
        ("", "payload_not_canonical"),
        ("symbol=B&timestamp=\u0661", "payload_not_canonical"),
        (f"symbol=B&symbol=C&timestamp={NOW}", "payload_not_canonical"),
        (f"symbol=B%26side%3DBUY&timestamp={NOW}", "payload_not_canonical"),
        (f"&timestamp={NOW}", "payload_not_canonical"),
        (f"GET/realtime{NOW}", "payload_not_canonical"),
        (f'{{"op":"auth"}}{NOW}', "payload_not_canonical"),
    ],
)
def test_other_payloads_are_refused(text: str, why: str) -> None:
    assert payload(text) == why


@given(st.binary(max_size=120))
def test_no_noise_is_signed(noise: bytes) -> None:
    assert policy.refuse_payload(noise, api_key=KEY, now_ms=NOW) is not None
