"""What following a pool has brought, worked out of days."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pools.domain.performance import Day, daily_returns, deepest_fall, record_of, risk_of
from tests.domain.drawn import amounts, law

D = Decimal
TODAY = date(2026, 11, 20)


def days(*results: str, subscription: int = 1, invest: str = "1000", until: date = TODAY) -> list[Day]:
    first = until - timedelta(days=len(results) - 1)
    return [Day(subscription, first + timedelta(days=n), D(invest), D(result)) for n, result in enumerate(results)]


def test_a_day_is_what_changed_of_what_was_invested():
    found = daily_returns(days("10", "30", "15"), today=TODAY)

    assert [change for _, change in found] == [D("0.01"), D("0.02"), D("-0.015")]


def test_followers_count_together_and_for_as_long_as_they_follow():
    ben = days("100", "100", "200")
    cleo = days("-300", subscription=2, invest="3000", until=TODAY - timedelta(days=1))

    found = [change for _, change in daily_returns([*ben, *cleo], today=TODAY)]

    assert found == [D("0.1"), D("-0.075"), D("0.1")]  # -300 of 4,000 on the day that Cleo was there


def test_a_month_needs_thirty_days_and_chains_them():
    assert record_of(days(*["0"] * 30), today=TODAY).month is None
    assert record_of(days(*["0"] * 29, "50", "50"), today=TODAY).month == D("5.00")
    twice = record_of(days(*["0"] * 29, "100", "200"), today=TODAY)
    assert twice.month == D("21.00")  # a tenth twice
    assert twice.curve[-3:] == (D("100.0000"), D("110.0000"), D("121.0000"))


def test_the_deepest_fall_is_from_a_peak_to_a_bottom_behind_it():
    assert deepest_fall([D(100), D(120), D(90), D(130), D(117)]) == D("-25.00")
    assert deepest_fall([D(100), D(110)]) == D("0.00")


def test_risk_needs_ten_days_and_is_the_worse_of_movement_and_fall():
    assert record_of(days(*["0"] * 9), today=TODAY).risk is None
    assert record_of(days(*["0"] * 10), today=TODAY).risk == 1
    calm_then_deep = record_of(days(*["0"] * 9, "-520"), today=TODAY)
    assert (calm_then_deep.risk, calm_then_deep.deepest_fall) == (10, D("-52.00"))
    assert risk_of([D("0.01"), D("-0.01")] * 15, fall=D(0)) == 3  # 19.4 percent a year
    assert risk_of([D("0.05"), D("-0.05")] * 15, fall=D(0)) == 8  # 97.2 percent a year


@law
@given(st.lists(amounts("-1000", "5000", 2), min_size=1, max_size=40))
def test_a_record_never_breaks_and_keeps_its_bounds(results):
    known = record_of(days(*[str(one) for one in results]), today=TODAY)

    assert known.risk is None or 1 <= known.risk <= 10
    assert all(value >= 0 for value in known.curve)
    assert known.deepest_fall is None or -100 <= known.deepest_fall <= 0
