"""The exchange's official SDKs and python-binance, unmodified but for the address, trade on the paper venue."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from .support import Key, Venue


@pytest.fixture(scope="module")
def sdks() -> Any:
    """The module of clients."""
    return importlib.import_module("tests.contracts.sdks")


@pytest.fixture
def ben(venue: Venue) -> Key:
    return venue.account("ben")


@pytest.fixture
def python_binance(venue: Venue, ben: Key, sdks: Any) -> Iterator[Any]:
    client = sdks.Client(ben.api_key, ben.secret, ping=False)
    client.API_URL, client.FUTURES_URL = f"{venue.url}/api", f"{venue.url}/fapi"
    yield client
    client.close_connection()
    asyncio.get_event_loop_policy().get_event_loop().close()  # it makes a loop even for blocking calls
    asyncio.set_event_loop(None)


def rest(sdks: Any, venue: Venue, key: Key) -> Any:
    return sdks.ConfigurationRestAPI(api_key=key.api_key, api_secret=key.secret, base_path=venue.url, retries=0)


def test_python_binance_trades_spot(venue: Venue, ben: Key, python_binance: Any, sdks: Any) -> None:
    client = python_binance

    order = client.order_market_buy(symbol="BTCUSDT", quantity="0.01")
    assert (order["status"], order["fills"][0]["price"]) == ("FILLED", "60000.00000000")
    assert client.get_asset_balance(asset="BTC")["free"] == "0.00999000"
    waiting = client.order_limit_buy(symbol="BTCUSDT", quantity="0.01", price="50000")
    assert [one["orderId"] for one in client.get_open_orders(symbol="BTCUSDT")] == [waiting["orderId"]]
    assert client.cancel_order(symbol="BTCUSDT", orderId=waiting["orderId"])["status"] == "CANCELED"
    assert [trade["orderId"] for trade in client.get_my_trades(symbol="BTCUSDT")] == [order["orderId"]]
    assert client.get_symbol_info("BTCUSDT")["baseAsset"] == "BTC"
    assert len(client.get_order_book(symbol="BTCUSDT", limit=5)["asks"]) == 5
    with pytest.raises(sdks.BinanceAPIException) as refused:
        client.order_market_buy(symbol="BTCUSDT", quantity="5")
    assert refused.value.code == -2010


def test_python_binance_trades_usdm(venue: Venue, ben: Key, python_binance: Any, sdks: Any) -> None:
    client = python_binance

    client.futures_change_leverage(symbol="BTCUSDT", leverage=10)
    order = client.futures_create_order(
        symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1", newOrderRespType="RESULT"
    )
    assert (order["status"], order["avgPrice"]) == ("FILLED", "60000")
    [position] = client.futures_position_information(symbol="BTCUSDT")
    assert (position["positionAmt"], position["positionSide"]) == ("0.1", "BOTH")
    assert client.futures_account_balance()[0]["balance"] == "9997"
    assert len(client.futures_account_trades(symbol="BTCUSDT")) == 1
    with pytest.raises(sdks.BinanceAPIException) as refused:
        client.futures_change_margin_type(symbol="BTCUSDT", marginType="CROSSED")
    assert refused.value.code == -4046


def test_the_official_spot_sdk_trades(venue: Venue, ben: Key, sdks: Any) -> None:
    api = sdks.Spot(config_rest_api=rest(sdks, venue, ben)).rest_api

    order = api.new_order("BTCUSDT", "BUY", "MARKET", quantity=0.01, new_client_order_id="sdk").data()
    assert (order.status, order.executed_qty, order.fills[0].price) == ("FILLED", "0.01000000", "60000.00000000")
    assert api.get_order("BTCUSDT", orig_client_order_id="sdk").data().order_id == order.order_id
    account = api.get_account().data()
    assert {row.asset: row.free for row in account.balances} == {"USDT": "9400.00000000", "BTC": "0.00999000"}
    waiting = api.new_order("BTCUSDT", "BUY", "LIMIT", time_in_force="GTC", quantity=0.01, price=50000).data()
    assert [one.order_id for one in api.get_open_orders("BTCUSDT").data()] == [waiting.order_id]
    assert api.delete_order("BTCUSDT", order_id=waiting.order_id).data().status == "CANCELED"
    assert [one.order_id for one in api.my_trades("BTCUSDT").data()] == [order.order_id]
    assert api.exchange_info("BTCUSDT").data().symbols[0].symbol == "BTCUSDT"
    with pytest.raises(sdks.BadRequestError):
        api.new_order("BTCUSDT", "BUY", "MARKET", quantity=5)


def test_the_official_usdm_sdk_trades(venue: Venue, ben: Key, sdks: Any) -> None:
    api = sdks.DerivativesTradingUsdsFutures(config_rest_api=rest(sdks, venue, ben)).rest_api

    assert api.change_initial_leverage("BTCUSDT", 10).data().leverage == 10
    order = api.new_order("BTCUSDT", "BUY", "MARKET", quantity=0.1, new_order_resp_type="RESULT").data()
    assert (order.status, order.executed_qty) == ("FILLED", "0.1")
    [position] = api.position_information_v3("BTCUSDT").data()
    assert (position.position_amt, position.entry_price) == ("0.1", "60000")
    assert api.futures_account_balance_v3().data()[0].balance == "9997"
    assert api.account_information_v3().data().total_wallet_balance == "9997"
    assert [one.order_id for one in api.account_trade_list("BTCUSDT").data()] == [order.order_id]
    assert api.get_current_position_mode().data().dual_side_position is False
    assert len(api.start_user_data_stream().data().listen_key) == 64
    with pytest.raises(sdks.BadRequestError):
        api.new_order("BTCUSDT", "SELL", "MARKET", quantity=1, position_side="SHORT")


def test_the_official_usdm_sdk_keeps_a_stop_at_the_venue(venue: Venue, ben: Key, sdks: Any) -> None:
    api = sdks.DerivativesTradingUsdsFutures(config_rest_api=rest(sdks, venue, ben)).rest_api

    api.new_order("BTCUSDT", "BUY", "MARKET", quantity=0.1)
    stop = {"quantity": 0.1, "trigger_price": 59000, "reduce_only": "true", "client_algo_id": "mine"}
    kept = api.new_algo_order("CONDITIONAL", "BTCUSDT", "SELL", "STOP_MARKET", **stop).data()
    assert (kept.algo_status, kept.trigger_price) == ("NEW", "59000")
    assert [one.algo_id for one in api.current_all_algo_open_orders(symbol="BTCUSDT").data()] == [kept.algo_id]
    venue.price("BTCUSDT", "58000")
    told = api.query_algo_order(client_algo_id="mine").data()

    assert (told.algo_status, api.position_information_v3("BTCUSDT").data()) == ("FINISHED", [])
    assert [one.algo_id for one in api.query_all_algo_orders("BTCUSDT").data()] == [kept.algo_id]
    with pytest.raises(sdks.BadRequestError):
        api.cancel_algo_order(client_algo_id="mine")


@pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning")  # the SDK's own
def test_the_official_sdk_hears_its_user_stream_and_trades_over_the_socket(venue: Venue, ben: Key, sdks: Any) -> None:
    url = venue.url.replace("http", "ws")
    sdk = sdks.Spot(
        config_rest_api=rest(sdks, venue, ben),
        config_ws_api=sdks.ConfigurationWebSocketAPI(
            api_key=ben.api_key, api_secret=ben.secret, stream_url=f"{url}/ws-api/v3", reconnect_attempts=1
        ),
        config_ws_streams=sdks.ConfigurationWebSocketStreams(stream_url=url, reconnect_attempts=1),
    )

    async def story() -> None:
        api, streams = sdk.websocket_api, sdk.websocket_streams
        try:
            await api.create_connection()
            subscribed = await api.user_data_stream_subscribe_signature()
            reports: asyncio.Queue[Any] = asyncio.Queue()
            subscribed.stream.on("message", reports.put_nowait)
            placed = await api.order_place("BTCUSDT", "BUY", "MARKET", quantity=0.01)
            assert placed.data().result.status == "FILLED"
            new, trade = [(await asyncio.wait_for(reports.get(), 5)).actual_instance for _ in range(2)]
            assert (new.x, trade.x, trade.L, trade.Z) == ("NEW", "TRADE", "60000.00000000", "600.00000000")

            await streams.create_connection()
            heard: asyncio.Queue[Any] = asyncio.Queue()
            stream = await streams.mini_ticker(symbol="btcusdt")
            stream.on("message", heard.put_nowait)
            assert (await asyncio.wait_for(heard.get(), 5)).c == "60000.00000000"
        finally:
            await api.close_connection()
            await streams.close_connection()

    asyncio.run(story())
