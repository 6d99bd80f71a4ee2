"""Exchange accounts on the pages: keys go to the vault, never back; what is in use stays."""

import http.server
import json
import re
import sys
import threading
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.signals import got_request_exception
from django.views.debug import get_exception_reporter_class
from nacl.public import PrivateKey

from citadel.intake.models import IntakeKey
from citadel.models import Credential, ExchangeAccount
from citadel.sealing import unseal
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
    assert unseal(intake=vault, sealed=sealed, **place) == {"apiKey": API_KEY, "secret": SECRET}
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


def test_without_a_vault_nothing_is_kept_and_no_key_comes_back(stage, browser):
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
