"""ccxt and ccxt.pro as they come, under the exchange's real names, trade on the paper venue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt
import pytest

from trading.venues.session import (
    EnvironmentUnknown,
    HostRefused,
    PaperAuthorityUnknown,
    PaperVenueUnknown,
    Sessions,
)

from .support import Key, Venue

BTC, PERP = "BTC/USDT", "BTC/USDT:USDT"


def with_exchange(venue: Venue, ccxt_id: str, key: Key, story: Callable[[Any], Awaitable[None]]) -> None:
    """Run a story with one account's exchange."""

    async def run() -> None:
        sessions = Sessions(paper=venue.tls, authority=venue.authority)
        try:
            await story(await sessions.account(ccxt_id, "paper", api_key=key.api_key, secret=key.secret))
        finally:
            await sessions.close()

    asyncio.run(run())


async def soon(awaitable: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaitable, 5)


def test_spot_orders_balances_and_trades(venue: Venue) -> None:
    async def story(ben: Any) -> None:
        bought = await ben.create_order(BTC, "market", "buy", 0.01)
        assert (bought["status"], bought["filled"], bought["average"], bought["cost"]) == ("closed", 0.01, 60000, 600)

        balance = await ben.fetch_balance()
        assert (balance["BTC"]["free"], balance["USDT"]["free"]) == (0.00999, 9400.0)

        resting = await ben.create_order(BTC, "limit", "buy", 0.01, 50000)
        assert [order["id"] for order in await ben.fetch_open_orders(BTC)] == [resting["id"]]
        assert (await ben.fetch_balance())["USDT"]["used"] == 500
        assert (await ben.cancel_order(resting["id"], BTC))["status"] == "canceled"
        assert await ben.fetch_open_orders(BTC) == []

        missed = await ben.create_order(BTC, "limit", "buy", 0.01, 50000, {"timeInForce": "IOC"})
        assert (missed["status"], missed["filled"]) == ("expired", 0)

        [trade] = await ben.fetch_my_trades(BTC)
        assert (trade["order"], trade["amount"], trade["price"]) == (bought["id"], 0.01, 60000)
        assert trade["fee"] == {"cost": 0.00001, "currency": "BTC"}
        assert (await ben.fetch_order(bought["id"], BTC))["status"] == "closed"

    with_exchange(venue, "binance", venue.account(), story)


def test_usdm_positions_leverage_and_modes(venue: Venue) -> None:
    async def story(ben: Any) -> None:
        await ben.set_leverage(10, PERP)
        await ben.set_margin_mode("isolated", PERP)
        with pytest.raises(ccxt.MarginModeAlreadySet):
            await ben.set_margin_mode("isolated", PERP)
        await ben.set_margin_mode("cross", PERP)
        await ben.set_position_mode(True)
        assert (await ben.fetch_position_mode())["hedged"] is True
        await ben.set_position_mode(False)

        bought = await ben.create_order(PERP, "market", "buy", 0.1)
        assert (bought["status"], bought["filled"], bought["average"]) == ("closed", 0.1, 60000)
        [position] = await ben.fetch_positions([PERP])
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 0.1, 60000)
        assert (await ben.fetch_balance())["USDT"]["total"] == 9997  # 0.05 % of 6,000

        await ben.create_order(PERP, "market", "sell", 0.1, None, {"reduceOnly": True})
        assert await ben.fetch_positions([PERP]) == []
        assert len(await ben.fetch_my_trades(PERP)) == 2

        resting = await ben.create_order(PERP, "limit", "buy", 0.01, 59000)
        assert [order["id"] for order in await ben.fetch_open_orders(PERP)] == [resting["id"]]
        assert (await ben.cancel_order(resting["id"], PERP))["status"] == "canceled"

    with_exchange(venue, "binanceusdm", venue.account(), story)


def test_refusals_become_the_right_spot_exceptions(venue: Venue) -> None:
    async def story(ben: Any) -> None:
        with pytest.raises(ccxt.InsufficientFunds):
            await ben.create_order(BTC, "market", "buy", 5)
        with pytest.raises(ccxt.InvalidOrder, match="LOT_SIZE"):
            await ben.create_order(BTC, "market", "buy", 9001)
        with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
            await ben.create_order(BTC, "market", "buy", 0.00005)
        with pytest.raises(ccxt.OrderNotFound):
            await ben.cancel_order("1", BTC)
        with pytest.raises(ccxt.OrderNotFound):
            await ben.fetch_order("1", BTC)
        await ben.create_order(BTC, "limit", "buy", 0.001, 50000, {"newClientOrderId": "once"})
        with pytest.raises(ccxt.InvalidOrder, match="Duplicate"):
            await ben.create_order(BTC, "limit", "buy", 0.001, 50000, {"newClientOrderId": "once"})
        with pytest.raises(ccxt.InvalidNonce):
            await ben.create_order(BTC, "market", "buy", 0.01, None, {"timestamp": ben.milliseconds() - 20_000})
        ben.secret = "not it"
        with pytest.raises(ccxt.AuthenticationError):
            await ben.fetch_balance()

    async def stranger(nobody: Any) -> None:
        with pytest.raises(ccxt.AuthenticationError):
            await nobody.fetch_balance()

    with_exchange(venue, "binance", venue.account(), story)
    with_exchange(venue, "binance", Key("nobodys", "secret", ""), stranger)


