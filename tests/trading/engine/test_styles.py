"""Copies sized by facts of the lead and of the market, planned from the tables and sent to the venue."""

from __future__ import annotations

import time
from decimal import Decimal

import orjson
import pytest

from obscura.core import redis_clients
from pools.domain.style import Advanced, Martingale, Pair, dump
from trading.domain.order_state import Status
from trading.market import cache

D = Decimal


def moving(market: str, move: str) -> None:
    """So far bitcoin moves on a usual day, as the market process would have noted it."""
    body = orjson.dumps({"move": move, "at": time.time()})
    redis_clients.sync().hset(cache.move_key("paper", "binance", market), "BTCUSDT", body)
    cache.forget()


def planned(stand, *args, **fields):
    signal = stand.signal(*args, **fields)
    stand.plan()
    return signal


@pytest.mark.parametrize(("market", "step"), [("spot", "0.00001"), ("usdm", "0.001")])
def test_by_volatility_where_it_is_known(stand, market, step):
    style = Advanced(sizing="volatility", value=D(1))
    ben = stand.follower("ben", invest="10000", lose="10000", settings=dump(style))
    cleo = stand.follower("cleo", invest="10000", lose="10000")

    unknown = planned(stand, "buy", market=market)
    moving(market, "0.025")
    known = planned(stand, "buy", market=market)

    assert stand.denial(ben, unknown).reason == "no_volatility"
    assert stand.order(cleo, unknown).status == Status.FILLED
    # $100 is what $4,000 move by 2.5%; at 60,300 they buy 0.066335 bitcoin.
    order = stand.order(ben, known)
    assert (order.status, order.qty) == (Status.FILLED, D("0.066334").quantize(D(step), "ROUND_FLOOR"))


def test_by_the_leads_share_where_it_is_known(stand):
    style = Advanced(sizing="smart_ratio", value=D(1))
    ben = stand.follower("ben", invest="10000", lose="10000", settings=dump(style))
    usdm = {"market": "usdm", "lead_equity": D(301_500)}

    nothing, spot = planned(stand, "buy"), planned(stand, "buy", lead_equity=D(301_500))
    without, futures = planned(stand, "sell", **usdm), planned(stand, "sell", **usdm, lead_leverage=5)

    assert [stand.denial(ben, one).reason for one in (nothing, without)] == ["lead_equity_unknown"] * 2
    # Ada buys half a bitcoin of at most $30,150: a tenth of what she has. Ben's tenth is $1,000.
    assert stand.order(ben, spot).qty == D("0.01658")
    # With leverage 5 it is a fiftieth: about $200, which in a pool without leverage is a position of $200.
    assert stand.order(ben, futures).qty == D("0.003")


def test_the_leverage_of_long_and_short_is_kept_with_the_order_and_the_holding(stand):
    style = Advanced(leverage_long=4, leverage_short=2, pairs={"ETHUSDT": Pair(leverage_short=5)})
    ben = stand.follower("ben", invest="4000", lose="4000", settings=dump(style))

    long = planned(stand, "buy", market="usdm")
    short = planned(stand, "sell", market="usdm", symbol="ETHUSDT", price="3000")

    orders = stand.order(ben, long), stand.order(ben, short)
    assert [(one.status, one.leverage, one.qty) for one in orders] == [
        (Status.FILLED, 4, D("0.026")),  # 400 × 4 at 60,300
        (Status.FILLED, 5, D("0.663")),  # 400 × 5 at 3,015
    ]
    assert (stand.holding(ben).leverage, stand.holding(ben, "ETHUSDT").leverage) == (4, 5)


def test_a_signals_exits_are_kept_where_the_follower_has_none_of_its_own(stand):
    ben = stand.follower("ben")
    cleo = stand.follower("cleo", settings=dump(Advanced(stop_loss_pct=D(3), trailing_pct=D(2))))

    planned(stand, "buy", stop_loss_pct=D("1.5"), take_profit_pct=D(9))

    exits = [(one.stop_loss_pct, one.take_profit_pct, one.trailing_pct) for one in map(stand.holding, (ben, cleo))]
    assert exits == [(D("1.5"), D(9), None), (D(3), D(9), D(2))]


def test_limits_on_what_is_open_see_what_is_on_its_way(stand):
    style = Advanced(sizing="fixed", value=D(60), max_exposure_usd=D(100), max_positions=1)
    ben = stand.follower("ben", settings=dump(style))

    stand.venue.control("POST", "/faults", {"timeout_after_execution": 1})
    first = planned(stand, "buy")
    assert stand.order(ben, first).status == Status.UNSURE
    other = planned(stand, "buy", symbol="ETHUSDT", price="3000")
    second, third = planned(stand, "buy"), planned(stand, "buy")

    assert stand.order(ben, first).qty == D("0.00099")
    assert (stand.denial(ben, other).reason, stand.denial(ben, other).detail) == ("max_positions", {"limit": "1"})
    assert stand.order(ben, second).qty == D("0.00066")  # of the $40.30 that are left
    assert stand.denial(ben, third).reason == "below_min_notional"  # 70 cents
    ben.refresh_from_db()
    assert D("98") < ben.exposure + ben.reserved <= 100


def test_each_follower_sends_its_own_limit_and_a_style_that_cannot_be_read_none(stand):
    ben, cleo = stand.follower("ben"), stand.follower("cleo", settings=dump(Advanced(max_slippage_bps=10)))
    dora = stand.follower("dora", settings={"max_positions": "many"})

    signal = planned(stand, "buy")

    assert stand.order(ben, signal).limit_price == 60_300
    assert (stand.order(cleo, signal).limit_price, stand.order(cleo, signal).qty) == (60_060, D("0.00166"))
    assert stand.denial(dora, signal).reason == "style_unreadable"


def test_a_burst_is_counted_from_the_orders(stand):
    ben = stand.follower("ben", settings=dump(Advanced(burst_opens=2, burst_ms=600_000)))

    first, second, third = (planned(stand, "buy") for _ in range(3))

    assert [stand.order(ben, one).status for one in (first, second)] == [Status.FILLED] * 2
    assert stand.denial(ben, third).reason == "burst"


def test_a_martingale_climbs_after_a_loss_and_starts_anew_after_a_gain(stand):
    style = Advanced(sizing="fixed", value=D(20), martingale=Martingale(D(2), 2, D(150)))
    ben = stand.follower("ben", settings=dump(style))

    def round_trip() -> Decimal:
        opened = planned(stand, "buy")
        planned(stand, "sell", effect="close")
        return stand.order(ben, opened).qty

    # Each round loses the spread and the fees.
    assert [round_trip() for _ in range(4)] == [D("0.00033"), D("0.00066"), D("0.00132"), D("0.00132")]
    ben.refresh_from_db()
    assert (ben.loss_streak, ben.exposure, ben.reserved) == (4, 0, 0)
    ben.loss_streak = 0
    ben.save(update_fields=["loss_streak"])
    assert round_trip() == D("0.00033")
