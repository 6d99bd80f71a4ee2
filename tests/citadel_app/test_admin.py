"""A tenant's staff look at accounts, check them and take them back; no key and no envelope is on any page."""

from __future__ import annotations

import pytest

from citadel import services as citadel
from citadel.models import Credential, UncheckedSigning
from obscura.core.audit.models import Entry
from obscura.ops.sites import office, tenant
from tests.citadel.support import BEN
from tests.citadel_app.conftest import RESTRICTIONS

URL = "/admin/citadel/exchangeaccount/"


@pytest.fixture
def desk(alpha, cast, client_at):
    return client_at("alpha.testserver", user=cast.staff())


def act(browser, name: str, *rows: object) -> str:
    return browser.post(URL, {"action": name, "_selected_action": [str(row) for row in rows]}, follow=True).text


def test_no_admin_knows_credentials():
    for site in (office, tenant):
        site.fill()
        assert Credential not in site._registry


def test_pages_show_what_may_be_known_and_nothing_else(desk, cast, connect):
    made = connect(cast.ben())
    sealed = bytes(Credential.objects.get().sealed)
    before = desk.get(f"{URL}{made.id}/change/").text
    citadel.enrol(account_id=made.id)
    envelopes = Credential.objects.get().envelopes

    shown = before + desk.get(URL).text + desk.get(f"{URL}{made.id}/change/").text

    assert "Main" in shown
    hidden = [BEN.secret, BEN.api_key, sealed.hex(), str(sealed), *envelopes.values(), "nil:v1:"]
    assert [one for one in hidden if one in shown] == []
    assert desk.post(f"{URL}{made.id}/change/", {"label": "Mine"}).status_code == 403
    assert desk.get(f"{URL}add/").status_code == 403


def test_staff_check_and_take_back(desk, cast, connect, binance):
    ben = cast.ben()
    made = connect(ben)
    assert "Only an active account can be checked again." in act(desk, "recheck", made.id)
    citadel.enrol(account_id=made.id)

    assert "is being checked" in act(desk, "recheck", made.id)
    binance.restrictions = (200, {**RESTRICTIONS, "enableWithdrawals": True})
    citadel.check_account(account_id=made.id, actor="worker")
    assert citadel.account(account_id=made.id, user_id=ben.pk).status == "refused"
    assert "was taken back" in act(desk, "revoke", made.id)
    assert citadel.account(account_id=made.id, user_id=ben.pk).status == "revoked"


SIGNED = "/admin/citadel/uncheckedsigning/"


def test_staff_switch_signing_unread_on_and_off_and_are_told_what_it_means(desk, vault):
    form = desk.get(f"{SIGNED}add/").text
    assert "could place any order there that a key may place" in form
    assert '<option value="okx">' in form
    assert '<option value="binance">' not in form

    assert "This field is required." in desk.post(f"{SIGNED}add/", {"exchange": "okx"}).text
    assert UncheckedSigning.objects.exists() is False
    assert desk.post(f"{SIGNED}add/", {"exchange": "binance", "understood": "on"}).status_code == 200
    assert UncheckedSigning.objects.exists() is False

    added = desk.post(f"{SIGNED}add/", {"exchange": "okx", "understood": "on"}, follow=True)
    row = UncheckedSigning.objects.get()
    assert (row.exchange, row.on, row.number) == ("okx", True, 1)
    assert row.switched_by.startswith("staff:")
    assert "Orders signed unread" in added.text
    assert desk.get(f"{SIGNED}{row.pk}/change/").status_code == 200

    chosen = {"_selected_action": [str(row.pk)]}
    desk.post(SIGNED, {"action": "switch_off", **chosen}, follow=True)
    assert (UncheckedSigning.objects.get().on, UncheckedSigning.objects.get().number) == (False, 2)
    asking = desk.post(SIGNED, {"action": "switch_on", **chosen}, follow=True).text
    assert "Sign without reading?" in asking
    assert UncheckedSigning.objects.get().on is False
    desk.post(SIGNED, {"action": "switch_on", "confirmed": "yes", **chosen}, follow=True)
    assert (UncheckedSigning.objects.get().on, UncheckedSigning.objects.get().number) == (True, 3)
    actions = Entry.objects.filter(subject="exchange:okx").order_by("id").values_list("action", flat=True)
    assert list(actions) == [f"citadel.unchecked_signing.{state}" for state in ("on", "off", "on")]


def test_without_the_key_nothing_is_switched(desk, monkeypatch):
    monkeypatch.delenv("OBSCURA_MANDATE_KEY")

    answer = desk.post(f"{SIGNED}add/", {"exchange": "okx", "understood": "on"})

    assert "it has no key to seal them with" in answer.text
    assert UncheckedSigning.objects.exists() is False


def test_nobody_but_staff_switches(alpha, cast, client_at):
    browser = client_at("alpha.testserver", user=cast.ben())

    assert browser.post(f"{SIGNED}add/", {"exchange": "okx", "understood": "on"}).status_code == 302

    assert UncheckedSigning.objects.exists() is False
