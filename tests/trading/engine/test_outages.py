"""Database and Redis go away and come back: results are written, sessions replaced, rules had again."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import orjson
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from obscura.core import redis_clients
from tests.support import database
from trading.conductor.plan import MarketUnknown
from trading.domain.order_state import Status
from trading.execution import db, results
from trading.market import cache
from trading.market.feed import Feed
from trading.venues.quirks import BINANCE_SPOT

WHERE = {"environment": "paper", "exchange": "binance", "market": "spot"}
BTC = WHERE | {"symbol": "BTCUSDT"}


def test_a_hot_session_that_the_server_ended_is_found_dead_before_it_is_used(committed):
    old = db.session()
    with database._admin() as server:
        server.execute("select pg_terminate_backend(%s)", [old.info.backend_pid])
        while server.execute("select 1 from pg_stat_activity where pid = %s", [old.info.backend_pid]).fetchone():
            pass

    new = db.session()

    assert new is not old
    assert new.execute("select 1").fetchone() == (1,)
    assert db.session() is new
    db.close()


def test_news_from_the_server_is_not_taken_for_its_end(committed):
    session = db.session()
    with database._admin() as server:
        session.execute("listen news")
        server.execute("select 1")
    with psycopg.connect(dbname=session.info.dbname, host=session.info.host, port=session.info.port,
                         user=session.info.user, autocommit=True) as other:  # fmt: skip
        other.execute("notify news")

    assert db.session() is session
    db.close()


def test_results_are_written_when_the_database_is_back(stand, monkeypatch):
    ben = stand.follower("ben")
    signal = stand.signal("buy")
    away = [psycopg.OperationalError("the connection is lost")] * 3
    real = results.write

    def write(**told):
        if away:
            raise away.pop()
        real(**told)

    monkeypatch.setattr(results, "write", write)

    stand.plan()

    order = stand.order(ben, signal)
    assert (order.status, order.attempts, away) == (Status.FILLED, 1, [])
    assert stand.executed(ben) == {order.client_id: 1}


def test_a_result_is_written_without_redis(stand, monkeypatch):
    ben = stand.follower("ben")
    stand.signal("buy")
    stand.plan()
    closed = stand.signal("sell", effect="close")
    real = results.write

    def write(**told):
        monkeypatch.setattr(redis_clients, "sync", nobody)
        cache.forget()
        try:
            real(**told)
        finally:
            monkeypatch.undo()

    monkeypatch.setattr(results, "write", write)

    stand.plan()

    assert stand.order(ben, closed).status == Status.FILLED


def nobody() -> object:
    return redis.Redis(port=1, retry=Retry(NoBackoff(), 0))


def test_rules_that_redis_has_lost_hold_until_they_are_there_again(stand, monkeypatch):
    before = cache.rules(**BTC)
    monkeypatch.setattr(cache, "_RULES_KEPT_S", 0.0)
    redis_clients.sync().flushdb()
    assert cache.rules(**BTC) == before

    redis_clients.sync().hset(cache.rules_key("paper", "binance", "spot"), "ETHUSDT", "{}")
    assert cache.rules(**BTC) is None  # the market is known again, and has no such symbol


@pytest.mark.parametrize(
    ("effect", "key"), [("open", cache.rules_key), ("close", cache.rules_key), ("open", cache.price_key)]
)
def test_a_copy_waits_for_what_nobody_knows_of_its_market_at_the_moment(stand, effect, key):
    ben = stand.follower("ben")
    signal = stand.signal("buy")
    if effect == "close":
        stand.plan()
        signal = stand.signal("sell", effect="close")
    already = stand.executed(ben)
    lost = key("paper", "binance", "spot")
    kept = redis_clients.sync().hgetall(lost)
    redis_clients.sync().delete(lost)
    cache.forget()

    with pytest.raises(MarketUnknown):
        stand.plan()
    signal.refresh_from_db()
    assert (signal.state, stand.executed(ben)) == ("new", already)

    redis_clients.sync().hset(lost, mapping=kept)
    stand.plan()
    assert stand.order(ben, signal).status == Status.FILLED


def test_an_open_does_not_wait_for_rules_for_ever(stand):
    ben = stand.follower("ben")
    redis_clients.sync().delete(cache.rules_key("paper", "binance", "spot"))
    cache.forget()
    signal = stand.signal("buy", age_s=11)

    stand.plan()

    assert stand.denial(ben, signal).reason == "no_rules"


def test_prices_and_rules_are_written_again_when_redis_lost_them(redis_db):
    info = {
        "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "stepSize": "0.00001", "minQty": "0.00001", "maxQty": "9000"},
            {"filterType": "NOTIONAL", "minNotional": "5"},
        ],
    }  # fmt: skip
    exchange = SimpleNamespace(
        clients={}, bidsasks={"BTC/USDT": {"info": {"s": "BTCUSDT", "b": "59999.99", "a": "60000.00"}}},
        markets={"BTC/USDT": {"info": info}},
    )  # fmt: skip

    async def there() -> None:
        async with asyncio.timeout(10):
            while cache.quote(**BTC) is None or not cache.rules_loaded(**WHERE):  # noqa: ASYNC110 - it comes through Redis
                await asyncio.sleep(0.02)

    async def story() -> tuple[dict, dict]:
        client = redis_clients.aio()
        feed = Feed(environment="paper", venue=BINANCE_SPOT, sessions=None, client=client, wanted=frozenset)
        feed._exchange = exchange
        writing = asyncio.create_task(feed._write())
        await there()
        before = await client.hgetall(cache.price_key("paper", "binance", "spot"))
        await client.flushdb()
        await there()
        after = await client.hgetall(cache.price_key("paper", "binance", "spot"))
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await client.aclose()
        return before, after

    cache.forget()
    before, after = asyncio.run(story())

    # The same top, as of the same moment: writing it again does not make it younger.
    assert before == after
    assert orjson.loads(after[b"BTCUSDT"])["ask"] == "60000.00"
