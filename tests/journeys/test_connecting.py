"""Ben connects an exchange account in a real browser: his key is sealed before it leaves; the vault alone opens it."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from playwright.sync_api import expect

from citadel import services as citadel
from citadel.intake.models import IntakeKey
from citadel.models import Credential, ExchangeAccount
from tenants.models import Tenant
from tenants.scope import entered
from tests.citadel.support import BEN
from tests.citadel_app.conftest import binance, running, vault
from tests.journeys.conftest import PHONE

__all__ = ["binance", "running", "vault"]

pytestmark = pytest.mark.journey

PAGE = "/exchange-accounts/new/"
SEALS, SENDS = (
    "Encrypted in your browser. Our web servers cannot read it.",
    "Encrypted by our web server as it arrives.",
)


@pytest.fixture
def form(market, vault, signed_in):
    """``form()``: Ben's window on the form, with everything the browser sends in ``page.sent``: (path, body)."""

    def make(**options):
        page = signed_in("ben", **options)
        page.sent = []
        page.on("request", lambda one: page.sent.append((one.method, urlsplit(one.url), one.post_data or "")))
        page.goto(PAGE)
        return page

    return make


def fill(page, *, label="Main", api_key=BEN.api_key, secret=BEN.secret):
    page.get_by_label("Environment").select_option("Paper")
    page.get_by_label("Name", exact=True).fill(label)
    page.get_by_label("API key", exact=True).fill(api_key)
    page.get_by_label("Secret key", exact=True).fill(secret)


def posts(page):
    return [parse_qs(body, keep_blank_values=True) for method, _, body in page.sent if method == "POST"]


def secrets_in(page):
    """What of Ben's key any request of the page shows, in its address or its body."""
    return [one for one in (BEN.secret, BEN.api_key) if one in str(page.sent)]


SENT = [
    "account", "csrfmiddlewaretoken", "day_usd", "environment", "exchange", "label", "leverage", "minute_usd",
    "order_usd", "sealed",
]  # fmt: skip
"""All that leaves the browser: no field of the exchange's is among it."""


def enrol(account):
    """As a worker does, in a thread of its own: this one has the browser's loop."""

    def work():
        with entered(Tenant.objects.get(schema_name="t_alpha")):
            citadel.enrol(account_id=account.pk)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result(30)


def becomes_active(label="Main"):
    made = ExchangeAccount.objects.get(label=label)
    assert (made.status, made.environment) == ("pending", "paper")
    assert Credential.objects.get(account=made).sealed is not None
    enrol(made)
    made.refresh_from_db()
    assert (made.status, made.hint) == ("active", BEN.api_key[-4:])


def test_bens_key_is_sealed_in_his_browser_and_becomes_active(form):
    page = form()
    expect(page.get_by_text(SEALS)).to_be_visible()
    expect(page.get_by_text(SENDS)).to_be_hidden()
    fill(page)
    page.get_by_role("button", name="Check and save").click()

    expect(page.get_by_role("status").filter(has_text="Main is connected. Its key is being checked.")).to_be_visible()
    [sent] = posts(page)
    assert sorted(sent) == SENT
    assert (sent["exchange"], sent["environment"], sent["label"]) == (["binance"], ["paper"], ["Main"])
    assert secrets_in(page) == []
    assert sent["account"][0].startswith(ExchangeAccount.objects.get(label="Main").pk.hex + ":")
    becomes_active()
    assert ExchangeAccount.objects.get(label="Main").caps["order_usd"] == "50000"


def test_without_a_script_the_server_seals_it(form):
    page = form(java_script_enabled=False)
    expect(page.get_by_text(SENDS)).to_be_visible()
    expect(page.get_by_text(SEALS)).to_be_hidden()
    fill(page)
    page.get_by_role("button", name="Check and save").click()

    expect(page.get_by_role("status").filter(has_text="Main is connected.")).to_be_visible()
    [sent] = posts(page)
    assert (sent["apiKey"], sent["secret"]) == ([BEN.api_key], [BEN.secret])
    assert "sealed" not in sent
    becomes_active()
    assert ExchangeAccount.objects.get(label="Main").caps["order_usd"] == "50000"


def test_what_is_wrong_is_said_at_the_field_and_nothing_is_sent(form):
    page = form()
    fill(page, secret=BEN.secret[:63], api_key=" " + BEN.api_key)
    secret = page.get_by_label("Secret key", exact=True)
    page.get_by_role("button", name="Check and save").click()

    said = "Secret key has 63 characters and is not what Binance gives out: 64 letters and digits."
    expect(page.get_by_role("alert").filter(has_text=said)).to_be_visible()
    expect(secret).to_be_focused()
    expect(secret).to_have_attribute("aria-invalid", "true")
    expect(secret).to_have_accessible_description(
        f"64 letters and digits, of a key of the type HMAC (system generated). {said}"
    )
    expect(page.get_by_label("API key", exact=True)).not_to_have_attribute("aria-invalid", "true")
    assert posts(page) == []
    assert ExchangeAccount.objects.filter(label="Main").exists() is False

    secret.fill(BEN.secret)
    page.get_by_role("button", name="Check and save").click()
    expect(page.get_by_role("status").filter(has_text="Main is connected.")).to_be_visible()
    assert secrets_in(page) == []
    becomes_active()
    assert ExchangeAccount.objects.get(label="Main").caps["order_usd"] == "50000"


