"""Private streams, event by event and field by field."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from .support import Key, Venue, sign

REPORT = set("esScofqpPFgCxXriLlzntNTIwmMOZYQWV") | {"E", "S"}


class Ear:
    """Hears one socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> Any:
        message = await asyncio.wait_for(self.socket.receive(), 5)
        return message.json() if message.type is aiohttp.WSMsgType.TEXT else message.type

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> Any:
        await self.socket.send_json({"id": "1", "method": method, "params": params or {}})
        return await self.next()


def signed(key: Key, **params: Any) -> dict[str, Any]:
    params |= {"apiKey": key.api_key, "timestamp": int(time.time() * 1000)}
    query = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return params | {"signature": sign(query, key.secret).rpartition("=")[2]}


@asynccontextmanager
async def spot_stream(venue: Venue, key: Key) -> AsyncIterator[Ear]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.url}/ws-api/v3") as socket:
        ear = Ear(socket)
        answer = await ear.ask("userDataStream.subscribe.signature", signed(key))
        assert (answer["status"], answer["result"]) == (200, {"subscriptionId": 0})
        yield ear


@asynccontextmanager
async def usdm_stream(venue: Venue, key: Key) -> AsyncIterator[Ear]:
    _, _, answer = await asyncio.to_thread(venue.call, "POST", "/fapi/v1/listenKey", key)
    url = f"{venue.url}/private/ws?listenKey={answer['listenKey']}"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        yield Ear(socket)


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await story()

    asyncio.run(main())


def test_a_spot_order_is_told_whole(venue: Venue) -> None:
    ada = venue.account("ada")

    async def story() -> None:
        async with spot_stream(venue, ada) as ear:
            order = await asyncio.to_thread(
                venue.trade, ada, symbol="BTCUSDT", side="BUY", quantity="0.01", client_id="a"
            )
            new, trade, account = [(await ear.next()) for _ in range(3)]

        assert new["subscriptionId"] == trade["subscriptionId"] == 0
        new, trade, account = new["event"], trade["event"], account["event"]
        assert new.keys() == trade.keys() == REPORT
        assert (new["x"], new["X"], new["z"], new["t"], new["w"]) == ("NEW", "NEW", "0.00000000", -1, False)
        assert (trade["x"], trade["X"], trade["c"], trade["i"]) == ("TRADE", "FILLED", "a", order["orderId"])
        assert (trade["l"], trade["L"], trade["n"], trade["N"]) == (
            "0.01000000", "60000.00000000", "0.00001000", "BTC",
        )  # fmt: skip
        assert (trade["t"], trade["Z"], trade["m"]) == (order["fills"][0]["tradeId"], "600.00000000", False)
        assert account["e"] == "outboundAccountPosition"
        assert account["B"] == [
            {"a": "BTC", "f": "0.00999000", "l": "0.00000000"},
            {"a": "USDT", "f": "9400.00000000", "l": "0.00000000"},
        ]

    run(story)


def test_partial_fills_cancels_expiries_and_refusals_are_told(venue: Venue) -> None:
    ada = venue.account("ada")
    venue.price("BTCUSDT", "60000", asks=[["60000", "0.01"], ["60500", "5"]], market="spot")
    limit = {"side": "BUY", "type": "LIMIT", "quantity": "0.03", "price": "60100"}

    async def reports(ear: Ear, count: int) -> list[tuple[str, str, str]]:
        seen: list[tuple[str, str, str]] = []
        while len(seen) < count:
            event = (await ear.next())["event"]
            if event["e"] == "executionReport":
                seen.append((event["x"], event["X"], event["z"]))
        return seen

    async def story() -> None:
        async with spot_stream(venue, ada) as ear:
            _, order = await asyncio.to_thread(venue.spot, ada, timeInForce="GTC", **limit)
            assert await reports(ear, 2) == [("NEW", "NEW", "0.00000000"), ("TRADE", "PARTIALLY_FILLED", "0.01000000")]
            cancel = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
            await asyncio.to_thread(venue.call, "DELETE", "/api/v3/order", ada, **cancel)
            assert await reports(ear, 1) == [("CANCELED", "CANCELED", "0.01000000")]
            await asyncio.to_thread(venue.spot, ada, timeInForce="IOC", **limit)
            assert [one[0] for one in await reports(ear, 3)] == ["NEW", "TRADE", "EXPIRED"]
            await asyncio.to_thread(venue.spot, ada, side="BUY", type="MARKET", quantity="2")
            while (event := (await ear.next())["event"])["e"] != "executionReport":
                continue
            assert (event["x"], event["X"], event["r"]) == ("REJECTED", "REJECTED", "INSUFFICIENT_BALANCES")
            deposit = {"api_key": ada.api_key, "asset": "USDT", "amount": "5"}
            await asyncio.to_thread(venue.control, "POST", "/deposit", deposit)
            update = (await ear.next())["event"]
            assert (update["e"], update["a"], update["d"]) == ("balanceUpdate", "USDT", "5.00000000")

    run(story)


