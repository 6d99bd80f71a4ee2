"""An exchange account's life: sealed, enveloped, checked, active; refused with exact steps; taken back."""

from __future__ import annotations

import subprocess
from uuid import uuid4

import pytest

from citadel import services as citadel
from citadel.client import SignerRefused, SignerUnavailable
from citadel.domain import permissions
from citadel.intake.models import IntakeKey
from citadel.models import Credential, ExchangeAccount
from citadel.tasks import check_all, publish_intake_key
from citadel.tasks import enrol as enrol_task
from citadel.tasks import forget as forget_task
from obscura.core.audit.models import Entry
from obscura.core.errors import Invalid, NotFound
from obscura.core.nudge.models import Nudge
from tenants.scope import entered
from tests.citadel.support import BEN, CLEO, person
from tests.citadel_app.conftest import RESTRICTIONS


@pytest.fixture
def ben(alpha, cast):
    return cast.ben()


def told(account_id, ben):
    return citadel.account(account_id=account_id, user_id=ben.pk)


def test_a_connected_account_is_sealed_and_promised_to_the_worker(ben, connect):
    made = connect(ben)

    assert (made.status, made.hint, made.label, made.environment) == ("pending", "", "Main", "paper")
    credential = Credential.objects.get()
    assert credential.envelopes == {}
    assert len(bytes(credential.sealed)) > 100
    assert BEN.secret.encode() not in bytes(credential.sealed)
    assert Nudge.objects.get().task == "citadel.enrol"
    assert Nudge.objects.get().ids == {"account_id": str(made.id)}
    assert citadel.envelopes_of([made.id]) == []


def test_enrolling_makes_envelopes_asks_the_venue_and_activates(ben, connect, binance):
    made = connect(ben)

    enrol_task(account_id=str(made.id), nudge=Nudge.objects.get().pk)

    now = told(made.id, ben)
    assert (now.status, now.reason, now.hint) == ("active", "", BEN.api_key[-4:])
    assert now.permissions["withdraw"] is False
    credential = Credential.objects.get()
    assert credential.sealed is None
    assert credential.key_version == 2
    assert {name: text[:7] for name, text in credential.envelopes.items()} == {
        "apiKey": "nil:v2:",
        "secret": "nil:v2:",
        "agreed": "nil:v2:",
    }
    [(tenant, account, envelopes)] = citadel.envelopes_of([made.id, uuid4()])
    assert (tenant, account, envelopes) == (citadel.enrolment.tenant_id(), made.id, credential.envelopes)
    assert Nudge.objects.exists() is False
    assert binance.refused == 0
    assert [entry.action for entry in Entry.objects.order_by("id")] == [
        "citadel.account.connected",
        "citadel.key.made",
        "citadel.account.sealed",
        "citadel.account.active",
    ]


def test_what_enrolling_made_signs_for_this_account(ben, connect, vault):
    made = connect(ben)
    citadel.enrol(account_id=made.id)

    client = vault.client()
    entries = [(tenant, account.bytes, sealed) for tenant, account, sealed in citadel.envelopes_of([made.id])]
    assert client.open(entries) == (1, [])
    assert client.public(made.id.bytes) == BEN.api_key
    client.close()


def test_enrolling_twice_changes_nothing(ben, connect):
    made = connect(ben)
    citadel.enrol(account_id=made.id)
    first = Credential.objects.get().envelopes

    citadel.enrol(account_id=made.id)
    citadel.enrol(account_id=uuid4())

    assert Credential.objects.get().envelopes == first
    assert Entry.objects.filter(action="citadel.account.active").count() == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"enableWithdrawals": True}, permissions.WITHDRAWALS_ON),
        ({"permitsUniversalTransfer": True}, permissions.TRANSFERS_ON),
        ({"enableSpotAndMarginTrading": False}, permissions.NO_TRADING),
    ],
)
def test_a_key_that_may_the_wrong_things_is_refused_and_erased(ben, connect, binance, changes, reason):
    binance.restrictions = (200, {**RESTRICTIONS, **changes})
    made = connect(ben)

    citadel.enrol(account_id=made.id)

    now = told(made.id, ben)
    assert (now.status, now.reason) == ("refused", reason)
    credential = Credential.objects.get()
    assert (credential.envelopes, credential.sealed) == ({}, None)
    assert citadel.envelopes_of([made.id]) == []
    assert Nudge.objects.filter(task="citadel.forget").count() == 1


def test_a_secret_of_another_key_is_refused(ben, connect):
    made = connect(ben, credentials={"apiKey": BEN.api_key, "secret": CLEO.secret})

    citadel.enrol(account_id=made.id)

    assert (told(made.id, ben).status, told(made.id, ben).reason) == ("refused", permissions.SECRET_WRONG)


