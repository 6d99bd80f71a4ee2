"""The exchange's limits, market by market: what is counted for an address, what for an account, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from trading.venues.paper.limits import Limits
from trading.venues.paper.refusals import Refused
from trading.venues.paper.symbols import SPOT, USDM
from trading.venues.session import Sessions

from .support import Venue

ORDER = {"side": "BUY", "type": "MARKET", "quantity": "0.002"}


def test_each_market_tells_limits_of_its_own(venue: Venue) -> None:
    def told(path: str) -> list[tuple[str, str, int, int]]:
        rules = venue.get(path, symbol="BTCUSDT")["rateLimits"]
        return [(one["rateLimitType"], one["interval"], one["intervalNum"], one["limit"]) for one in rules]

    assert told("/api/v3/exchangeInfo") == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 6_000), ("ORDERS", "SECOND", 10, 100), ("ORDERS", "DAY", 1, 200_000)
    ]  # fmt: skip
    assert told("/fapi/v1/exchangeInfo") == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 2_400), ("ORDERS", "SECOND", 10, 300), ("ORDERS", "MINUTE", 1, 1_200)
    ]  # fmt: skip


def test_an_order_on_usdm_counts_for_the_account_and_weighs_nothing(open_venue: Callable[..., Venue]) -> None:
    venue = open_venue("--rate-limits", "off")
    venue.price("BTCUSDT", "60000")
    ben = venue.account("ben")

    _, spot, _ = venue.call("POST", "/api/v3/order", ben, symbol="BTCUSDT", **ORDER)
    status, usdm, _ = venue.call("POST", "/fapi/v1/order", ben, symbol="BTCUSDT", **ORDER)

    assert status == 200
    assert (spot["x-mbx-used-weight-1m"], spot["x-mbx-order-count-1d"]) == ("1", "1")
    assert (usdm["x-mbx-used-weight-1m"], usdm["x-mbx-order-count-1m"]) == ("0", "1")
    limits = venue.control("GET", "/limits")
    assert limits["spot"]["addresses"] == {"127.0.0.1": {"used": 1, "requests": 1, "refused": 0, "banned": False}}


def test_the_trades_of_one_order_weigh_less_than_all_of_a_symbol(open_venue: Callable[..., Venue]) -> None:
    venue = open_venue("--rate-limits", "off")
    ben = venue.account("ben")

    _, one, _ = venue.call("GET", "/api/v3/myTrades", ben, symbol="BTCUSDT", orderId="7")
    _, all_, _ = venue.call("GET", "/api/v3/myTrades", ben, symbol="BTCUSDT")

    assert (one["x-mbx-used-weight-1m"], all_["x-mbx-used-weight-1m"]) == ("5", "25")


def test_a_market_without_weight_left_refuses_and_the_other_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_795_000_030.0)
    spot, usdm = Limits(SPOT, enforced=True), Limits(USDM, enforced=True)
    assert [spot.weigh("198.51.100.7", 6_000), spot.weigh("198.51.100.8", 1)] == [6_000, 1]

    with pytest.raises(Refused) as refused:
        spot.weigh("198.51.100.7", 1)

    assert (refused.value.status, refused.value.headers) == (429, "Retry-After: 50\r\n")
    assert usdm.weigh("198.51.100.7", 1) == 1


def test_an_account_may_send_so_many_orders_in_each_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_795_000_003.0)
    usdm = Limits(USDM, enforced=True)
    for number in range(1, 301):
        assert usdm.order(1) == {"10s": number, "1m": number}

    with pytest.raises(Refused) as refused:
        usdm.order(1)

    assert (refused.value.code, refused.value.headers) == (-1015, "Retry-After: 7\r\n")
    assert usdm.order(2) == {"10s": 1, "1m": 1}


def test_streams_and_questions_come_from_the_first_of_our_addresses(
    open_venue: Callable[..., Venue], monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = open_venue("--rate-limits", "off")
    monkeypatch.setenv("OBSCURA_EGRESS_ADDRESSES", "127.0.0.2, 127.0.0.3")

    async def ask() -> int:
        sessions = Sessions(paper=venue.tls, authority=venue.authority)
        async with sessions.http("paper").get("https://api.binance.com/api/v3/ping") as answer:
            status = answer.status
        await sessions.close()
        return status

    assert asyncio.run(ask()) == 200
    assert list(venue.control("GET", "/limits")["spot"]["addresses"]) == ["127.0.0.2"]
