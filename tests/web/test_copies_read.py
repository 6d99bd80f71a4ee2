"""Outcomes read back from the tables: one list of orders and denials, newest first, by page and by cursor."""

import re
from datetime import timedelta
from decimal import Decimal as D

import pytest

from trading import services as trading
from trading.domain.order_state import Status


def ids(rows):
    return [row["id"] for row in rows]


def test_orders_and_denials_are_one_list_newest_first(stage, noon):
    first = stage.order(at=noon)
    denied = stage.denial(at=noon + timedelta(seconds=1))
    last = stage.order(at=noon + timedelta(seconds=2))

    rows = trading.copies_of(stage.ben.pk)

    assert ids(rows) == [f"o{last.pk}", f"d{denied.pk}", f"o{first.pk}"]
    assert (rows[0]["usd"], rows[0]["lag_ms"], rows[0]["outcome"]) == ("60.01", 40, "copied")
    assert (rows[1]["outcome"], rows[1]["reason"]) == ("denied", "Your daily loss limit is reached")


def test_a_list_holds_its_readers_outcomes_alone(stage, noon):
    cleo = stage.cast.cleo()
    stage.order(of=stage.follow(cleo, stage.paper_account(cleo)), at=noon)

    assert trading.copies_of(stage.ben.pk) == []


def test_what_was_and_what_was_not_copied(stage, noon):
    copied = stage.order(at=noon)
    partly = stage.order(status=Status.PARTIAL, filled="0.0004", at=noon + timedelta(seconds=1))
    refused = stage.order(status=Status.REJECTED, at=noon + timedelta(seconds=2))
    denied = stage.denial(at=noon + timedelta(seconds=3))
    stage.order(status=Status.SENDING, at=noon + timedelta(seconds=4))

    assert ids(trading.copies_of(stage.ben.pk, only="copied")) == [f"o{partly.pk}", f"o{copied.pk}"]
    assert ids(trading.copies_of(stage.ben.pk, only="not_copied")) == [f"d{denied.pk}", f"o{refused.pk}"]
    assert trading.copy_counts([stage.subscription.pk, 999]) == {
        stage.subscription.pk: trading.CopyCounts(copied=2, not_copied=2),
        999: trading.CopyCounts(),
    }


def test_pages_meet_without_gap_or_overlap_even_within_one_moment(stage, noon):
    made = [f"o{stage.order(at=noon).pk}" for _ in range(3)] + [f"d{stage.denial(at=noon).pk}" for _ in range(3)]
    made.append(f"o{stage.order(at=noon - timedelta(seconds=1)).pk}")

    seen, before = [], None
    while True:
        page = trading.copies_page(stage.ben.pk, before=before, limit=2)
        seen += ids(page.rows)
        before = page.older
        if before is None:
            break

    assert sorted(seen) == sorted(made)
    assert seen[-1] == made[-1]


@pytest.mark.parametrize("before", ["x", "1-2-3", "12-o-x", f"{10**40}-o-1", "1-o-99999999999999999999"])
def test_a_page_that_does_not_exist_is_refused(stage, before):
    with pytest.raises(trading.PageUnknown):
        trading.copies_of(stage.ben.pk, before=before)


def test_after_a_cursor_come_changes_with_an_overlap_and_what_is_on_its_way(stage, noon):
    stage.order(at=noon - timedelta(minutes=2))
    waiting = stage.order(status=Status.UNSURE, at=noon - timedelta(minutes=1))
    late = stage.order(at=noon - timedelta(seconds=30), done_at=noon + timedelta(seconds=5))
    overlapping = stage.denial(at=noon - timedelta(seconds=2))
    fresh = stage.denial(at=noon + timedelta(seconds=1))
    stage.denial(at=noon - timedelta(seconds=4))

    rows = trading.copies_of(stage.ben.pk, after=int(noon.timestamp() * 1_000_000))

    assert ids(rows) == [f"d{fresh.pk}", f"d{overlapping.pk}", f"o{late.pk}", f"o{waiting.pk}"]


def test_the_first_cursor_of_all_gives_everything(stage, noon):
    first = stage.order(at=noon)

    assert ids(trading.copies_of(stage.ben.pk, after=1)) == [f"o{first.pk}"]


def test_reading_a_list_takes_three_questions_however_long_it_is(stage, noon, django_assert_num_queries):
    for second in range(12):
        stage.order(at=noon + timedelta(seconds=second))
        stage.denial(at=noon + timedelta(seconds=second))

    with django_assert_num_queries(3):
        assert len(trading.copies_of(stage.ben.pk)) == 24


def test_what_is_open_is_summed_by_symbol(stage):
    stage.holding("0.002", "120")
    stage.holding("0", "0", symbol="ETHUSDT")

    (held,) = trading.open_holdings_of([stage.subscription.pk])

    assert (held.symbol, str(held.qty.normalize()), str(held.cost.normalize())) == ("BTCUSDT", "0.002", "1.2E+2")
    assert held.stops == ()


def test_what_rests_for_it_at_the_exchange_is_told_with_what_is_open(stage, noon, browser):
    stage.holding("0.002", "120", market="usdm")
    for kind, price, state in (("stop", "57000", 2), ("take", "66000.5", 2)):
        stage.resting_stop(kind, price, state=state, at=noon)
    stage.resting_stop("stop", "50000", state=6, at=noon)

    (held,) = trading.open_holdings_of([stage.subscription.pk])
    text = browser.get("/portfolio/").text

    assert held.stops == (("stop", D("57000")), ("take", D("66000.5")))
    shown = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "stop 57,000.00 · take profit 66,000.50 at the exchange" in shown
