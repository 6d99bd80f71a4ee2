"""The horizon: half of it in use, half of it beside the successor, and a day that can be promised."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from citadel.domain.horizon import Horizon, HorizonInvalid

MADE = datetime(2026, 11, 1, 12, tzinfo=UTC)


def day(days: float) -> datetime:
    return MADE + timedelta(days=days)


def test_a_generation_is_followed_after_half_and_destroyed_after_the_other_half():
    horizon = Horizon.read("30")

    assert [horizon.due(made=MADE, now=day(days)) for days in (0, 14.9, 15, 40)] == [False, False, True, True]
    assert [horizon.ripe(left=day(15), now=day(days)) for days in (15, 29.9, 30)] == [False, False, True]


@pytest.mark.parametrize(
    ("erased", "by"),
    [(0, date(2026, 12, 2)), (14, date(2026, 12, 2)), (15, date(2026, 12, 2)), (20, date(2026, 12, 7))],
)
def test_the_day_is_of_the_generation_in_use_or_later_where_that_is_overdue(erased, by):
    assert Horizon.read("30").unreadable_by(made=MADE, now=day(erased)) == by


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "3651", "a month"])
def test_what_is_no_horizon_is_refused(text):
    with pytest.raises(HorizonInvalid):
        Horizon.read(text)
