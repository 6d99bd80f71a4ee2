"""Reasons, priorities and quotes: small words that others count on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.drawn import NOON, D, law
from trading.domain.market import Quote
from trading.domain.priorities import BY_NAME, CRITICAL, HIGH, LOW, NAMES, NORMAL, queue_of
from trading.domain.reasons import WORDS, Reason, in_words


def test_every_reason_has_a_sentence_of_its_own():
    assert set(WORDS) == set(Reason)
    assert len(set(WORDS.values())) == len(Reason)


def test_a_minimum_is_told_with_its_figure():
    assert in_words("below_min_notional", {"minimum": "5"}) == "Below the venue's minimum of $5"
    assert in_words("below_min_qty", {"minimum": "0.001"}) == "Below the venue's smallest quantity of 0.001"
    assert in_words("below_min_qty") == "Below the venue's smallest quantity"


def test_a_limit_of_ones_own_is_told_with_its_figure():
    assert in_words("max_positions", {"limit": "3"}) == "As many pairs are open as you allow: 3"
    assert in_words("pair_limit", {"limit": "90"}) == "As much is in this pair as you allow: $90"
    assert in_words("exposure_limit", {"limit": "500"}) == "As much is open as you allow: $500"
    assert in_words("burst", {"limit": "2", "ms": "900"}) == "Too many trades of the lead at once: you copy 2 of them"


def test_another_reason_says_no_figure_and_an_unknown_one_says_itself():
    assert in_words("budget_used", {"minimum": "5"}) == "Your budget is fully invested"
    assert in_words("weather") == "weather"


@pytest.mark.parametrize(
    ("priority", "queue"),
    [
        (CRITICAL, "critical"),
        (1, "high"),
        (HIGH, "high"),
        (11, "normal"),
        (NORMAL, "normal"),
        (51, "low"),
        (LOW, "low"),
    ],
)
def test_a_priority_between_two_names_goes_with_the_less_urgent(priority, queue):
    assert queue_of(priority) == queue


@law
@given(st.integers(0, 2**15))
def test_every_priority_has_a_queue_and_more_urgent_is_never_later(priority):
    queues = [queue_of(priority), queue_of(priority + 1)]

    assert queues == sorted(queues, key=lambda name: BY_NAME[name])
    assert {NAMES[number] for number in BY_NAME.values()} == set(BY_NAME)


def test_what_is_open_is_valued_half_way():
    assert Quote(D("49999"), D("50000"), NOON).middle == D("49999.5")
