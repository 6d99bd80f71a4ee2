"""Where prices come from: a recording, a walk, another venue; and the public streams that tell them."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from .support import Venue, data_folder, until


async def hear(venue: Venue, path: str, subscribe: list[str], *, host: str = "", count: int = 1) -> list[Any]:
    """Subscribe and return the first `count` messages that are not answers."""
    heard: list[Any] = []
    headers = {"Host": host} if host else {}
    async with aiohttp.ClientSession() as session, session.ws_connect(venue.url + path, headers=headers) as socket:
        if subscribe:
            await socket.send_json({"method": "SUBSCRIBE", "params": subscribe, "id": 7})
        while len(heard) < count:
            message = await asyncio.wait_for(socket.receive_json(), 5)
            if message == {"result": None, "id": 7}:
                continue
            heard.append(message)
            assert "error" not in message, message
    return heard


def tiny_capture(folder: Path) -> Path:
    """A second of a market, in the format of the recordings: 100 ms apart, ether from 2,000 upwards."""
    (folder / "market").mkdir(parents=True)
    start = 1_700_000_000_000_000_000
    for market in ("spot", "usdm"):
        rows: list[tuple[int, dict[str, Any]]] = [
            (0, {"lastUpdateId": 5, "bids": [["1999.00", "3.0"], ["1998.00", "9"]], "asks": [["2000.00", "2.0"]]})
        ]
        for step in range(1, 10):
            at = 1_700_000_000_000 + step * 100
            trade = {
                "e": "trade",
                "E": at,
                "s": "ETHUSDT",
                "t": step,
                "p": f"200{step}.00",
                "q": "1",
                "T": at,
                "m": False,
            }
            ticker = {
                "u": 10 + step,
                "s": "ETHUSDT",
                "b": f"200{step - 1}.00",
                "B": "1",
                "a": f"200{step}.00",
                "A": "1",
            }
            diff = {"e": "depthUpdate", "E": at, "s": "ETHUSDT", "U": 10 + step, "u": 10 + step}
            diff |= {"b": [["1998.00", "4"]], "a": [["2050.00", "7"]]}
            for name, data in (("trade", trade), ("bookTicker", ticker), ("depth", diff)):
                rows.append((step * 100_000_000, {"stream": f"ethusdt@{name}", "data": data}))
        with gzip.open(folder / "market" / f"{market}_ethusdt_20231114.gz", "wb") as file:
            file.writelines(b"%d %s\n" % (start + at, json.dumps(row).encode()) for at, row in rows)
    return folder


def test_a_recording_is_replayed_as_if_it_were_now(open_venue: Callable[..., Venue], tmp_path: Path) -> None:
    venue = open_venue("--market", "capture", "--data", str(tiny_capture(tmp_path / "data")), "--rate-limits", "off")
    ben = venue.account(spot={"ETH": "1", "USDT": "10000"})

    assert venue.control("GET", "/health") == {
        "ok": True, "market": "capture", "trading": ["spot:ETHUSDT", "usdm:ETHUSDT"],
        "pid": venue.process.pid,
    }  # fmt: skip
    status, answer = venue.spot(ben, side="BUY", type="MARKET", quantity="0.001")
    assert (status, answer["msg"]) == (400, "Market is closed.")
    _, order = venue.spot(ben, symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.1")
    assert order["status"] == "FILLED" and 2000 <= float(order["fills"][0]["price"]) <= 2050

    until(lambda: venue.control("GET", "/stats")["loops"] >= 1)
    trades = until(lambda: venue.get("/api/v3/trades", symbol="ETHUSDT"))
    ids = [trade["id"] for trade in trades]
    assert ids == sorted(set(ids)), "trade ids go on rising when the recording starts again"
    assert abs(trades[-1]["time"] - time.time() * 1000) < 5_000


def test_the_real_recording_trades_at_real_prices(open_venue: Callable[..., Venue]) -> None:
    data = data_folder()
    if data is None:
        pytest.skip("no recorded data at hand (OBSCURA_DATA): the tiny recording of the test above stands in for it")
    venue = open_venue("--market", "capture", "--data", str(data), "--rate-limits", "off")
    ben = venue.account()

    info = venue.get("/api/v3/exchangeInfo")
    assert (len(info["symbols"]) > 1_600, info["obscuraMarket"]) == (True, "capture")
    trading = {one["symbol"] for one in info["symbols"] if one["status"] == "TRADING"}
    assert trading == {"BTCUSDT", "ETHUSDT"}
    _, order = venue.spot(ben, side="BUY", type="MARKET", quantity="0.01")
    assert 61_000 < float(order["fills"][0]["price"]) < 62_500
    _, order = venue.usdm(ben, side="BUY", type="MARKET", quantity="0.01")
    assert 61_000 < float(order["avgPrice"]) < 62_500
    [trade] = asyncio.run(hear(venue, "/stream", ["btcusdt@trade"]))
    assert (trade["stream"], trade["data"]["e"]) == ("btcusdt@trade", "trade")


def test_a_made_up_market_says_so_and_a_seed_repeats_it(open_venue: Callable[..., Venue]) -> None:
    venue = open_venue("--seed", "7")

    assert venue.get("/api/v3/exchangeInfo")["obscuraMarket"] == "synthetic"
    assert venue.get("/fapi/v1/exchangeInfo")["obscuraMarket"] == "synthetic"
    assert venue.control("GET", "/health")["market"] == "synthetic"


def test_another_venue_can_be_the_market(open_venue: Callable[..., Venue]) -> None:
    """The live source, with a paper venue in the real exchange's place; it halts when its source is gone."""
    upstream = open_venue("--rate-limits", "off")
    upstream.price("BTCUSDT", "70000")
    venue = open_venue("--market", "live", "--upstream", upstream.url, "--rate-limits", "off")
    ben = venue.account()

    until(lambda: len(venue.control("GET", "/health")["trading"]) == 10)
    assert venue.spot(ben, side="BUY", type="MARKET", quantity="0.01")[1]["fills"][0]["price"] == "70000.00000000"
    upstream.price("BTCUSDT", "71000")
    ticker = {"symbol": "BTCUSDT"}
    until(lambda: venue.get("/fapi/v1/ticker/bookTicker", **ticker)["askPrice"] == "71000")
    until(lambda: venue.get("/api/v3/ticker/price", **ticker)["price"] == "71000.00000000")
    upstream.stop()
    until(lambda: venue.control("GET", "/health")["trading"] == [])
    assert venue.spot(ben, side="BUY", type="MARKET", quantity="0.01")[1]["msg"] == "Market is closed."


