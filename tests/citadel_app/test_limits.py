"""An account's limits around the vault: agreed at connecting, narrowed by anybody of ours, widened by a passkey."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D
from uuid import uuid4

import pytest

from citadel import keyring, limits
from citadel import services as citadel
from citadel.client import SignerRefused
from citadel.domain import agreement
from citadel.models import CapsChange, Credential, ExchangeAccount
from citadel.sealing import seal
from citadel.tasks import agree as agree_task
from obscura.core.audit.models import Entry
from obscura.core.errors import NotFound
from obscura.core.nudge.models import Nudge
from tenants import services as tenants
from tenants.models import Domain
from tenants.scope import PUBLIC, entered
from tests.citadel.support import BEN, CLEO
from tests.citadel_app.limits_support import HOST, WIDE, account, ask, ben, carry, key, meanwhile, opened, sealed, told
from tests.support.passkeys import Software

__all__ = ["account", "ben", "key", "meanwhile"]

NARROW = {"order_usd": "100"}


def sums(found):
    return found.order_usd, found.minute_usd, found.day_usd, found.leverage


USUAL = (D(50_000), D(250_000), D(1_000_000), 20)


def test_a_passkey_of_the_owners_is_told_with_the_host_it_was_made_at(alpha, ben, key, cast):
    Software("elsewhere.example").register(ben)

    [one] = tenants.passkeys_of(ben.pk)

    assert (one.ident, one.key, one.site) == (key.ident, key.passkey.key, HOST)
    assert tenants.passkeys_of(cast.cleo().pk) == []
    with entered(PUBLIC):
        Domain.objects.create(domain="elsewhere.example", tenant=alpha, is_primary=False)
    assert [one.site for one in tenants.passkeys_of(ben.pk)] == [HOST, "elsewhere.example"]


def test_an_account_is_connected_with_the_usual_limits_and_the_passkeys_of_that_moment(account, key, vault):
    found = told(account)

    assert (sums(found), found.number, found.passkeys, found.change) == (USUAL, 0, 1, None)
    assert set(Credential.objects.get().envelopes) == {"apiKey", "secret", "agreed"}
    assert ExchangeAccount.objects.get().caps["passkeys"] == [limits.encoded(key.ident)]
    assert opened(vault, account) == []


def test_what_the_operator_calls_usual_is_what_an_account_begins_with(ben, connect, settings):
    settings.ACCOUNT_CAPS = "10,20,30,2"

    assert sums(told(connect(ben))) == (D(10), D(20), D(30), 2)
    assert sums(citadel.usual_limits()) == (D(10), D(20), D(30), 2)


def test_an_owner_chooses_other_limits_when_he_connects(ben, connect):
    made = connect(ben, wished={"order_usd": "$1,500.50", "leverage": "3"})

    assert sums(told(made)) == (D("1500.50"), D(250_000), D(1_000_000), 3)


@pytest.mark.parametrize(
    ("wished", "field"),
    [
        ({"order_usd": "0"}, "order_usd"),
        ({"order_usd": "-1"}, "order_usd"),
        ({"order_usd": "1.001"}, "order_usd"),
        ({"order_usd": "much"}, "order_usd"),
        ({"order_usd": "NaN"}, "order_usd"),
        ({"day_usd": "1000000000000000"}, "day_usd"),
        ({"order_usd": "260000"}, "minute_usd"),
        ({"minute_usd": "1000001"}, "day_usd"),
        ({"leverage": "0"}, "leverage"),
        ({"leverage": "126"}, "leverage"),
        ({"leverage": "2.5"}, "leverage"),
    ],
)
def test_limits_that_cannot_be_are_named_and_nothing_is_connected(ben, connect, wished, field):
    with pytest.raises(citadel.LimitsInvalid) as found:
        connect(ben, wished=wished)

    assert list(found.value.details["fields"]) == [field]
    assert ExchangeAccount.objects.exists() is False


def test_a_passkey_widens_them(account, key, vault):
    assert ask(account, WIDE, key) is True
    assert (told(account).change.state, sums(told(account))) == ("asked", USUAL)

    change = carry()

    found = told(account)
    assert (change.state, change.reason) == ("done", "")
    assert (sums(found), found.number, found.passkeys) == ((D(80_000), D(300_000), D(2_000_000), 25), 1, 1)
    assert Nudge.objects.exists() is False
    assert opened(vault, account) == []
    assert [entry.action for entry in Entry.objects.order_by("id")][-2:] == [
        "citadel.limits.asked",
        "citadel.limits.changed",
    ]
    last = Entry.objects.latest("id")
    assert (last.actor, last.subject) == ("test", f"account:{account.id}")
    assert last.facts == {
        "change": change.pk, "number": 1, "order_usd": "80000", "minute_usd": "300000", "day_usd": "2000000",
        "leverage": "25",
    }  # fmt: skip


def test_narrower_they_get_without_one_and_wider_again_by_it_alone(account, key):
    assert ask(account, NARROW) is True
    assert carry().state == "done"
    assert sums(told(account)) == (D(100), *USUAL[1:])

    with pytest.raises(citadel.PasskeyNeeded):
        ask(account, {"order_usd": "101"})
    ask(account, {"order_usd": "101"}, key)

    assert carry().state == "done"
    assert (told(account).order_usd, told(account).number) == (D(101), 2)


def test_what_is_so_already_is_not_asked_for(account):
    assert ask(account, {"order_usd": "50000.00", "leverage": 20}) is False

    assert CapsChange.objects.exists() is False
    assert Nudge.objects.exists() is False


def test_an_account_from_before_there_were_limits_is_narrowed_and_has_the_usual_ones_till_then(ben, connect, vault):
    account = connect(ben, label="Old")
    client = vault.client()
    fields = {"apiKey": BEN.api_key, "secret": BEN.secret}
    whose = {"tenant": keyring.tenant_id(), "account": account.id.bytes}
    box = seal(intake=client.intake_key()[0], fields=fields, **whose)
    client.close()
    Credential.objects.filter(account=account.id).update(sealed=box)
    ExchangeAccount.objects.filter(pk=account.id).update(caps={})
    citadel.enrol(account_id=account.id)
    assert (sums(told(account)), told(account).passkeys) == (USUAL, 0)
    with pytest.raises(citadel.PasskeyUnknown):
        citadel.limits_question(account_id=account.id, user_id=account.owner_id, wished=WIDE, site=HOST)

    ask(account, NARROW)

    assert carry().state == "done"
    assert (told(account).order_usd, told(account).number) == (D(100), 1)
    assert opened(vault, account) == []


def test_limits_that_were_agreed_are_not_got_rid_of_by_taking_them_out_of_the_database(account, vault):
    assert opened(vault, account) == []
    envelopes = Credential.objects.get().envelopes
    del envelopes["agreed"]
    Credential.objects.update(envelopes=envelopes)

    assert opened(vault, account) == ["agreement_outdated"]


def test_a_passkey_that_came_later_is_none_of_the_accounts(ben, connect):
    account = sealed(connect(ben))
    late = Software(HOST)
    late.register(ben)

    with pytest.raises(citadel.PasskeyUnknown) as found:
        ask(account, WIDE, late)

    assert found.value.remedy == "Connect it again; passkeys you have then are taken up."
    assert sealed(connect(ben, label="Again")).id in {one.id for one in citadel.accounts_of(ben.pk)}
    assert [told(one).passkeys for one in citadel.accounts_of(ben.pk)] == [0, 1]


def test_a_passkey_of_another_address_is_not_asked(account):
    with pytest.raises(citadel.PasskeyElsewhere) as found:
        citadel.limits_question(account_id=account.id, user_id=account.owner_id, wished=WIDE, site="other.example")

    assert found.value.details == {"sites": [HOST]}


def forged(account, change):
    """The change that was asked for, as somebody else wrote it into the table."""
    row = CapsChange.objects.latest("pk")
    present = agreement.read(ExchangeAccount.objects.get(pk=account.id).caps["text"])
    CapsChange.objects.filter(pk=row.pk).update(**change(row, present))


def other_number(row, present):
    return {"wanted": agreement.text_of(replace(agreement.read(row.wanted), number=7))}


def no_passkey(row, present):
    return {"assertion": []}


def more_still(row, present):
    caps = replace(agreement.read(row.wanted).caps, leverage=100)
    return {"wanted": agreement.text_of(replace(present, number=1, caps=caps))}


def noise(row, present):
    return {"wanted": row.wanted.replace('"number":1', '"number": 1')}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (other_number, agreement.AgreementOutdated),
        (no_passkey, agreement.PasskeyRefused),
        (more_still, agreement.PasskeyRefused),
        (noise, agreement.AgreementMalformed),
    ],
)
def test_what_the_signer_refuses_is_told_in_words_and_changes_nothing(account, key, vault, change, error):
    before = Credential.objects.get().envelopes
    ask(account, WIDE, key)
    promise = Nudge.objects.get().pk
    forged(account, change)

    agree_task(change_id=CapsChange.objects.get().pk, nudge=promise)

    row = CapsChange.objects.get()
    assert (row.state, row.reason) == ("refused", error.__doc__)
    assert sums(told(account)) == USUAL
    assert Credential.objects.get().envelopes == before
    assert (Entry.objects.latest("id").action, Entry.objects.latest("id").facts["code"]) == (
        "citadel.limits.refused",
        error.code,
    )
    assert opened(vault, account) == []
    CapsChange.objects.update(state="done")
    assert ask(account, WIDE, key) is True
    assert carry().state == "done"


def test_an_account_without_a_passkey_is_refused_by_the_signer_itself(ben, connect):
    account = sealed(connect(ben))
    ask(account, NARROW)
    forged(account, lambda row, present: {"wanted": row.wanted.replace('"100"', '"60000"')})

    row = carry()

    assert (row.state, row.reason) == ("refused", agreement.PasskeyMissing.__doc__)
    assert sums(told(account)) == USUAL


@pytest.mark.parametrize("flags", [0x04, 0x01])
def test_a_passkey_nobody_pressed_or_somebody_else_widens_nothing(account, key, flags):
    question = citadel.limits_question(account_id=account.id, user_id=account.owner_id, wished=WIDE, site=HOST)
    ask(account, WIDE, assertion=key.signs(question.challenge, flags=flags))

    row = carry()

    assert (row.state, row.reason) == ("refused", agreement.PasskeyRefused.__doc__)


@pytest.mark.parametrize("part", ["id", "authenticator", "client", "signature"])
@pytest.mark.parametrize("said", ["", "a", "a+b/", "ä", "A" * 8196])
def test_an_answer_that_cannot_be_read_is_not_taken(account, key, part, said):
    question = citadel.limits_question(account_id=account.id, user_id=account.owner_id, wished=WIDE, site=HOST)
    with pytest.raises(citadel.AnswerRefused):
        ask(account, WIDE, assertion=key.signs(question.challenge) | {part: said})

    assert CapsChange.objects.exists() is False


def test_limits_that_were_changed_since_they_were_looked_at_are_not_changed_blindly(account):
    with pytest.raises(citadel.LimitsOutdated):
        ask(account, NARROW, number=1)

    assert CapsChange.objects.exists() is False


def test_one_change_is_made_at_a_time(account):
    ask(account, NARROW)
    with pytest.raises(citadel.ChangeWaiting):
        ask(account, {"order_usd": "50"})

    carry()

    assert ask(account, {"order_usd": "50"}) is True


def test_a_worker_that_dies_before_writing_leaves_the_change_to_the_next(account, key, vault, meanwhile):
    class Died(BaseException):
        """As by kill."""

    def die():
        raise Died

    meanwhile(die)
    ask(account, WIDE, key)
    with pytest.raises(Died):
        citadel.agree(change_id=CapsChange.objects.get().pk)
    assert opened(vault, account) == ["agreement_outdated"]

    assert carry().state == "done"

    assert (told(account).number, opened(vault, account)) == (1, [])


def test_an_account_that_is_written_to_again_and_again_is_left_for_later(account, key, meanwhile):
    def touch():
        held = Credential.objects.get().envelopes
        Credential.objects.update(envelopes={**held, "more": str(uuid4())})

    meanwhile(touch, times=limits.TRIES)
    ask(account, WIDE, key)

    assert carry().state == "asked"
    assert (
        Nudge.objects.get().error == "account_busy: The account was written to each time its limits were to be changed."
    )
    assert carry().state == "done"


def test_a_change_is_carried_once_by_two_workers(account, key, meanwhile):
    ask(account, WIDE, key)
    number = CapsChange.objects.get().pk
    meanwhile(lambda: citadel.agree(change_id=number))

    citadel.agree(change_id=number)

    assert (CapsChange.objects.get().state, told(account).number) == ("done", 1)
    assert Entry.objects.filter(action="citadel.limits.changed").count() == 1


def test_a_signer_that_is_away_leaves_the_change_asked_for(account, key, settings, tmp_path):
    ask(account, WIDE, key)
    run, settings.RUN_DIR = settings.RUN_DIR, str(tmp_path)

    assert carry().state == "asked"

    settings.RUN_DIR = run
    assert carry().state == "done"


def test_a_change_waits_for_the_keys_to_be_sealed(ben, connect):
    account = connect(ben)
    ask(account, NARROW)

    assert carry().state == "asked"
    citadel.enrol(account_id=account.id)

    assert carry().state == "done"


def test_an_account_that_was_taken_back_meanwhile_is_not_changed(account, key):
    ask(account, WIDE, key)
    citadel.revoke_account(account_id=account.id, actor="test")

    row = carry()

    assert row.state == "refused"
    assert row.reason == "The account was taken back or refused before its limits were changed. Connect it again."
    with pytest.raises(citadel.AccountClosed):
        ask(account, NARROW)


def test_anothers_account_is_not_there(account, key, beta, cast):
    cleo = cast.cleo()
    whose = {"account_id": account.id, "wished": WIDE}

    for act in (
        lambda user: citadel.limits_question(**whose, user_id=user, site=HOST),
        lambda user: citadel.change_limits(**whose, user_id=user, actor="test"),
    ):
        with pytest.raises(NotFound):
            act(cleo.pk)
        with entered(beta), pytest.raises(NotFound):
            act(account.owner_id)
    with entered(beta):
        assert citadel.limits_of([account.id]) == {}
        citadel.agree(change_id=1)
    assert CapsChange.objects.exists() is False


def test_an_answer_for_one_account_is_none_for_another(account, key, ben, connect):
    other = sealed(connect(ben, keys=CLEO, label="Other"))
    question = citadel.limits_question(account_id=other.id, user_id=ben.pk, wished=WIDE, site=HOST)
    ask(account, WIDE, assertion=key.signs(question.challenge))

    assert carry().reason == agreement.PasskeyRefused.__doc__


def test_the_signer_makes_the_last_change_again_and_no_other(account, key, vault):
    held = Credential.objects.get().envelopes["agreed"]
    ask(account, NARROW)
    wanted = carry().wanted
    client = vault.client()
    place = {
        "tenant": citadel.enrolment.tenant_id(), "account": account.id.bytes, "agreed": held, "assertion": [],
        "keys": citadel.wrapped_keys(),
    }  # fmt: skip
    assert client.agree(**place, wanted=wanted).startswith("nil:v2:")

    with pytest.raises(SignerRefused) as found:
        client.agree(**place, wanted=wanted.replace('"100"', '"200"'))

    assert found.value.code == "agreement_outdated"
    client.close()
