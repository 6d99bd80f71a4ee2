"""Accounts whose keys were sealed before they came here: taken like any other, and refused where they are another's."""

from __future__ import annotations

import time
from base64 import b64encode
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from citadel import services as citadel
from citadel.domain import agreement
from citadel.domain.mandate import Caps
from citadel.intake.models import IntakeKey
from citadel.models import Credential, ExchangeAccount
from citadel.sealing import MAX_SEALED, seal
from obscura.core.audit.models import Entry
from obscura.core.errors import Invalid, NotFound
from obscura.core.nudge.models import Nudge
from tenants.scope import entered
from tests.citadel.support import BEN, CLEO
from tests.citadel_app.test_misplaced import MISPLACED, UNSEALABLE

KEYS = {"apiKey": BEN.api_key, "secret": BEN.secret}
MISNAMED = "passphrase5ecret"
"""What may stand where a name belongs, when somebody's program has mixed the two up."""


@pytest.fixture
def ben(alpha, cast):
    return cast.ben()


@pytest.fixture
def sent(vault):
    """``sent(ben)``: what Ben's browser sends; ``fields=``, ``account=`` and ``tenant=`` are what is in the box."""

    def make(user, *, fields=None, account: UUID | None = None, tenant: int | None = None, **changes):
        given = citadel.reserve_account(owner_id=user.pk)
        box = seal(
            intake=citadel.intake_key().public,
            tenant=tenant or given.tenant,
            account=(account or given.account).bytes,
            fields=fields or KEYS,
            version=2,
        )
        return {
            "owner_id": user.pk,
            "account_id": given.account_id,
            "exchange": "binance",
            "environment": "paper",
            "label": "Main",
            "sealed": b64encode(box).decode(),
            "actor": "test",
        } | changes

    return make


def told(account_id, user):
    return citadel.account(account_id=account_id, user_id=user.pk)


def nothing_was_kept() -> bool:
    return not (ExchangeAccount.objects.exists() or Credential.objects.exists() or Nudge.objects.exists())


def test_it_leaves_the_rows_that_any_account_leaves(ben, sent, connect):
    wanted = sent(ben)
    made = citadel.connect_sealed_account(**wanted)
    other = connect(ben, label="Other")

    ours, theirs = (ExchangeAccount.objects.values().get(pk=one.id) for one in (made, other))
    own = ("id", "label", "created_at", "caps")  # what was agreed is known once the box is opened
    assert {name: ours[name] for name in ours if name not in own} == {
        name: theirs[name] for name in theirs if name not in own
    }
    assert wanted["account_id"].startswith(made.id.hex + ":")
    assert b64encode(bytes(Credential.objects.get(account=made.id).sealed)).decode() == wanted["sealed"]
    entries = [
        list(Entry.objects.filter(subject=f"account:{one.id}").values("action", "actor", "facts"))
        for one in (made, other)
    ]
    assert entries[0] == entries[1]
    assert len(entries[0]) == 1
    assert Nudge.objects.filter(task="citadel.enrol", ids={"account_id": str(made.id)}).count() == 1