def test_a_venue_that_is_away_leaves_the_account_pending_and_the_promise_standing(ben, connect, binance):
    binance.account = (503, {"code": 0, "msg": "Service unavailable"})
    made = connect(ben)
    promise = Nudge.objects.get()

    with pytest.raises(citadel.VenueAway):
        citadel.enrol(account_id=made.id)
    enrol_task(account_id=str(made.id), nudge=promise.pk)

    assert (told(made.id, ben).status, told(made.id, ben).reason) == ("pending", permissions.AWAY)
    told_why = "venue_away: The exchange does not answer."
    assert (Nudge.objects.get().pk, Nudge.objects.get().error) == (promise.pk, told_why)
    binance.reset()
    enrol_task(account_id=str(made.id), nudge=promise.pk)
    assert (told(made.id, ben).status, told(made.id, ben).reason) == ("active", "")
    assert Nudge.objects.exists() is False


def test_a_signer_that_is_away_leaves_the_account_pending(ben, connect, settings, tmp_path):
    made = connect(ben)
    settings.RUN_DIR = str(tmp_path)

    with pytest.raises(SignerUnavailable):
        citadel.enrol(account_id=made.id)

    assert told(made.id, ben).status == "pending"
    assert Credential.objects.get().sealed is not None


def test_what_was_sealed_to_another_key_is_refused(ben, connect):
    IntakeKey.objects.create(kid="another", public=b"\x09" + bytes(31), created_at=ben.date_joined)
    made = connect(ben)

    citadel.enrol(account_id=made.id)

    now = told(made.id, ben)
    assert now.status == "refused"
    assert now.reason == "What was entered could not be put into the vault. Connect the account again."
    assert Credential.objects.get().sealed is None


def test_an_exchange_the_vault_does_not_ask_itself_is_left_to_whoever_knows_how(
    ben, connect, django_capture_on_commit_callbacks
):
    keys = {"apiKey": "kraken-key", "secret": "c2VjcmV0"}
    made = connect(ben, exchange="kraken", environment="live", credentials=keys, label="")
    promise = Nudge.objects.get()

    with django_capture_on_commit_callbacks(execute=True):
        enrol_task(account_id=str(made.id), nudge=promise.pk)

    now = told(made.id, ben)
    assert (now.status, now.label, now.permissions) == ("pending", "Kraken", {})
    assert [(one.task, one.ids) for one in Nudge.objects.all()] == [("trading.check_key", {"account_id": str(made.id)})]
    assert sorted(Credential.objects.get().envelopes) == ["agreed", "apiKey", "exchange", "secret"]


def test_without_an_intake_key_nothing_is_taken(ben, connect):
    IntakeKey.objects.all().delete()

    with pytest.raises(citadel.VaultNotReady):
        connect(ben)

    assert ExchangeAccount.objects.exists() is False


def test_publishing_the_intake_key_again_makes_it_the_newest(vault, alpha):
    first = citadel.publish_intake_key()
    assert IntakeKey.objects.count() == 1
    IntakeKey.objects.create(kid="later", public=bytes(32), created_at=IntakeKey.objects.get().created_at)

    assert citadel.publish_intake_key() == first
    assert IntakeKey.objects.order_by("-id").first().kid == first


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exchange": "bitmart"}, "exchange_unknown"),
        ({"environment": "demo"}, "environment_unknown"),
        ({"label": "n" * 61}, "label_invalid"),
        ({"label": "a\x00b"}, "label_invalid"),
        ({"credentials": {}}, "credentials_invalid"),
        ({"owner_id": uuid4()}, "user_unknown"),
    ],
)
def test_what_cannot_be_connected_is_refused_with_a_remedy(ben, connect, changes, code):
    with pytest.raises((Invalid, NotFound)) as found:
        connect(ben, **changes)

    assert found.value.code == code
    assert found.value.remedy
    assert ExchangeAccount.objects.exists() is False


def test_a_name_is_an_owners_once_until_the_account_is_taken_back(ben, cast, connect):
    first = connect(ben)
    with pytest.raises(citadel.LabelTaken):
        connect(ben)
    assert connect(cast.cleo(), keys=CLEO).label == "Main"

    citadel.revoke_account(account_id=first.id, user_id=ben.pk, actor="test")

    assert connect(ben).id != first.id
    assert [one.label for one in (connect(ben, label=""), connect(ben, label=""))] == ["Binance", "Binance 2"]


def test_an_account_taken_back_is_erased_and_forgotten(ben, connect, vault):
    made = connect(ben)
    citadel.enrol(account_id=made.id)
    client = vault.client()
    assert client.public(made.id.bytes) == BEN.api_key

    for _ in range(2):
        citadel.revoke_account(account_id=made.id, user_id=ben.pk, actor="test")
    [promise] = Nudge.objects.filter(task="citadel.forget")
    forget_task(nudge=promise.pk, **promise.ids)

    assert citadel.accounts_of(ben.pk) == []
    assert told(made.id, ben).status == "revoked"
    assert Credential.objects.get().envelopes == {}
    with pytest.raises(SignerRefused) as found:
        client.public(made.id.bytes)
    assert found.value.code == "unknown_account"
    client.close()


