"""The page of an account's limits: what holds, what may be changed how, and what became of it."""

import json
import re
from decimal import Decimal as D
from html import unescape

import pytest

from citadel.domain import agreement
from citadel.domain.agreement import Agreement
from citadel.domain.mandate import Caps
from citadel.limits import encoded, shown
from citadel.models import CapsChange, ExchangeAccount
from obscura.core.nudge.models import Nudge
from tests.support.passkeys import Software
from tests.web.test_accounts import entered, vault
from tests.web.test_pages import HTMX, text

__all__ = ["vault"]

HOST = "alpha.testserver"
SAME = {"number": "0", "order_usd": "50000", "minute_usd": "250000", "day_usd": "1000000", "leverage": "20"}
USUAL = Caps(D(50_000), D(250_000), D(1_000_000), 20)


@pytest.fixture
def key(stage):
    """Ben's passkey, which his account knows."""
    made = Software(HOST)
    made.register(stage.ben)
    knows(stage.account, made)
    return made


def knows(account, *keys):
    agreed = Agreement(0, USUAL, tuple(one.passkey for one in keys))
    ExchangeAccount.objects.filter(pk=account.pk).update(caps=shown(agreed))


def page_of(stage):
    return f"/exchange-accounts/{stage.account.pk}/limits/"


def asked_of(answer):
    """What the confirming page has passkey.js ask for, and the form it fills."""
    page = answer.content.decode()
    [told] = re.findall(r'<script id="passkey-ask" type="application/json">(.*?)</script>', page)
    form = page[page.index("data-passkey=") : page.index("</form>", page.index("data-passkey="))]
    fields = re.findall(r'<input type="hidden" name="(\w+)"(?: value="([^"]*)")?', form)
    return json.loads(unescape(told)), dict(fields)


def test_the_list_leads_to_the_limits_of_what_can_trade(stage, browser):
    stage.paper_account(stage.ben, label="Bad", status="refused")

    page = browser.get("/exchange-accounts/").content.decode()

    assert re.findall(r'href="(/exchange-accounts/[^"]+/limits/)"', page) == [page_of(stage)]


def test_an_account_without_a_passkey_says_that_it_can_only_be_narrowed(stage, browser):
    page = text(browser.get(page_of(stage)))

    assert "In one order $50,000 In a minute $250,000 On a day $1,000,000 Highest leverage 20×" in page
    assert "This account knows no passkey, so its limits can only be narrowed." in page
    assert "connect the account again: passkeys you have then are taken up." in page


def test_an_account_tells_how_many_passkeys_it_knows(stage, browser, key):
    assert "1 passkey Narrower limits are taken as they are." in text(browser.get(page_of(stage)))

    knows(stage.account, key, Software(HOST))

    assert "2 passkeys" in text(browser.get(page_of(stage)))


def test_narrower_limits_are_sent_as_they_are(stage, browser):
    answer = browser.post(page_of(stage), SAME | {"order_usd": "$1,000", "leverage": "5"}, follow=True)

    [change] = CapsChange.objects.all()
    assert change.wanted == '{"caps":["1000","250000","1000000",5],"number":1,"passkeys":[]}'
    assert (change.state, change.assertion, change.actor) == ("asked", [], f"user:{stage.ben.pk}")
    assert (Nudge.objects.get().task, Nudge.objects.get().ids) == ("citadel.agree", {"change_id": change.pk})
    page = answer.content.decode()
    assert "The vault is asked for your new limits." in text(answer)
    assert f'hx-get="{page_of(stage)}" hx-trigger="every 1s"' in page
    assert 'name="order_usd"' not in page


def test_the_outcome_is_a_part_that_asks_for_itself_until_it_is_known(stage, browser, key):
    browser.post(page_of(stage), SAME | {"order_usd": "1000"})
    assert "every 1s" in browser.get(page_of(stage), **HTMX).content.decode()

    CapsChange.objects.update(state="done")
    part = browser.get(page_of(stage), **HTMX)
    assert part.content.decode().strip().startswith('<div id="limits"')
    assert "every 1s" not in part.content.decode()
    assert "These limits hold now." in text(part)

    CapsChange.objects.update(state="refused", reason=agreement.PasskeyRefused.__doc__)
    told = text(browser.get(page_of(stage), **HTMX))
    assert "Your limits were not changed. The passkey's answer does not confirm exactly this change." in unescape(told)