def test_the_signer_opens_it_and_it_becomes_active(ben, sent, vault):
    made = citadel.connect_sealed_account(**sent(ben))

    citadel.enrol(account_id=made.id)

    now = told(made.id, ben)
    assert (now.status, now.hint) == ("active", BEN.api_key[-4:])
    assert Credential.objects.get().sealed is None
    client = vault.client()
    [(tenant, account, envelopes)] = citadel.envelopes_of([made.id])
    assert client.open([(tenant, account.bytes, envelopes)], citadel.wrapped_keys()) == (1, [])
    assert client.public(account.bytes) == BEN.api_key
    client.close()


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"exchange": "bitmart"}, citadel.ExchangeUnknown, "exchange_unknown"),
        ({"environment": "moon"}, Invalid, "environment_unknown"),
        ({"label": "x" * 61}, Invalid, "label_invalid"),
        ({"label": "a\u202eb"}, Invalid, "label_invalid"),
        ({"sealed": ""}, citadel.SealedInvalid, "sealed_invalid"),
        ({"sealed": "kein Base64"}, citadel.SealedInvalid, "sealed_invalid"),
        ({"sealed": "é" * 100}, citadel.SealedInvalid, "sealed_invalid"),
        ({"sealed": b64encode(bytes(100)).decode()[:-1]}, citadel.SealedInvalid, "sealed_invalid"),
        ({"sealed": b64encode(bytes(100)).decode() + "\n"}, citadel.SealedInvalid, "sealed_invalid"),
        ({"sealed": b64encode(bytes(48)).decode()}, citadel.SealedInvalid, "sealed_invalid"),
        ({"sealed": b64encode(bytes(MAX_SEALED + 1)).decode()}, citadel.SealedInvalid, "sealed_too_large"),
        ({"sealed": "A" * 1_000_000}, citadel.SealedInvalid, "sealed_too_large"),
        ({"account_id": ""}, citadel.ReservationInvalid, "reservation_invalid"),
        ({"account_id": uuid4().hex}, citadel.ReservationInvalid, "reservation_invalid"),
        ({"account_id": str(uuid4())}, citadel.ReservationInvalid, "reservation_invalid"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused_and_nothing_is_kept(ben, sent, changes, error, code):
    with pytest.raises(error) as refusal:
        citadel.connect_sealed_account(**sent(ben, **changes))

    assert refusal.value.code == code
    assert nothing_was_kept()


def test_the_largest_box_there_can_be_is_taken(ben, sent):
    made = citadel.connect_sealed_account(**sent(ben, sealed=b64encode(bytes(MAX_SEALED)).decode()))

    citadel.enrol(account_id=made.id)

    assert (told(made.id, ben).status, told(made.id, ben).reason) == ("refused", UNSEALABLE)


@pytest.mark.parametrize("at", [0, 31, 33, 40, -1])
def test_an_id_with_another_letter_in_it_is_refused(ben, sent, at):
    wanted = sent(ben)
    text = wanted["account_id"]
    where = at % len(text)
    wanted["account_id"] = text[:where] + ("a" if text[where] != "a" else "b") + text[where + 1 :]

    with pytest.raises(citadel.ReservationInvalid):
        citadel.connect_sealed_account(**wanted)
    assert nothing_was_kept()


def test_an_id_of_another_user_is_refused(ben, cast, sent):
    wanted = sent(ben, owner_id=cast.cleo().pk)

    with pytest.raises(citadel.ReservationInvalid):
        citadel.connect_sealed_account(**wanted)
    assert nothing_was_kept()


def test_an_id_of_another_tenant_is_refused_though_the_user_has_the_same(ben, beta, sent):
    wanted = sent(ben)
    with entered(beta):
        type(ben).objects.create(pk=ben.pk, email="ben@example.com")

        with pytest.raises(citadel.ReservationInvalid):
            citadel.connect_sealed_account(**wanted)
        assert nothing_was_kept()
    assert citadel.connect_sealed_account(**wanted).status == "pending"


@pytest.mark.parametrize(("minutes", "good"), [(59, True), (61, False)])
def test_an_id_is_good_for_an_hour(ben, sent, monkeypatch, minutes, good):
    wanted = sent(ben)
    now = time.time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + minutes * 60)

    if good:
        assert citadel.connect_sealed_account(**wanted).status == "pending"
        return
    with pytest.raises(citadel.ReservationInvalid):
        citadel.connect_sealed_account(**wanted)
    assert nothing_was_kept()


def test_an_id_connects_one_account(ben, sent):
    wanted = sent(ben)
    made = citadel.connect_sealed_account(**wanted)
    before = bytes(Credential.objects.get().sealed)

    with pytest.raises(citadel.AccountIdUsed):
        citadel.connect_sealed_account(**sent(ben, account_id=wanted["account_id"], label="Second"))
    assert bytes(Credential.objects.get().sealed) == before
    citadel.revoke_account(account_id=made.id, actor="test", user_id=ben.pk)
    with pytest.raises(citadel.AccountIdUsed):
        citadel.connect_sealed_account(**wanted)

    only = ExchangeAccount.objects.get()
    assert (only.pk, only.status) == (made.id, "revoked")
    assert Credential.objects.get().sealed is None
    assert Nudge.objects.filter(task="citadel.enrol").count() == 1


