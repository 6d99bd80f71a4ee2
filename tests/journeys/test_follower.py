"""A follower's way through the product, in a real browser: sign in, choose a pool, set the loss, watch it live."""

import re

import pytest
from playwright.sync_api import expect

from pools.models import Subscription
from tests.journeys.conftest import PHONE
from trading.domain.order_state import Status

pytestmark = pytest.mark.journey

UNKNOWN = "The exchange's rules for this symbol are not known"


def live(page):
    expect(page.locator("body")).to_have_attribute("data-live", "on")
    return page


def test_cleo_signs_in_and_copies_a_pool(market, signed_in):
    page = signed_in("cleo", typing=True)
    page.get_by_role("link", name="Northern Momentum").click()
    page.get_by_role("link", name="Copy this pool").click()
    page.get_by_label("Amount to invest", exact=True).fill("500")
    page.get_by_label("Ready to lose", exact=True).fill("120")

    expect(page.locator("#summary")).to_contain_text("$380")
    expect(page.get_by_label("Ready to lose, in dollars")).to_have_value("120")
    page.get_by_role("button", name="Start copying").click()

    expect(page.get_by_role("status").filter(has_text="You copy Northern Momentum")).to_be_visible()
    expect(page.get_by_text("of $120 ready to lose")).to_be_visible()
    made = Subscription.objects.get(user=market.cleo)
    assert (made.total_investment, made.max_loss) == (500, 120)


def test_a_copy_arrives_while_ben_looks_on(market, signed_in):
    page = signed_in("ben")
    page.goto(f"/pools/{market.pool.pk}/")
    live(page)
    expect(page.get_by_text("No trade yet.")).to_be_visible()

    order = market.copied()

    row = page.locator(f'[data-id="o{order.pk}"]')
    expect(row).to_contain_text("Copied")
    expect(row).to_contain_text("60,000.00")
    expect(row).to_contain_text("60,006.00")
    expect(row).to_contain_text("+0.01%")
    expect(page.get_by_text("No trade yet.")).to_be_hidden()


def test_what_is_not_copied_arrives_with_its_reason(market, signed_in):
    page = signed_in("ben")
    page.goto("/copies/")
    live(page)

    market.denied()

    row = page.locator("#copies [data-id]").first
    expect(row).to_contain_text("Not copied")
    expect(row).to_contain_text(UNKNOWN)
    page.get_by_role("link", name="Not copied").click()
    expect(page.locator("#copies [data-id]")).to_have_count(1)


def test_an_order_keeps_its_row_from_doubt_to_certainty(market, signed_in):
    page = signed_in("ben")
    page.goto("/copies/")
    live(page)
    order = market.sent()
    row = page.locator(f'[data-id="o{order.pk}"]')

    market.report(order, Status.UNSURE)
    expect(row).to_contain_text("Checking with the venue")
    later = market.copied()
    expect(page.locator(f'[data-id="o{later.pk}"]')).to_contain_text("Copied")
    market.report(order, Status.FILLED, price="60003")

    expect(row).to_contain_text("Copied")
    expect(page.locator("#copies [data-id]")).to_have_count(2)
    expect(page.locator("#copies [data-id]").first).to_have_attribute("data-id", f"o{later.pk}")


def test_nothing_is_missed_while_the_server_is_away(market, signed_in, served):
    page = signed_in("ben")
    page.goto("/copies/")
    live(page)
    seen = market.copied()
    expect(page.locator(f'[data-id="o{seen.pk}"]')).to_be_visible()

    served.stop()
    expect(page.locator(".live[role=status]")).to_have_text("Reconnecting…")
    market.denied()
    served.start()

    live(page)
    expect(page.locator("#copies [data-id]")).to_have_count(2)
    expect(page.locator("#copies").get_by_text(UNKNOWN)).to_be_visible()


def test_nobody_sees_what_is_anothers(market, signed_in):
    hers = market.follow(market.cleo, market.spare)
    ben, cleo = signed_in("ben"), signed_in("cleo")
    for page in (ben, cleo):
        page.goto("/copies/")
        live(page)

    order = market.copied(of=hers)

    expect(cleo.locator(f'[data-id="o{order.pk}"]')).to_be_visible()
    mine = market.copied()
    expect(ben.locator(f'[data-id="o{mine.pk}"]')).to_be_visible()
    expect(ben.locator("#copies [data-id]")).to_have_count(1)


def test_a_subscription_is_paused_changed_and_stopped(market, signed_in):
    page = signed_in("ben")
    page.goto("/portfolio/")
    page.get_by_role("button", name="Pause Northern Momentum").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Resume Northern Momentum").click()
    expect(page.get_by_text("Copying", exact=True)).to_be_visible()

    page.get_by_role("link", name="Change the terms of Northern Momentum").click()
    page.get_by_label("Amount to invest", exact=True).fill("800")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("of $800")).to_be_visible()

    page.goto("/portfolio/")
    page.get_by_role("link", name="Stop Northern Momentum").click()
    page.get_by_role("button", name="Stop copying").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()


