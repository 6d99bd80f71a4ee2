"""How far a market moves on a usual day: from the venue's own hourly candles, exactly, or not at all."""

from __future__ import annotations

import math
import statistics
import time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.contracts.support import Venue
from trading.domain.volatility import HOUR_MS, Candle, daily_move
from trading.execution.limits import CRITICAL, TRADES
from trading.execution.reads import Reads
from trading.market import cache, moves
from trading.market.feed import Feed
from trading.market.moves import Timetable, read
from trading.venues.paper.exchange import Exchange
from trading.venues.paper.hub import Hub
from trading.venues.paper.rest_public import klines
from trading.venues.paper.routes import Call
from trading.venues.paper.symbols import load
from trading.venues.paper.tape import Tape
from trading.venues.quirks import VENUES
from trading.venues.session import Sessions

D = Decimal
BTC = {"environment": "paper", "exchange": "binance", "symbol": "BTCUSDT"}


def hours(*closes: str, start: int = 0) -> list[Candle]:
    return [Candle(start + HOUR_MS * number, D(close)) for number, close in enumerate(closes)]


def swinging(count: int) -> list[Candle]:
    """Up by a hundredth and down again, hour by hour."""
    return hours(*(["100", "101"] * count)[:count])


# -- the formula ----------------------------------------------------------------------------------------------------


def test_a_daily_move_is_the_deviation_of_hourly_returns_times_the_root_of_24():
    # 24 returns of +-ln(1.01), half of them each: s = ln(1.01) * sqrt(24/23), and s * sqrt(24) is 0.0497949…
    assert daily_move(swinging(25)) == D("0.049795")


def test_another_reckoning_comes_to_the_same():
    closes = [D(100) + D(number * number % 17) / 10 for number in range(60)]
    returns = [math.log(float(after / before)) for before, after in pairwise(closes)]

    found = daily_move([Candle(HOUR_MS * number, close) for number, close in enumerate(closes)])

    assert found is not None
    assert 0 <= float(found) - statistics.stdev(returns) * math.sqrt(24) < 1e-6


def test_it_is_rounded_up_and_does_not_depend_on_the_price():
    tenfold = [Candle(one.start_ms, one.close * 10) for one in swinging(25)]

    assert daily_move(tenfold) == daily_move(swinging(25))
    assert daily_move(hours(*["100"] * 30)) == 0
    still = hours(*["100"] * 29, "100.00000001")
    assert daily_move(still) == D("0.000001")


def test_a_steady_rise_is_no_volatility():
    closes = [str(D(100) * D("1.01") ** number) for number in range(30)]

    assert daily_move(hours(*closes)) == D("0.000001")  # the last digit of a logarithm, rounded up


@pytest.mark.parametrize("candles", [[], swinging(23), hours(*["100"] * 24, "0")])
def test_too_few_candles_or_none_that_can_be_say_nothing(candles):
    assert daily_move(candles) is None


def test_a_return_over_a_gap_is_none_of_an_hour():
    early, late = swinging(20), hours(*["300"] * 3, start=HOUR_MS * 30)

    assert daily_move([*early, *late]) is None  # 23 candles
    more = hours(*(["300", "303"] * 10), start=HOUR_MS * 30)
    # Nineteen hours before the gap and nineteen behind it; that the price tripled in between is not in it.
    assert daily_move([*early, *more]) == D("0.049333")


# -- from the venue's candles ---------------------------------------------------------------------------------------


class Asked:
    """The paper venue's own answer to a question for candles, for a market that lived for some hours."""

    def __init__(self, folder: Path, closes: list[str], now_ms: int) -> None:
        exchange = Exchange(symbols=load(None), folder=folder, enforced=False)
        self.tape = Tape(exchange, Hub())
        self.exchange = exchange
        first = now_ms - now_ms % HOUR_MS - HOUR_MS * (len(closes) - 1)
        for market in ("spot", "usdm"):
            for number, close in enumerate(closes):
                at = first + HOUR_MS * number
                for price in (D(50), D(close)):  # the last trade of an hour is what it closes at
                    self.tape.trade((market, "BTCUSDT"), number, int(price * 10**8), 10**8, at, False)
                    at += 1_000

    async def public_get_klines(self, params: dict[str, Any]) -> Any:
        return klines(self._call(params), "spot")

    async def fapipublic_get_klines(self, params: dict[str, Any]) -> Any:
        return klines(self._call(params), "usdm")

    def _call(self, params: dict[str, Any]) -> Call:
        return Call(self.exchange, self.tape, {name: str(value) for name, value in params.items()})


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_the_papers_candles_are_binances_and_the_hour_that_runs_is_left_out(tmp_path, market):
    now_ms = int(time.time() * 1000)
    venue = Asked(tmp_path, [*(["100", "101"] * 13)[:25], "900"], now_ms)

    found = await read(venue, market=market, symbol="BTCUSDT", now_ms=now_ms)

    assert found == D("0.049795")


