"""An account's limits in a real browser: a passkey is added, an account connected, its limits widened and narrowed."""

from __future__ import annotations

import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection
from playwright.sync_api import expect

from citadel import services as citadel
from citadel.models import CapsChange, ExchangeAccount
from citadel.tasks import agree
from tenants import directory
from tenants.models import Domain
from tenants.scope import PUBLIC, entered
from tests.citadel.support import BEN, Vault
from tests.citadel_app.conftest import Binance
from tests.journeys.conftest import PHONE, sign_in
from tests.support.people import PASSWORD

pytestmark = pytest.mark.journey

HOST = "alpha.localhost"
MADE = re.compile("These limits hold now")


@pytest.fixture
def vault(market, settings):
    """Signer and egress before an exchange that is content with Ben's key; the worker is the test."""
    exchange = Binance([BEN])
    exchange.reset()
    exchange.start()
    with tempfile.TemporaryDirectory(prefix="obscura-") as directory_of_it:
        made = Vault(Path(directory_of_it), exchange.port)
        try:
            made.start_signer()
            made.start_egress()
            settings.RUN_DIR = directory_of_it
            citadel.publish_intake_key()
            yield made
        finally:
            made.close()
            exchange.stop()


@pytest.fixture
def at_localhost(market):
    """Alpha answers at a host where browsers give passkeys without TLS."""
    with entered(PUBLIC):
        domain = Domain.objects.create(domain=HOST, tenant=market.tenant, is_primary=False)
        directory.changed()
    yield HOST
    with entered(PUBLIC):
        domain.delete()
        directory.changed()


@pytest.fixture
def ben_at(vault, at_localhost, visit):
    """``ben_at()``: Ben, signed in, with a device that keeps passkeys and knows his finger."""

    def make(**options):
        page = visit(host=at_localhost, **options)
        device = page.context.new_cdp_session(page)
        device.send("WebAuthn.enable")
        told = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        number = device.send("WebAuthn.addVirtualAuthenticator", {"options": told})["authenticatorId"]
        page.finger = lambda known: device.send(
            "WebAuthn.setUserVerified", {"authenticatorId": number, "isUserVerified": known}
        )
        sign_in(page, "ben")
        return page

    return make


def add_passkey(page):
    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text(re.compile("Recovery codes")).first).to_be_visible()


def connect(page):
    page.goto("/exchange-accounts/new/")
    page.get_by_label("Environment").select_option("paper")
    page.get_by_label("Name").fill("Mine")
    page.get_by_label("API key").fill(BEN.api_key)
    page.get_by_label("Secret").fill(BEN.secret)
    page.get_by_text("Limits of this account").click()
    page.get_by_label("In one order").fill("1,000")
    page.get_by_role("button", name="Check and save").click()
    expect(page.get_by_text("Mine is connected. Its key is being checked.")).to_be_visible()
    made = ExchangeAccount.objects.get(label="Mine")
    in_a_thread(citadel.enrol, account_id=made.pk)
    return made


def in_a_thread(work, **ids):
    """As a worker does it: this thread has the browser's loop running, which what asks an exchange does not bear."""

    def run():
        with entered(directory.tenant_by_schema("t_alpha")):
            work(**ids)
        connection.close()

    with ThreadPoolExecutor(1) as threads:
        threads.submit(run).result()


def change(page, button, **wished):
    page.goto("/exchange-accounts/")
    page.get_by_role("link", name="Limits of Mine").click()
    for label, said in wished.items():
        page.get_by_label(label.replace("_", " ")).fill(said)
    page.get_by_role("button", name="Change limits").click()
    if button:
        page.get_by_role("button", name=button).click()


def carry(page):
    """The worker takes the change while the page looks on."""
    expect(page.get_by_text("The vault is asked for your new limits.")).to_be_visible()
    agree(change_id=CapsChange.objects.latest("pk").pk)


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "wide"])
def test_ben_widens_his_limits_with_his_finger_and_narrows_them_without(ben_at, phone):
    page = ben_at(phone=phone)
    add_passkey(page)
    made = connect(page)
    now = page.get_by_label("What holds now")

    change(page, "Confirm with your passkey", In_one_order="2,500", Highest_leverage="25")
    carry(page)

    expect(page.get_by_text(MADE)).to_be_visible()
    expect(now).to_contain_text("$2,500")
    expect(now).to_contain_text("25×")
    expect(now).to_contain_text("1 passkey")
    change(page, "", In_one_order="300")
    carry(page)
    expect(now).to_contain_text("$300")
    found = citadel.limits_of([made.pk])[made.pk]
    assert (found.order_usd, found.leverage, found.number, found.passkeys) == (300, 25, 2, 1)
    assert [one.state for one in CapsChange.objects.order_by("pk")] == ["done", "done"]


def test_a_finger_that_is_not_his_changes_nothing_and_he_may_try_again(ben_at):
    page = ben_at()
    add_passkey(page)
    connect(page)
    page.finger(False)

    change(page, "Confirm with your passkey", In_one_order="2000")

    expect(page.get_by_role("alert").filter(has_text="Your passkey did not confirm.")).to_be_visible()
    assert CapsChange.objects.exists() is False
    page.finger(True)
    page.get_by_role("button", name="Confirm with your passkey").click()
    carry(page)
    expect(page.get_by_text(MADE)).to_be_visible()


def test_the_pages_fit_a_phone_and_have_no_fault_that_axe_finds(ben_at, market):
    axe = (market.root / "node_modules/axe-core/axe.min.js").read_text()
    page = ben_at(phone=True)

    def look():
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], page.url
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(done => done.violations)")
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], page.url

    page.goto(f"/exchange-accounts/{market.account.pk}/limits/")
    expect(page.get_by_text("This account knows no passkey")).to_be_visible()
    look()
    page.get_by_label("In one order").fill("60000")
    page.get_by_role("button", name="Change limits").click()
    expect(page.get_by_role("alert").filter(has_text="so it can only be narrowed")).to_be_visible()
    look()
    add_passkey(page)
    connect(page)
    page.goto("/exchange-accounts/new/")
    page.get_by_text("Limits of this account").click()
    look()
    change(page, "", In_one_order="2000")
    expect(page.get_by_role("heading", name="Confirm wider limits")).to_be_visible()
    look()
    page.get_by_role("button", name="Confirm with your passkey").click()
    expect(page.get_by_text("The vault is asked for your new limits.")).to_be_visible()
    look()
    page.goto("/exchange-accounts/")
    look()
