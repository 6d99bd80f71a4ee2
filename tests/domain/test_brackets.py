"""Leverage is cut to what the venue gives for a position of that worth."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading.domain.brackets import fitted
from trading.domain.market import Bracket
from trading.domain.reasons import Reason
from trading.venues import binance

D = Decimal
BRACKETS = (Bracket(20, D(50_000)), Bracket(10, D(250_000)), Bracket(2, D(1_000_000)), Bracket(1, D(2_000_000)))


@pytest.mark.parametrize(
    ("margin", "leverage", "most"),
    [
        ("2500", 20, "50000"),  # worth 50,000: just what the first bracket takes
        ("2501", 10, "250000"),
        ("25000", 10, "250000"),
        ("25001", 2, "1000000"),
        ("500001", 1, "2000000"),
        ("3000000", 1, "2000000"),  # the quantity is cut too
    ],
)
def test_leverage_falls_with_the_worth(margin, leverage, most):
    found, denied = fitted(BRACKETS, wanted=20, margin=D(margin), held=D(0))

    assert (found, denied) == ((leverage, D(most)), None)


def test_a_leverage_between_two_brackets_is_that_of_the_upper_one():
    assert fitted(BRACKETS, wanted=5, margin=D(40_000), held=D(0))[0] == (5, D(250_000))
    assert fitted(BRACKETS, wanted=125, margin=D(400), held=D(0))[0] == (20, D(50_000))


def test_what_is_held_keeps_its_leverage_and_leaves_less_room():
    assert fitted(BRACKETS, wanted=20, margin=D(2500), held=D(30_000)) == ((20, D(20_000)), None)

    _, denied = fitted(BRACKETS, wanted=20, margin=D(2500), held=D(50_000))

    assert denied == (Reason.BRACKET_FULL, {"leverage": "20"})


def test_without_brackets_only_leverage_one_is_opened():
    assert fitted((), wanted=1, margin=D(1_000_000), held=D(0)) == ((1, None), None)
    assert fitted((), wanted=3, margin=D(1), held=D(0))[1] == (Reason.NO_BRACKETS, {"leverage": "3"})


ROWS = b'[{"bracket":1,"initialLeverage":5,"notionalCap":20000,"cum":1.5},{"initialLeverage":20,"notionalCap":5000}]'


@pytest.mark.parametrize(
    "body", [b'[{"symbol":"XUSDT","brackets":' + ROWS + b"}]", b'{"symbol":"XUSDT","brackets":' + ROWS + b"}"]
)
def test_an_answer_is_read_in_both_of_its_forms(body):
    assert binance.read_brackets(body=body, symbol="XUSDT") == [Bracket(20, D(5000)), Bracket(5, D(20_000))]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"code":-2015}', b'[{"symbol":"YUSDT","brackets":[]}]', b'[{"symbol":"XUSDT","brackets":[]}]',
     b'[{"symbol":"XUSDT","brackets":[{"initialLeverage":0,"notionalCap":5}]}]',
     b'[{"symbol":"XUSDT","brackets":[{"initialLeverage":5,"notionalCap":0}]}]'],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_none(body):
    with pytest.raises(ValueError, match="no brackets"):
        binance.read_brackets(body=body, symbol="XUSDT")
