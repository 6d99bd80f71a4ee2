"""The buckets, the pauses and the breaker, as all processes see them through Redis."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from uuid import UUID

import pytest
import redis

from citadel.client import Result
from trading.domain.waiting import Held
from trading.execution import limits
from trading.execution.limits import ASK, CLOSE, CRITICAL, OPEN, TRADES, Place, admit, heed
from trading.execution.reads import Reads, calmly
from trading.venues.quirks import BINANCE_SPOT, VENUES, Window

DAY = 86_400
HERE, THERE = Place("paper", "binance", "spot", "127.0.0.1"), Place("paper", "binance", "spot", "127.0.0.2")
BEN, CLEO = str(UUID(int=1)), str(UUID(int=2))
SILENCE = Result(0, 0, b"timeout", 1, 2, {})
REFUSAL = Result(0, 400, b'{"code":-2010}', 1, 2, {})


@pytest.fixture(autouse=True)
def a_day(monkeypatch, redis_db):
    """Intervals of a day, so that none ends while a test runs: weight 10 an address, 5 orders an account."""
    venue = replace(
        BINANCE_SPOT,
        weight=Window(10, DAY, "x-mbx-used-weight-1m"),
        orders=(Window(5, DAY, "x-mbx-order-count-1d"),),
    )
    monkeypatch.setitem(VENUES, ("binance", "spot"), venue)
    monkeypatch.setattr(limits, "_lost_until", 0.0)
    limits._marked.clear()


def asked(kind: str, count: int, place: Place = HERE) -> str:
    return admit(place, kind, count=count, weight=1).marks


def ordered(kind: str, *accounts: str) -> str:
    return admit(HERE, kind, count=len(accounts), accounts=accounts, weight=0).marks


def told(status: int = 200, row: int = 0, body: bytes = b"{}", **headers: str) -> Result:
    now = int(time.time() * 1000)
    return Result(row, status, body, now, now, {name.replace("_", "-"): value for name, value in headers.items()})


def test_an_address_is_asked_for_so_much_and_the_rest_is_told_when_to_come_back():
    first, second = admit(HERE, CLOSE, count=6, weight=1), admit(HERE, CLOSE, count=6, weight=1)

    assert (first.marks, first.wait_ms) == ("111111", 0)
    assert second.marks == "1111rr"
    assert 0 < second.wait_ms <= DAY * 1000
    assert [second.held(3), second.held(4)] == [None, Held.LIMITED]


def test_each_address_has_a_bucket_of_its_own():
    assert (asked(CLOSE, 12), asked(CLOSE, 12, THERE)) == ("1111111111rr", "1111111111rr")


def test_closes_and_what_is_critical_keep_a_reserve():
    assert asked(OPEN, 10) == "11111111rr"
    assert (asked(ASK, 1), asked(TRADES, 1)) == ("r", "r")
    assert (asked(CRITICAL, 1), asked(CLOSE, 2)) == ("1", "1r")


def test_questions_after_trades_may_use_a_small_part():
    assert asked(TRADES, 5) == "1111r"
    assert asked(OPEN, 5) == "1111r"


def test_what_weighs_more_takes_more():
    assert admit(HERE, CLOSE, count=3, weight=4).marks == "11r"
    assert asked(CLOSE, 3) == "11r"


def test_an_account_that_sent_too_many_orders_does_not_stop_the_others():
    assert ordered(CLOSE, *[BEN] * 6) == "11111r"
    assert ordered(CLOSE, BEN, CLEO, BEN, CLEO) == "r1r1"


def test_an_account_keeps_a_reserve_for_closes_too():
    assert ordered(OPEN, *[BEN] * 5) == "1111r"
    assert ordered(CLOSE, BEN, BEN) == "1r"


def test_orders_that_find_no_weight_take_nothing_of_their_account():
    assert admit(HERE, CLOSE, count=11, accounts=[BEN] * 3 + [CLEO] * 8, weight=3).marks == "111" + "r" * 8

    assert ordered(CLOSE, *[CLEO] * 5, *[BEN] * 3) == "1111111r"


def test_a_new_interval_begins_with_nothing_used(monkeypatch, redis_db):
    assert asked(CLOSE, 11) == "1111111111r"
    assert ordered(CLOSE, *[BEN] * 5) == "11111"

    redis_db.hincrby(HERE.own_key("weight"), "interval", -1)
    redis_db.hincrby(HERE.key(f"orders-{DAY}"), "#", -1)

    assert asked(CLOSE, 11) == "1111111111r"
    assert ordered(CLOSE, *[BEN] * 5) == "11111"


def test_what_the_exchange_has_counted_corrects_ours():
    assert asked(OPEN, 1) == "1"

    heed(HERE, [told(x_mbx_used_weight_1m="7")])

    assert asked(OPEN, 2) == "1r"  # 7 of the 8 that opens may use


def test_what_the_exchange_has_not_counted_yet_is_not_given_back():
    assert asked(OPEN, 8) == "11111111"

    heed(HERE, [told(x_mbx_used_weight_1m="6")])

    assert asked(OPEN, 1) == "r"


def test_the_exchanges_count_of_an_account_corrects_ours():
    heed(HERE, [told(row=7, x_mbx_order_count_1d="4")], accounts={7: BEN})

    assert ordered(CLOSE, BEN, BEN, CLEO) == "1r1"


@pytest.mark.parametrize("off_ms", [-DAY * 1000, 0])
def test_a_count_of_another_interval_is_not_believed(off_ms):
    began = int(time.time()) // DAY * DAY * 1000
    answer = told(x_mbx_used_weight_1m="9")._replace(sent_ms=began + off_ms, done_ms=began + off_ms + 5)

    heed(HERE, [answer])

    assert asked(OPEN, 1) == "1"


def test_an_address_that_is_asked_to_slow_down_is_silent_and_the_other_is_not():
    heed(HERE, [told(429, retry_after="30"), told(429, retry_after="7"), told(200)])

    paused = admit(HERE, CLOSE, count=2, weight=1)

    assert (paused.marks, paused.held(0)) == ("pp", Held.PAUSED)
    assert 29_000 < paused.wait_ms <= 30_000
    assert asked(OPEN, 1, THERE) == "1"


def test_a_shorter_wish_does_not_end_a_longer_pause():
    heed(HERE, [told(418, retry_after="120")])
    heed(HERE, [told(429)])

    assert admit(HERE, CLOSE, count=1, weight=1).wait_ms > 110_000


def test_an_account_with_too_many_orders_silences_itself_alone():
    heed(HERE, [told(429, row=7, body=b'{"code":-1015}', retry_after="9")], accounts={7: BEN})

    assert ordered(CLOSE, BEN, CLEO) == "r1"
    assert asked(OPEN, 1) == "1"


def test_where_the_paper_venue_limits_nothing_neither_do_we_but_live_is_always_limited(settings):
    settings.PAPER_LIMITS = False

    assert asked(OPEN, 100) == "1" * 100
    assert ordered(OPEN, *[BEN] * 9) == "1" * 9
    assert asked(OPEN, 10, Place("live", "binance", "spot")) == "11111111rr"


def test_while_redis_is_away_all_may_go_and_it_is_not_waited_for_each_time(monkeypatch):
    asked(OPEN, 8)
    connects = []

    def gone() -> redis.Redis:
        connects.append(1)
        return redis.Redis(port=1, socket_connect_timeout=0.1, retry=None)

    with monkeypatch.context() as away:
        away.setattr("obscura.core.redis_clients.sync", gone)
        assert [asked(OPEN, 12), asked(OPEN, 12)] == ["1" * 12] * 2
        heed(HERE, [SILENCE])

    assert len(connects) == 1
    limits._lost_until = 0.0
    assert asked(OPEN, 1) == "r"


# -- the breaker -----------------------------------------------------------------------------------------------------


def test_nine_silences_in_a_row_are_borne_and_ten_are_not():
    heed(HERE, [SILENCE] * 9)
    assert asked(OPEN, 1) == "1"

    heed(HERE, [SILENCE])

    away = admit(HERE, OPEN, count=2, weight=1)
    assert (away.marks, away.held(0)) == ("vv", Held.AWAY)
    assert 4_000 < away.wait_ms <= 5_000
    assert asked(OPEN, 1, THERE) == "v"  # it is the venue that is away, whichever address asks


def test_an_answer_in_between_starts_the_count_anew():
    heed(HERE, [SILENCE] * 9)
    asked(OPEN, 1)
    heed(HERE, [REFUSAL])
    heed(HERE, [SILENCE] * 9)

    assert asked(OPEN, 1) == "1"


def test_silences_far_apart_do_not_open_it(redis_db):
    heed(HERE, [SILENCE] * 9)
    redis_db.hincrby(HERE.key("breaker"), "first_at", -limits.WITHIN_MS - 1)
    heed(HERE, [SILENCE] * 9)

    assert asked(OPEN, 1) == "1"


def test_errors_of_the_venue_count_and_silences_of_our_own_do_not():
    ours = [Result(0, 0, body, 1, 2, {}) for body in (b"egress_lost", b"signer_lost", b"deadline")]
    heed(HERE, [*ours * 4, Result(0, -1, b"egress_unavailable", 0, 2, {})])
    assert asked(OPEN, 1) == "1"

    heed(HERE, [told(503)] * 5 + [Result(0, -1, b"connect_failed", 0, 2, {})] * 5)

    assert asked(OPEN, 1) == "v"


def test_while_it_is_open_closes_and_questions_go_out_a_few_at_a_time():
    heed(HERE, [SILENCE] * 10)

    assert (asked(CLOSE, 7), asked(CLOSE, 1), asked(ASK, 6)) == ("11111vv", "v", "111rrr")
    assert (asked(OPEN, 1), asked(TRADES, 1), asked(CRITICAL, 1)) == ("v", "v", "v")


def test_the_next_few_closes_go_when_the_pace_allows(redis_db):
    heed(HERE, [SILENCE] * 10)
    assert asked(CLOSE, 6) == "11111v"
    redis_db.hincrby(HERE.key("breaker"), "probed_close", -limits.PACE_MS)

    assert (asked(CLOSE, 6), asked(CLOSE, 1)) == ("11111v", "v")


def test_half_open_lets_a_few_opens_through_and_one_answer_closes_it(redis_db):
    heed(HERE, [SILENCE] * 10)
    redis_db.hset(HERE.key("breaker"), "retry_at", 1)
    assert asked(OPEN, 7) == "11111vv"

    heed(HERE, [REFUSAL])

    assert asked(OPEN, 1) == "1"
    assert not redis_db.exists(HERE.key("breaker"))


def test_a_probe_that_fails_lets_it_rest_twice_as_long(redis_db):
    heed(HERE, [SILENCE] * 10)
    redis_db.hset(HERE.key("breaker"), "retry_at", 1)

    heed(HERE, [SILENCE])

    assert 9_000 < admit(HERE, OPEN, count=1, weight=1).wait_ms <= 10_000


def test_a_rest_never_lasts_longer_than_a_minute(redis_db):
    heed(HERE, [SILENCE] * 10)
    for _ in range(6):
        redis_db.hset(HERE.key("breaker"), "retry_at", 1)
        heed(HERE, [SILENCE])

    assert admit(HERE, OPEN, count=1, weight=1).wait_ms <= limits.LONGEST_REST_MS


def test_most_answers_ask_nothing_of_redis(monkeypatch):
    asked(OPEN, 1)
    monkeypatch.setattr(limits, "_run", lambda *_: pytest.fail("nothing was worth a call"))

    heed(HERE, [told(x_mbx_used_weight_1m="3")] * 250)


# ------------------------------------------------------------------------------------------ questions of our own


def read(reads: Reads, times: int = 1, weight: int = 1) -> None:
    """Ask so often, one after the other, until all are let through."""

    async def ask() -> None:
        for _ in range(times):
            await reads.admit(environment="paper", exchange="binance", market="spot", weight=weight)

    asyncio.run(asyncio.wait_for(ask(), 20))


@pytest.fixture
def here(settings):
    settings.EGRESS_ADDRESSES = ["127.0.0.1"]
    return Reads()


def test_a_question_takes_its_weight_and_leaves_closes_theirs(here):
    read(here, times=2, weight=4)

    assert asked(ASK, 1) == "r"  # eight of ten are taken: what questions may use
    assert asked(CLOSE, 3) == "11r"


def test_background_questions_stand_back_before_others(here):
    read(Reads(TRADES), times=4)

    with pytest.raises(TimeoutError):
        asyncio.run(
            asyncio.wait_for(Reads(TRADES).admit(environment="paper", exchange="binance", market="spot", weight=1), 0.5)
        )
    read(here)


def test_what_is_asked_calmly_stands_back_whoever_asks(here):
    reads = Reads(CRITICAL)

    with calmly():
        read(reads, times=4)
        with pytest.raises(TimeoutError):
            asyncio.run(
                asyncio.wait_for(reads.admit(environment="paper", exchange="binance", market="spot", weight=1), 0.5)
            )
    read(reads, times=6)  # the last fifth as well


def test_a_question_waits_for_as_long_as_the_exchange_wants_to_be_left_alone(here):
    asyncio.run(here.refused(environment="paper", exchange="binance", market="spot", headers={"Retry-After": "1"}))
    assert asked(CLOSE, 1) == "p"

    read(here)
    assert asked(CLOSE, 1) == "1"  # it was let through when the pause was over


def test_without_redis_questions_go_on(here, monkeypatch):
    monkeypatch.setattr(limits, "_lost_until", time.monotonic() + 60)

    read(here, times=30)