def test_a_name_is_taken_once_and_made_up_where_there_is_none(ben, sent):
    citadel.connect_sealed_account(**sent(ben))

    with pytest.raises(citadel.LabelTaken):
        citadel.connect_sealed_account(**sent(ben))
    assert [citadel.connect_sealed_account(**sent(ben, label=" ")).label for _ in range(2)] == ["Binance", "Binance 2"]


def test_who_is_not_there_reserves_and_connects_nothing(ben, sent):
    wanted = sent(ben)
    type(ben).objects.filter(pk=ben.pk).update(is_active=False)

    with pytest.raises(NotFound):
        citadel.connect_sealed_account(**wanted)
    for unknown in (ben.pk, uuid4()):
        with pytest.raises(NotFound):
            citadel.reserve_account(owner_id=unknown)
    assert nothing_was_kept()


def test_without_a_published_key_nothing_can_be_sealed(ben, vault):
    IntakeKey.objects.all().delete()

    with pytest.raises(citadel.VaultNotReady):
        citadel.intake_key()


# ------------------------------------------------------------------------------ what the signer alone can find out


@pytest.mark.parametrize(
    ("exchange", "fields", "reason"),
    [
        (
            "binance",
            {"apiKey": BEN.api_key},
            "Binance asks for more: Secret key. Connect the account again with all of it.",
        ),
        (
            "binance",
            {"secret": BEN.secret},
            "Binance asks for more: API key. Connect the account again with all of it.",
        ),
        (
            "binance",
            KEYS | {MISNAMED: "x"},
            "Binance asks for less: API key, Secret key. Connect the account again with nothing else.",
        ),
        (
            "okx",
            KEYS,
            "OKX asks for more: Passphrase. Connect the account again with all of it.",
        ),
    ],
)
def test_fields_too_few_or_too_many_are_told_in_the_exchanges_words(ben, sent, binance, exchange, fields, reason):
    made = citadel.connect_sealed_account(**sent(ben, fields=fields, exchange=exchange, environment="live"))
    asked = len(binance.requests)

    citadel.enrol(account_id=made.id)

    now = told(made.id, ben)
    assert (now.status, now.reason, now.hint) == ("refused", reason, "")
    kept = Credential.objects.get()
    assert (kept.sealed, kept.envelopes) == (None, {})
    assert len(binance.requests) == asked
    assert list(Entry.objects.filter(subject=f"account:{made.id}").order_by("id").values_list("action", flat=True)) == [
        "citadel.account.connected",
        "citadel.account.refused",
    ]
    assert MISNAMED not in str(list(Entry.objects.values()))


def test_what_was_agreed_beside_the_keys_is_not_a_field_too_many(ben, sent):
    limits = Caps(Decimal(100), Decimal(300), Decimal(1_000), 5)
    agreed = agreement.text_of(agreement.Agreement(0, limits, ()))
    made = citadel.connect_sealed_account(**sent(ben, fields=KEYS | {"agreed": agreed}))

    citadel.enrol(account_id=made.id)

    assert told(made.id, ben).status == "active"
    assert sorted(Credential.objects.get().envelopes) == ["agreed", "apiKey", "secret"]


def test_a_box_for_another_account_or_tenant_is_refused(ben, beta, sent):
    for changes in ({"account": uuid4()}, {"tenant": beta.pk}):
        made = citadel.connect_sealed_account(**sent(ben, label="", **changes))

        citadel.enrol(account_id=made.id)

        assert (told(made.id, ben).status, told(made.id, ben).reason) == ("refused", MISPLACED)
    assert Credential.objects.filter(sealed__isnull=False).count() == 0


def test_cleos_box_on_bens_account_stays_cleos(ben, cast, sent):
    cleo = cast.cleo()
    hers = sent(cleo, fields={"apiKey": CLEO.api_key, "secret": CLEO.secret})
    his = citadel.connect_sealed_account(**sent(ben, sealed=hers["sealed"]))

    citadel.enrol(account_id=his.id)

    assert (told(his.id, ben).status, told(his.id, ben).reason) == ("refused", MISPLACED)
    made = citadel.connect_sealed_account(**hers)
    citadel.enrol(account_id=made.id)
    assert told(made.id, cleo).status == "active"
