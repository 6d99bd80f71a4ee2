"""Outcomes as a follower reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.drawn import NOON, D, law
from trading.copies import LeadTrade, cursor, denial_row, order_row
from trading.domain.order_state import Status


def lead(*, side: str = "buy", price: str | None = "50000") -> LeadTrade:
    """Ada's buy at 50,000."""
    return LeadTrade("north", "BTCUSDT", "spot", side, "open", None if price is None else D(price), NOON)


def row(**changed: Any) -> dict[str, Any]:
    """Ben's copy of it: filled at 50,010 within 87 ms."""
    told: dict[str, Any] = {
        "lead": lead(),
        "id": 7,
        "user": "ben",
        "cursor": cursor(NOON + timedelta(milliseconds=90)),
        "status": Status.FILLED,
        "qty": D("0.00199"),
        "filled": D("0.001990"),
        "average": D("50010"),
        "accepted_at": NOON + timedelta(milliseconds=87),
        "words": "",
    }
    return order_row(**{**told, **changed})


def test_a_copy_is_told_with_its_price_beside_the_leads():
    assert row() == {
        "id": "o7",
        "user": "ben",
        "pool": "north",
        "cursor": 1_795_176_000_090_000,
        "at": "2026-11-20T12:00:00.000000+00:00",
        "symbol": "BTCUSDT",
        "market": "spot",
        "side": "buy",
        "effect": "open",
        "qty": "0.00199",
        "usd": "99.52",
        "lead_price": "50000",
        "price": "50010",
        "difference_bps": "2",
        "lag_ms": 87,
        "outcome": "copied",
        "reason": "",
    }


@pytest.mark.parametrize(("side", "difference"), [("buy", "2"), ("sell", "-2")])
def test_a_difference_above_zero_is_worse_for_the_follower(side, difference):
    assert row(lead=lead(side=side))["difference_bps"] == difference


@pytest.mark.parametrize(
    ("status", "filled", "outcome", "reason"),
    [
        (Status.PLANNED, "0", "waiting", ""),
        (Status.SENDING, "0", "waiting", ""),
        (Status.UNSURE, "0", "checking", "The exchange did not answer; we are asking it"),
        (Status.WORKING, "0", "working", "Waits at the exchange for its price"),
        (Status.PARTIAL, "0.001", "partial", ""),
        (Status.CANCELED, "0", "missed", "Cancelled at the exchange"),
        (Status.CANCELED, "0.001", "partial", "Cancelled at the exchange"),
        (Status.EXPIRED, "0.001", "partial", ""),
        (Status.REJECTED, "0", "rejected", ""),
        (Status.MISSED, "0", "missed", "Could not be placed while the trade was fresh"),
    ],
)
def test_every_state_is_told_in_words(status, filled, outcome, reason):
    told = row(status=status, filled=D(filled), average=None)

    assert (told["outcome"], told["reason"]) == (outcome, reason)
    assert (told["price"], told["difference_bps"]) == (None, None)


def test_the_venues_own_words_come_first():
    assert row(status=Status.REJECTED, filled=D(0), words="Not enough margin")["reason"] == "Not enough margin"


def test_what_is_not_known_is_nothing_and_not_zero():
    told = row(status=Status.PLANNED, qty=D(0), filled=D(0), average=None, lead=lead(price=None), accepted_at=None)

    assert [told[name] for name in ("qty", "usd", "lead_price", "price", "difference_bps", "lag_ms")] == [None] * 6


def test_a_clock_behind_the_venues_is_not_told_as_time_travel():
    assert row(accepted_at=NOON - timedelta(milliseconds=3))["lag_ms"] == 0


def test_a_denial_is_told_with_its_reason():
    told = denial_row(
        lead=lead(price="50000.10"),
        id=9,
        user="cleo",
        at=NOON + timedelta(milliseconds=5),
        reason="below_min_notional",
        detail={"minimum": "5"},
    )

    assert (told["id"], told["outcome"], told["reason"]) == ("d9", "denied", "Below the venue's minimum of $5")
    assert (told["lead_price"], told["qty"], told["cursor"]) == ("50000.1", None, 1_795_176_000_005_000)
    assert told.keys() == row().keys()


@law
@given(st.integers(0, 2**52))
def test_a_cursor_is_the_microsecond_itself(micros):
    assert cursor(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)) == micros
