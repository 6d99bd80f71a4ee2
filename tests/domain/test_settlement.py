"""Fills and what they leave: exact however they are cut, and nothing left over when all is closed."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.drawn import D, amounts, law
from trading.domain.settlement import Position, Progress, Settled, settle

FLAT = Position(D(0), D(0), 1)
GRID = D("1e-18")

fills = st.lists(st.tuples(amounts("0.00001", "50", 5), amounts("0.01", "90000", 2)), min_size=1, max_size=8)
leverages = st.integers(1, 20)


def done(qty: str | Decimal, worth: str | Decimal, *, base_fee: str = "0", quote_fee: str = "0") -> Progress:
    return Progress(D(qty), D(worth), D(base_fee), D(quote_fee))


def opened(position: Position, side: str, progress: Progress) -> Settled:
    return settle(position=position, effect="open", side=side, progress=progress)


def closed(position: Position, side: str, progress: Progress, *, dust: str = "0") -> Settled:
    return settle(position=position, effect="close", side=side, progress=progress, dust=D(dust))


def test_bens_open_holds_what_the_venue_left_him_of_it():
    after = opened(FLAT, "buy", done("0.5", "25000", base_fee="0.0005"))

    assert after == Settled(Position(D("0.4995"), D(25_000), 1), D(25_000), D(0))


def test_a_half_is_sold_at_a_gain_less_its_fee():
    after = closed(Position(D(2), D(100), 1), "sell", done("1", "60", quote_fee="0.06"))

    assert after == Settled(Position(D(1), D(50), 1), D(-50), D("9.94"))


def test_a_short_gains_when_it_is_bought_back_for_less():
    short = opened(Position(D(0), D(0), 5), "sell", done("2", "100"))
    after = closed(short.position, "buy", done("2", "80", quote_fee="0.04"))

    assert short == Settled(Position(D(-2), D(100), 5), D(20), D(0))
    assert after == Settled(Position(D(0), D(0), 5), D(-20), D("19.96"))


def test_dust_that_no_order_can_sell_is_written_off_with_the_last_close():
    after = closed(Position(D("0.4995"), D(25_000), 1), "sell", done("0.499", "24950"), dust="0.001")

    assert after == Settled(FLAT, D(-25_000), D(-50))


def test_what_was_opened_while_the_last_close_was_on_its_way_is_kept():
    after = closed(Position(D(2), D(210), 1), "sell", done("1", "120"), dust="0.001")

    assert after == Settled(Position(D(1), D(105), 1), D(-105), D(15))


def test_a_rest_of_a_whole_step_is_not_dust():
    assert closed(Position(D("1.001"), D(100), 1), "sell", done("1", "120"), dust="0.001").position.qty == D("0.001")


def test_a_close_of_what_is_not_recorded_costs_its_fee_alone():
    assert closed(FLAT, "sell", done("1", "50", quote_fee="0.05")) == Settled(FLAT, D(0), D("-0.05"))


def test_an_open_that_overtakes_the_close_before_it_is_netted():
    # The lead turned from long to short: Ben's close of 1 and his short of 2 were told in the wrong order.
    after = opened(Position(D(1), D(100), 2), "sell", done("2", "220", quote_fee="0.2"))

    assert after.position == Position(D(-1), D(110), 2)
    assert (after.exposure, after.realised) == (D(55) - D(50), D("9.8"))


def test_an_open_against_a_larger_holding_reduces_it():
    after = opened(Position(D(-4), D(400), 1), "buy", done("1", "90"))

    assert after == Settled(Position(D(-3), D(300), 1), D(-100), D(10))


def test_thirds_of_a_dollar_leave_no_exposure_behind():
    position, exposure = Position(D(0), D(0), 3), D(0)
    for _ in range(4):
        after = opened(position, "buy", done("1", "10"))
        position, exposure = after.position, exposure + after.exposure
    after = closed(position, "sell", done("4", "44"))

    assert exposure == D("13.333333333333333333")
    assert (exposure + after.exposure, after.realised) == (D(0), D(4))


@pytest.mark.parametrize("worth", ["12345678901.123456789012345678", "99999999999999999999"])
def test_fortunes_settle_to_the_last_digit(worth):
    after = opened(Position(D(0), D(0), 7), "buy", done("3", worth))
    back = closed(after.position, "sell", done("3", worth))

    assert (after.exposure + back.exposure, back.realised) == (D(0), D(0))


@law
@given(fills=fills, side=st.sampled_from(["buy", "sell"]), leverage=leverages, cuts=st.sets(st.integers(1, 7)))
def test_an_open_told_in_any_parts_is_the_same_open(fills, side, leverage, cuts):
    whole = _all(fills, Position(D(0), D(0), leverage), "open", side, set())
    parts = _all(fills, Position(D(0), D(0), leverage), "open", side, cuts)

    assert parts == whole


@law
@given(fills=fills, side=st.sampled_from(["buy", "sell"]), leverage=leverages, cuts=st.sets(st.integers(1, 7)))
def test_a_whole_close_told_in_any_parts_leaves_exactly_nothing(fills, side, leverage, cuts):
    held = sum((qty for qty, _ in fills), D(0))
    cost = D("1234567.890123456789")
    position = Position(held if side == "sell" else -held, cost, leverage)
    exposure = opened(Position(D(0), D(0), leverage), "buy", done(held, cost)).exposure

    after = _all(fills, position, "close", side, cuts)

    worth = sum((qty * price for qty, price in fills), D(0))
    assert after.position == Position(D(0), D(0), leverage)
    assert exposure + after.exposure == 0
    assert after.realised == (worth - cost if side == "sell" else cost - worth)


@law
@given(fills=fills, more=amounts("0.00001", "100", 5), leverage=leverages, cuts=st.sets(st.integers(1, 7)))
def test_a_partial_close_told_in_any_parts_neither_makes_nor_loses_money(fills, more, leverage, cuts):
    held = sum((qty for qty, _ in fills), D(0)) + more
    position = Position(held, D("1234567.890123456789"), leverage)

    whole = _all(fills, position, "close", "sell", set())
    parts = _all(fills, position, "close", "sell", cuts)

    worth = sum((qty * price for qty, price in fills), D(0))
    with localcontext(prec=60):
        for after in (whole, parts):
            assert after.position.qty == more
            assert after.realised == worth - (position.cost - after.position.cost)
        assert abs(parts.position.cost - whole.position.cost) <= GRID * (len(cuts) + 1)


@law
@given(
    opens=fills,
    closes=fills,
    leverage=leverages,
    side=st.sampled_from(["buy", "sell"]),
    cuts=st.sets(st.integers(1, 7)),
)
def test_whatever_was_opened_and_closed_on_the_way_nothing_is_left_in_the_end(opens, closes, leverage, side, cuts):
    other = "sell" if side == "buy" else "buy"
    first = _all(opens, Position(D(0), D(0), leverage), "open", side, cuts)
    held = abs(first.position.qty)
    position, exposure, realised = first.position, first.exposure, first.realised
    for qty, price in closes:
        part = min(qty, held)
        after = closed(position, other, done(part, part * price))
        position, exposure, realised = after.position, exposure + after.exposure, realised + after.realised
        held -= part
    after = closed(position, other, done(held, held * 100), dust="0.00001")

    assert after.position == Position(D(0), D(0), leverage)
    assert exposure + after.exposure == 0


def _all(fills: list[tuple[Decimal, Decimal]], position: Position, effect: str, side: str, cuts: set[int]) -> Settled:
    """The fills, told in as many reports as the cuts make of them, and what they add up to."""
    exposure = realised = D(0)
    start = 0
    for end in [*sorted(cut for cut in cuts if cut < len(fills)), len(fills)]:
        part = fills[start:end]
        told = done(sum((qty for qty, _ in part), D(0)), sum((qty * price for qty, price in part), D(0)))
        after = settle(position=position, effect=effect, side=side, progress=told)
        with localcontext(prec=60):
            position, exposure, realised = after.position, exposure + after.exposure, realised + after.realised
        start = end
    return Settled(position, exposure, realised)
