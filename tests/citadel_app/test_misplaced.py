"""Sealed boxes that were moved, cut or made by an older release: the account is refused, nothing of them is kept."""

from __future__ import annotations

import msgpack
import pytest
from nacl.public import PublicKey, SealedBox

from citadel import services as citadel
from citadel.intake.models import IntakeKey
from citadel.models import Credential, ExchangeAccount
from obscura.core.audit.models import Entry
from obscura.core.nudge.models import Nudge
from tenants.scope import entered
from tests.citadel.support import BEN, CLEO

MISPLACED = "What the vault was given had been entered for another account. Nothing was kept. Connect it again."
UNSEALABLE = "What was entered could not be put into the vault. Connect the account again."


def box_of(account) -> bytes:
    return bytes(Credential.objects.get(account=account.id).sealed)


def put(account, sealed: bytes) -> None:
    """What somebody could do who may write to the database, but has no key of the vault."""
    Credential.objects.filter(account=account.id).update(sealed=sealed)


def refused(account, user, reason: str, vault, capfd, caplog) -> None:
    """The account says why and what to do; nothing is stored, nothing was told to the exchange or a log."""
    now = citadel.account(account_id=account.id, user_id=user.pk)
    assert (now.status, now.reason, now.hint, now.permissions) == ("refused", reason, "", {})
    kept = Credential.objects.get(account=account.id)
    assert (kept.sealed, kept.envelopes, kept.key_version) == (None, {}, 0)
    assert citadel.envelopes_of([account.id]) == []
    actions = Entry.objects.filter(subject=f"account:{account.id}").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["citadel.account.connected", "citadel.account.refused"]
    out, err = capfd.readouterr()
    said = "".join([out, err, caplog.text, vault.log("signer"), vault.log("egress"), str(list(Entry.objects.values()))])
    assert [one for one in (BEN.secret, CLEO.secret, BEN.api_key, CLEO.api_key) if one in said] == []


def test_bens_box_on_cleos_account_is_refused_and_bens_own_goes_on(alpha, cast, connect, vault, binance, capfd, caplog):
    ben, cleo = cast.ben(), cast.cleo()
    his, hers = connect(ben), connect(cleo, keys=CLEO)
    put(hers, box_of(his))
    asked = len(binance.requests)

    citadel.enrol(account_id=hers.id)

    refused(hers, cleo, MISPLACED, vault, capfd, caplog)
    assert len(binance.requests) == asked
    assert Nudge.objects.filter(task="citadel.forget", ids={"account_id": str(hers.id)}).count() == 1
    citadel.enrol(account_id=his.id)
    assert citadel.account(account_id=his.id, user_id=ben.pk).status == "active"


def test_a_box_on_another_account_of_the_same_owner_is_refused_too(alpha, cast, connect, vault, capfd, caplog):
    ben = cast.ben()
    first, second = connect(ben), connect(ben, keys=CLEO, label="Other")
    put(second, box_of(first))

    citadel.enrol(account_id=second.id)

    refused(second, ben, MISPLACED, vault, capfd, caplog)


def test_a_box_of_another_tenant_is_refused_though_the_account_has_the_same_id(
    alpha, beta, cast, connect, vault, capfd, caplog
):
    his = connect(cast.ben())
    sealed = box_of(his)
    with entered(beta):
        ben = cast.ben()
        there = connect(ben)
        # The same account id in both tenants: only the tenant inside the box tells them apart.
        Credential.objects.all().delete()
        ExchangeAccount.objects.filter(pk=there.id).update(id=his.id)
        Credential.objects.create(account_id=his.id, sealed=sealed, created_at=there.created_at)

        citadel.enrol(account_id=his.id)

        now = citadel.account(account_id=his.id, user_id=ben.pk)
        assert (now.status, now.reason) == ("refused", MISPLACED)
        kept = Credential.objects.get()
        assert (kept.sealed, kept.envelopes) == (None, {})
    assert box_of(his) == sealed


@pytest.mark.parametrize("size", [0, 1, 47, 48, -1])
def test_a_box_that_was_cut_is_refused(alpha, cast, connect, vault, capfd, caplog, size):
    ben = cast.ben()
    his = connect(ben)
    put(his, box_of(his)[:size])

    citadel.enrol(account_id=his.id)

    refused(his, ben, UNSEALABLE, vault, capfd, caplog)


@pytest.mark.parametrize("version", [None, 0, 2])
def test_a_box_of_another_release_is_refused(alpha, cast, connect, vault, capfd, caplog, version):
    ben = cast.ben()
    his = connect(ben)
    fields = {"apiKey": BEN.api_key, "secret": BEN.secret}
    place = {"tenant": citadel.enrolment.tenant_id(), "account": his.id.bytes}
    inside = fields if version is None else {"v": version, **place, "fields": fields}
    key = PublicKey(bytes(IntakeKey.objects.get().public))
    put(his, bytes(SealedBox(key).encrypt(msgpack.packb(inside))))

    citadel.enrol(account_id=his.id)

    refused(his, ben, UNSEALABLE, vault, capfd, caplog)


def test_who_was_refused_connects_again(alpha, cast, connect, vault):
    cleo = cast.cleo()
    hers = connect(cleo, keys=CLEO)
    put(hers, box_of(connect(cast.ben())))
    citadel.enrol(account_id=hers.id)

    citadel.revoke_account(account_id=hers.id, actor="test", user_id=cleo.pk)
    again = connect(cleo, keys=CLEO)
    citadel.enrol(account_id=again.id)

    assert citadel.account(account_id=again.id, user_id=cleo.pk).status == "active"