def test_ben_stops_everything_and_copies_again(market, signed_in):
    page = signed_in("ben")
    page.goto("/portfolio/")
    page.get_by_role("link", name="Stop everything").click()
    page.get_by_role("button", name="Stop everything").click()

    expect(page.get_by_text("You stopped everything.").first).to_be_visible()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Copy again").click()
    expect(page.get_by_text("Copying", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Copy again")).to_be_hidden()


def test_amounts_that_do_not_fit_are_said_before_and_after_sending(market, signed_in):
    page = signed_in("cleo")
    page.goto(f"/pools/{market.pool.pk}/copy/")
    page.get_by_label("Amount to invest", exact=True).fill("100")
    page.get_by_label("Ready to lose", exact=True).fill("150")
    expect(page.locator("#summary")).to_contain_text("You cannot lose more than you invest")

    page.get_by_role("button", name="Start copying").click()

    expect(page.get_by_role("alert").filter(has_text="You cannot lose more than you invest")).to_be_visible()
    assert not Subscription.objects.filter(user=market.cleo).exists()


def test_pools_are_found_while_typing(market, signed_in):
    market.open_pool("Slow Carry", market.trader("Kestrel"), kind="curated")
    page = signed_in("ben")

    page.get_by_role("searchbox", name="Search pools").fill("kestrel")

    expect(page.get_by_role("link", name="Northern Momentum")).to_be_hidden()
    expect(page.get_by_role("link", name="Slow Carry")).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=kestrel"))


def test_the_theme_is_switched_and_stays_without_a_flash(market, signed_in):
    page = signed_in("ben")
    before = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
    after = "light" if before == "dark" else "dark"

    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", after)

    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", after)
    assert f'data-theme="{after}"' in page.evaluate("fetch('/pools/').then(answer => answer.text())")


def test_the_form_of_an_exchange_follows_the_choice(market, signed_in):
    page = signed_in("ben")
    page.goto("/exchange-accounts/new/")
    page.get_by_label("Exchange", exact=True).select_option("okx")

    expect(page.locator("#credential_password")).to_be_visible()
    expect(page.get_by_text("no pool can be copied")).to_be_visible()


def test_pages_fit_a_phone(market, signed_in):
    market.copied()
    market.holds("DOGEUSDT", "900")
    mine = f"/portfolio/{market.subscription.pk}"
    page = signed_in("ben", phone=True)

    for address in (
        "/pools/", "/copies/", "/portfolio/", "/exchange-accounts/", "/profile/", f"{mine}/leave/",
        f"{mine}/catch-up/", f"{mine}/money/", "/portfolio/stop/",
    ):  # fmt: skip
        page.goto(address)
        expect(page.get_by_role("navigation", name="Main, phone")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address


def test_the_pages_have_no_fault_that_axe_finds(market, signed_in):
    axe = (market.root / "node_modules/axe-core/axe.min.js").read_text()
    market.copied()
    market.denied()
    market.holds("BTCUSDT", "0.5")
    market.holds("DOGEUSDT", "900")
    page = signed_in("ben")
    mine, copy = (
        f"/portfolio/{market.subscription.pk}",
        f"/pools/{market.pool.pk}/copy/?change={market.subscription.pk}",
    )
    for address in (
        "/pools/", f"/pools/{market.pool.pk}/", "/copies/", "/portfolio/", "/exchange-accounts/new/", copy,
        f"{mine}/leave/", f"{mine}/catch-up/", f"{mine}/money/", "/portfolio/stop/",
    ):  # fmt: skip
        page.goto(address)
        if address == copy:
            page.get_by_text("Advanced", exact=True).click()
            page.get_by_text("Martingale", exact=False).first.click()
            page.get_by_label("Multiply by").fill("2")
            page.get_by_label("At most so many times").fill("3")
            expect(page.get_by_role("img", name="4 steps")).to_be_visible()
            page.get_by_role("button", name="Add a pair").click()
            expect(page.get_by_label("Pair", exact=True)).to_be_visible()
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(done => done.violations)")
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], address


def test_a_truth_that_comes_late_replaces_what_was_believed(market, signed_in):
    page = signed_in("ben")
    page.goto("/copies/")
    live(page)
    order = market.sent()
    row = page.locator(f'[data-id="o{order.pk}"]')

    market.report(order, Status.MISSED)
    expect(row).to_contain_text("Not copied")
    market.report(order, Status.PARTIAL, price="60002")

    expect(row).to_contain_text("Copied in part")
