"""A tenant's key versions: made, rotated while somebody dies, disabled, shredded; nothing is lost or unreadable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from citadel import keyring
from citadel import services as citadel
from citadel.client import SignerClient, SignerRefused
from citadel.models import Credential, ExchangeAccount, KeyVersion
from citadel.tasks import rewrap as rewrap_task
from obscura.core.audit.models import Entry
from obscura.core.nudge.models import Nudge
from tests.citadel.support import BEN, CLEO, Vault
from tests.citadel_app.conftest import Binance
from tests.citadel_app.granting import granted

State = KeyVersion.State


@pytest.fixture
def running(binance: Binance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """A signer for each test: what it retires it opens never again."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        pair = Vault(Path(directory), binance.port)
        try:
            pair.start_signer()
            pair.start_egress()
            yield pair
        finally:
            pair.close()


def states() -> dict[int, str]:
    return dict(KeyVersion.objects.order_by("version").values_list("version", "state"))


def opens(vault: Vault) -> list[str]:
    """What the signer says to everything that is sealed; empty: it opens."""
    client = vault.client()
    ids = Credential.objects.exclude(envelopes={}).values_list("account_id", flat=True)
    entries = [(tenant, account.bytes, sealed) for tenant, account, sealed in citadel.envelopes_of(ids)]
    _, refused = client.open(entries, citadel.wrapped_keys())
    client.close()
    return [code for _, code in refused]


def restarted(vault: Vault) -> Vault:
    vault.signer.kill()
    vault.signer.wait()
    vault.start_signer()
    return vault


@pytest.fixture
def two(alpha, cast, connect) -> None:
    """Ben's and Cleo's accounts, sealed."""
    for made in (connect(cast.ben()), connect(cast.cleo(), keys=CLEO)):
        citadel.enrol(account_id=made.id)


def test_a_tenant_seals_under_a_key_of_its_own_from_the_first(two, vault) -> None:
    assert states() == {2: "active"}
    assert KeyVersion.objects.get().wrapped.startswith("local:2:")
    assert {row.envelopes["secret"][:7] for row in Credential.objects.all()} == {"nil:v2:"}
    assert opens(restarted(vault)) == []


def test_another_tenants_key_opens_nothing(two, alpha, beta, vault) -> None:
    [(_, version, wrapped)] = citadel.wrapped_keys()
    client = vault.client()

    account = Credential.objects.first()
    entry = (beta.pk, account.account_id.bytes, account.envelopes)
    assert client.open([entry], [(beta.pk, version, wrapped)])[1] == [(account.account_id.bytes, "key_version_unknown")]
    client.close()


def test_a_rotation_wraps_everything_anew_and_gives_the_old_version_up(two, vault) -> None:
    bodies = {row.pk: row.envelopes["secret"][-60:] for row in Credential.objects.all()}
    old = list(Credential.objects.values_list("account_id", "envelopes"))
    old_keys = citadel.wrapped_keys()

    assert citadel.rotate_keys(actor="ada") == 3
    assert states() == {2: "decrypt_only", 3: "active"}
    assert opens(vault) == []
    rewrap_task(nudge=Nudge.objects.get(task="citadel.rewrap").pk)

    assert states() == {2: "destroyed", 3: "active"}
    assert KeyVersion.objects.get(version=2).wrapped == ""
    assert {
        row.pk: row.envelopes["secret"][-60:] for row in Credential.objects.all()
    } == bodies  # the text was not opened
    assert set(Credential.objects.values_list("key_version", flat=True)) == {3}
    assert opens(restarted(vault)) == []
    client = vault.client()
    stolen = [(old_keys[0][0], account.bytes, sealed) for account, sealed in old]
    codes = {code for _, code in client.open(stolen, old_keys)[1]}
    client.close()
    assert codes == {"key_version_retired"}  # of a backup, with the keys that were in it
    actions = list(
        Entry.objects.filter(action__startswith="citadel.key").order_by("id").values_list("action", flat=True)
    )
    assert actions == ["citadel.key.made", "citadel.key.made", "citadel.key.destroyed"]


