"""What protects a follower: where copies end by themselves, and when a whole subscription does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.drawn import NOON, TODAY, D, amounts, ben, followers, law, prices, results
from trading.domain.guard import (
    HALT_CLOSE,
    HALT_OPENS,
    Held,
    Told,
    best_price,
    crossed,
    fresh,
    highest,
    judge,
    open_result,
    silent_since,
    wishes,
)
from trading.domain.guard_words import exit_words, limit_words
from trading.domain.limits import LIMITS, reached
from trading.domain.market import Quote
from trading.domain.reasons import Reason

YESTERDAY = TODAY - timedelta(days=1)
BTC = ("spot", "BTCUSDT")


def held(qty: str = "0.5", cost: str = "25000", **changed: Any) -> Held:
    """Half a bitcoin, bought at 50,000."""
    one = Held(
        id=1,
        subscription=1,
        trader=UUID(int=1),
        market="spot",
        symbol="BTCUSDT",
        side="BOTH",
        qty=D(qty),
        cost=D(cost),
        closing=0,
        stop_loss_pct=None,
        take_profit_pct=None,
        trailing_pct=None,
        best=None,
        opened_at=NOON,
    )
    return one._replace(**changed)


percentages = st.none() | amounts("0.1", "90", 4)
holdings = st.builds(
    lambda qty, price, short, stop, take, trail, best: held(
        cost=str(qty * price),
        qty=str(-qty if short else qty),
        stop_loss_pct=stop,
        take_profit_pct=take,
        trailing_pct=trail,
        best=best,
    ),
    amounts("0.00001", "100", 5),
    amounts("0.01", "200000", 2),
    st.booleans(),
    percentages,
    percentages,
    percentages,
    st.none() | prices,
)


@pytest.mark.parametrize(
    ("exits", "holds", "fires", "told"),
    [
        ({"stop_loss_pct": D(5)}, "47500.01", "47500", Told.STOP_LOSS),
        ({"take_profit_pct": D("2.5")}, "51249.99", "51250", Told.TAKE_PROFIT),
        ({"trailing_pct": D(4), "best": D(60_000)}, "58000.01", "58000", Told.TRAILING_STOP),
        ({"trailing_pct": D(4)}, "48000.01", "48000", Told.TRAILING_STOP),
    ],
)
def test_an_exit_of_a_long_is_crossed_at_its_price(exits, holds, fires, told):
    one = held(**exits)

    assert (crossed(one, D(holds)), crossed(one, D(fires))) == (None, told)


@pytest.mark.parametrize(
    ("exits", "holds", "fires", "told"),
    [
        ({"stop_loss_pct": D(5)}, "52499.99", "52500", Told.STOP_LOSS),
        ({"take_profit_pct": D("2.5")}, "48750.01", "48750", Told.TAKE_PROFIT),
        ({"trailing_pct": D(4), "best": D(40_000)}, "41999.99", "42000", Told.TRAILING_STOP),
    ],
)
def test_an_exit_of_a_short_is_crossed_the_other_way(exits, holds, fires, told):
    one = held("-0.5", **exits)

    assert (crossed(one, D(holds)), crossed(one, D(fires))) == (None, told)


@law
@given(holdings, prices)
def test_a_copy_without_exits_ends_at_no_price(one, price):
    plain = one._replace(stop_loss_pct=None, take_profit_pct=None, trailing_pct=None)

    assert crossed(plain, price) is None


@law
@given(holdings, prices, amounts("0", "1000", 2))
def test_a_stop_that_fires_fires_at_every_worse_price(one, price, further):
    if crossed(one, price) in (Told.STOP_LOSS, Told.TRAILING_STOP):
        worse = price - further if one.qty > 0 else price + further

        assert crossed(one, worse) in (Told.STOP_LOSS, Told.TRAILING_STOP)


@law
@given(holdings, st.lists(prices, min_size=1, max_size=6))
def test_the_best_price_is_the_best_of_all_that_were_seen_and_never_gets_worse(one, seen):
    best = one
    for price in seen:
        best = best._replace(best=best_price(best, price))

    known = one.entry if one.best is None else one.best
    assert best.best == (max([known, *seen]) if one.qty > 0 else min([known, *seen]))


@law
@given(st.lists(holdings, max_size=4), prices)
def test_one_missing_price_leaves_the_result_unknown(several, price):
    known = {BTC: price}
    blind = held()._replace(symbol="ETHUSDT")

    assert open_result([*several, blind], known) is None
    assert open_result([], {}) == 0


def test_a_quote_that_is_too_old_or_empty_is_no_price():
    quotes = {
        BTC: Quote(D(100), D(102), NOON - timedelta(seconds=15)),
        ("spot", "ETHUSDT"): Quote(D(100), D(102), NOON - timedelta(seconds=16)),
        ("spot", "BNBUSDT"): None,
        ("spot", "XRPUSDT"): Quote(D(0), D(0), NOON),
    }

    assert fresh(quotes, NOON) == {BTC: D(101)}


watched = st.builds(
    lambda follower, peak: follower._replace(peak=peak, settings=None), followers, amounts("0", "100000", 2)
)
stops = st.sampled_from(["", "", *sorted(LIMITS), HALT_OPENS, HALT_CLOSE])
styles = st.sampled_from([None, '{"keep_open":true}', '{"equity_stop_pct":"10","equity_stop_trailing":true}', "[]"])


@law
@given(watched, st.none() | results, stops, st.sampled_from([None, TODAY, YESTERDAY]), styles)
def test_a_verdict_without_a_result_neither_stops_nor_resumes(follower, unrealised, stopped_by, stopped_on, style):
    verdict = judge(
        follower=follower._replace(settings=style),
        unrealised=None,
        stopped_by=stopped_by,
        stopped_on=stopped_on,
        today=TODAY,
    )

    assert (verdict.limit, verdict.pause, verdict.resume) == (None, False, False)


@law
@given(watched, results, styles)
def test_the_guard_stops_where_the_planner_opens_nothing_more_and_nowhere_else(follower, unrealised, style):
    one = follower._replace(settings=style)
    verdict = judge(follower=one, unrealised=unrealised, stopped_by="", stopped_on=None, today=TODAY)
    advanced, plain = wishes(style)
    up = one._replace(peak=highest(one, one.realised + unrealised))
    assert verdict.limit == reached(up, plain, unrealised, TODAY)
    assert verdict.pause == (verdict.limit is not None and one.status == "active")
    assert verdict.close == (verdict.limit is not None and not advanced.keep_open)


@law
@given(watched, results, st.sampled_from(sorted(LIMITS)), st.sampled_from([TODAY, YESTERDAY]))
def test_only_a_daily_loss_ends_by_itself_and_only_with_its_day(follower, unrealised, stopped_by, stopped_on):
    verdict = judge(follower=follower, unrealised=unrealised, stopped_by=stopped_by, stopped_on=stopped_on, today=TODAY)

    if verdict.resume:
        assert (stopped_by, stopped_on) == (Reason.DAILY_LOSS, YESTERDAY)
    assert verdict.resume != verdict.close


def test_a_new_day_does_not_resume_what_is_over_a_limit_again():
    one = ben(daily_loss_limit=D(50), status="paused")
    asked: dict[str, Any] = {"stopped_by": Reason.DAILY_LOSS, "stopped_on": YESTERDAY, "today": TODAY}

    assert judge(follower=one, unrealised=D("-49.99"), **asked).resume
    assert not judge(follower=one, unrealised=D(-50), **asked).resume
    assert not judge(follower=one, unrealised=D(-200), **asked).resume


def test_a_trailing_equity_stop_counts_the_present_result_as_a_peak():
    style = orjson.dumps({"equity_stop_pct": "5", "equity_stop_trailing": True}).decode()
    one = ben(settings=style, peak=D(120))
    asked: dict[str, Any] = {"stopped_by": "", "stopped_on": None, "today": TODAY}

    assert judge(follower=one, unrealised=D(300), **asked).limit is None
    assert judge(follower=one, unrealised=D("70.01"), **asked).limit is None
    assert judge(follower=one, unrealised=D(70), **asked).limit == (Reason.EQUITY_STOP, {"limit": "50"})


def test_what_is_stopped_is_closed_until_nothing_is_left_and_switches_do_as_they_say():
    one = ben(status="paused")
    asked: dict[str, Any] = {"unrealised": D(0), "stopped_on": TODAY, "today": TODAY}

    assert judge(follower=one, stopped_by=Reason.LOSS_LIMIT, **asked).close
    assert judge(follower=one, stopped_by=HALT_CLOSE, **asked).close
    assert not judge(follower=one, stopped_by=HALT_OPENS, **asked).close
    kept = one._replace(settings='{"keep_open":true}')
    assert not judge(follower=kept, stopped_by=Reason.LOSS_LIMIT, **asked).close


def test_every_limit_and_exit_has_words():
    for limit in LIMITS:
        assert "$1,250.00" in limit_words(limit, {"limit": "1250"}, closes=True)
    one = held(stop_loss_pct=D("5.0000"), take_profit_pct=D(10), trailing_pct=D("2.5"))
    assert [exit_words(one, told) for told in (Told.STOP_LOSS, Told.TAKE_PROFIT, Told.TRAILING_STOP)] == [
        "Your stop loss at 5 % is reached; the copy is being closed.",
        "Your take profit at 10 % is reached; the copy is being closed.",
        "Your trailing stop of 2.5 % is reached; the copy is being closed.",
    ]


def test_a_stream_is_silent_when_it_was_not_heard_for_longer_than_the_setting():
    minute = timedelta(seconds=60)

    assert silent_since(1000.0, 1060.0, minute) is None
    assert silent_since(1000.0, 1060.5, minute) == 1000.0