def test_wider_limits_ask_for_a_passkey_of_the_accounts(alpha, stage, browser, key):
    answer = browser.post(page_of(stage), SAME | {"order_usd": "60000", "leverage": "10"})

    ask, fields = asked_of(answer)
    wanted = agreement.with_caps(
        Agreement(0, USUAL, (key.passkey,)), Caps(D(60_000), USUAL.minute_usd, USUAL.day_usd, 10)
    )
    challenge = agreement.challenge_of(tenant=alpha.pk, account=stage.account.pk.bytes, wanted=wanted)
    signed = key.signs(ask["challenge"])
    assert ask == {"challenge": encoded(challenge), "passkeys": [signed["id"]], "site": HOST}
    assert "In one order $50,000 to $60,000 In a minute $250,000 On a day $1,000,000" in text(answer)
    assert CapsChange.objects.exists() is False

    sent = fields | {f"passkey_{name}": part for name, part in signed.items()}
    assert browser.post(page_of(stage), sent).status_code == 302

    [change] = CapsChange.objects.all()
    assert (change.wanted, change.assertion) == (wanted, list(signed.values()))


def test_a_passkey_of_another_address_is_named(stage, browser):
    knows(stage.account, Software("other.example"))

    answer = browser.post(page_of(stage), SAME | {"order_usd": "60000"})

    assert answer.status_code == 422
    assert "Open this page at the address where you added your passkey. other.example" in text(answer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order_usd": "60000"}, "The account knows no passkey, so it can only be narrowed. Connect it again;"),
        ({"order_usd": "much"}, "Write an amount in dollars, with two decimals at most."),
        ({"order_usd": ""}, "Write an amount in dollars, with two decimals at most."),
        ({"order_usd": "250001"}, "A minute allows at least what one order does."),
        ({"leverage": "0"}, "Write a whole number from 1 to 125."),
        ({"number": "1"}, "The limits have been changed meanwhile. Load the page again, then decide anew."),
        ({"number": "zero"}, "The limits have been changed meanwhile."),
        ({"passkey_id": "x", "order_usd": "60000"}, "The passkey's answer cannot be read."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_asked(stage, browser, changes, words):
    answer = browser.post(page_of(stage), SAME | changes)

    assert answer.status_code == 422
    assert words in unescape(text(answer))
    assert CapsChange.objects.exists() is False


def test_what_is_so_already_is_said(stage, browser):
    answer = browser.post(page_of(stage), SAME, follow=True)

    assert "These are the limits already." in text(answer)
    assert CapsChange.objects.exists() is False


def test_anothers_limits_are_not_there(stage, browser, client_at, cast, beta):
    cleo = client_at(HOST, user=cast.cleo())
    abroad = client_at("beta.testserver", user=cast.ben(at=beta))

    for other in (cleo, abroad):
        assert other.get(page_of(stage)).status_code == 404
        assert other.post(page_of(stage), SAME | {"order_usd": "1"}).status_code == 404
    assert CapsChange.objects.exists() is False


def test_limits_are_chosen_behind_a_disclosure_where_an_account_is_connected(stage, browser, vault):
    form = browser.get("/exchange-accounts/new/").content.decode()
    assert re.search(r'<details class="[^"]*"><summary[^>]*>Limits of this account', form)
    assert re.findall(r'id="limit_(\w+)" name="\w+" value="([^"]*)"', form) == [
        ("order_usd", "50,000"), ("minute_usd", "250,000"), ("day_usd", "1,000,000"), ("leverage", "20"),
    ]  # fmt: skip
    wished = {name: said for name, said in SAME.items() if name != "number"} | {"order_usd": "700"}

    refused = browser.post("/exchange-accounts/new/", entered(**wished) | {"leverage": "126"})
    assert refused.status_code == 422
    assert "Write a whole number from 1 to 125." in text(refused)
    assert re.search(r'<details class="[^"]*" open>', refused.content.decode())
    browser.post("/exchange-accounts/new/", entered(**wished))

    assert ExchangeAccount.objects.get(label="Main").caps["order_usd"] == "700"