def test_a_rewrap_that_dies_is_continued(two, vault, monkeypatch) -> None:
    monkeypatch.setattr(keyring, "BATCH", 1)
    citadel.rotate_keys(actor="ada")
    swap, calls = keyring._swap, []

    def dies(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return swap(*args)

    monkeypatch.setattr(keyring, "_swap", dies)
    with pytest.raises(KeyboardInterrupt):
        citadel.rewrap_envelopes()
    assert sorted(Credential.objects.values_list("key_version", flat=True)) == [2, 3]
    assert opens(vault) == []
    monkeypatch.setattr(keyring, "_swap", swap)

    assert citadel.rewrap_envelopes() == (1, 0, True)
    assert citadel.rewrap_envelopes() == (0, 0, True)
    assert opens(restarted(vault)) == []


def test_a_rewrap_takes_turns_with_other_work(two, vault, monkeypatch) -> None:
    monkeypatch.setattr(keyring, "BATCH", 1)
    monkeypatch.setattr(keyring, "SLICE_S", 0.0)
    citadel.rotate_keys(actor="ada")
    first, second = Credential.objects.order_by("pk").values_list("pk", flat=True)

    rewrap_task(nudge=Nudge.objects.get(task="citadel.rewrap").pk)

    assert dict(Credential.objects.values_list("pk", "key_version")) == {first: 3, second: 2}
    assert states() == {2: "decrypt_only", 3: "active"}
    rest = Nudge.objects.get(task="citadel.rewrap")
    assert rest.ids == {"version": 3, "after": first}

    rewrap_task(nudge=rest.pk, **rest.ids)

    assert not Nudge.objects.filter(task="citadel.rewrap").exists()
    assert states() == {2: "destroyed", 3: "active"}
    assert opens(restarted(vault)) == []


def test_what_does_not_open_holds_up_neither_the_rest_nor_itself_for_ever(two, vault, monkeypatch) -> None:
    monkeypatch.setattr(keyring, "BATCH", 1)
    monkeypatch.setattr(keyring, "SLICE_S", 0.0)
    row = Credential.objects.order_by("pk").first()
    Credential.objects.filter(pk=row.pk).update(envelopes=row.envelopes | {"secret": row.envelopes["apiKey"]})
    citadel.rotate_keys(actor="ada")

    assert citadel.rewrap_envelopes() == (0, 1, False)
    assert citadel.rewrap_envelopes(after=row.pk) == (1, 0, False)

    assert sorted(Credential.objects.values_list("key_version", flat=True)) == [2, 3]
    assert states() == {2: "decrypt_only", 3: "active"}  # one is left under it
    assert Nudge.objects.filter(task="citadel.rewrap").count() == 2  # of the rotation, and of the first turn


def test_what_was_connected_anew_meanwhile_stays(two, vault, monkeypatch) -> None:
    citadel.rotate_keys(actor="ada")
    swap = keyring._swap
    row = Credential.objects.order_by("pk").first()

    def meanwhile(signer: SignerClient, rows, newest):
        envelopes, _ = signer.enrol(
            tenant=keyring.tenant_id(), account=row.account_id.bytes, version=3, keys=keyring.held(),
            sealed=_sealed(signer, row.account_id.bytes),
        )  # fmt: skip
        Credential.objects.filter(pk=row.pk).update(envelopes=envelopes, key_version=3)
        meanwhile.kept = envelopes
        return swap(signer, rows, newest)

    monkeypatch.setattr(keyring, "_swap", meanwhile)
    citadel.rewrap_envelopes()

    row.refresh_from_db()
    assert row.envelopes == meanwhile.kept
    assert opens(vault) == []


def _sealed(signer: SignerClient, account: bytes) -> bytes:
    from citadel.sealing import seal

    key, _ = signer.intake_key()
    agreed = ExchangeAccount.objects.get(pk=UUID(bytes=account)).caps["text"]
    fields = {"apiKey": BEN.api_key, "secret": BEN.secret, "agreed": agreed}
    return seal(intake=key, tenant=keyring.tenant_id(), account=account, fields=fields)


def test_what_does_not_open_keeps_its_version_and_is_said(two, vault) -> None:
    row = Credential.objects.order_by("pk").first()
    broken = row.envelopes | {"secret": row.envelopes["apiKey"]}
    Credential.objects.filter(pk=row.pk).update(envelopes=broken)
    citadel.rotate_keys(actor="ada")

    assert citadel.rewrap_envelopes() == (1, 1, False)

    assert states() == {2: "decrypt_only", 3: "active"}  # not given up while something is left under it
    row.refresh_from_db()
    assert row.envelopes == broken


def test_sealing_under_a_version_that_was_rotated_is_done_again(alpha, cast, connect, vault, monkeypatch) -> None:
    citadel.enrol(account_id=connect(cast.ben()).id)
    made = connect(cast.cleo(), keys=CLEO)
    enrol = SignerClient.enrol_whole

    def slow(self, **given):
        result = enrol(self, **given)
        citadel.rotate_keys(actor="ada")
        monkeypatch.setattr(SignerClient, "enrol_whole", enrol)
        return result

    monkeypatch.setattr(SignerClient, "enrol_whole", slow)
    with pytest.raises(citadel.KeyRotated):
        citadel.enrol(account_id=made.id)
    citadel.enrol(account_id=made.id)
    citadel.rewrap_envelopes()

    assert set(Credential.objects.values_list("key_version", flat=True)) == {3}
    assert opens(restarted(vault)) == []


def test_a_version_that_is_disabled_opens_nothing_until_it_is_enabled(two, vault) -> None:
    citadel.rotate_keys(actor="ada")
    with pytest.raises(citadel.KeyVersionState):
        citadel.set_key_disabled(version=3, disabled=True, request_id=granted("disable_key", version=3))
    citadel.set_key_disabled(version=2, disabled=True, request_id=granted("disable_key", version=2))
    assert opens(restarted(vault)) == ["key_version_unknown"] * 2

    citadel.set_key_disabled(version=2, disabled=False, request_id=granted("enable_key", version=2))
    assert opens(vault) == []


def test_of_a_tenant_that_has_left_nothing_opens(two, vault) -> None:
    before = list(Credential.objects.values_list("account_id", "envelopes"))
    tenant = keyring.tenant_id()

    assert citadel.shred_keys(request_id=granted("shred")).credentials == 2

    assert states() == {2: "destroyed"}
    assert list(Credential.objects.values_list("envelopes", flat=True)) == [{}, {}]
    assert citadel.wrapped_keys() == []
    client = restarted(vault).client()
    stolen = [(tenant, account.bytes, sealed) for account, sealed in before]
    assert {code for _, code in client.open(stolen)[1]} == {"key_version_unknown"}
    client.close()


def test_there_is_one_active_version(two) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        KeyVersion.objects.create(version=9, state=State.ACTIVE, created_at=KeyVersion.objects.get().created_at)


def test_nothing_of_a_key_is_in_the_clear(two, vault) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f'select row_to_json(k)::text from "{connection.schema_name}".citadel_keyversion k')
        rows = [json.loads(row[0]) for row in cursor.fetchall()]

    assert [sorted(row) for row in rows] == [["created_at", "destroyed_at", "id", "state", "version", "wrapped"]]
    assert rows[0]["wrapped"].count(":") == 2


def test_a_signer_retires_no_further_than_it_can_go_on(two, vault) -> None:
    client = vault.client()

    with pytest.raises(SignerRefused) as refusal:
        client.retire(tenant=keyring.tenant_id(), minimum=9)

    assert refusal.value.code == "key_version_unknown"
    assert client.retire(tenant=keyring.tenant_id(), minimum=2) == 0
    client.close()
    assert opens(vault) == []
