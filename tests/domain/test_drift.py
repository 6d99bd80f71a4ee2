"""Where a venue's figures differ from ours, and which holdings shrink."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading.domain.drift import Cut, Difference, Held, cuts, orders, placed, positions
from trading.domain.settlement import Position, cut

D = Decimal
BTC = ("usdm", "BTCUSDT", "BOTH")
LONG, SHORT = ("usdm", "BTCUSDT", "LONG"), ("usdm", "BTCUSDT", "SHORT")
COINS = ("spot", "BTC", "BOTH")


def held(*quantities: str, place=BTC) -> list[Held]:
    return [Held(number, place, D(qty)) for number, qty in enumerate(quantities, 1)]


@pytest.mark.parametrize(
    ("quantities", "there", "kind", "cut_off"),
    [
        (["0.01"], "0.01", None, []),
        (["0.01"], "0.004", "smaller", [(1, "0.006")]),
        (["-0.01"], "-0.004", "smaller", [(1, "0.006")]),
        (["0.01"], "-0.03", "smaller", [(1, "0.01")]),  # the owner's own short: nothing of ours is left
        (["0.01", "0.02"], "0.015", "smaller", [(2, "0.015")]),
        (["0.01", "0.02"], "0.005", "smaller", [(2, "0.02"), (1, "0.005")]),
        (["0.03", "-0.01"], "0.015", "smaller", [(1, "0.005")]),  # what nets at the venue nets here
        (["0.01"], "0.05", "larger", []),
        (["0.01", "-0.01"], "0.05", "larger", []),
    ],
)
def test_what_is_missing_is_cut_from_the_newest(quantities, there, kind, cut_off):
    ours = held(*quantities)

    found = positions(ours, {BTC: D(there)}, least={BTC: D("0.001")})

    assert [one.kind for one in found] == ([kind] if kind else [])
    if kind == "smaller":
        assert cuts(ours, found[0]) == [Cut(id, D(qty)) for id, qty in cut_off]


def test_what_the_venue_does_not_name_is_not_there():
    assert positions(held("2"), {}, least={}) == [Difference("smaller", BTC, D(2), D(0))]


def test_coins_of_the_owners_own_are_no_difference_and_dust_is_none():
    least = {COINS: D("0.00001")}

    assert positions(held("0.5", place=COINS), {COINS: D(3)}, least=least) == []
    assert positions(held("0.500005", place=COINS), {COINS: D("0.5")}, least=least) == []
    assert [one.kind for one in positions(held("0.50002", place=COINS), {COINS: D("0.5")}, least=least)] == ["smaller"]


def test_holdings_are_put_under_the_sides_that_the_venue_uses():
    one_way = [Held(1, BTC, D(1)), Held(2, BTC, D(-2))]
    apart = [Held(1, LONG, D(1)), Held(2, SHORT, D(-2))]

    assert placed(one_way, {LONG: D(1), SHORT: D(-2)}) == apart
    assert placed(apart, {BTC: D(-1)}) == one_way
    assert placed(apart, {}) == apart
    assert placed(held("1", place=COINS), {BTC: D(1)}) == held("1", place=COINS)


def test_orders_are_told_apart_by_their_ids():
    found = orders(
        live={"a": D(1), "b": D(2)}, over={"c": D(3), "d": D(4)}, there={"a": D(1), "d": D(4)}, market="usdm"
    )

    assert [(one.kind, one.place[1], one.ours, one.theirs) for one in found] == [
        ("order_gone", "b", D(2), D(0)),
        ("order_open", "d", D(0), D(4)),
    ]


def test_a_cut_takes_its_part_of_the_cost_and_gains_nothing():
    part = cut(position=Position(D("0.03"), D(1800), 3), qty=D("0.01"))
    short = cut(position=Position(D("-0.03"), D(1800), 3), qty=D("0.02"))
    whole = cut(position=Position(D("0.03"), D(1800), 3), qty=D("0.05"))

    assert (part.position[:2], part.exposure, part.realised) == ((D("0.02"), D(1200)), D(-200), 0)
    assert (short.position[:2], short.exposure) == ((D("-0.01"), D(600)), D(-400))
    assert (whole.position[:2], whole.exposure) == ((0, 0), D(-600))
