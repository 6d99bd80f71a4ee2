"""A person's own pool, in a real browser: choose a lead and a weight, make the pool, copy it, pause and close it."""

import pytest
from playwright.sync_api import expect

from pools.models import Pool, Subscription, Trader
from tests.journeys.conftest import PHONE
from tests.support.people import PASSWORD

pytestmark = pytest.mark.journey


@pytest.fixture
def desk(market):
    """Cleo's other account, whose trading she wants to copy."""
    return market.paper_account(market.cleo, label="My desk")


def make(page):
    """What people type on the page of a new pool."""
    page.goto("/pools/new/")
    page.get_by_label("Name").fill("Desk at half")
    page.get_by_label("In a sentence").fill("My own trades, half as large.")
    page.get_by_label("Leads", exact=True).select_option("Copy my own trading from My desk (paper)")
    page.get_by_label("Weight", exact=True).fill("50")
    page.get_by_role("button", name="Make the pool").click()
    expect(page.get_by_role("status").filter(has_text="Desk at half is yours, and open.")).to_be_visible()


def test_cleo_makes_a_pool_of_her_own_and_copies_it(market, desk, signed_in):
    page = signed_in("cleo")
    page.get_by_role("link", name="New pool").click()
    expect(page.get_by_role("heading", name="New pool")).to_be_visible()
    make(page)

    page.get_by_role("link", name="Copy this pool").click()
    expect(page.get_by_label("Exchange account").locator("option")).to_have_text(["Cleo on paper (paper)"])
    page.get_by_label("Amount to invest", exact=True).fill("500")
    page.get_by_label("Ready to lose", exact=True).fill("120")
    page.get_by_role("button", name="Start copying").click()

    expect(page.get_by_role("status").filter(has_text="You copy Desk at half")).to_be_visible()
    made = Pool.objects.get(kind="custom", owner=market.cleo)
    assert Subscription.objects.get(user=market.cleo).pool_id == made.pk
    assert Trader.objects.get(account=desk).places.get().pool_id == made.pk


def test_an_own_pool_is_paused_resumed_and_closed_on_its_page(market, desk, signed_in):
    page = signed_in("cleo")
    make(page)

    page.get_by_role("button", name="Pause pool").click()
    expect(page.get_by_text("This pool is paused")).to_be_visible()
    page.get_by_role("button", name="Resume pool").click()
    expect(page.get_by_role("link", name="Copy this pool")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Close pool").click()

    expect(page.get_by_text("This pool is closed")).to_be_visible()
    expect(page.get_by_role("button", name="Resume pool")).to_have_count(0)


def test_a_new_pool_needs_no_script_and_says_what_is_wrong(market, desk, visit):
    page = visit(phone=True, java_script_enabled=False)
    page.goto("/accounts/login/?next=/pools/new/")
    page.get_by_label("Email").fill("cleo@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Make the pool").click()

    expect(page.get_by_role("alert").filter(has_text="Choose at least one lead")).to_be_visible()
    make(page)


def test_the_page_of_a_new_pool_fits_a_phone_and_has_no_fault_that_axe_finds(market, desk, signed_in):
    axe = (market.root / "node_modules/axe-core/axe.min.js").read_text()
    page = signed_in("cleo", phone=True)
    page.goto("/pools/new/")
    page.get_by_role("button", name="Make the pool").click()
    expect(page.get_by_role("alert").filter(has_text="Choose at least one lead")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    page.evaluate(axe)

    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(done => done.violations)")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
