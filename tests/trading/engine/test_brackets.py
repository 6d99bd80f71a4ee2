"""Nothing is opened with leverage before the venue has told how much it gives; what it told cuts leverage and size."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from citadel.events import AccountActivated
from obscura.core import redis_clients
from obscura.core.events import announce
from obscura.core.nudge.models import Nudge
from trading import tasks
from trading.domain.market import Bracket
from trading.domain.order_state import Status
from trading.execution.accounts import brackets
from trading.market import cache

D = Decimal
PAPER = {"environment": "paper", "exchange": "binance", "market": "usdm"}


@pytest.fixture
def unknown(stand):
    """Of the paper venue's brackets nothing is known, and the pool trades with leverage 3."""
    redis_clients.sync().delete(cache.brackets_key("paper", "binance", "usdm"))
    cache.forget()
    stand.pool.leverage = 3
    stand.pool.save()
    return stand


def test_an_open_is_denied_until_the_brackets_are_fetched_which_it_causes(unknown):
    ben = unknown.follower("ben", invest="4000", lose="4000")
    [early] = unknown.trade("buy", "1")
    assert unknown.denial(ben, early).reason == "no_brackets"
    promise = Nudge.objects.get(task="trading.fetch_brackets")
    assert promise.ids == {
        "exchange": "binance", "symbol": "BTCUSDT", "environment": "paper", "account_id": str(ben.account_id),
    }  # fmt: skip

    tasks.fetch_brackets(**promise.ids, nudge=promise.pk)
    [opened] = unknown.trade("buy", "1")

    order = unknown.order(ben, opened)
    # A slot of 400 at leverage 3 is 1,200; at the worst price of 60,300 that is 0.0199.
    assert (order.status, order.leverage, order.qty) == (Status.FILLED, 3, D("0.019"))
    assert cache.brackets(**PAPER, symbol="BTCUSDT")[0].leverage == 125
    assert not Nudge.objects.filter(task="trading.fetch_brackets").exists()


def test_leverage_one_and_closes_need_none(unknown):
    unknown.pool.leverage = 1
    unknown.pool.save()
    ben = unknown.follower("ben", invest="4000", lose="4000")

    [opened] = unknown.trade("buy", "1")
    unknown.pool.leverage = 3
    unknown.pool.save()
    [closed] = unknown.trade("sell", "1")

    assert [unknown.order(ben, one).status for one in (opened, closed)] == [Status.FILLED] * 2


def test_leverage_and_quantity_are_cut_to_the_bracket_follower_by_follower(stand):
    stand.pool.leverage = 20
    stand.pool.save()
    rows = (Bracket(20, D(10_000)), Bracket(5, D(1_000_000)))
    cache.put_brackets(**PAPER, symbol="BTCUSDT", rows=rows)
    cache.forget()
    ben = stand.follower("ben", invest="4000", lose="4000")
    cleo = stand.follower("cleo", invest="8000", lose="8000")

    [opened] = stand.trade("buy", "1")

    # Ben: 400 x 20 = 8,000, below 10,000. Cleo: 800 x 20 = 16,000, above it, so 800 x 5 = 4,000.
    his, hers = stand.order(ben, opened), stand.order(cleo, opened)
    assert (his.leverage, his.filled) == (20, D("0.132"))
    assert (hers.leverage, hers.filled) == (5, D("0.066"))
    assert (stand.holding(ben).leverage, stand.holding(cleo).leverage) == (20, 5)
    cleo.refresh_from_db()
    assert cleo.exposure == (hers.filled * hers.average / 5)
    configured = stand.venue.call("GET", "/fapi/v1/symbolConfig", stand.keys[cleo.pk], symbol="BTCUSDT")[2]
    assert configured[0]["leverage"] == 5


def test_what_is_in_use_is_known_beforehand_and_asked_once_a_day(unknown, monkeypatch):
    monkeypatch.setenv("OBSCURA_PAPER_TLS", "here")
    unknown.follower("ben")

    assert brackets.refresh() == 2  # bitcoin and ether are always in use
    assert brackets.refresh() == 0

    assert set(cache.brackets_age_s(**PAPER)) == {"BTCUSDT", "ETHUSDT"}


def test_brackets_that_were_not_confirmed_for_days_are_not_known(stand, monkeypatch):
    assert cache.brackets(**PAPER, symbol="BTCUSDT")
    monkeypatch.setattr(cache, "BRACKETS_HOLD_S", -1)

    assert cache.brackets(**PAPER, symbol="BTCUSDT") == ()


def test_a_venue_that_does_not_tell_is_asked_again(unknown):
    nobody = UUID(int=7)

    with pytest.raises(brackets.BracketsUnknown):
        brackets.fetch(schema="t_alpha", account_id=nobody, environment="paper", exchange="binance", symbol="BTCUSDT")

    assert cache.brackets(**PAPER, symbol="BTCUSDT") == ()


def test_an_account_that_becomes_active_tells_them_to_everybody(unknown):
    ben = unknown.follower("ben")

    announce(AccountActivated(account_id=ben.account_id, owner_id=ben.user_id))
    promise = Nudge.objects.get(task="trading.learn_brackets")
    tasks.learn_brackets(**promise.ids, nudge=promise.pk)

    assert set(cache.brackets_age_s(**PAPER)) == {"BTCUSDT", "ETHUSDT"}
    assert brackets.learn(account_id=ben.account_id) == 0
