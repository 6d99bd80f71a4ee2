"""A subscription beside its leads: what would bring the two in line."""

from __future__ import annotations

from decimal import Decimal

from trading.domain.catching_up import Mine, Step, steps

ONE, TWO = Decimal(1), Decimal(2)


def test_what_is_missing_is_opened_and_what_the_lead_has_no_more_is_closed():
    found = steps(leads={"BTC": ONE, "ETH": TWO}, mine={"ETH": Mine(ONE), "SOL": Mine(ONE)})

    assert found == [("BTC", Step.OPEN), ("ETH", Step.KEEP), ("SOL", Step.CLOSE)]


def test_a_copy_on_the_wrong_side_is_closed_and_opened_behind_it():
    assert steps(leads={"BTC": -ONE}, mine={"BTC": Mine(TWO)}) == [("BTC", Step.CLOSE), ("BTC", Step.OPEN)]


def test_nothing_is_done_about_what_is_on_its_way():
    mine = {"BTC": Mine(Decimal(0), busy=True), "SOL": Mine(ONE, busy=True)}

    assert steps(leads={"BTC": ONE}, mine=mine) == [("BTC", Step.WAIT), ("SOL", Step.WAIT)]


def test_what_neither_holds_is_no_line():
    assert steps(leads={}, mine={"BTC": Mine(Decimal(0), closed_by_owner=True)}) == []