def test_refusals_become_the_right_usdm_exceptions(venue: Venue) -> None:
    async def story(ben: Any) -> None:
        with pytest.raises(ccxt.InsufficientFunds):
            await ben.create_order(PERP, "market", "buy", 100)
        with pytest.raises(ccxt.InvalidOrder, match="notional"):
            await ben.create_order(PERP, "market", "buy", 0.001)
        with pytest.raises(ccxt.InvalidOrder, match="ReduceOnly"):
            await ben.create_order(PERP, "market", "sell", 0.01, None, {"reduceOnly": True})
        with pytest.raises(ccxt.OperationRejected):
            await ben.create_order(PERP, "market", "buy", 0.01, None, {"positionSide": "LONG"})
        with pytest.raises(ccxt.OrderNotFound):
            await ben.cancel_order("1", PERP)

    with_exchange(venue, "binanceusdm", venue.account(), story)


def test_a_stop_waits_at_the_venue_and_is_heard_when_it_fires(venue: Venue) -> None:
    key = venue.account()

    async def story(ben: Any) -> None:
        await ben.create_order(PERP, "market", "buy", 0.1)
        stops = {"reduceOnly": True, "stopLossPrice": 59000}
        kept = await ben.create_order(PERP, "market", "sell", 0.1, None, stops)
        spare = await ben.create_order(
            PERP, "market", "sell", 0.1, None, {"reduceOnly": True, "takeProfitPrice": 66000}
        )
        waiting = await ben.fetch_open_orders(PERP, params={"trigger": True})
        assert [(one["id"], one["triggerPrice"], one["reduceOnly"]) for one in waiting] == [
            (kept["id"], 59000, True), (spare["id"], 66000, True),
        ]  # fmt: skip
        await ben.cancel_order(spare["id"], PERP, {"trigger": True})

        watching = asyncio.ensure_future(ben.watch_orders())
        await listening(venue, key, "usdm")
        await asyncio.to_thread(venue.price, "BTCUSDT", "58000")
        [first, *_] = await soon(watching)

        assert first["symbol"] == PERP
        assert (await ben.fetch_order(kept["id"], PERP, {"trigger": True}))["status"] == "closed"
        assert await ben.fetch_positions([PERP]) == []

    with_exchange(venue, "binanceusdm", key, story)


@pytest.mark.parametrize(("ccxt_id", "symbol", "market"), [("binance", BTC, "spot"), ("binanceusdm", PERP, "usdm")])
def test_a_trade_made_in_the_app_reaches_every_watcher(venue: Venue, ccxt_id: str, symbol: str, market: str) -> None:
    key = venue.account("ada")

    async def story(ada: Any) -> None:
        watching = [
            asyncio.ensure_future(one) for one in (ada.watch_my_trades(), ada.watch_orders(), ada.watch_balance())
        ]
        await listening(venue, key, market)

        await asyncio.to_thread(venue.trade, key, market=market, symbol="BTCUSDT", side="BUY", quantity="0.01")
        [trade], [order, *_], balance = [await soon(one) for one in watching]

        assert (trade["symbol"], trade["side"], trade["amount"], trade["price"]) == (symbol, "buy", 0.01, 60000)
        assert (order["symbol"], order["amount"]) == (symbol, 0.01)
        assert balance["USDT"]["total"] == (9400 if market == "spot" else 9999.7)

    with_exchange(venue, ccxt_id, key, story)


async def listening(venue: Venue, key: Key, market: str, more_than: int = 0) -> None:
    """Wait until the account's user stream is open."""
    for _ in range(500):
        rows = await asyncio.to_thread(venue.control, "GET", "/accounts")
        if next(row for row in rows if row["api_key"] == key.api_key)["streams"][market] > more_than:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the user stream never opened")


