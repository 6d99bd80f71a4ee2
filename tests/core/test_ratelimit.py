"""A bucket gives what it holds, no more, to all who ask at once, and fills again by the server's clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from obscura.core import redis_clients
from obscura.core.errors import Unavailable
from obscura.core.ratelimit import Rate, take

SLOW = Rate(limit=10, seconds=3600)


def test_it_gives_its_limit_and_then_says_how_long_to_wait(redis_db):
    said = [take("a", rate=SLOW) for _ in range(11)]

    assert [one.allowed for one in said] == [True] * 10 + [False]
    assert [one.left for one in said[:10]] == list(range(9, -1, -1))
    assert 350 < said[10].wait_s <= 360
    assert said[0].full_in_s == 360


def test_buckets_do_not_share(redis_db):
    for _ in range(10):
        take("a", rate=SLOW)

    assert take("b", rate=SLOW).allowed


def test_a_cost_that_does_not_fit_takes_nothing(redis_db):
    assert take("a", rate=SLOW, cost=8).allowed
    assert not take("a", rate=SLOW, cost=3).allowed
    assert take("a", rate=SLOW, cost=2).allowed


def test_it_is_exact_under_contention(redis_db):
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: take("a", rate=Rate(limit=50, seconds=36_000)).allowed, range(200)))

    assert said.count(True) == 50


def test_it_fills_again(redis_db):
    quick = Rate(limit=2, seconds=1)
    take("a", rate=quick), take("a", rate=quick)
    redis_db.hincrby("obscura:rate:a", "at", -500_000)  # half a second passes

    assert take("a", rate=quick).allowed


def test_a_full_bucket_is_forgotten(redis_db):
    take("a", rate=SLOW)

    assert 0 < redis_db.pttl("obscura:rate:a") <= 361_000


def test_without_redis_the_caller_decides(monkeypatch):
    def away():
        return redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2, retry=None)

    monkeypatch.setattr(redis_clients, "sync", away)

    assert take("a", rate=SLOW).allowed
    with pytest.raises(Unavailable):
        take("a", rate=SLOW, without_redis=False)