def test_it_is_done_with_the_keyboard_alone(form):
    page = form()
    page.get_by_label("Environment").focus()
    page.keyboard.press("p")
    for text in ("Main", BEN.api_key, BEN.secret[:10]):
        page.keyboard.press("Tab")
        page.keyboard.insert_text(text)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Secret key", exact=True)).to_be_focused()
    assert posts(page) == []

    page.keyboard.press("Control+A")
    page.keyboard.insert_text(BEN.secret)
    page.keyboard.press("Enter")

    expect(page.get_by_role("status").filter(has_text="Main is connected.")).to_be_visible()
    assert secrets_in(page) == []
    becomes_active()
    assert ExchangeAccount.objects.get(label="Main").caps["order_usd"] == "50000"


def test_what_only_the_server_knows_is_said_and_the_key_is_entered_again(form):
    page = form()
    fill(page, label="Paper one")
    page.get_by_role("button", name="Check and save").click()

    expect(page.get_by_role("alert").filter(has_text="You already have an account of this name.")).to_be_visible()
    expect(page.get_by_label("Secret key", exact=True)).to_have_value("")
    fill(page)
    page.get_by_role("button", name="Check and save").click()

    expect(page.get_by_role("status").filter(has_text="Main is connected.")).to_be_visible()
    first, second = posts(page)
    assert first["account"] != second["account"]
    assert secrets_in(page) == []
    becomes_active()
    assert ExchangeAccount.objects.get(label="Main").caps["order_usd"] == "50000"


def test_another_exchange_is_sealed_with_its_own_fields(form):
    page = form()
    page.get_by_label("Exchange", exact=True).select_option("okx")
    page.get_by_label("Passphrase").fill("with a blank")
    page.get_by_label("API key", exact=True).fill(BEN.api_key)
    page.get_by_label("Secret", exact=True).fill(BEN.secret)
    page.get_by_label("Name", exact=True).fill("Elsewhere")
    page.get_by_role("button", name="Check and save").click()
    expect(page.get_by_role("alert").filter(has_text="Passphrase has a blank inside.")).to_be_visible()
    page.get_by_label("Passphrase").fill("correct-horse")
    page.get_by_role("button", name="Check and save").click()

    expect(page.get_by_role("status").filter(has_text="Elsewhere is connected.")).to_be_visible()
    assert secrets_in(page) + ["correct-horse" for _ in range("correct-horse" in str(page.sent))] == []
    made = ExchangeAccount.objects.get(label="Elsewhere")
    enrol(made)
    assert sorted(Credential.objects.get(account=made).envelopes) == [
        "agreed",
        "apiKey",
        "exchange",
        "password",
        "secret",
    ]


def test_a_script_that_does_not_arrive_sends_nothing(form):
    page = form()
    page.context.route("**/sealing-*.js", lambda route: route.abort("connectionrefused"))
    page.reload()
    note = page.get_by_role("alert").filter(has_text="Your keys cannot be encrypted on this page, so nothing is sent.")
    expect(note).to_be_visible()
    fill(page)
    page.get_by_role("button", name="Check and save").click()

    expect(note).to_be_focused()
    assert posts(page) == []
    assert secrets_in(page) == []


def test_the_fields_are_empty_when_the_box_leaves(form):
    page = form()
    page.route(f"**{PAGE}", lambda route: route.fulfill(status=204))
    fill(page)
    page.get_by_role("button", name="Check and save").click()

    for name in ("API key", "Secret key"):
        expect(page.get_by_label(name, exact=True)).to_be_disabled()
        expect(page.get_by_label(name, exact=True)).to_have_value("")
    assert [sorted(sent) for sent in posts(page)] == [SENT]


def test_fields_of_one_exchange_are_not_sealed_for_another(form):
    page = form()
    fill(page)
    page.evaluate("document.getElementById('exchange').value = 'okx'")  # chosen, and its fields never came
    page.get_by_role("button", name="Check and save").click()

    expect(page.get_by_role("alert").filter(has_text="not the fields of the exchange you chose")).to_be_focused()
    assert posts(page) == []


def test_without_a_vault_nothing_leaves_the_browser(form):
    IntakeKey.objects.all().delete()
    page = form()
    fill(page)
    page.get_by_role("button", name="Check and save").click()

    expect(page.get_by_role("alert").filter(has_text="The vault has not told its intake key yet")).to_be_visible()
    assert posts(page) == []


def test_coming_back_begins_with_an_empty_form_and_another_id(form):
    page = form()
    fill(page)
    page.get_by_role("button", name="Check and save").click()
    expect(page.get_by_role("status").filter(has_text="Main is connected.")).to_be_visible()

    page.go_back()
    expect(page.get_by_label("Secret key", exact=True)).to_be_enabled()
    expect(page.get_by_label("Secret key", exact=True)).to_have_value("")
    fill(page, label="Second")
    page.get_by_role("button", name="Check and save").click()

    expect(page.get_by_role("status").filter(has_text="Second is connected.")).to_be_visible()
    first, second = posts(page)
    assert first["account"] != second["account"]
    assert secrets_in(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True])
def test_the_form_fits_and_has_no_fault_that_axe_finds(form, market, phone, scheme):
    axe = (market.root / "node_modules/axe-core/axe.min.js").read_text()
    page = form(phone=phone, color_scheme=scheme)
    fill(page, secret="short")
    page.get_by_role("button", name="Check and save").click()
    expect(page.get_by_role("alert").filter(has_text="Secret key has 5 characters")).to_be_visible()
    if phone:
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    page.evaluate(axe)

    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(done => done.violations)")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
