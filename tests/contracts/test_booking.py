"""What our own questions book before they are sent is what the exchange counts for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt
import pytest

from trading.venues.quirks import weight_of
from trading.venues.session import Sessions

from .support import Venue

BTC, PERP = "BTC/USDT", "BTC/USDT:USDT"


class Book:
    """A gate that lets everything through and adds up."""

    def __init__(self) -> None:
        self.booked: dict[str, int] = {}
        self.refusals: list[tuple[str, str]] = []

    async def admit(self, *, environment: str, exchange: str, market: str, weight: int) -> None:
        assert (environment, exchange) == ("paper", "binance")
        self.booked[market] = self.booked.get(market, 0) + weight

    async def refused(self, *, environment: str, exchange: str, market: str, headers: Any) -> None:
        self.refusals.append((market, {name.lower(): value for name, value in headers.items()}["retry-after"]))


def asked(venue: Venue, ccxt_id: str, story: Callable[[Any], Awaitable[None]]) -> tuple[Book, int]:
    """Run a story; what was booked, and what the venue counted for this machine in that market."""
    book, market = Book(), "usdm" if ccxt_id == "binanceusdm" else "spot"

    def counted() -> int:
        addresses = venue.control("GET", "/limits")[market]["addresses"]
        return sum(int(one["used"]) for one in addresses.values())

    async def run() -> int:
        sessions = Sessions(paper=venue.tls, authority=venue.authority, gate=book)
        try:
            key = venue.account()
            await sessions.template(ccxt_id, "paper")
            book.booked.clear()
            before = counted()
            await story(await sessions.account(ccxt_id, "paper", api_key=key.api_key, secret=key.secret))
            return counted() - before
        finally:
            await sessions.close()

    used = asyncio.run(run())
    return book, used


def in_one_minute(ask: Callable[[], tuple[Book, int]]) -> tuple[dict[str, int], int]:
    """The exchange counts by minutes of its clock: what began in one and ended in the next is asked once more."""
    while True:
        minute = int(time.time()) // 60
        book, used = ask()
        if int(time.time()) // 60 == minute:
            return book.booked, used


def test_spot_questions_book_what_the_exchange_counts(venue: Venue) -> None:
    async def story(ben: Any) -> None:
        await ben.fetch_balance()
        await ben.fetch_my_trades(BTC)
        await ben.fetch_time()

    booked, used = in_one_minute(lambda: asked(venue, "binance", story))

    assert booked == {"spot": used}
    assert used > 0


def test_usdm_questions_book_what_the_exchange_counts(venue: Venue) -> None:
    async def story(ben: Any) -> None:
        await ben.fetch_my_trades(PERP)
        await ben.fapiPrivateV3GetAccount()
        await ben.fetch_positions()
        await ben.fetch_time()

    booked, used = in_one_minute(lambda: asked(venue, "binanceusdm", story))

    assert booked == {"usdm": used}
    assert used > 0


def test_a_refusal_is_told_with_how_long_to_be_quiet(venue: Venue) -> None:
    async def story(ben: Any) -> None:
        venue.control("POST", "/faults", {"status_429": 1, "path": "/api/v3/myTrades"})
        with pytest.raises(ccxt.NetworkError):
            await ben.fetch_my_trades(BTC)

    book, _ = asked(venue, "binance", story)

    [(market, wait)] = book.refusals
    assert (market, int(wait) > 0) == ("spot", True)


@pytest.mark.parametrize(
    ("api", "path", "cost", "found"),
    [
        ("private", "account", 4, ("spot", 20)),
        ("public", "time", 0.2, ("spot", 1)),
        ("fapiPrivate", "userTrades", 5, ("usdm", 5)),
        ("fapiPrivateV3", "account", 1, ("usdm", 5)),
        ("sapi", "account/apiRestrictions", 0.1, None),
        ("dapiPrivate", "account", 1, None),
    ],
)
def test_costs_are_told_in_the_exchanges_own_weights(api, path, cost, found) -> None:
    assert weight_of(api=api, path=path, cost=cost) == found
