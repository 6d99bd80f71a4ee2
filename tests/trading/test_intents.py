"""What a lead's trades mean, and how the fills of one order become something to copy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from trading.domain.intents import BUY, SELL, Delta, Intent, Piece, Wait, dated, delta, intents

D = Decimal
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
WINDOW = timedelta(milliseconds=100)

quantities = st.decimals(min_value="0.00000001", max_value="1000000", places=8)
trades = st.lists(st.tuples(st.sampled_from([BUY, SELL]), quantities), max_size=30)


def meaning(position: str, side: str, qty: str, market: str = "usdm", position_side: str = "BOTH") -> list[Intent]:
    return intents(position=D(position), side=side, qty=D(qty), market=market, position_side=position_side)


def test_what_adds_to_a_position_is_an_open():
    assert meaning("0", BUY, "2") == [Intent(0, "open", BUY, D(2), D(1), D(2))]
    assert meaning("-1", SELL, "2") == [Intent(0, "open", SELL, D(2), D(1), D(-3))]


def test_what_reduces_is_a_close_of_a_part():
    assert meaning("4", SELL, "1") == [Intent(0, "close", SELL, D(1), D("0.25"), D(3))]
    assert meaning("-4", BUY, "4") == [Intent(0, "close", BUY, D(4), D(1), D(0))]


def test_a_flip_is_a_close_and_an_open():
    assert meaning("1", SELL, "3") == [
        Intent(0, "close", SELL, D(1), D(1), D(0)),
        Intent(1, "open", SELL, D(2), D(1), D(-2)),
    ]


def test_spot_never_goes_short():
    assert meaning("1", SELL, "3", "spot") == [Intent(0, "close", SELL, D(3), D(1), D(0))]
    assert meaning("0", SELL, "3", "spot") == [Intent(0, "close", SELL, D(3), D(1), D(0))]


def test_hedged_sides_are_positions_of_their_own():
    assert meaning("0", BUY, "3", "usdm", "SHORT") == [Intent(0, "close", BUY, D(3), D(1), D(0))]
    assert meaning("-4", BUY, "1", "usdm", "SHORT") == [Intent(0, "close", BUY, D(1), D("0.25"), D(-3))]
    assert meaning("0", BUY, "3", "usdm", "LONG") == [Intent(0, "open", BUY, D(3), D(1), D(3))]
    assert meaning("2", SELL, "5", "usdm", "LONG") == [Intent(0, "close", SELL, D(5), D(1), D(0))]


def test_a_fee_taken_in_kind_is_not_part_of_the_position_so_selling_all_is_a_close_of_all():
    [bought] = intents(position=D(0), side=BUY, qty=D(1), market="spot", fee=D("0.001"))
    [sold] = intents(position=bought.position_after, side=SELL, qty=D("0.999"), market="spot")

    assert bought.position_after == D("0.999")
    assert (sold.fraction, sold.position_after) == (1, 0)


def test_a_rest_too_small_to_trade_is_closed_with_the_whole():
    [sold] = intents(position=D("0.9995"), side=SELL, qty=D("0.999"), market="spot", dust=D("0.001"))

    assert (sold.fraction, sold.position_after) == (1, D("0.0005"))


@given(trades, st.sampled_from([("spot", "BOTH"), ("usdm", "BOTH"), ("usdm", "LONG"), ("usdm", "SHORT")]))
def test_effects_rebuild_the_position(row, where):
    market, position_side = where
    position = rebuilt = D(0)
    for side, qty in row:
        for step in intents(position=position, side=side, qty=qty, market=market, position_side=position_side):
            before, rebuilt = rebuilt, rebuilt + (step.qty if step.side == BUY else -step.qty)
            if step.effect == "close":
                # A close never goes through zero.
                rebuilt = D(0) if rebuilt * before <= 0 else rebuilt
            assert 0 < step.fraction <= 1
            assert step.qty > 0 and step.side == side
            position = step.position_after
            assert position == rebuilt
        if position_side != "BOTH" or market == "spot":
            assert position * (-1 if position_side == "SHORT" else 1) >= 0


@given(trades)
def test_nothing_of_a_one_way_trade_is_lost(row):
    position = D(0)
    for side, qty in row:
        steps = intents(position=position, side=side, qty=qty, market="usdm")
        assert sum(step.qty for step in steps) == qty
        assert [step.leg for step in steps] == list(range(len(steps)))
        expected = position + (qty if side == BUY else -qty)
        position = steps[-1].position_after
        assert position == expected


def piece(number: int, qty: Decimal, *, done: bool = False, after_ms: int = 0) -> Piece:
    moment = NOON + timedelta(milliseconds=after_ms)
    return Piece(str(number), qty, D(100 + number), D(0), done, moment, moment)


def decide(pieces: list[Piece], *, consumed: str = "0", after_ms: int) -> Delta | Wait | None:
    return delta(
        market="spot",
        symbol="BTCUSDT",
        order_id="7",
        consumed=D(consumed),
        pieces=pieces,
        now=NOON + timedelta(milliseconds=after_ms),
        window=WINDOW,
    )


def test_a_filled_order_is_copied_at_once():
    found = decide([piece(1, D(1)), piece(2, D(3), done=True)], after_ms=0)

    assert found == Delta("spot:BTCUSDT:7:4", D(4), D("101.75"), D(0), NOON, ("1", "2"))


def test_a_partial_order_waits_for_its_window():
    assert decide([piece(1, D(1))], after_ms=99) == Wait(NOON + WINDOW)
    assert decide([piece(1, D(1))], after_ms=100).external_id == "spot:BTCUSDT:7:1"


def test_what_comes_later_is_named_by_the_cumulative_quantity():
    assert decide([piece(2, D("0.50"))], consumed="1", after_ms=100).external_id == "spot:BTCUSDT:7:1.5"


def test_nothing_left_is_nothing_to_copy():
    assert decide([], consumed="4", after_ms=0) is None


@given(
    st.lists(quantities, min_size=1, max_size=20),
    st.integers(0, 1_000_000),
    st.booleans(),
)
def test_deltas_add_up_to_the_fills_whatever_came_when(sizes, seed, ends):
    chance = Random(seed)
    fills = [piece(n, qty, done=ends and n == len(sizes) - 1, after_ms=n * 40) for n, qty in enumerate(sizes)]
    chance.shuffle(fills)
    taken: list[Delta] = []
    waiting: list[Piece] = []
    at = 0
    while fills or waiting:
        for _ in range(chance.randint(0, 4)):
            if fills:
                waiting.append(fills.pop())
        at += chance.randint(0, 60)
        # A restart between two steps changes nothing: the step depends on what is stored alone.
        consumed = sum((one.qty for one in taken), D(0))
        found = decide(waiting, consumed=str(consumed), after_ms=at)
        if isinstance(found, Delta):
            assert {one.trade_id for one in waiting} == set(found.trade_ids)
            taken.append(found)
            waiting = []

    assert sum(one.qty for one in taken) == sum(sizes)
    assert len({one.external_id for one in taken}) == len(taken)
    seen = [trade for one in taken for trade in one.trade_ids]
    assert sorted(seen, key=int) == [str(n) for n in range(len(sizes))]


def test_intents_say_when_their_position_began():
    first, opened = dated(intents(position=D(0), side=BUY, qty=D(1), market="usdm"), opened_at=None, at=NOON)
    more, opened = dated(intents(position=D(1), side=BUY, qty=D(1), market="usdm"), opened_at=opened, at=LATER)
    flip, turned = dated(intents(position=D(2), side=SELL, qty=D(3), market="usdm"), opened_at=opened, at=LATER)

    assert ([one.since for one in (*first, *more, *flip)], opened, turned) == ([None, NOON, NOON, None], NOON, LATER)


def test_a_rest_that_nobody_can_trade_is_no_position():
    close = intents(position=D("1.0004"), side=SELL, qty=D(1), market="spot", dust=D("0.001"))

    steps, opened = dated(close, opened_at=NOON, at=LATER)

    assert (steps[0].since, steps[0].position_after, opened) == (NOON, D("0.0004"), None)
