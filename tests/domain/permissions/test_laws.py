"""Laws of every checker: nothing raises, and nothing but a clear answer is good."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel.domain.permissions import Finding
from tests.domain.drawn import law
from tests.domain.permissions.cases import CASES
from trading.venues.permissions import CHECKERS, About, Away, Refused, checker_of

# Names that answers are made of, and never all that a clear answer takes.
words = st.sampled_from(
    ["data", "result", "permissions", "permission", "perm", "scope", "rows", "role", "withdraw", "Wallet", "canTrade",
     "enableWithdrawals", "can_trade", "readOnly", "agent", "key-0001", "true", "1", "-1", "1e400", "-inf"]
)  # fmt: skip
numbers = st.integers() | st.floats(allow_nan=True, allow_infinity=True)
leaves = st.none() | st.booleans() | numbers | words | st.text(max_size=8)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=8), inner, max_size=5)
)
codes = sorted(code for checker in CHECKERS for code in checker.codes)
about = CASES["hyperliquid"].about


@settings(law, max_examples=200)
@given(anything, anything, st.sampled_from([about, CASES["okx"].about, About(about.now)]))
def test_arbitrary_json_is_never_good_and_never_raises(one, other, whom):
    for checker in CHECKERS:
        found = checker.verdict([one, other][: len(checker.questions)], whom)

        assert found.finding in (Finding.BAD, Finding.AMBER)
        assert found.reason


@law
@given(
    st.sampled_from(codes), st.lists(anything | st.builds(Refused, st.text(max_size=6)) | st.just(Away()), max_size=4)
)
def test_answers_and_failures_in_any_mixture_are_never_good(code, answers):
    assert checker_of(code).verdict(answers, about).finding is not Finding.GOOD


@settings(law, max_examples=300)
@given(st.sampled_from(sorted(CASES)), st.data())
def test_one_place_of_a_good_answer_changed_at_will_is_good_only_without_ways_out(code, data):
    answers: Any = copy.deepcopy(CASES[code].good)
    places = list(_places(answers))
    inside, at = data.draw(st.sampled_from(places))
    inside[at] = data.draw(anything)

    found = checker_of(code).verdict(answers, CASES[code].about)

    allowed = [found.permissions.get(right) for right in ("trade", "withdraw", "transfer")]
    assert (found.finding is not Finding.GOOD) or allowed == [True, False, False]


@pytest.mark.parametrize("code", sorted(CASES))
def test_a_good_answer_with_any_place_left_out_never_raises_nor_lets_money_out(code):
    seen = []
    for number, _ in enumerate(_places(CASES[code].good)):
        answers = copy.deepcopy(CASES[code].good)
        inside, at = list(_places(answers))[number]
        del inside[at]
        found = checker_of(code).verdict(answers, CASES[code].about)
        seen.append(found.finding)
        assert found.finding is not Finding.GOOD or found.permissions["withdraw"] is False

    assert Finding.AMBER in seen


def _places(value: Any) -> Any:
    """Every place within, as the container and the name or number in it."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for at, inner in steps:
        yield value, at
        yield from _places(inner)
