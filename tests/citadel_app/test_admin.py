"""A tenant's staff look at accounts, check them and take them back; no key and no envelope is on any page."""

from __future__ import annotations

import pytest

from citadel import services as citadel
from citadel.models import Credential
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
