"""The client that types: an account it seals by itself, one it types into the page, one it sends to the API; and all of
it again while the product makes a mistake in the middle."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.signals import got_request_exception
from django.test import Client as InProcess
from django.views.debug import get_exception_reporter_class

from citadel import services as citadel
from citadel.intake.models import IntakeKey
from obscura.core import clock
from obscura.local import cast, crowd
from obscura.local.chaos.gathered import Browser, expect
from obscura.local.chaos.needles import Marked
from obscura.local.venue import Control
from tenants import services as tenants
from tenants.types import SCOPES, TenantRef

FORM, LABEL = "/exchange-accounts/new/", "Typed"


@dataclass(frozen=True, slots=True)
class Typist:
    """A user of Tenant Zero, and a partner's key.

    :param label: the name of the account that was sealed here
    """

    port: int
    owner: UUID
    email: str
    password: str
    key: str
    label: str

    def browser(self, session: str = "") -> Browser:
        """At the tenant's host."""
        return Browser(self.port, cast.ZERO.host, session)

    def signed_in(self) -> Browser:
        """A browser that has entered e-mail and password."""
        browser = self.browser()
        expect(browser.post("/accounts/login/", {"login": self.email, "password": self.password}), 302)
        return browser

    @property
    def accounts_at_api(self) -> str:
        return f"/api/v2/users/{self.owner}/accounts"


def sit_down(*, port: int, book: cast.Book, ref: TenantRef, label: str) -> Typist:
    """Make the user, and mint the key."""
    email = f"typist-{os.urandom(3).hex()}@zero.example"
    with tenants.entered(ref.schema):
        owner: UUID = cast.person(email, name="Typist", password=book.password(email)).pk
    key, _ = tenants.mint_api_key(
        tenant_id=ref.id, label="Secrets", environment="live", scopes=list(SCOPES), actor="chaos"
    )
    return Typist(port, owner, email, book.password(email), key, label)


def connect(typist: Typist, *, control: Control, sealed: Marked, typed: Marked) -> int:
    """Connect an account in each of three ways, and wait until they are active. How many they are."""
    own, page, api = (crowd.keys(kind.draw) for kind in (sealed, typed, typed))
    control.open_accounts(
        {"api_key": pair.api_key, "secret": pair.secret, "label": f"typist/{typist.email}", "spot": crowd.WALLET}
        for pair in (own, page, api)
    )
    with tenants.entered(cast.ZERO.schema):
        citadel.connect_account(
            owner_id=typist.owner, exchange="binance", environment="paper", label=typist.label, actor="chaos",
            credentials={"apiKey": own.api_key, "secret": own.secret},
        )  # fmt: skip
    expect(typist.signed_in().post(FORM, _form(LABEL, page.api_key, page.secret)), 302)
    body = _body("Sent", api.api_key, api.secret)
    expect(typist.browser().send(typist.accounts_at_api, body, **{"X-API-Key": typist.key}), 201)
    with tenants.entered(cast.ZERO.schema):
        accounts = citadel.accounts_of(typist.owner)
    cast.enrolled([(cast.ZERO, account) for account in accounts])
    return len(accounts)


def mistakes(typist: Typist, typed: Marked) -> tuple[list[bytes], list[bytes]]:
    """Connect while the published intake key is none: the technical reports, and what was answered.

    Twice in this process, whose reports can be had; twice in the web process, for its log and its memory.
    """
    assert not settings.DEBUG, "reports are looked at as production makes them"
    label = typist.label[1:]
    form, body = _form(label, typed.draw(), typed.draw()), _body(label, typed.draw(), typed.draw())
    reports: list[bytes] = []

    def report(request: Any, **_: object) -> None:
        made = get_exception_reporter_class(request)(request, *sys.exc_info())
        reports.extend([made.get_traceback_text().encode(), made.get_traceback_html().encode()])

    inside = InProcess(SERVER_NAME=cast.ZERO.host, raise_request_exception=False)
    with tenants.entered(cast.ZERO.schema):
        inside.force_login(get_user_model().objects.get(pk=typist.owner))
    outside = typist.signed_in()
    with tenants.entered("public"):
        IntakeKey.objects.create(kid="broken", public=b"short", created_at=clock.now())
    got_request_exception.connect(report)
    try:
        here = [
            inside.post(FORM, form),
            inside.post(
                typist.accounts_at_api, body, content_type="application/json", headers={"X-API-Key": typist.key}
            ),
        ]
        there = [
            outside.post(FORM, form),
            typist.browser().send(typist.accounts_at_api, body, **{"X-API-Key": typist.key}),
        ]
    finally:
        got_request_exception.disconnect(report)
        with tenants.entered("public"):
            IntakeKey.objects.filter(kid="broken").delete()
    citadel.publish_intake_key()
    for answer in there:
        expect(answer, 500)
    assert [one.status_code for one in here] == [500, 500], "the intake was to be broken"
    return reports, [*(one.content for one in here), *(one.body for one in there)]


def _form(label: str, api_key: str, secret: str) -> dict[str, str]:
    return {"exchange": "binance", "environment": "paper", "label": label, "apiKey": api_key, "secret": secret}


def _body(label: str, api_key: str, secret: str) -> bytes:
    asked = {"exchange": "binance", "environment": "paper", "label": label}
    return json.dumps({**asked, "credentials": {"apiKey": api_key, "secret": secret}}).encode()
