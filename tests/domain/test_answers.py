"""What a venue's answer to an order means. Whatever makes no sense means: ask."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.domain.drawn import D, law
from trading.domain.order_state import Status
from trading.venues.binance import Report, Trade, order_head, order_tail, question, read_order, read_trades

AT = datetime(2026, 11, 20, 12, 0, 0, 123000, UTC)
MILLIS = 1_795_176_000_123

SPOT: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": "6gCrw2kRUAF9CvJDGP16IP",
    "transactTime": MILLIS,
    "price": "50250.00000000",
    "origQty": "0.00199000",
    "executedQty": "0.00199000",
    "cummulativeQuoteQty": "99.50000000",
    "status": "FILLED",
    "fills": [
        {"price": "50000.00", "qty": "0.001", "commission": "0.05", "commissionAsset": "USDT", "tradeId": 56},
        {"price": "50000.00", "qty": "0.00099", "commission": "0.00001", "commissionAsset": "BNB", "tradeId": 57},
    ],
}
USDM: dict[str, Any] = {
    "orderId": 22542179,
    "executedQty": "10",
    "cumQuote": "1200.50",
    "status": "PARTIALLY_FILLED",
    "updateTime": MILLIS,
}


def answered(answer: object, status: int = 200) -> Report:
    return read_order(status=status, body=orjson.dumps(answer))


def said(code: object, msg: str = "", status: int = 400) -> tuple[Status | None, str]:
    report = answered({"code": code, "msg": msg}, status)
    assert (report.filled, report.worth, report.average, list(report.trades)) == (0, 0, None, [])
    return report.status, report.code


# -- taken -----------------------------------------------------------------------------------------------------------


def test_a_filled_spot_order_with_its_trades():
    report = answered(SPOT)

    assert report[:8] == (Status.FILLED, "28", D("0.00199"), D(50_000), D("99.5"), "", "", AT)
    assert list(report.trades) == [
        Trade("56", D("0.001"), D(50_000), D("0.05"), "USDT", AT),
        Trade("57", D("0.00099"), D(50_000), D("0.00001"), "BNB", AT),
    ]


def test_a_futures_order_filled_in_part_names_no_trades():
    report = answered(USDM)

    assert report[:5] == (Status.PARTIAL, "22542179", D(10), D("120.05"), D("1200.5"))
    assert (list(report.trades), report.at) == ([], AT)


@pytest.mark.parametrize(
    ("status", "executed", "means", "words"),
    [
        ("NEW", "0", Status.WORKING, ""),
        ("PENDING_CANCEL", "0", Status.WORKING, ""),
        ("CANCELED", "0", Status.CANCELED, ""),
        ("REJECTED", "0", Status.REJECTED, ""),
        ("EXPIRED", "0", Status.EXPIRED, "The price had moved beyond your cap"),
        ("EXPIRED_IN_MATCH", "0", Status.EXPIRED, "The price had moved beyond your cap"),
        ("EXPIRED", "5", Status.EXPIRED, "Filled in part; the rest was beyond your cap"),
    ],
)
def test_each_state_of_the_venue_is_one_of_ours(status, executed, means, words):
    report = answered(USDM | {"status": status, "executedQty": executed})

    assert (report.status, report.words, report.filled) == (means, words, D(executed))


# -- refused ---------------------------------------------------------------------------------------------------------


def test_a_refusal_is_final_and_says_why():
    report = answered({"code": -2010, "msg": "Account has insufficient balance."}, 400)

    assert (report.status, report.code) == (Status.REJECTED, "-2010")
    assert report.words == "The exchange refused the order: Account has insufficient balance."


@pytest.mark.parametrize("code", [-1013, -1111, -1121, -2014, -2015, -1022, -2019, -2022, -4061, -4164, -9999])
def test_what_the_venue_will_not_have_is_rejected(code):
    assert said(code) == (Status.REJECTED, str(code))


def test_an_order_the_venue_does_not_know_has_no_state():
    assert said(-2013, "Order does not exist.") == (None, "-2013")


@pytest.mark.parametrize(
    ("code", "message"), [(-2010, "Duplicate order sent."), (-4116, "ClientOrderId is duplicated.")]
)
def test_a_duplicate_means_that_an_earlier_attempt_is_there(code, message):
    assert said(code, message) == (Status.UNSURE, str(code))


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, -1021), (400, -1007), (400, -1000), (503, -1007), (500, -2010), (502, 0), (403, 0)],
)
def test_where_nobody_can_say_whether_it_exists_the_venue_is_asked(status, code):
    assert said(code, status=status) == (Status.UNSURE, str(code or status))


@pytest.mark.parametrize(
    ("status", "code"), [(429, -1003), (418, -1003), (429, -1015), (400, -1015), (503, -1008), (429, 0), (400, -1034)]
)
def test_what_was_refused_for_the_moment_goes_back_and_is_sent_again(status, code):
    assert said(code, status=status) == (Status.PLANNED, str(code or status))


# -- silence and garbage ---------------------------------------------------------------------------------------------


def test_silence_means_ask():
    report = read_order(status=0, body=b"")

    assert (report.status, report.code) == (Status.UNSURE, "silence")


def test_what_has_not_left_is_asked_after_but_what_the_vault_refused_never_leaves():
    assert read_order(status=-1, body=b"egress_away").status is Status.UNSURE
    assert read_order(status=-1, body=b"unknown_account").status is Status.MISSED
    assert read_order(status=-1, body=b"query_not_canonical")[5:7] == (
        "query_not_canonical",
        "The vault did not sign for this account",
    )
    assert read_order(status=-1, body=b"mandate_day_cap")[5:7] == (
        "mandate_day_cap",
        "More than the vault signs on a day under the agreed terms",
    )
    assert read_order(status=-1, body=b"signed_already").status is Status.UNSURE


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "LOST_IN_SPACE"},
        {"status": None},
        {"executedQty": None},
        {"executedQty": "NaN"},
        {"executedQty": "Infinity"},
        {"executedQty": "-1"},
        {"executedQty": 0.1},
        {"cummulativeQuoteQty": "-1"},
        {"transactTime": 10**18},
        {"transactTime": [1]},
        {"fills": 5},
        {"fills": [5]},
        {"fills": [{"price": "1", "qty": "one"}]},
    ],
)
def test_a_success_that_makes_no_sense_means_ask(changed):
    report = answered(SPOT | changed)

    assert (report.status, report.code, report.filled) == (Status.UNSURE, "garbage", D(0))


@pytest.mark.parametrize("code", ["-2010", None, [], 1.5, True, 2**70])
def test_a_refusal_whose_code_makes_no_sense_means_ask(code):
    report = read_order(status=400, body=b'{"code": %s}' % orjson.dumps(code) if code != 2**70 else b'{"code": 1e30}')

    assert (report.status, report.code) == (Status.UNSURE, "garbage")


def test_a_message_is_written_down_without_what_no_table_takes():
    assert answered({"code": -2010, "msg": "no\x00pe\n"}, 400).words == "The exchange refused the order: nope"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
words = st.sampled_from(["FILLED", "NEW", "EXPIRED", "1e999999", "1e-999999", "NaN", "-1", "0", "0.5", "sNaN"])
answers = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        [*SPOT, "cumQuote", "updateTime", "time", "code", "msg"],
        words | values | st.sampled_from([-2010, -2013, -1021]),
    ),
)
statuses = st.sampled_from([-1, 0, 200, 201, 302, 400, 403, 418, 429, 500, 503])


@law
@given(status=statuses, body=st.binary(max_size=64) | answers.map(orjson.dumps))
@example(200, b"")
@example(200, b"[]")
@example(200, b"null")
@example(400, b"\xff\xfe")
@example(503, b"<html>Bad gateway</html>")
@example(302, b'{"code":1}')
@example(200, orjson.dumps(SPOT | {"executedQty": "1e-999999", "cummulativeQuoteQty": "1e999999"}))
def test_no_answer_whatever_raises_and_what_is_unknown_is_asked_after(status, body):
    report = read_order(status=status, body=body)

    if report.status is Status.UNSURE or report.status is None:
        assert (report.filled, report.worth, report.average) == (0, 0, None)
    if not 200 <= status < 300:
        assert report.status in (Status.UNSURE, Status.REJECTED, Status.MISSED, Status.PLANNED, None)
    if report.status is Status.PLANNED:
        assert status in (418, 429)
    if report.status in (Status.REJECTED, Status.MISSED) and report.code:
        assert status in (-1, 400, 403)
    assert report.filled.is_finite()
    assert report.filled >= 0


# -- trades ----------------------------------------------------------------------------------------------------------


def test_trades_are_read_as_the_venue_wrote_them():
    row = {
        "id": 28457,
        "price": "4.00000100",
        "qty": "12.00000000",
        "commission": "10.10000000",
        "commissionAsset": "BNB",
        "time": MILLIS,
    }

    assert read_trades(body=orjson.dumps([row])) == [
        Trade("28457", D("12"), D("4.000001"), D("10.1"), "BNB", AT),
    ]


@law
@given(st.binary(max_size=32) | st.lists(values | answers, min_size=1, max_size=2).map(orjson.dumps))
@example(b"{}")
@example(b'[{"id": 1}]')
def test_what_is_no_list_of_trades_is_refused_by_name(body):
    try:
        trades = read_trades(body=body)
    except ValueError:
        return
    assert trades == []


# -- requests --------------------------------------------------------------------------------------------------------


def head(**changed: Any) -> bytes:
    told: dict[str, Any] = {
        "market": "spot",
        "symbol": "BTCUSDT",
        "side": "buy",
        "type": "market",
        "time_in_force": "",
        "limit_price": None,
        "reduce_only": False,
        "position_side": "BOTH",
        "recv_window_ms": 5000,
    }
    return order_head(**{**told, **changed})


def test_a_market_order_on_spot():
    assert head() == b"symbol=BTCUSDT&side=BUY&type=MARKET&newOrderRespType=FULL&recvWindow=5000"


def test_a_limit_that_is_gone_at_once():
    assert head(type="limit", time_in_force="IOC", limit_price=D("50250.00")) == (
        b"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&price=50250&newOrderRespType=FULL&recvWindow=5000"
    )


def test_a_close_on_futures_reduces_and_in_hedge_mode_names_its_side():
    usdm = {"market": "usdm", "side": "sell", "reduce_only": True}

    assert b"&reduceOnly=true&newOrderRespType=RESULT" in head(**usdm)
    assert b"&positionSide=LONG&newOrderRespType=RESULT" in head(**usdm, position_side="LONG")
    assert b"reduceOnly" not in head(**usdm, position_side="LONG")  # the venue refuses both together


def test_a_followers_own_part_has_no_exponent():
    assert order_tail(client_id="ab" * 16, qty=Decimal("1E-8"), timestamp_ms=MILLIS) == (
        b"&quantity=0.00000001&newClientOrderId=" + b"ab" * 16 + b"&timestamp=1795176000123"
    )


def test_a_question_names_the_symbol():
    assert question(symbol="BTCUSDT", recv_window_ms=5000) == b"symbol=BTCUSDT&recvWindow=5000"
