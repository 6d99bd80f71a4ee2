"""Cleo's advanced terms in a real browser: she sees what they may cost, begins, closes one herself, and leaves."""

import re

import pytest
from playwright.sync_api import expect

from pools.models import Subscription
from tests.journeys.conftest import PHONE
from trading.models import Holding, Signal

pytestmark = pytest.mark.journey


def advanced(page, market):
    page.goto(f"/pools/{market.pool.pk}/copy/")
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("A fixed amount").check()
    page.get_by_label("Its figure").fill("20")
    page.get_by_label("Stop loss").fill("5")
    return page


def climb(page, *, multiplier, levels):
    if not page.get_by_label("Multiply by").is_visible():
        page.locator("summary").click()
    page.get_by_label("Multiply by").fill(multiplier)
    page.get_by_label("At most so many times").fill(levels)


def test_cleo_sets_a_stop_sees_the_ladder_starts_closes_one_herself_and_leaves(market, signed_in):
    page = advanced(signed_in("cleo"), market)
    climb(page, multiplier="2", levels="2")
    steps = page.locator("#ladder")
    expect(steps.get_by_role("row", name="2 losses $80 $140")).to_be_visible()
    expect(steps).to_contain_text("not switched on")
    page.get_by_label("Switch the martingale on").check()
    expect(page.locator("#summary")).to_contain_text("losing that one too takes $140 in all")
    page.get_by_role("button", name="Start copying").click()

    expect(page.get_by_role("status").filter(has_text="You copy Northern Momentum")).to_be_visible()
    made = Subscription.objects.get(user=market.cleo)
    assert made.settings == {
        "sizing": "fixed", "value": "20", "stop_loss_pct": "5",
        "martingale": {"multiplier": "2", "levels": 2, "cap_usd": "1000"},
    }  # fmt: skip

    market.copied(of=made)
    market.holding("0.02", "60", of=made, symbol="ETHUSDT")
    market.holds("BTCUSDT", "0.5")
    page.goto("/portfolio/")
    expect(page.get_by_text("martingale 2x, 2 levels")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Close BTC/USDT of Northern Momentum").click()

    expect(page.get_by_text("BTC/USDT is being closed.")).to_be_visible()
    closes = Signal.objects.filter(only_for=made.pk, effect="close")
    assert [(one.symbol, one.side, one.source) for one in closes] == [("BTCUSDT", "sell", "owner")]
    assert Holding.objects.get(subscription_id=made.pk, symbol="BTCUSDT").closed_by_owner

    page.get_by_role("link", name="Stop Northern Momentum").click()
    page.get_by_label("Close it now").check()
    page.get_by_role("button", name="Stop copying").click()

    expect(page.get_by_text("What is open is being closed.")).to_be_visible()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    made.refresh_from_db()
    assert made.status == "closing"
    assert sorted(one.symbol for one in closes.all()) == ["BTCUSDT", "ETHUSDT"]


def test_what_the_ladder_costs_is_seen_before_it_can_be_switched_on(market, visit, signed_in):
    page = advanced(signed_in("cleo", java_script_enabled=False), market)
    climb(page, multiplier="2", levels="2")
    page.get_by_label("Switch the martingale on").check()
    page.get_by_role("button", name="Start copying").click()

    expect(page.get_by_text("Look at every step of it first")).to_be_visible()
    expect(page.get_by_role("row", name="2 losses $80 $140")).to_be_visible()
    assert not Subscription.objects.filter(user=market.cleo).exists()
    page.get_by_role("button", name="Start copying").click()

    expect(page.get_by_text("You copy Northern Momentum")).to_be_visible()
    assert Subscription.objects.get(user=market.cleo).settings["martingale"]["levels"] == 2


def test_pairs_come_and_go_without_a_script_and_enter_saves(market, visit, signed_in):
    page = advanced(signed_in("cleo", java_script_enabled=False), market)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        page.get_by_role("button", name="Add a pair").click()
        page.get_by_label("Pair", exact=True).last.fill(symbol)
    page.get_by_role("button", name="Remove BTCUSDT").click()
    expect(page.get_by_label("Pair", exact=True)).to_have_count(1)
    row = page.get_by_role("group", name="ETHUSDT")
    row.get_by_label("Take profit").fill("8")
    row.get_by_label("Take profit").press("Enter")

    expect(page.get_by_text("You copy Northern Momentum")).to_be_visible()
    assert Subscription.objects.get(user=market.cleo).settings["pairs"] == {"ETHUSDT": {"take_profit_pct": "8"}}


def test_what_would_be_opened_is_listed_before_it_begins(market, signed_in):
    market.holds("DOGEUSDT", "900")
    page = signed_in("cleo", phone=True)
    page.goto(f"/pools/{market.pool.pk}/copy/")
    page.get_by_label("What is open now as well").check()

    summary = page.locator("#summary")
    expect(summary).to_contain_text("DOGE/USDT")
    expect(summary).to_contain_text("The exchange's rules for this symbol are not known")
    page.get_by_text("Advanced", exact=True).click()
    expect(page.get_by_label("Trailing stop")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Start copying").click()

    expect(page.get_by_text(re.compile("What is open is being copied"))).to_be_visible()
    made = Subscription.objects.get(user=market.cleo)
    assert [(one.symbol, one.effect) for one in Signal.objects.filter(only_for=made.pk)] == [("DOGEUSDT", "open")]