@pytest.mark.parametrize(("ccxt_id", "symbol"), [("binance", BTC), ("binanceusdm", PERP)])
def test_the_market_can_be_watched(venue: Venue, ccxt_id: str, symbol: str) -> None:
    async def story(ben: Any) -> None:
        ticker, book = await soon(ben.watch_ticker(symbol)), asyncio.ensure_future(ben.watch_order_book(symbol))
        assert ticker["last"] == 60000
        for step in range(40):  # a book is told when it changes
            await asyncio.to_thread(venue.price, "BTCUSDT", str(60010 + step))
            if book.done():
                break
            await asyncio.sleep(0.05)
        shown = await soon(book)
        assert shown["bids"][0][0] < shown["asks"][0][0]
        assert (await soon(ben.watch_ohlcv(symbol, "1m")))[0][4] > 0

    with_exchange(venue, ccxt_id, venue.account(), story)


@pytest.mark.parametrize(
    ("ccxt_id", "market", "fault"),
    [("binance", "spot", "restart_streams"), ("binanceusdm", "usdm", "expire_listen_keys"),
     ("binance", "spot", "drop_streams"), ("binanceusdm", "usdm", "drop_streams")],
)  # fmt: skip
def test_a_stream_that_ends_wakes_its_watcher_and_the_next_watch_hears_again(
    venue: Venue, ccxt_id: str, market: str, fault: str
) -> None:
    key = venue.account(f"ada-{fault}")

    async def story(ada: Any) -> None:
        watching = asyncio.ensure_future(ada.watch_my_trades())
        await listening(venue, key, market)

        await asyncio.to_thread(venue.control, "POST", "/faults", {"label": key.label, fault: True})
        with pytest.raises(ccxt.NetworkError):
            await soon(watching)
        again = asyncio.ensure_future(ada.watch_my_trades())
        await listening(venue, key, market)
        await asyncio.to_thread(venue.trade, key, market=market, symbol="BTCUSDT", side="BUY", quantity="0.01")

        assert [trade["amount"] for trade in await soon(again)] == [0.01]

    with_exchange(venue, ccxt_id, key, story)


def test_a_wrong_secret_is_an_authentication_error_on_the_stream_too(venue: Venue) -> None:
    async def story(ben: Any) -> None:
        ben.secret = "not it"
        with pytest.raises(ccxt.AuthenticationError):
            await soon(ben.watch_my_trades())

    with_exchange(venue, "binance", venue.account(), story)


def test_paper_sessions_reach_no_other_host(venue: Venue) -> None:
    async def story() -> None:
        sessions = Sessions(paper=venue.tls, authority=venue.authority)
        try:
            for url in ("https://www.example.com/", "https://api.bybit.com/v5/market/time", "https://127.0.0.1:1/"):
                with pytest.raises((HostRefused, OSError), match="not reachable in the paper environment"):
                    await sessions.http("paper").get(url)
        finally:
            await sessions.close()

    asyncio.run(story())


def test_an_environment_that_is_not_set_up_says_what_to_do(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSCURA_PAPER_TLS", raising=False)
    monkeypatch.delenv("OBSCURA_PAPER_CA", raising=False)

    async def story() -> None:
        sessions = Sessions()
        with pytest.raises(PaperAuthorityUnknown, match="authority") as problem:
            await sessions.account("binance", "paper", api_key="k", secret="s")
        assert "OBSCURA_PAPER_CA" in problem.value.remedy
        monkeypatch.setenv("OBSCURA_PAPER_CA", str(venue.authority))
        with pytest.raises(PaperVenueUnknown):
            await sessions.account("binance", "paper", api_key="k", secret="s")
        with pytest.raises(EnvironmentUnknown):
            sessions.http("testnet")
        monkeypatch.setenv("OBSCURA_PAPER_TLS", venue.tls)
        assert (await sessions.template("binance", "paper")).markets[BTC]["id"] == "BTCUSDT"
        await sessions.close()

    asyncio.run(story())


def test_clones_share_markets_and_nothing_else(venue: Venue) -> None:
    ben, cleo = venue.account("ben"), venue.account("cleo")

    async def story() -> None:
        sessions = Sessions(paper=venue.tls, authority=venue.authority)
        try:
            one, two = [
                await sessions.account("binance", "paper", api_key=key.api_key, secret=key.secret)
                for key in (ben, cleo)
            ]
            assert one.markets is two.markets and one.session is two.session
            assert one.options is not two.options and one.clients is not two.clients
            await asyncio.gather(
                *(side.create_order(BTC, "market", "buy", 0.01) for side in (one, two) for _ in range(5))
            )
            assert [len(await side.fetch_my_trades(BTC)) for side in (one, two)] == [5, 5]
        finally:
            await sessions.close()

    asyncio.run(story())
