"""Who may ask: keys, signatures, timestamps, as the exchange documents them."""

from __future__ import annotations

import time

from trading.venues.paper import access
from trading.venues.paper.ledger import Account, Ledger

from .support import Venue, sign

# The example of the exchange's own documentation.
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
QUERY = (
    b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
)
SIGNATURE = b"c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
# The same order, split between query and body: the two are joined with nothing between.
MIXED_QUERY = b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
MIXED_BODY = b"quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
MIXED = b"0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


def test_the_documented_signatures_are_right() -> None:
    account = Account(1, KEY, SECRET, "")

    access.proven(account, QUERY, SIGNATURE)
    access.proven(account, MIXED_QUERY + MIXED_BODY, MIXED)
    assert sign(QUERY.decode(), SECRET) == f"{QUERY.decode()}&signature={SIGNATURE.decode()}"


def test_query_and_body_are_signed_joined_without_anything_between() -> None:
    ledger = Ledger({"spot": {}, "usdm": {}})
    ledger.open_account(1, KEY, SECRET, "", {}, {})
    now = int(time.time() * 1000)
    query, body = "symbol=LTCBTC&side=BUY", f"quantity=1&timestamp={now}"
    signature = sign(query + body, SECRET).rpartition("=")[2]

    _, params, _ = access.signed(ledger, KEY, query.encode(), f"{body}&signature={signature}".encode())

    assert params == {"symbol": "LTCBTC", "side": "BUY", "quantity": "1", "timestamp": str(now)}


def test_a_wrong_signature_is_refused_and_nothing_happens(venue: Venue) -> None:
    ben = venue.account("wrong-signature")
    status, _, answer = venue.call("POST", "/api/v3/order", type(ben)(ben.api_key, "other", ""), **ORDER)

    assert (status, answer["code"]) == (400, -1022)
    assert venue.executions("wrong-signature") == {}


def test_unknown_and_missing_keys_are_told_apart(venue: Venue) -> None:
    ben = venue.account()
    status, _, answer = venue.call("GET", "/api/v3/account", type(ben)("nobody", "x", ""))
    assert (status, answer["code"]) == (401, -2015)
    status, _, answer = venue.call("GET", "/api/v3/account", type(ben)("", "x", ""))
    assert (status, answer["code"]) == (401, -2014)


def test_a_request_outside_its_window_never_reaches_the_engine(venue: Venue) -> None:
    ben = venue.account("late")
    now = int(time.time() * 1000)

    for timestamp, window, code in (
        (now - 6_000, 5_000, -1021),
        (now + 5_000, 5_000, -1021),
        (now, 60_001, -1131),
        ((now - 6_000) * 1000, 5_000, -1021),  # the same in microseconds
        ("soon", 5_000, -1100),
    ):
        status, _, answer = venue.call("POST", "/api/v3/order", ben, timestamp=timestamp, recvWindow=window, **ORDER)
        assert (status, answer["code"]) == (400, code)

    assert venue.executions("late") == {}
    assert venue.call("POST", "/api/v3/order", ben, timestamp=now * 1000, **ORDER)[0] == 200


def test_the_window_is_checked_again_right_before_the_engine(venue: Venue) -> None:
    """The fence that stops a worker which wakes too late: delayed in the venue, still refused."""
    ben = venue.account("sleeper")
    venue.control("POST", "/faults", {"label": "sleeper", "pre_ms": 120})

    status, _, answer = venue.call("POST", "/api/v3/order", ben, recvWindow=60, **ORDER)

    assert (status, answer["code"]) == (400, -1021)
    assert venue.executions("sleeper") == {}


def test_parameters_that_come_twice_or_are_nonsense_are_refused(venue: Venue) -> None:
    ben = venue.account()
    for order, code in (
        ({"quantity": "1e3"}, -1100),
        ({"quantity": "-1"}, -1100),
        ({"quantity": "0.0000000001"}, -1111),
        ({"quantity": ""}, -1102),
        ({"side": "LONG"}, -1117),
        ({"type": "STOP_LOSS"}, -1116),
        ({"symbol": "NOPE"}, -1121),
        ({"price": "1"}, -1106),
        ({"newClientOrderId": "with space"}, -1100),
        ({"newClientOrderId": "x" * 37}, -1100),
    ):
        status, answer = venue.spot(ben, **{**ORDER, **order})
        assert (status, answer["code"]) == (400, code), (order, answer)


def test_a_key_says_what_it_may_do_and_is_held_to_it(venue: Venue) -> None:
    ben, cleo = venue.account(), venue.account("onlooker", trade=False, withdraw=True)
    path = "/sapi/v1/account/apiRestrictions"
    names = ("enableSpotAndMarginTrading", "enableFutures", "enableWithdrawals")

    assert [venue.call("GET", path, ben)[2][name] for name in names] == [True, True, False]
    assert [venue.call("GET", path, cleo)[2][name] for name in names] == [False, False, True]
    for order in (venue.spot, venue.usdm):
        status, answer = order(cleo, **ORDER)
        assert (status, answer["code"]) == (401, -2015)
    assert venue.executions("onlooker") == {}
