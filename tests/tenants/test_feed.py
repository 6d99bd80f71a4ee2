"""One message a chunk, to the tenant's own channel; a broker that is away loses nothing but the hint."""

from __future__ import annotations

import orjson
import redis

from obscura.core import redis_clients
from tenants import feed


def test_rows_go_to_their_tenants_channel_in_one_message(redis_db):
    listener = redis_db.pubsub()
    listener.subscribe(feed.channel("t_alpha"), feed.channel("t_beta"))
    while listener.get_message(timeout=1)["type"] != "subscribe":
        pass

    feed.publish("t_alpha", [{"id": "o1", "symbol": "BTCUSDT"}, {"id": "d1", "symbol": "BTCUSDT"}])
    feed.publish("t_beta", [])

    heard = [one for one in (listener.get_message(timeout=0.2) for _ in range(4)) if one and one["type"] == "message"]
    listener.close()
    assert [one["channel"].decode() for one in heard] == [feed.channel("t_alpha")]
    assert orjson.loads(heard[0]["data"]) == {
        "rows": [{"id": "o1", "symbol": "BTCUSDT"}, {"id": "d1", "symbol": "BTCUSDT"}]
    }


def test_a_lost_broker_raises_nothing(monkeypatch):
    away = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2, retry=None)
    monkeypatch.setattr(redis_clients, "sync", lambda: away)

    feed.publish("t_alpha", [{"id": "o1"}])
