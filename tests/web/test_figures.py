"""Figures on the pages: exact, with a true minus, and a dash where nothing is known."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from obscura.core import clock as wall
from obscura.web.templatetags import figures

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    monkeypatch.setattr(wall, "now", lambda: NOON)


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("1.25"), "+1.2%"), (Decimal("-8.16"), "−8.2%"), (Decimal("-0.04"), "0.0%"), (0, "0.0%"), (None, "–")],
)
def test_a_result_in_percent_shows_its_sign_and_never_a_negative_zero(value, text):
    assert figures.pct(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("5000.00"), "$5,000"),
        (Decimal("12.4"), "$12.40"),
        (Decimal("-3.05"), "−$3.05"),
        (Decimal("-0.001"), "$0"),
        (None, "–"),
    ],
)
def test_money_shows_cents_where_there_are_any(value, text):
    assert figures.usd(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("112.4"), "+$112.40"), (Decimal("-3.05"), "−$3.05"), (Decimal("-0.004"), "$0.00"), (None, "–")],
)
def test_money_won_or_lost_shows_its_sign(value, text):
    assert figures.usd_signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.00300000", "0.003"), ("1200", "1,200"), ("1E+3", "1,000"), ("0E-8", "0"), ("12345.6700", "12,345.67")],
)
def test_a_quantity_keeps_its_digits_and_loses_its_zeros(value, text):
    assert figures.qty(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"), [("3121.5", "3,121.50"), ("67210.4100", "67,210.41"), ("0.00001230", "0.0000123")]
)
def test_a_price_keeps_its_digits_and_has_two_places_at_least(value, text):
    assert figures.price(Decimal(value)) == text


def test_an_average_is_read_with_the_places_of_the_price_beside_it():
    assert figures.price_like(Decimal("61825.25671234"), Decimal("61837.87")) == "61,825.26"
    assert figures.price_like(Decimal("0.0000123456"), Decimal("0.0000123")) == "0.0000123"
    assert figures.price_like(Decimal("61825.25"), None) == "61,825.25"
    assert figures.price_like(None, Decimal(1)) == "–"


def test_a_float_is_no_figure():
    with pytest.raises(TypeError):
        figures.usd(0.1)


def test_text_that_is_no_number_is_not_known():
    assert figures.usd("NaN") == "–"
    assert figures.usd("soon") == "–"


def test_the_difference_is_percent_of_the_leads_price():
    assert figures.difference(Decimal("100.05"), Decimal("100")) == Decimal("0.05")
    assert figures.difference(None, Decimal("100")) is None
    assert figures.difference(Decimal("100"), Decimal(0)) is None


def test_a_dash_says_why():
    assert 'title="Not filled yet"' in figures.why(figures.pct(None), "Not filled yet")
    assert figures.why("+1.2%", "Not filled yet") == "+1.2%"


def test_a_reason_is_escaped():
    assert "<b>" not in figures.why("–", "<b>")


@pytest.mark.parametrize(("value", "text"), [(44, "44 ms"), (9_999, "9,999 ms"), (12_400, "12 s"), (None, "–")])
def test_the_lag_is_milliseconds_until_it_is_long(value, text):
    assert figures.lag(value) == text


@pytest.mark.parametrize(("value", "name"), [(1, "text-gain"), (-1, "text-loss"), (0, ""), (None, "")])
def test_colour_stands_for_a_result_only(value, name):
    assert figures.tone(value) == name


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (12, "12 s ago"), (190, "3 min ago"), (7_300, "2 h ago"), (200_000, "2 d ago")],
)
def test_an_age_has_one_unit(seconds, text):
    assert figures.ago(NOON - timedelta(seconds=seconds)).endswith(f">{text}</time>")


def test_a_time_of_another_day_has_its_date():
    today, before = NOON.replace(hour=9, minute=3, second=5), NOON.replace(day=19, hour=14, minute=3)

    assert ">09:03:05</time>" in figures.clock(today)
    assert ">19 Nov 14:03</time>" in figures.clock(before)
    assert 'datetime="2026-11-20T09:03:05+00:00"' in figures.clock(today)
    assert 'title="20 Nov 2026, 09:03:05 UTC"' in figures.clock(today)


def test_a_sparkline_draws_its_tail_in_ink():
    line = figures.sparkline([Decimal(1), Decimal(3), Decimal(2)], "Three days", tail=1)

    assert 'class="spark-past" points="0.0,48.0 120.0,4.0"' in line
    assert 'class="spark-line" points="120.0,4.0 240.0,26.0"' in line
    assert 'aria-label="Three days"' in line
    assert "style" not in line


def test_one_value_is_no_line():
    assert figures.sparkline([Decimal(1)]) == ""
    assert figures.sparkline(None) == ""


def test_a_level_history_is_a_level_line():
    assert 'points="0.0,48.0 240.0,48.0"' in figures.sparkline([Decimal(5), Decimal(5)])


def test_risk_has_ten_ticks_and_high_risk_says_so():
    assert figures.ticks(4).count('class="on"') == 4
    assert figures.ticks(4).count("<rect") == 10
    assert "risk-high" in figures.ticks(7)
    assert figures.ticks(None) == ""


@pytest.mark.parametrize(("part", "width"), [("250", "25"), ("2000", "100"), ("-5", "0"), ("333.3", "33.3")])
def test_a_bar_is_filled_to_its_part_and_never_beyond(part, width):
    drawn = figures.bar(Decimal(part), Decimal(1000), "Used")

    assert f'<rect class="fill" width="{width}"' in drawn
    assert f'aria-label="Used: {width}%"' in drawn


def test_a_bar_of_something_unknown_is_not_drawn():
    assert figures.bar(None, Decimal(1000), "Used") == ""