def test_a_usdm_order_is_told_whole(venue: Venue) -> None:
    ada = venue.account("ada")

    async def story() -> None:
        async with usdm_stream(venue, ada) as ear:
            order = {"market": "usdm", "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.1"}
            placed = await asyncio.to_thread(venue.trade, ada, **order)
            new, lite, account, trade = [await ear.next() for _ in range(4)]
            await asyncio.to_thread(venue.call, "POST", "/fapi/v1/leverage", ada, symbol="BTCUSDT", leverage=7)
            config = await ear.next()

        assert (new["e"], new["o"]["x"], new["o"]["X"]) == ("ORDER_TRADE_UPDATE", "NEW", "NEW")
        assert (lite["e"], lite["l"], lite["L"], lite["i"]) == ("TRADE_LITE", "0.1", "59999.9", placed["orderId"])
        assert account["a"]["B"] == [{"a": "USDT", "wb": "9997.000005", "cw": "9997.000005", "bc": "0"}]
        [held] = account["a"]["P"]
        assert (account["a"]["m"], held["pa"], held["ep"], held["ps"]) == ("ORDER", "-0.1", "59999.9", "BOTH")
        done = trade["o"]
        assert (done["x"], done["X"], done["l"], done["ap"]) == ("TRADE", "FILLED", "0.1", "59999.9")
        assert (done["n"], done["N"], done["rp"], done["R"]) == ("2.999995", "USDT", "0", False)
        assert done["t"] == placed["trades"][0]["id"]
        assert (config["e"], config["ac"]) == ("ACCOUNT_CONFIG_UPDATE", {"s": "BTCUSDT", "l": 7})

    run(story)


def test_an_expired_listen_key_is_told_and_then_nothing_is(venue: Venue) -> None:
    ada = venue.account("expiring")

    async def story() -> None:
        async with usdm_stream(venue, ada) as ear:
            fault = {"label": "expiring", "expire_listen_keys": True}
            await asyncio.to_thread(venue.control, "POST", "/faults", fault)
            event = await ear.next()
            assert (event["e"], len(event["listenKey"])) == ("listenKeyExpired", 64)
            status, _, answer = await asyncio.to_thread(venue.call, "PUT", "/fapi/v1/listenKey", ada)
            assert (status, answer["code"]) == (400, -1125)

    run(story)


def test_a_half_open_stream_says_nothing_not_even_pong(venue: Venue) -> None:
    ada = venue.account("frozen")

    async def story() -> None:
        async with spot_stream(venue, ada) as ear:
            await asyncio.to_thread(venue.control, "POST", "/faults", {"label": "frozen", "half_open": True})
            await asyncio.to_thread(venue.trade, ada, symbol="BTCUSDT", side="BUY", quantity="0.01")
            await ear.socket.ping()
            try:
                heard = await asyncio.wait_for(ear.socket.receive(), 0.2)
            except TimeoutError:
                heard = None
            assert heard is None and not ear.socket.closed
        async with spot_stream(venue, ada) as again:  # a new connection is a healthy one
            await asyncio.to_thread(venue.trade, ada, symbol="BTCUSDT", side="BUY", quantity="0.01")
            assert (await again.next())["event"]["x"] == "NEW"

    run(story)


def test_the_websocket_api_trades_too(venue: Venue) -> None:
    ben = venue.account("socket")

    async def story() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.url}/ws-api/v3") as socket:
            ear = Ear(socket)
            assert (await ear.ask("ping"))["result"] == {}
            assert (await ear.ask("time"))["result"]["serverTime"] > 0
            order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "50000"}
            placed = await ear.ask("order.place", signed(ben, quantity="0.01", **order))
            assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
            cancel = signed(ben, symbol="BTCUSDT", orderId=placed["result"]["orderId"])
            assert (await ear.ask("order.cancel", cancel))["result"]["status"] == "CANCELED"
            account = await ear.ask("account.status", signed(ben))
            assert account["result"]["balances"][0] == {
                "asset": "USDT",
                "free": "10000.00000000",
                "locked": "0.00000000",
            }
            wrong = await ear.ask("order.place", signed(ben) | {"signature": "00"})
            assert (wrong["status"], wrong["error"]["code"]) == (400, -1022)
            assert (await ear.ask("no.such"))["status"] == 400
            await socket.send_str("{not json")
            assert (await ear.next())["error"]["code"] == -1135

    run(story)