def test_a_check_refuses_what_has_become_too_much_and_leaves_what_cannot_be_asked(ben, connect, binance):
    made = connect(ben)
    citadel.enrol(account_id=made.id)
    whose = {"account_id": made.id, "user_id": ben.pk, "actor": "test"}

    assert citadel.check_account(**whose).status == "active"
    binance.account = (429, {"code": -1003, "msg": "Too many requests."})
    with pytest.raises(citadel.VenueAway):
        citadel.check_account(**whose)
    assert told(made.id, ben).status == "active"
    binance.reset()
    binance.restrictions = (200, {**RESTRICTIONS, "enableWithdrawals": True})
    assert citadel.check_account(**whose).status == "refused"
    with pytest.raises(citadel.AccountUnchecked):
        citadel.check_account(**whose)
    assert citadel.envelopes_of([made.id]) == []


def test_another_users_and_another_tenants_account_is_not_found(ben, beta, cast, connect):
    mine = connect(ben)
    cleo = cast.cleo()

    for ask in (citadel.account, citadel.check_account, citadel.revoke_account):
        extra = {} if ask is citadel.account else {"actor": "test"}
        with pytest.raises(NotFound):
            ask(account_id=mine.id, user_id=cleo.pk, **extra)
        with entered(beta), pytest.raises(NotFound):
            ask(account_id=mine.id, user_id=ben.pk, **extra)
    with entered(beta):
        assert citadel.envelopes_of([mine.id]) == []
    assert told(mine.id, ben).status == "pending"


def test_envelopes_of_one_tenant_do_not_open_for_another(ben, beta, connect, vault):
    made = connect(ben)
    citadel.enrol(account_id=made.id)
    [(_, account, envelopes)] = citadel.envelopes_of([made.id])

    client = vault.client()
    client.forget([account.bytes])
    opened, refused = client.open([(beta.pk, account.bytes, envelopes)])
    client.close()

    assert opened == 0
    assert [one for one, _ in refused] == [account.bytes]


def test_the_processes_were_not_told_apart_by_their_arguments(vault):
    told = subprocess.check_output(["ps", "-o", "args=", "-p", str(vault.signer.pid)], text=True)

    assert person(1).secret not in told


def test_the_daily_check_walks_all_tenants_and_goes_on_after_one_that_cannot_be_asked(
    ben, beta, cast, connect, binance
):
    first = connect(ben)
    citadel.enrol(account_id=first.id)
    with entered(beta):
        cleo = cast.cleo()
        second = connect(cleo, keys=CLEO)
        citadel.enrol(account_id=second.id)
    before = told(first.id, ben).checked_at
    binance.restrictions = (503, {})

    check_all()
    assert told(first.id, ben).checked_at == before

    binance.restrictions = (200, {**RESTRICTIONS, "enableWithdrawals": True})
    check_all()
    assert told(first.id, ben).status == "refused"
    with entered(beta):
        assert told(second.id, cleo).status == "refused"


def test_the_beat_publishes_the_intake_key_and_bears_a_signer_that_is_away(vault, alpha, settings, tmp_path):
    IntakeKey.objects.all().delete()
    publish_intake_key()
    assert IntakeKey.objects.count() == 1

    settings.RUN_DIR = str(tmp_path)
    publish_intake_key()
    assert IntakeKey.objects.count() == 1


def test_the_command_publishes_the_intake_key_and_says_what_to_do_without_a_signer(vault, alpha, settings, tmp_path):
    from django.core.management import CommandError, call_command

    told_by: list[str] = []
    call_command("publish_intake_key", stdout=type("Out", (), {"write": lambda _, text: told_by.append(text)})())
    assert IntakeKey.objects.get().kid in told_by[0]

    settings.RUN_DIR = str(tmp_path)
    with pytest.raises(CommandError, match="OBSCURA_RUN"):
        call_command("publish_intake_key")


def test_a_credential_of_which_nothing_is_left_is_refused(ben, connect):
    made = connect(ben)
    Credential.objects.update(sealed=None)

    citadel.enrol(account_id=made.id)

    assert told(made.id, ben).status == "refused"


def test_envelopes_that_do_not_open_are_no_verdict(ben, connect):
    made = connect(ben)
    citadel.enrol(account_id=made.id)
    Credential.objects.update(envelopes={"apiKey": "nil:v1:AAAA", "secret": "nil:v1:AAAA"})

    with pytest.raises(citadel.VenueAway):
        citadel.check_account(account_id=made.id, user_id=ben.pk, actor="test")

    assert told(made.id, ben).status == "active"
