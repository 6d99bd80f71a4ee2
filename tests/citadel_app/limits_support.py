"""Ben's account with limits and a passkey, what he asks for, and what the worker makes of it."""

from __future__ import annotations

import pytest

from citadel import services as citadel
from citadel.client import SignerClient
from citadel.models import CapsChange
from citadel.tasks import agree as agree_task
from obscura.core.nudge.models import Nudge
from tests.support.passkeys import Software

HOST = "alpha.testserver"
WIDE = {"order_usd": "80000", "minute_usd": "300000", "day_usd": "2000000", "leverage": "25"}


@pytest.fixture
def ben(alpha, cast):
    return cast.ben()


@pytest.fixture
def key(ben):
    made = Software(HOST)
    made.register(ben)
    return made


@pytest.fixture
def account(ben, key, connect):
    """Ben's account, sealed, with the usual limits and his passkey."""
    return sealed(connect(ben))


def sealed(made):
    citadel.enrol(account_id=made.id)
    Nudge.objects.all().delete()
    return made


def ask(account, wished, key=None, **more):
    whose = {"account_id": account.id, "user_id": account.owner_id, "wished": wished}
    if key is not None:
        question = citadel.limits_question(**whose, site=key.site)
        more = {"assertion": key.signs(question.challenge), "number": question.number} | more
    return citadel.change_limits(**whose, actor="test", **more)


def carry():
    """The worker's part of the change that was asked for last."""
    agree_task(change_id=CapsChange.objects.latest("pk").pk, nudge=Nudge.objects.get(task="citadel.agree").pk)
    return CapsChange.objects.latest("pk")


def told(account):
    return citadel.limits_of([account.id])[account.id]


def opened(vault, account):
    """Why the signer does not open the account; nothing where it does."""
    client = vault.client()
    client.forget([account.id.bytes])
    entries = [(tenant, one.bytes, envelopes) for tenant, one, envelopes in citadel.envelopes_of([account.id])]
    refused = client.open(entries, citadel.wrapped_keys())[1]
    client.close()
    return [code for _, code in refused]


@pytest.fixture
def meanwhile(monkeypatch):
    """``meanwhile(act)``: what happens after the signer has answered and before it is written down, once."""

    def arrange(act, times=1):
        plain, left = SignerClient.agree, [act] * times

        def slow(self, **asked):
            answer = plain(self, **asked)
            if left:
                left.pop()()
            return answer

        monkeypatch.setattr(SignerClient, "agree", slow)

    return arrange
