"""What should rest at the venue for a copy: on which side, at which price, and how much."""

from __future__ import annotations

from decimal import Decimal as D
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.drawn import law
from trading.domain.guard import Held, Told, crossed
from trading.domain.market import Rules
from trading.domain.stops import OVER, TRANSITIONS, Kind, State, wanted

RULES = Rules(
    tick=D("0.1"), step=D("0.001"), min_qty=D("0.001"), max_qty=D(1000), market_max_qty=D(120), min_notional=D(100),
    base="BTC", quote="USDT", reduce_exempt=True,
)  # fmt: skip


def held(qty: str = "0.5", entry: str = "60000", *, market: str = "usdm", **exits: D | None) -> Held:
    cost = abs(D(qty)) * D(entry)
    levels = {"stop_loss_pct": None, "take_profit_pct": None, "trailing_pct": None} | exits
    return Held(1, 2, UUID(int=3), market, "BTCUSDT", "BOTH", D(qty), cost, 0, **levels, best=None, opened_at=None)


@pytest.mark.parametrize(
    ("qty", "exits", "rests"),
    [
        ("0.5", {"stop_loss_pct": D(5)}, {Kind.STOP: (Told.STOP_LOSS, D(57000))}),
        ("-0.5", {"stop_loss_pct": D(5)}, {Kind.STOP: (Told.STOP_LOSS, D(63000))}),
        ("0.5", {"take_profit_pct": D(10)}, {Kind.TAKE: (Told.TAKE_PROFIT, D(66000))}),
        ("-0.5", {"take_profit_pct": D(10)}, {Kind.TAKE: (Told.TAKE_PROFIT, D(54000))}),
        ("0.5", {"stop_loss_pct": D(5), "trailing_pct": D(3)}, {Kind.STOP: (Told.TRAILING_STOP, D(58200))}),
        ("0.5", {"stop_loss_pct": D(2), "trailing_pct": D(3)}, {Kind.STOP: (Told.STOP_LOSS, D(58800))}),
        ("0.5", {}, {}),
        ("-0.5", {"take_profit_pct": D(100)}, {}),  # a price of nothing is never reached
    ],
)
def test_each_exit_has_its_price(qty, exits, rests):
    found = wanted(held(qty, **exits), RULES)

    assert {kind: (one.cause, one.trigger) for kind, one in found.items()} == rests
    assert {one.qty for one in found.values()} <= {D("0.5")}


@pytest.mark.parametrize(("qty", "market"), [("0.0009", "usdm"), ("120.001", "usdm"), ("0.5", "spot")])
def test_what_the_venue_could_not_close_in_one_order_is_watched_from_here(qty, market):
    assert wanted(held(qty, market=market, stop_loss_pct=D(5)), RULES) == {}


def test_what_no_order_can_trade_is_left_out_of_the_quantity():
    assert wanted(held("0.5009", stop_loss_pct=D(5)), RULES)[Kind.STOP].qty == D("0.500")


@law
@given(
    entry=st.decimals("0.5", "99999", places=4), pct=st.decimals("0.1", "99", places=4), short=st.booleans(),
    exit_=st.sampled_from(["stop_loss_pct", "take_profit_pct", "trailing_pct"]),
)  # fmt: skip
def test_a_stop_at_the_venue_fires_no_later_and_a_profit_no_sooner_than_ours(entry, pct, short, exit_):
    copy = held("-7" if short else "7", str(entry), **{exit_: pct})
    for one in wanted(copy, RULES).values():
        assert one.trigger % RULES.tick == 0
        beyond = one.trigger + RULES.tick * (1 if short else -1)
        if one.kind is Kind.STOP:
            assert crossed(copy, beyond) is one.cause  # a tick further, ours would have fired as well
        else:
            assert crossed(copy, one.trigger) is one.cause


def test_what_is_over_stays_over():
    assert {State.DONE, State.GONE, State.REFUSED} == OVER
    assert all(State.SENDING not in after for after in TRANSITIONS.values())  # nothing is sent twice
