"""From an exchange's answers about a key to a verdict: trading yes, taking money out never, unclear is not a yes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from citadel.domain.permissions import ANYWHERE, AWAY, KEY_UNKNOWN, NOT_TOLD, Finding, Verdict
from tests.domain.permissions import answers as a
from tests.domain.permissions.cases import CASES, ONLY_DATES, WITHOUT_ADDRESSES, WITHOUT_TRANSFER
from trading.venues.permissions import Away, Refused, Told, checker_of
from trading.venues.permissions.base import EXPIRED, Means

ALL = sorted(CASES)
GARBAGE: list[Told] = [
    None, "", "<html>", 0, True, [], {}, [{}], {"data": None}, {"data": [None]}, {"result": []},
    {"code": 0, "msg": "ok"},
]  # fmt: skip


def judged(code: str, answers: a.Answers) -> Verdict:
    return checker_of(code).verdict(answers, CASES[code].about)


@pytest.mark.parametrize("code", ALL)
def test_a_key_that_trades_and_nothing_else_is_good(code):
    assert judged(code, CASES[code].good) == Verdict(Finding.GOOD, permissions=dict(CASES[code].permissions))


@pytest.mark.parametrize("code", ALL)
def test_a_key_that_may_withdraw_is_refused_with_what_to_do(code):
    found = judged(code, CASES[code].withdraw)

    assert (found.finding, found.reason) == (Finding.BAD, checker_of(code).words.withdraw)
    assert found.permissions["withdraw"] is True


@pytest.mark.parametrize("code", sorted(CASES.keys() - WITHOUT_TRANSFER))
def test_a_key_that_may_transfer_is_refused_with_what_to_do(code):
    found = judged(code, list(CASES[code].transfer))

    assert (found.finding, found.reason) == (Finding.BAD, checker_of(code).words.transfer)
    assert (found.permissions["withdraw"], found.permissions["transfer"]) == (False, True)


@pytest.mark.parametrize("code", ALL)
def test_a_key_that_only_reads_is_refused_with_what_to_do(code):
    found = judged(code, CASES[code].read_only)

    assert (found.finding, found.reason) == (Finding.BAD, checker_of(code).words.trade)


@pytest.mark.parametrize("code", sorted(CASES.keys() - WITHOUT_ADDRESSES))
def test_a_key_that_works_from_anywhere_is_good_with_a_warning(code):
    found = judged(code, list(CASES[code].anywhere))

    assert found.finding is Finding.GOOD
    assert (found.permissions["ip_restricted"], found.permissions["note"]) == (False, ANYWHERE)


@pytest.mark.parametrize("code", ALL)
def test_what_is_not_clear_is_left_to_the_user(code):
    found = judged(code, list(CASES[code].unclear))

    assert (found.finding, found.reason) == (Finding.AMBER, checker_of(code).words.confirm)


@pytest.mark.parametrize("code", ALL)
@pytest.mark.parametrize("garbage", GARBAGE, ids=str)
def test_an_answer_of_another_shape_is_left_to_the_user(code, garbage):
    found = judged(code, [garbage for _ in checker_of(code).questions])

    assert (found.finding, found.reason) == (Finding.AMBER, checker_of(code).words.confirm)
    assert found.permissions == {
        "trade": None, "spot": None, "futures": None, "withdraw": None, "transfer": None, "ip_restricted": None,
        "note": NOT_TOLD,
    }  # fmt: skip


@pytest.mark.parametrize("code", ALL)
def test_a_key_the_exchange_does_not_know_is_refused(code):
    assert judged(code, [Refused("a code nobody named")]) == Verdict(Finding.BAD, KEY_UNKNOWN)


@pytest.mark.parametrize("code", sorted(code for code in ALL if CASES[code].secret))
def test_a_secret_that_is_wrong_is_refused_in_its_own_words(code):
    assert judged(code, [Refused(CASES[code].secret)]) == Verdict(Finding.BAD, Means.SECRET.value)


@pytest.mark.parametrize("code", ALL)
def test_an_exchange_that_is_away_says_nothing_of_the_key(code):
    assert judged(code, [Away()]) == Verdict(Finding.AWAY, AWAY)
    assert judged(code, [*CASES[code].good[:-1], Away()]) == Verdict(Finding.AWAY, AWAY)
    assert judged(code, CASES[code].good[:-1]) == Verdict(Finding.AWAY, AWAY)


@pytest.mark.parametrize("code", sorted(code for code in ALL if CASES[code].later))
def test_a_refusal_for_now_says_nothing_of_the_key(code):
    assert judged(code, [Refused(CASES[code].later)]) == Verdict(Finding.AWAY, AWAY)


@pytest.mark.parametrize("code", ["bybit", "kraken", "woofipro", "hyperliquid"])
def test_a_key_that_ends_within_a_week_is_good_with_a_note(code):
    case, checker = CASES[code], checker_of(code)
    eve = replace(case.about, now=case.about.now.replace(year=2027, month=3, day=26))

    found = checker.verdict(case.good, eve)

    assert found.finding is Finding.GOOD
    assert str(found.permissions["note"]).endswith("The key expires on 2027-04-01. Make a new one before that.")
    assert found.permissions["expires_at"] == a.SPRING


@pytest.mark.parametrize("code", ["bybit", "kraken", "woofipro", "hyperliquid"])
def test_a_key_that_has_ended_is_refused(code):
    case = CASES[code]
    late = replace(case.about, now=case.about.now.replace(year=2028))

    found = checker_of(code).verdict(case.good, late)

    assert (found.finding, found.reason) == (Finding.BAD, EXPIRED)


def test_the_days_htx_leaves_a_key_become_a_date():
    found = judged("htx", a.htx(validDays=3))

    assert found.finding is Finding.GOOD
    assert found.permissions["expires_at"] == (a.NOW + timedelta(days=3)).isoformat()
    assert found.permissions["note"] == "The key expires on 2026-11-30. Make a new one before that."


@pytest.mark.parametrize("code", sorted(ONLY_DATES))
def test_where_only_dates_are_told_the_user_confirms_and_the_date_is_kept(code):
    listed: a.Answers = [[{"access_key": "key-0002", "expire_at": "2026-12-01T00:00:00+00:00"},
                          {"access_key": a.KEY, "expire_at": "2027-04-01T09:00:00+09:00"}]]  # fmt: skip

    found = checker_of(code).verdict(listed, a.ABOUT)

    assert (found.finding, found.reason) == (Finding.AMBER, checker_of(code).words.confirm)
    assert (found.permissions["withdraw"], found.permissions["expires_at"]) == (None, a.SPRING)


def test_an_exchange_that_cannot_be_asked_is_left_to_the_user():
    found = checker_of("cryptocom").verdict([], a.ABOUT)

    assert (found.finding, found.permissions["withdraw"]) == (Finding.AMBER, None)
    assert "confirm" in found.reason
