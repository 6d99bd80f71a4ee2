"""Rows of the live feed are what the page's template draws, to the letter."""

from datetime import UTC, datetime

import pytest
from django.template.loader import get_template
from hypothesis import given, settings
from hypothesis import strategies as st

from obscura.core import clock
from obscura.web import cards, rows

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
money = st.none() | st.decimals("0", "100000000", places=8, allow_nan=False).map(lambda value: format(value, "f"))
words = st.sampled_from(["", "Your daily loss limit is reached", "<b>7000</b>", "–", "$5"])
a_row = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**63 - 1).map(lambda number: f"o{number}"),
        "user": st.just("ben"),
        "pool": st.sampled_from(["north", "gone"]),
        "cursor": st.integers(0, 2**62),
        "at": st.sampled_from(["2026-11-20T11:59:58.123456+00:00", "2026-11-19T03:00:00.000001+00:00"]),
        "symbol": st.sampled_from(["BTCUSDT", "ODD<SYMBOL>"]),
        "market": st.sampled_from(["spot", "usdm"]),
        "side": st.sampled_from(["buy", "sell"]),
        "effect": st.sampled_from(["open", "close"]),
        "qty": st.none(),
        "usd": money,
        "lead_price": money,
        "price": money,
        "difference_bps": st.none(),
        "lag_ms": st.none() | st.integers(0, 10**7),
        "outcome": st.sampled_from(["copied", "partial", "denied", "rejected", "checking", "working", "waiting"]),
        "reason": words,
    }
)


@settings(max_examples=200, deadline=None)
@given(a_row)
def test_a_row_is_what_the_template_draws(row):
    names = {"north": "Northern & Co"}

    plainly = get_template("copies/_row.html").render({"copy": cards.copy_row(row, names), "new": True})

    assert rows.drawn([row], names) == plainly


@pytest.mark.parametrize(("at", "shown"), [(NOON, ">11:59:58<"), (NOON.replace(day=21), ">20 Nov 11:59<")])
def test_a_row_drawn_yesterday_is_not_shown_as_of_today(monkeypatch, at, shown):
    row = {
        "id": "d1", "user": "ben", "pool": "north", "cursor": 1, "at": "2026-11-20T11:59:58.000000+00:00",
        "symbol": "BTCUSDT", "market": "spot", "side": "buy", "effect": "open", "qty": None, "usd": None,
        "lead_price": None, "price": None, "difference_bps": None, "lag_ms": None, "outcome": "denied", "reason": "",
    }  # fmt: skip
    for moment in (NOON, at):
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        page = rows.drawn([row], {})

    assert shown in page