async def test_a_young_market_says_nothing(tmp_path):
    now_ms = int(time.time() * 1000)
    venue = Asked(tmp_path, [*["100", "101"] * 11, "100"], now_ms)

    assert await read(venue, market="spot", symbol="BTCUSDT", now_ms=now_ms) is None


def test_symbols_are_asked_for_in_turn_and_what_failed_comes_back_sooner():
    table, symbols = Timetable(), frozenset({"BTCUSDT", "ETHUSDT"})

    assert table.next(symbols, 1_000) == "BTCUSDT"
    table.asked("BTCUSDT", 1_000, known=True)
    assert table.next(symbols, 1_001) == "ETHUSDT"
    table.asked("ETHUSDT", 1_001, known=False)
    assert table.next(symbols, 1_002) is None
    assert table.next(symbols, 1_301) == "ETHUSDT"
    table.asked("ETHUSDT", 1_301, known=True)
    assert table.next(symbols, 4_599) is None
    assert table.next(symbols, 4_600) == "BTCUSDT"


# -- in the cache ---------------------------------------------------------------------------------------------------


def keep(redis_db, move: str, *, age_s: float = 0, market: str = "spot") -> None:
    body = orjson.dumps({"move": move, "at": time.time() - age_s})
    redis_db.hset(cache.move_key("paper", "binance", market), "BTCUSDT", body)
    cache.forget()


def test_a_daily_move_is_a_decimal_of_its_own_market_and_environment(redis_db):
    keep(redis_db, "0.049795")

    assert cache.facts(**BTC, market="spot").daily_move == D("0.049795")
    assert cache.facts(**BTC, market="usdm").daily_move is None
    assert cache.facts(**{**BTC, "environment": "live"}, market="spot").daily_move is None


def test_a_move_of_six_hours_ago_is_not_known_any_more(redis_db):
    keep(redis_db, "0.05", age_s=6 * 3600 + 1)
    assert cache.daily_move(**BTC, market="spot") is None
    keep(redis_db, "0.05", age_s=6 * 3600 - 60)
    assert cache.daily_move(**BTC, market="spot") == D("0.05")


async def test_the_market_process_asks_the_venue_through_ccxt_and_forgets_what_is_not_said(
    tmp_path, redis_db, monkeypatch
):
    from obscura.core import redis_clients

    venue = Venue(tmp_path / "paper")
    monkeypatch.setenv("OBSCURA_PAPER_TLS", venue.tls)
    monkeypatch.setenv("OBSCURA_PAPER_CA", str(venue.authority))
    asked: list[str] = []

    class Gate(Reads):
        async def admit(self, **question: Any) -> None:
            asked.append(self.now())

    sessions, client = Sessions(gate=Gate(CRITICAL)), redis_clients.aio()
    try:
        venue.price("BTCUSDT", "60000")
        for market in ("spot", "usdm"):
            feed = Feed(
                environment="paper", venue=VENUES[("binance", market)], sessions=sessions, client=client,
                wanted=lambda: frozenset({"BTCUSDT"}),
            )  # fmt: skip
            await feed._open()
            assert set(asked) == {CRITICAL}, "without rules nothing can be opened"
            asked.clear()
            keep(redis_db, "0.05", market=market)

            await feed.put_move("BTCUSDT")

            assert redis_db.hgetall(cache.move_key("paper", "binance", market)) == {}
            assert set(asked) == {TRADES}
            asked.clear()
            # A day of hours, as the venue could have had them: what is read is kept.
            with monkeypatch.context() as patch:
                patch.setattr(moves, "daily_move", lambda candles: D("0.031") + len(candles))
                await feed.put_move("BTCUSDT")
            cache.forget()
            assert cache.daily_move(**BTC, market=market) == D("0.031")
            asked.clear()
    finally:
        await sessions.close()
        await client.aclose()
        venue.stop()
