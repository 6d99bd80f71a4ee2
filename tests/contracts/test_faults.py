"""Bad days on demand: each fault does what it says, to whom it says, as often as it says."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable

import pytest

from .support import Venue, until

ORDER = {"side": "BUY", "type": "MARKET", "quantity": "0.001"}


def test_an_order_may_execute_although_no_answer_comes(venue: Venue) -> None:
    ben = venue.account("silent")
    venue.control("POST", "/faults", {"label": "silent", "timeout_after_execution": 1})
    order = {"symbol": "BTCUSDT", "newClientOrderId": "quiet", **ORDER}

    with pytest.raises(TimeoutError):
        venue.call("POST", "/api/v3/order", ben, timeout=0.2, **order)

    status, _, found = venue.call("GET", "/api/v3/order", ben, symbol="BTCUSDT", origClientOrderId="quiet")
    assert (status, found["status"]) == (200, "FILLED")
    assert venue.executions("silent")["quiet"]["count"] == 1
    assert venue.spot(ben, **ORDER)[0] == 200


@pytest.mark.parametrize(
    ("fault", "status", "code", "executed"),
    [("status_429", 429, -1003, 0), ("error_503", 503, -1008, 0), ("unknown_503", 503, -1007, 1)],
)
def test_counted_faults_hit_so_often_and_no_more(
    venue: Venue, fault: str, status: int, code: int, executed: int
) -> None:
    ben, cleo = venue.account(f"ben-{fault}"), venue.account("cleo")
    venue.control("POST", "/faults", {"label": ben.label, fault: 2})

    answers = [venue.spot(ben, newClientOrderId=f"n{number}", **ORDER) for number in range(2)]

    assert [(one, answer["code"]) for one, answer in answers] == [(status, code)] * 2
    assert len(venue.executions(ben.label)) == 2 * executed
    assert venue.spot(cleo, **ORDER)[0] == venue.spot(ben, **ORDER)[0] == 200


def test_an_answer_may_be_nonsense_although_the_order_executed(venue: Venue) -> None:
    ben = venue.account("garbled")
    venue.control("POST", "/faults", {"label": "garbled", "garbage": 1})

    with pytest.raises(json.JSONDecodeError):
        venue.spot(ben, newClientOrderId="g", **ORDER)

    assert venue.executions("garbled")["g"]["count"] == 1


def test_delays_come_before_execution_or_after_it(venue: Venue) -> None:
    ben = venue.account("far")
    requests = venue.control("GET", "/stats")["requests"]

    def send(fault: str, name: str) -> threading.Thread:
        venue.control("DELETE", "/faults")
        venue.control("POST", "/faults", {"label": "far", fault: 400})
        sender = threading.Thread(target=venue.spot, args=(ben,), kwargs=ORDER | {"newClientOrderId": name})
        sender.start()
        return sender

    before = send("pre_ms", "before")
    until(lambda: venue.control("GET", "/stats")["requests"] > requests)
    assert venue.executions("far") == {}
    before.join()
    assert venue.executions("far").keys() == {"before"}

    after = send("rtt_ms", "after")
    until(lambda: "after" in venue.executions("far"))
    assert after.is_alive()
    after.join()

    venue.control("DELETE", "/faults")
    assert venue.control("GET", "/faults") == []


def test_faults_can_hit_reads(venue: Venue) -> None:
    ben = venue.account("reader")
    venue.control("POST", "/faults", {"label": "reader", "path": "/api/v3/myTrades", "error_503": 1})

    assert venue.spot(ben, **ORDER)[0] == 200
    assert venue.call("GET", "/api/v3/myTrades", ben, symbol="BTCUSDT")[0] == 503
    assert venue.call("GET", "/api/v3/myTrades", ben, symbol="BTCUSDT")[0] == 200


def test_a_storm_refuses_orders_and_questions_alike_until_it_is_over(venue: Venue) -> None:
    ben, cleo = venue.account("stormed"), venue.account("calm")
    venue.control("POST", "/faults", {"label": "stormed", "busy_ms": 60_000})

    status, headers, answer = venue.call("POST", "/api/v3/order", ben, symbol="BTCUSDT", **ORDER)
    asked, _, _ = venue.call("GET", "/api/v3/order", ben, symbol="BTCUSDT", origClientOrderId="x")

    assert (status, headers["Retry-After"], answer["code"], asked) == (429, "1", -1003, 429)
    assert venue.spot(cleo, **ORDER)[0] == 200
    venue.control("POST", "/faults", {"label": "stormed", "busy_ms": 0})
    assert venue.spot(ben, **ORDER)[0] == 200
    assert [row["count"] for row in venue.executions("stormed").values()] == [1]


def test_limits_refuse_tell_when_to_come_back_and_then_ban(open_venue: Callable[..., Venue]) -> None:
    venue = open_venue("--rate-limits", "binance")
    venue.price("BTCUSDT", "60000")
    ben, cleo = venue.account("ben"), venue.account("cleo")
    counts = []
    for _ in range(101):
        status, headers, answer = venue.call("POST", "/api/v3/order", ben, symbol="BTCUSDT", **ORDER)
        counts.append((status, headers["x-mbx-order-count-10s"]))
        if status != 200:
            break
    if int(time.time()) % 10 > 2:  # unless a new ten seconds began in between
        assert (counts[-1][0], answer["code"], 1 <= int(headers["Retry-After"]) <= 10) == (429, -1015, True)
    assert counts[0] == (200, "1")
    assert venue.call("POST", "/api/v3/order", cleo, symbol="BTCUSDT", **ORDER)[0] == 200

    statuses = [raw(venue, "/api/v3/exchangeInfo?symbol=BTCUSDT", 340)[number] for number in (0, -1)]
    assert statuses == [200, 418]


def raw(venue: Venue, path: str, times: int) -> list[int]:
    """The statuses of many GETs over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", venue.ports["http"], timeout=5)
    statuses = []
    for _ in range(times):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    return statuses


def talk(venue: Venue, data: bytes, port: str = "http") -> bytes:
    """Send bytes, read until the venue closes or is silent for a moment."""
    with socket.create_connection(("127.0.0.1", venue.ports[port]), timeout=0.3) as line:
        line.sendall(data)
        answer = b""
        try:
            while part := line.recv(65536):
                answer += part
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"PATCH /api/v3/order HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /api/v3/depth?symbol=%ff HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"POST /api/v3/order HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
        (b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", b"400"),
        (b"POST /api/v3/order HTTP/1.1\r\nX-MBX-APIKEY: \xff\r\nContent-Length: 3\r\n\r\n\xff\xfe=", b"401"),
    ],
)
def test_what_is_not_a_request_gets_an_answer_of_the_fourth_hundred(venue: Venue, data: bytes, status: bytes) -> None:
    assert talk(venue, data).split(b" ")[1] == status


def test_pipelined_requests_are_answered_in_order_also_when_delayed(venue: Venue) -> None:
    data = b"".join(
        b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path
        for path in (b"/api/v3/ping", b"/nowhere", b"/api/v3/ticker/price?symbol=BTCUSDT")
    )
    for fault in ({}, {"rtt_ms": 20}):
        if fault:
            venue.control("POST", "/faults", fault)
        answer = talk(venue, data)
        assert [part.split(b" ")[0] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]
        assert answer.endswith(b'{"symbol":"BTCUSDT","price":"60000.00000000"}')
