"""Exchange accounts on the pages: keys go to the vault, never back; what is in use stays."""

import html
import http.server
import json
import re
import sys
import threading
from base64 import b64decode, b64encode
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.signals import got_request_exception
from django.views.debug import get_exception_reporter_class
from nacl.public import PrivateKey

from citadel.intake.models import IntakeKey
from citadel.models import Credential, ExchangeAccount
from citadel.sealing import seal, unseal
from obscura.core import clock
from tests.web.test_pages import HTMX, text
from trading.models import Adjustment, Drift

API_KEY, SECRET = "k3y" + "A" * 61, "s3cret" + "B" * 58


@pytest.fixture
def vault(stage):
    """The signer's key pair: what it would open, a test may open."""
    pair = PrivateKey.generate()
    IntakeKey.objects.create(kid="test", public=bytes(pair.public_key), created_at=clock.now())
    return pair


@pytest.fixture
def paper_venue(monkeypatch):
    """The control port of a paper venue; the bodies of the accounts it opened."""
    opened = []

    class Control(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            opened.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            """Tests are quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Control)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OBSCURA_PAPER_CONTROL", f"127.0.0.1:{server.server_port}")
    yield opened
    server.shutdown()
    server.server_close()


def entered(**changes):
    values = {"exchange": "binance", "environment": "live", "label": "Main", "apiKey": API_KEY, "secret": SECRET}
    return values | changes


def test_a_key_is_sealed_to_the_vault_and_its_account_waits_for_the_check(alpha, stage, browser, vault):
    answer = browser.post("/exchange-accounts/new/", entered(), follow=True)

    made = ExchangeAccount.objects.get(label="Main")
    sealed = bytes(Credential.objects.get(account=made).sealed)
    place = {"tenant": alpha.pk, "account": made.pk.bytes}
    assert unseal(intake=vault, sealed=sealed, **place) == {
        "apiKey": API_KEY,
        "secret": SECRET,
        "agreed": '{"caps":["50000","250000","1000000",20],"number":0,"passkeys":[]}',
    }
    assert (made.status, made.owner_id, made.environment) == ("pending", stage.ben.pk, "live")
    assert "Main is connected. Its key is being checked." in text(answer)
    assert "Being checked" in text(answer)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"secret": ""}, 422, "is missing."),
        ({"label": "Paper one"}, 422, "You already have an account of this name. Choose another name"),
        ({"label": "x" * 61}, 422, "A name has at most 60 characters"),
        ({"environment": "moon"}, 422, "The environment is live or paper."),
        ({"apiKey": API_KEY + "\u202e"}, 422, "API"),
    ],
)
def test_what_is_wrong_is_said_and_no_key_comes_back(stage, browser, vault, changes, status, words):
    answer = browser.post("/exchange-accounts/new/", entered(**changes))

    page = answer.content.decode()
    assert answer.status_code == status
    assert words in text(answer)
    assert API_KEY[:8] not in page
    assert SECRET[:8] not in page
    assert ExchangeAccount.objects.count() == 1


def seal_of(page):
    """What the page gives to the script that seals."""
    return json.loads(html.unescape(re.search(r'data-seal="([^"]*)"', page.content.decode()).group(1)))


def sealed_here(given, **changes):
    """What a browser sends that sealed the keys itself."""
    box = seal(
        intake=b64decode(given["key"]), tenant=given["tenant"], account=bytes.fromhex(given["account"]),
        fields={"apiKey": API_KEY, "secret": SECRET}, version=2,
    )  # fmt: skip
    values = {"exchange": "binance", "environment": "live", "label": "Main", "account": given["account_id"]}
    return values | {"sealed": b64encode(box).decode()} | changes


def test_the_page_gives_what_a_browser_seals_with(alpha, stage, browser, vault):
    given = seal_of(browser.get("/exchange-accounts/new/"))

    assert b64decode(given["key"]) == bytes(vault.public_key)
    assert (given["tenant"], given["exchange"]) == (alpha.pk, "binance")
    assert given["account_id"].startswith(given["account"] + ":")
    assert {name: rules[0][1] for name, rules in given["rules"].items()} == {
        "apiKey": "API key is missing.",
        "secret": "Secret key is missing.",
    }
    assert given["account"] != seal_of(browser.get("/exchange-accounts/new/"))["account"]
    assert sorted(seal_of(browser.get("/exchange-accounts/new/?exchange=okx", **HTMX))["rules"]) == [
        "apiKey", "password", "secret",
    ]  # fmt: skip


def test_what_a_browser_sealed_becomes_the_account_of_the_page(alpha, stage, browser, vault):
    given = seal_of(browser.get("/exchange-accounts/new/"))

    answer = browser.post("/exchange-accounts/new/", sealed_here(given, apiKey="ignored"), follow=True)

    made = ExchangeAccount.objects.get(label="Main")
    assert made.pk.hex == given["account"]
    sealed = bytes(Credential.objects.get(account=made).sealed)
    assert unseal(intake=vault, tenant=alpha.pk, account=made.pk.bytes, sealed=sealed) == {
        "apiKey": API_KEY,
        "secret": SECRET,
    }
    assert (made.status, made.owner_id, made.environment) == ("pending", stage.ben.pk, "live")
    assert "Main is connected. Its key is being checked." in text(answer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sealed": ""}, "What was sealed is not a sealed box in base64. Enter the keys again."),
        ({"sealed": "A" * 100_000}, "A sealed box has 65536 bytes at most."),
        ({"account": ""}, "The form is older than an hour, or was given to somebody else. Enter the keys again."),
        ({"label": "Paper one"}, "You already have an account of this name. Choose another name"),
        ({"environment": "moon"}, "The environment is live or paper."),
    ],
)
def test_a_box_that_is_not_taken_leaves_the_form_with_another_id(stage, browser, vault, changes, words):
    given = seal_of(browser.get("/exchange-accounts/new/"))

    answer = browser.post("/exchange-accounts/new/", sealed_here(given, **changes))

    assert answer.status_code == 422
    assert words in text(answer)
    assert seal_of(answer)["account"] != given["account"]
    assert ExchangeAccount.objects.count() == 1


def test_an_id_that_was_used_connects_nothing_more(stage, browser, vault):
    given = seal_of(browser.get("/exchange-accounts/new/"))
    browser.post("/exchange-accounts/new/", sealed_here(given))

    answer = browser.post("/exchange-accounts/new/", sealed_here(given, label="Second"))

    assert answer.status_code == 422
    assert "An account was connected with this id already. Look whether the account is there." in text(answer)
    assert not ExchangeAccount.objects.filter(label="Second").exists()


def test_a_page_of_one_person_connects_nothing_for_another(stage, browser, vault, client_at):
    cleo = client_at("alpha.testserver", user=stage.cast.cleo())
    given = seal_of(browser.get("/exchange-accounts/new/"))

    assert cleo.post("/exchange-accounts/new/", sealed_here(given)).status_code == 422
    assert ExchangeAccount.objects.count() == 1


def test_without_a_vault_nothing_is_kept_and_no_key_comes_back(stage, browser):
    unready = seal_of(browser.get("/exchange-accounts/new/"))
    assert sorted(unready) == ["key", "unready"]
    assert (unready["key"], unready["unready"][:45]) == ("", "The vault has not told its intake key yet, so")

    answer = browser.post("/exchange-accounts/new/", entered())

    assert answer.status_code == 422
    assert "The vault has not told its intake key yet" in text(answer)
    assert SECRET[:8] not in answer.content.decode()
    assert ExchangeAccount.objects.count() == 1


def test_every_exchange_asks_for_what_it_gives_out(stage, browser):
    part = browser.get("/exchange-accounts/new/?exchange=okx", **HTMX).content.decode()

    assert part.strip().startswith('<div id="fields"')
    assert re.findall(r'id="credential_(\w+)" name', part) == ["apiKey", "secret", "password"]
    assert "no pool can be copied" in part
    assert '<option value="paper">' not in part


def test_an_exchange_that_does_not_exist_shows_the_first_form(stage, browser):
    assert browser.get("/exchange-accounts/new/?exchange=nowhere").status_code == 200


def test_a_paper_account_is_opened_with_one_button(stage, browser, vault, paper_venue):
    assert "Open a paper account" in text(browser.get("/exchange-accounts/new/"))

    answer = browser.post("/exchange-accounts/new/", {"paper": "10000"}, follow=True)

    made = ExchangeAccount.objects.exclude(pk=stage.account.pk).get()
    assert (made.environment, made.exchange) == ("paper", "binance")
    assert paper_venue[0]["spot"] == {"USDT": "10000"}
    assert paper_venue[0]["secret"] not in answer.content.decode()


def test_no_button_is_shown_where_no_paper_venue_runs(stage, browser, vault, monkeypatch):
    monkeypatch.delenv("OBSCURA_PAPER_CONTROL", raising=False)

    assert "Open a paper account" not in text(browser.get("/exchange-accounts/new/"))
    answer = browser.post("/exchange-accounts/new/", {"paper": "10000"})
    assert answer.status_code == 422
    assert "The paper venue is not running here." in text(answer)


def test_an_account_in_use_is_not_removed(stage, browser):
    answer = browser.post(f"/exchange-accounts/{stage.account.pk}/remove/", follow=True)

    assert "Paper one is in use. Stop the pools that trade on it first." in text(answer)
    assert ExchangeAccount.objects.get(pk=stage.account.pk).status == "active"


def test_an_account_a_trader_leads_on_is_not_removed(stage, browser):
    leading = stage.paper_account(stage.ben, label="Lead")
    stage.ada.__class__.objects.create(name="Ben", user=stage.ben, account=leading, created_at=clock.now())

    answer = browser.post(f"/exchange-accounts/{leading.pk}/remove/", follow=True)

    assert "A trader leads on Lead." in text(answer)
    assert ExchangeAccount.objects.get(pk=leading.pk).status == "active"


def test_a_removed_accounts_key_is_erased(stage, browser):
    spare = stage.paper_account(stage.ben, label="Spare")
    Credential.objects.create(account=spare, envelopes={"apiKey": "nil:v1:x"}, created_at=clock.now())

    answer = browser.post(f"/exchange-accounts/{spare.pk}/remove/", follow=True)

    assert "Its key is erased from the vault." in text(answer)
    assert ExchangeAccount.objects.get(pk=spare.pk).status == "revoked"
    assert not Credential.objects.filter(account=spare, envelopes__has_key="apiKey").exists()
    assert ">Spare</h2>" not in browser.get("/exchange-accounts/").content.decode()


def test_a_waiting_account_cannot_be_checked_and_says_so(stage, browser):
    waiting = stage.paper_account(stage.ben, label="New", status="pending")

    answer = browser.post(f"/exchange-accounts/{waiting.pk}/check/", follow=True)

    assert "Only an active account can be checked again. Wait until it is active" in text(answer)


def test_the_list_says_what_an_account_is_used_for_and_what_is_wrong(stage, browser):
    stage.paper_account(stage.ben, label="Bad", status="refused", reason="This key may withdraw. Make another one.")

    page = text(browser.get("/exchange-accounts/"))

    assert "used by 1 pool" in page
    assert "key ending x7Qa" in page
    assert "Refused This key may withdraw. Make another one." in page


def test_the_addresses_a_key_must_allow_are_shown_where_it_is_made(stage, browser, settings):
    assert "may be used from" not in text(browser.get("/exchange-accounts/new/"))
    settings.EGRESS_ADDRESSES = ["203.0.113.7", "203.0.113.8"]
    ExchangeAccount.objects.filter(pk=stage.account.pk).update(egress_address="203.0.113.8")

    page = text(browser.get("/exchange-accounts/new/"))

    assert "allow all of these: 203.0.113.7 203.0.113.8" in page
    assert "orders come from 203.0.113.8" in text(browser.get("/exchange-accounts/"))


def drift(stage, **fields):
    now = clock.now()
    values = {
        "account_id": stage.account.pk, "user_id": stage.ben.pk, "kind": "larger", "market": "usdm",
        "symbol": "BTCUSDT", "ours": Decimal("0.006"), "theirs": Decimal("0.016"), "sightings": 2,
        "first_seen": now, "steady_since": now, "last_seen": now,
    }  # fmt: skip
    return Drift.objects.create(**(values | fields))


def test_where_an_account_differs_its_owner_is_told_calmly(stage, browser):
    drift(stage)
    drift(stage, kind="smaller", symbol="ETHUSDT", sightings=1)
    drift(stage, kind="smaller", symbol="SOLUSDT", resolved_at=clock.now())
    drift(stage, symbol="XRPUSDT", user_id=uuid4())

    page = text(browser.get("/exchange-accounts/"))

    assert "There is more BTCUSDT than your copies hold: 0.016, of which 0.006 is copied." in page
    assert "The rest is yours and is left alone." in page
    assert not {"ETHUSDT", "SOLUSDT", "XRPUSDT"} & set(page.replace(",", " ").split())


def test_what_was_cut_is_told_for_a_week_as_neither_gain_nor_loss(stage, browser):
    for days, qty in ((1, "0.004"), (8, "0.005")):
        Adjustment.objects.create(
            subscription_id=stage.subscription.pk, account_id=stage.account.pk, user_id=stage.ben.pk,
            trader_id=stage.ada.pk, market="usdm", symbol="BTCUSDT", qty=Decimal(qty), cost=Decimal(240),
            released=Decimal(240), at=clock.now() - timedelta(days=days), leaf=bytes(32),
        )  # fmt: skip

    page = text(browser.get("/exchange-accounts/"))

    assert "0.004 BTCUSDT of your copies was closed at the exchange, not by us." in page
    assert "What it brought is not known to us, and counts as neither gain nor loss." in page
    assert "0.005" not in page


def unsure(stage, **changes):
    told = {"trade": None, "withdraw": None, "transfer": None, "note": "Not told.", "confirm": True}
    fields = {"label": "At Phemex", "status": "pending", "reason": "Look at the key there.", "permissions": told}
    return stage.paper_account(stage.ben, **(fields | changes))


def test_what_an_exchange_does_not_tell_its_owner_confirms(stage, browser):
    made = unsure(stage)
    before = browser.get("/exchange-accounts/")
    assert "Needs your word" in text(before)
    assert "Look at the key there. I have checked: this key cannot withdraw" in text(before)
    page = before.content.decode()
    assert f'id="unsure-{made.pk}">Look at the key there.' in page
    assert f'aria-describedby="unsure-{made.pk}"' in page

    answer = browser.post(f"/exchange-accounts/{made.pk}/confirm/", follow=True)

    assert "At Phemex is ready to trade." in text(answer)
    assert "Confirmed by you" in text(answer)
    assert "I have checked" not in text(answer)
    assert ExchangeAccount.objects.get(pk=made.pk).status == "active"


def test_nobody_confirms_for_another(stage, browser, cast, client_at):
    made = unsure(stage)
    cleo = client_at("alpha.testserver", user=cast.cleo())

    assert cleo.post(f"/exchange-accounts/{made.pk}/confirm/").status_code == 404
    assert browser.get(f"/exchange-accounts/{made.pk}/confirm/").status_code == 405

    assert ExchangeAccount.objects.get(pk=made.pk).status == "pending"


def test_an_account_that_waits_for_nothing_cannot_be_confirmed(stage, browser):
    answer = browser.post(f"/exchange-accounts/{stage.account.pk}/confirm/", follow=True)

    assert "There is nothing to confirm about this account." in text(answer)


def test_a_key_that_works_from_anywhere_is_warned_about_with_our_addresses(stage, browser, settings):
    told = {"trade": True, "withdraw": False, "ip_restricted": False, "note": "The key works from any address."}
    ExchangeAccount.objects.filter(pk=stage.account.pk).update(permissions=told)
    settings.EGRESS_ADDRESSES = ["203.0.113.7", "203.0.113.8"]

    page = text(browser.get("/exchange-accounts/"))

    assert "The key works from any address. Our addresses: 203.0.113.7 , 203.0.113.8 ." in page
    ExchangeAccount.objects.filter(pk=stage.account.pk).update(permissions=told | {"ip_restricted": True, "note": ""})
    assert "Our addresses" not in text(browser.get("/exchange-accounts/"))


def test_an_exchange_that_is_asked_in_the_background_is_said_to_be(stage, browser):
    made = unsure(stage, exchange="phemex", environment="live")

    answer = browser.post(f"/exchange-accounts/{made.pk}/check/", follow=True)

    assert "The exchange is being asked about At Phemex. The answer is here in a few seconds." in text(answer)


def test_the_report_of_a_mistake_shows_nothing_of_what_was_typed(alpha, stage, browser, settings):
    settings.DEBUG, browser.raise_request_exception = False, False
    IntakeKey.objects.create(kid="broken", public=b"short", created_at=clock.now())
    reports = []

    def report(request, **_):
        made = get_exception_reporter_class(request)(request, *sys.exc_info())
        reports.append(made.get_traceback_html() + made.get_traceback_text())

    got_request_exception.connect(report)
    try:
        answer = browser.post("/exchange-accounts/new/", entered(environment="paper"))
    finally:
        got_request_exception.disconnect(report)

    [shown] = reports
    assert answer.status_code == 500
    assert "owner_id" in shown
    assert [one for one in (API_KEY, SECRET) if one in shown + answer.text] == []
    assert not ExchangeAccount.objects.filter(label="Main").exists()
