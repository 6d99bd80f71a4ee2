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

    assert not [request for request in policy.REQUESTS if any(word in request[3] for word in words)]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (b"symbol=BTCUSDT&quantity=0.001&newClientOrderId=a-b_c.d~e&x=%2B", None),
        (b"", "query_length"),
        (b"a" * 5000, "query_length"),
        (b"a=1 HTTP/1.1", "query_bytes"),
        (b"a=1\r\nX-Evil: 1", "query_bytes"),
        (b"a=1\nb", "query_bytes"),
        (b"a=1\x00", "query_bytes"),
        (b"a=1#b", "query_bytes"),
        (b"a=1?b", "query_bytes"),
        ("a=\u00fc".encode(), "query_bytes"),
        (b"a=1&signature=ff", "query_signature"),
    ],
)
def test_parameters_cannot_become_another_request(query: bytes, why: str | None) -> None:
    assert policy.refuse_query(query) == why


@given(st.binary(max_size=60))
def test_no_parameters_with_a_control_character_or_a_space_pass(noise: bytes) -> None:
    allowed = policy.refuse_query(noise) is None

    assert not allowed or all(0x20 < byte < 0x7F for byte in noise)


@pytest.mark.parametrize(
    "text",
    [
        f"apiKey={KEY}&recvWindow=10000&timestamp={NOW}",
        f"timestamp={NOW}",
        f"timestamp={NOW}&recvWindow=10000",
        f"symbol=BTCUSDT&startTime=1&endTime=2&fromId=3&limit=1000&timestamp={NOW - 9000}&recvWindow=5000",
        f"omitZeroBalances=true&timestamp={NOW}&recvWindow=5000",
    ],
)
def test_subscriptions_and_reads_are_signed(text: str) -> None:
    assert payload(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"symbol=B&side=BUY&type=MARKET&quantity=1&timestamp={NOW}", "payload_not_allowed"),
        (f"symbol=B&quantity=1&timestamp={NOW}", "payload_not_allowed"),
        (f"symbol=B&orderId=1&timestamp={NOW}", "payload_not_allowed"),
        (f"symbol=B&origClientOrderId=1&timestamp={NOW}", "payload_not_allowed"),
        (f"coin=BTC&address=x&amount=1&timestamp={NOW}", "payload_not_allowed"),
        (f"type=MAIN_UMFUTURE&asset=USDT&amount=1&timestamp={NOW}", "payload_not_allowed"),
        (f"apiKey={KEY}&symbol=B&timestamp={NOW}&recvWindow=5000", "payload_not_allowed"),
        (f"apiKey={'o' * 64}&recvWindow=5000&timestamp={NOW}", "payload_other_key"),
        (f"symbol=B&recvWindow=60000&timestamp={NOW}", "payload_not_fresh"),
        (f"symbol=B&timestamp={NOW + 60_000}", "payload_not_fresh"),
        (f"symbol=B&timestamp={NOW - 60_000}", "payload_not_fresh"),
        ("symbol=B&timestamp=\u0661", "payload_not_ascii"),
        ("symbol=B&timestamp=-1", "payload_not_fresh"),
        ("symbol=B&timestamp=1e12", "payload_not_fresh"),
        ("symbol=B", "payload_not_fresh"),
        ("", "payload_not_canonical"),
        (f"symbol=B&symbol=C&timestamp={NOW}", "payload_not_canonical"),
        (f"symbol=B%26side%3DBUY&timestamp={NOW}", "payload_not_canonical"),
        (f"symbol=%42&timestamp={NOW}", "payload_not_canonical"),
        (f"symbol=a+b&timestamp={NOW}", "payload_not_canonical"),
        (f"symbol=a;b&timestamp={NOW}", "payload_not_canonical"),
        (f"symbol=a=b&timestamp={NOW}", "payload_not_canonical"),
        (f"&timestamp={NOW}", "payload_not_canonical"),
        (f"sym%62ol=B&timestamp={NOW}", "payload_not_canonical"),
        (f"GET/realtime{NOW}", "payload_not_canonical"),
        (f'{{"op":"auth"}}{NOW}', "payload_not_canonical"),
    ],
)
def test_other_payloads_are_refused(text: str, why: str) -> None:
    assert payload(text) == why


@given(st.binary(max_size=120))
def test_no_noise_is_signed(noise: bytes) -> None:
    assert policy.refuse_payload(noise, api_key=KEY, now_ms=NOW) is not None