@pytest.mark.parametrize(
    ("path", "host"),
    [("/ws", "stream.binance.com:9443"), ("/ws", "fstream.binance.com"), ("/public/ws", ""), ("/market/ws/3", "")],
)
def test_every_kind_of_public_stream(venue: Venue, path: str, host: str) -> None:
    kinds = ["trade", "aggTrade", "bookTicker", "miniTicker", "ticker", "depth@100ms", "depth5", "kline_1m"]
    usdm = host.startswith("f") or not host
    kinds += ["markPrice"] if usdm else []

    async def story() -> set[str]:
        found: set[str] = set()

        async def listen() -> None:
            async with aiohttp.ClientSession() as session:
                headers = {"Host": host} if host else {}
                async with session.ws_connect(venue.url + path, headers=headers) as socket:
                    await socket.send_json(
                        {"method": "SUBSCRIBE", "params": [f"ethusdt@{kind}" for kind in kinds], "id": 1}
                    )
                    await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
                    assert await socket.receive_json() == {"result": None, "id": 1}
                    while "result" not in (listed := await socket.receive_json()):
                        assert "id" not in listed, "streams may speak before the answer, and nobody else"
                    assert len(listed["result"]) == len(kinds)
                    while len(found) < len(kinds):
                        message = await socket.receive_json()
                        name = message.get("e", "depth5" if "lastUpdateId" in message else "bookTicker")
                        found.add("depth5" if name == "depthUpdate" and message["U"] == message["u"] and usdm else name)
                        if usdm and "depthUpdate" in found:
                            found.add("depth5")

        listening = asyncio.ensure_future(listen())
        for step in range(100):
            await asyncio.to_thread(venue.price, "ETHUSDT", str(3000 + step % 2))
            if listening.done():
                break
            await asyncio.sleep(0.03)
        await asyncio.wait_for(listening, 5)
        return found

    found = asyncio.run(story())
    assert {"trade", "aggTrade", "bookTicker", "24hrMiniTicker", "24hrTicker", "depthUpdate", "kline"} <= found


def test_the_book_and_its_diffs_fit_together(venue: Venue) -> None:
    """The documented way: buffer diffs, take a snapshot, apply what follows; the result is the venue's book."""

    async def story() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.url}/ws/btcusdt@depth") as socket:
            snapshot = await asyncio.to_thread(venue.get, "/api/v3/depth", symbol="BTCUSDT", limit=5000)
            book = {side: dict(snapshot[side]) for side in ("bids", "asks")}
            last = snapshot["lastUpdateId"]
            for price in ("60100", "59900", "60050"):
                await asyncio.to_thread(venue.price, "BTCUSDT", price, market="spot")
                await asyncio.sleep(0.12)
            while True:
                diff = await asyncio.wait_for(socket.receive_json(), 5)
                if diff["u"] <= last:
                    continue
                assert diff["U"] <= last + 1
                last = diff["u"]
                for side, rows in (("bids", diff["b"]), ("asks", diff["a"])):
                    book[side].update(rows)
                now = await asyncio.to_thread(venue.get, "/api/v3/depth", symbol="BTCUSDT", limit=5000)
                if now["lastUpdateId"] == last:
                    break
            empty = "0.00000000"
            assert {side: {p: q for p, q in rows.items() if q != empty} for side, rows in book.items()} == {
                side: dict(now[side]) for side in ("bids", "asks")
            }

    asyncio.run(story())


@pytest.mark.parametrize("path", ["/ws/btcusdt@bookTicker", "/stream?streams=btcusdt@bookTicker/ethusdt@trade"])
def test_streams_can_be_named_in_the_address(venue: Venue, path: str) -> None:
    async def story() -> None:
        hearing = asyncio.ensure_future(hear(venue, path, []))
        for price in range(60_001, 60_100):
            await asyncio.to_thread(venue.price, "BTCUSDT", str(price), market="spot")
            if hearing.done():
                break
        [message] = await hearing
        event = message["data"] if path.startswith("/stream") else message
        assert event.keys() == {"u", "s", "b", "B", "a", "A"}
        assert event["s"] == "BTCUSDT"

    asyncio.run(story())


def test_unknown_streams_and_words_are_refused(venue: Venue) -> None:
    async def story() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.url}/stream") as socket:
            for sent in ({"method": "SUBSCRIBE", "params": ["btcusdt@nonsense"], "id": 1}, {"method": "SING", "id": 2}):
                await socket.send_json(sent)
                assert (await socket.receive_json())["error"]["code"] == 2
            await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 3})
            assert (await socket.receive_json()) == {"result": None, "id": 3}
            await socket.send_json({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 4})
            assert (await socket.receive_json()) == {"result": None, "id": 4}
            await socket.send_str("{")
            assert (await socket.receive_json())["error"]["code"] == 3

    asyncio.run(story())
