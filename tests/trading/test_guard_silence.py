"""A lead that cannot be heard: its followers are told once, and where the pool wants it, what is open is closed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import orjson
import pytest

from obscura.core import clock
from pools.models import Pool
from tests.trading.support import follow, lead
from trading import services as trading
from trading.guard.memory import Memory
from trading.guard.round import Counts, look
from trading.market import cache
from trading.models import Holding, Notice, Signal
from trading.sentinel import state

MINUTE = timedelta(minutes=1)


class Story:
    """Ben and Cleo follow Ada, and Ben holds bitcoin because of her."""

    def __init__(self, tenant, cast, redis) -> None:
        self.tenant, self.redis, self.memory = tenant, redis, Memory()
        self.pool, self.trader = lead(cast.ada())
        self.ben, self.cleo = follow(self.pool, cast.ben()), follow(self.pool, cast.cleo())
        self.ben.exposure = Decimal(100)
        self.ben.save()
        Holding.objects.create(
            subscription_id=self.ben.pk, trader_id=self.trader.pk, market="spot", symbol="BTCUSDT",
            qty=Decimal("0.002"), cost=Decimal(100), opened_at=clock.now(), updated_at=clock.now(),
        )  # fmt: skip
        self.stream = state.StreamState("t_alpha", str(self.trader.account_id), "binance", "paper", "spot")

    def heard(self, at) -> None:
        """Ada's stream was live until then."""
        self.stream.state, self.stream.heard = "waiting", at.timestamp()
        state.publish([self.stream], [])

    def look(self, at) -> Counts:
        price = orjson.dumps({"bid": "50000", "ask": "50000", "at": at.timestamp()})
        self.redis.hset(cache.price_key("paper", "binance", "spot"), "BTCUSDT", price)
        self.memory.learn_leads()
        self.memory.learn_streams()
        return look(tenant=self.tenant, memory=self.memory, now=at)

    def told(self) -> list[tuple[int, str, bool]]:
        rows = Notice.objects.order_by("id")
        return [(row.subscription_id, row.words, row.over_at is None) for row in rows]


@pytest.fixture
def story(committed, alpha, cast, redis_db) -> Story:
    from trading.execution import db

    yield Story(alpha, cast, redis_db)
    db.close()


def test_followers_with_something_open_are_told_once_and_when_the_lead_is_back(story):
    now = clock.now()
    story.heard(now)
    assert story.look(now + MINUTE).told == 0

    counts = [story.look(now + MINUTE + timedelta(seconds=s)).told for s in (1, 2)]

    assert counts == [1, 0]
    words = f"The lead's account cannot be heard since {now:%H:%M} UTC; your stops still work."
    assert story.told() == [(story.ben.pk, words, True)]
    assert trading.standing_words([story.ben.pk, story.cleo.pk]) == {story.ben.pk: [words]}
    story.heard(now + 2 * MINUTE)
    story.look(now + 2 * MINUTE)
    assert story.told() == [
        (story.ben.pk, words, False),
        (story.ben.pk, "The lead's account is heard again.", False),
    ]
    assert not Signal.objects.exists()


def test_a_sentinel_that_is_gone_was_heard_until_its_last_word(story):
    story.stream.turn("live")
    state.publish([story.stream], [])
    last = clock.now()

    assert story.look(last + MINUTE - timedelta(seconds=5)).told == 0
    assert story.look(last + 2 * MINUTE).told == 1


def test_a_guard_that_has_just_begun_does_not_cry(story):
    now = clock.now()

    assert [story.look(now + timedelta(seconds=s)).told for s in (0, 59, 61)] == [0, 0, 1]


def test_a_pool_that_wants_it_closes_after_a_further_time(story):
    Pool.objects.update(when_silent="close")
    now = clock.now()
    story.heard(now)

    counts = [story.look(now + timedelta(seconds=s)).closes for s in (61, 359, 361, 362)]

    assert counts == [0, 0, 1, 0]
    signal = Signal.objects.get()
    assert (signal.only_for, signal.source, signal.effect, signal.side) == (story.ben.pk, "guard", "close", "sell")
    assert signal.metadata == {"cause": "lead_silent"}


def test_a_pool_that_does_not_is_only_told(story):
    now = clock.now()
    story.heard(now)

    assert [story.look(now + timedelta(seconds=s)).closes for s in (61, 361)] == [0, 0]


def test_a_lead_whose_keys_were_taken_back_cannot_be_heard_either(story):
    now = clock.now()
    story.heard(now)
    story.look(now)
    story.trader.account.status = "revoked"
    story.trader.account.save()
    state.publish([], [story.stream.field])

    assert [story.look(now + timedelta(seconds=s)).told for s in (59, 61)] == [0, 1]
