"""What was erased is unreadable in old backups once the provider's generation is gone, whichever provider it is."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from citadel import generations, keyring
from citadel import services as citadel
from citadel.client import SignerClient, SignerRefused
from citadel.domain.envelope import EnvelopeError, Place, unseal
from citadel.models import Credential, KeyVersion
from citadel.signer.keeper import Here
from citadel.signer.tenant_keys import TenantKeys
from citadel.tasks import turn_generations
from citadel.trail.models import Alert, KeyGeneration
from citadel.vaults import configured
from citadel.vaults.local import LocalVault
from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.provider import ProviderError, generation_of
from obscura.celery import app
from obscura.core import clock
from obscura.core.audit.models import Entry
from obscura.core.errors import Problem
from tenants.scope import PUBLIC, entered
from tests.citadel.support import BEN, CLEO, ROOT_KEY, Vault
from tests.citadel_app.conftest import Binance
from tests.citadel_app.granting import granted
from tests.support.nildb.serve import Cluster
from tests.support.transit import Transit

ROOT = bytes.fromhex(ROOT_KEY)
TOKEN = "hvs.CAESIJlWh0isthis"  # noqa: S105


class Provider(NamedTuple):
    """A key provider for a signer: what that is told of it, and the peers that there are."""

    env: dict[str, str]
    cluster: Cluster | None = None
    transit: Transit | None = None


@pytest.fixture(params=["local", "nildb", "transit"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        yield Path(directory)


@pytest.fixture
def provider(kind: str, folder: Path) -> Iterator[Provider]:
    env = {
        "OBSCURA_KEYS": kind,
        "OBSCURA_SIGNER_STATE": str(folder / "state"),
        "OBSCURA_KEYS_HORIZON_DAYS": "0.0000001",  # the signer's clock is the real one; ours is moved
    }
    if kind == "nildb":
        cluster = Cluster()
        env["OBSCURA_NILDB_NODES"] = ",".join(f"{one.url}#{one.public_key.hex()}" for one in cluster.nodes)
        configured.establish(ROOT, env).close()
        yield Provider(env, cluster=cluster)
        cluster.stop()
    elif kind == "transit":
        vault = Transit(token=TOKEN)
        yield Provider({**env, "OBSCURA_VAULT_ADDR": vault.url, "OBSCURA_VAULT_TOKEN": TOKEN}, transit=vault)
        vault.stop()
    else:
        yield Provider(env)


@pytest.fixture
def running(binance: Binance, folder: Path, provider: Provider) -> Iterator[Vault]:
    pair = Vault(folder, binance.port)
    try:
        pair.start_signer(**provider.env)
        pair.start_egress()
        yield pair
    finally:
        pair.close()


@pytest.fixture
def later(monkeypatch) -> Callable[[float], None]:
    """Move our clock, and nobody else's, so many days on."""

    def move(days: float) -> None:
        present = datetime.now(tz=clock.now().tzinfo) + timedelta(days=days)
        monkeypatch.setattr("obscura.core.clock.now", lambda: present)

    return move


class Backup(NamedTuple):
    """What a copy of a tenant's rows has: wrapped keys, and envelopes by account."""

    tenant: int
    keys: list[tuple[int, str]]
    envelopes: list[tuple[bytes, dict[str, str]]]


def copied() -> Backup:
    """A backup of the present tenant."""
    rows = Credential.objects.exclude(envelopes={})
    return Backup(
        keyring.tenant_id(),
        list(KeyVersion.objects.exclude(wrapped="").values_list("version", "wrapped")),
        [(row.account_id.bytes, dict(row.envelopes)) for row in rows],
    )


def secrets_in(backup: Backup, provider: Provider) -> set[str]:
    """What a backup gives away to who has all that remains: the root key, the state folder, nodes and Vault."""
    found: set[str] = set()
    for keeper in (configured.provider(ROOT, provider.env), LocalProvider(root=ROOT, active=9)):
        keys = TenantKeys(shared=LocalVault(root=ROOT, active=9), keeper=Here(keeper), minimum=lambda _: 1)
        for version, wrapped in backup.keys:
            try:
                keys.hold(backup.tenant, version, wrapped)
            except ProviderError:
                continue
        for account, envelopes in backup.envelopes:
            for name, text in envelopes.items():
                try:
                    found.add(
                        unseal(
                            vault=keys.of(backup.tenant), place=Place(backup.tenant, account, name), envelope=text
                        ).decode()
                    )
                except EnvelopeError:
                    continue
        keeper.close()
    return found & {BEN.secret, CLEO.secret}


@pytest.fixture
def two(alpha, beta, cast, connect) -> None:
    """Ben's keys are sealed at Alpha, Cleo's at Beta."""
    citadel.enrol(account_id=connect(cast.ben()).id)
    with entered(beta):
        citadel.enrol(account_id=connect(cast.cleo(), keys=CLEO).id)


def opens() -> list[str]:
    """What a signer says to what is sealed in the present tenant; empty: it opens."""
    client = SignerClient(run_dir=keyring.settings.RUN_DIR)
    ids = Credential.objects.exclude(envelopes={}).values_list("account_id", flat=True)
    entries = [(tenant, account.bytes, sealed) for tenant, account, sealed in citadel.envelopes_of(ids)]
    _, refused = client.open(entries, citadel.wrapped_keys())
    client.close()
    assert entries
    return [code for _, code in refused]


def restarted(vault: Vault, provider: Provider) -> None:
    vault.signer.kill()
    vault.signer.wait()
    vault.start_signer(**provider.env)


def shredded() -> keyring.Shredded:
    return citadel.shred_keys(request_id=granted("shred"))


def test_what_was_shredded_is_unreadable_in_old_backups_after_the_horizon(two, beta, vault, provider, later):
    generations.turn()
    first = KeyGeneration.objects.get(left_at=None).number
    backup = copied()
    with entered(beta):
        neighbour = copied()

    erased = shredded()
    assert erased.credentials == 1
    assert erased.backups.except_before is None
    assert secrets_in(backup, provider) == {BEN.secret}  # the control: it is readable still

    later(16)
    turned = generations.turn()
    assert (turned.active, turned.made, turned.moved, turned.stuck) == (first + 1, True, 1, [])
    assert first not in turned.destroyed
    assert secrets_in(backup, provider) == {BEN.secret}
    assert secrets_in(neighbour, provider) == {CLEO.secret}  # such a backup can be restored
    with entered(beta):
        assert opens() == []

    assert clock.now().date() + timedelta(days=15) <= erased.backups.by
    turned = generations.turn()  # half the horizon after the generation that followed, for ours is 16 days on
    assert turned.destroyed == [first]
    assert turned.owed == []

    assert secrets_in(backup, provider) == set()
    assert secrets_in(neighbour, provider) == set()
    with entered(beta):
        assert secrets_in(copied(), provider) == {CLEO.secret}
        assert opens() == []
    restarted(vault, provider)
    with entered(beta):
        assert opens() == []
    client = vault.client()
    stolen = [(backup.tenant, account, sealed) for account, sealed in backup.envelopes]
    keys = [(backup.tenant, version, wrapped) for version, wrapped in backup.keys]
    assert {code for _, code in client.open(stolen, keys)[1]} == {"key_version_unknown"}
    client.close()


def test_a_signer_that_runs_on_forgets_what_was_destroyed(two, vault, provider, later):
    backup = copied()
    assert opens() == []  # the signer holds Alpha's key
    shredded()
    later(16)
    generations.turn()
    generations.turn()

    client = vault.client()
    stolen = [(backup.tenant, account, sealed) for account, sealed in backup.envelopes]
    keys = [(backup.tenant, version, wrapped) for version, wrapped in backup.keys]
    assert {code for _, code in client.open(stolen, keys)[1]} == {"key_version_unknown"}
    client.close()


def test_of_one_user_it_holds_after_a_rotation_of_the_tenant_as_well(two, cast, connect, vault, provider, later):
    account = connect(cast.cleo(), keys=CLEO)
    citadel.enrol(account_id=account.id)
    backup = copied()
    citadel.revoke_account(account_id=account.id, actor="cleo")
    later(16)
    generations.turn()
    generations.turn()
    # What a user's values are wrapped under is the tenant's, which lives on.
    assert secrets_in(backup._replace(keys=copied().keys), provider) == {BEN.secret, CLEO.secret}

    assert secrets_in(backup, provider) == set()
    out = StringIO()
    call_command("rotate_keys", "--tenant", "alpha", stdout=out)
    assert out.getvalue().startswith("alpha seals under version 3;")
    with pytest.raises(CommandError, match="tenant_unknown"):
        call_command("rotate_keys", "--tenant", "nobody", stdout=out)
    citadel.rewrap_envelopes()
    generations.turn()
    generations.turn()

    assert secrets_in(backup._replace(keys=copied().keys), provider) == set()
    assert secrets_in(copied(), provider) == {BEN.secret}


STEPS = ("rotate_generation", "move_key", "destroy_generations")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_whoever_dies_in_the_middle_is_continued(step, done, two, beta, vault, provider, later, monkeypatch):
    backup = copied()
    shredded()
    later(16)
    real = getattr(SignerClient, step)

    def dies(self, *given, **named):
        if done:
            real(self, *given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(SignerClient, step, dies)
    with pytest.raises(KeyboardInterrupt):
        generations.turn()
        generations.turn()
    monkeypatch.setattr(SignerClient, step, real)
    restarted(vault, provider)
    with entered(beta):
        assert opens() == []
        assert secrets_in(copied(), provider) == {CLEO.secret}

    generations.turn()
    generations.turn()

    assert secrets_in(backup, provider) == set()
    with entered(beta):
        assert opens() == []
        assert secrets_in(copied(), provider) == {CLEO.secret}


@pytest.mark.parametrize("kind", ["nildb"], indirect=True)
def test_a_node_that_is_down_owes_its_deletion(two, beta, vault, provider, later):
    backup = copied()
    shredded()
    later(16)
    generations.turn()
    kept = {number: shares_of(provider, number) for number in (1, 2, 3)}
    provider.cluster[3].down = True

    with pytest.raises(SignerRefused):  # none is made with a node away, and that is said
        generations.turn()

    row = KeyGeneration.objects.get(number=1)
    assert (row.destroyed_at is not None, row.owed) == (True, [3])
    assert "destroyed" in shown() and "owed by nodes 3" in shown()
    assert Alert.objects.get(kind="generation_overdue").facts["nodes"] == [3]
    assert shares_of(provider, 3) == kept[3]
    assert [len(shares_of(provider, number)) for number in (1, 2)] == [1, 1]  # of the generation in use
    assert secrets_in(backup, provider) == set()  # one share opens nothing
    restarted(vault, provider)
    with pytest.raises(SignerRefused):
        generations.turn()
    assert KeyGeneration.objects.get(number=1).owed == [3]
    with entered(beta):
        assert opens() == []

    provider.cluster[3].down = False
    later(0)
    turned = generations.turn()

    assert (turned.made, turned.owed) == (False, [])
    assert KeyGeneration.objects.get(number=1).owed == []
    assert len(shares_of(provider, 3)) == 1
    assert "owed" not in shown()
    with entered(PUBLIC):
        assert Entry.objects.filter(action="citadel.generation.settled").count() == 1


def shares_of(provider: Provider, node: int) -> dict[str, object]:
    [documents] = provider.cluster[node].documents.values()
    return dict(documents)


def shown() -> str:
    out = StringIO()
    call_command("key_generations", "show", stdout=out)
    return out.getvalue()


def test_a_generation_is_not_destroyed_before_its_time(two, vault, provider, later, settings):
    restarted(vault, Provider({**provider.env, "OBSCURA_KEYS_HORIZON_DAYS": "30"}))
    backup = copied()
    shredded()
    later(16)
    made = generations.turn if provider.env["OBSCURA_KEYS"] != "local" else lambda: generations.turn(at_once=True)
    if provider.env["OBSCURA_KEYS"] == "local":
        later(0)  # or generation 1, of the root key, would be ripe
    active = made().active
    client = vault.client()
    for below, code in ((active, "generation_young"), (active + 1, "generation_unknown"), (0, "generation_unknown")):
        with pytest.raises(SignerRefused) as refusal:
            client.destroy_generations(below=below)
        assert refusal.value.code == code
    client.close()
    later(16)
    with pytest.raises(Problem) as problem:
        generations.turn()

    assert problem.value.code == "horizons_differ"
    assert secrets_in(backup, provider) == {BEN.secret}


def test_a_key_that_does_not_open_holds_destruction_up_and_is_said(two, beta, vault, provider, later):
    with entered(beta):
        row = KeyVersion.objects.get()
        broken = row.wrapped[:-8] + ("AAAAAAAA" if row.wrapped[-8:] != "AAAAAAAA" else "BBBBBBBB")
        KeyVersion.objects.update(wrapped=broken)
    later(16)
    generations.turn()
    turned = generations.turn()

    assert turned.stuck == [("t_beta", 2)]
    assert generation_of(broken) in {row.number for row in KeyGeneration.objects.filter(destroyed_at=None)}
    assert Alert.objects.get(kind="generation_stuck").facts["keys"] == ["t_beta v2"]
    with pytest.raises(CommandError, match="t_beta v2. Restore or shred them"):
        call_command("key_generations", "turn", stdout=StringIO())
    with entered(beta):
        KeyVersion.objects.update(wrapped=row.wrapped)
    generations.turn()
    assert generation_of(broken) in generations.turn().destroyed
    with entered(beta):
        assert opens() == []


@pytest.mark.parametrize("kind", ["local"], indirect=True)
def test_a_key_that_was_shredded_while_it_was_moved_stays_erased(two, vault, later, monkeypatch):
    later(16)
    number, real = granted("shred"), SignerClient.move_key

    def meanwhile(self, key):
        moved = real(self, key)
        with entered("t_alpha"):
            if KeyVersion.objects.exclude(wrapped="").exists():
                citadel.shred_keys(request_id=number)
        return moved

    monkeypatch.setattr(SignerClient, "move_key", meanwhile)
    generations.turn()

    assert KeyVersion.objects.get().wrapped == ""


@pytest.mark.parametrize("kind", ["local"], indirect=True)
def test_a_disabled_key_and_a_suspended_tenants_are_moved_too(two, beta, vault, provider, later):
    citadel.rotate_keys(actor="ada")
    citadel.set_key_disabled(version=2, disabled=True, request_id=granted("disable_key", version=2))
    with entered(PUBLIC):
        type(beta).objects.filter(pk=beta.pk).update(status="suspended")
    later(16)

    assert generations.turn().moved == 3
    generations.turn()

    citadel.set_key_disabled(version=2, disabled=False, request_id=granted("enable_key", version=2))
    assert opens() == []
    with entered(beta):
        assert opens() == []


@pytest.mark.parametrize("kind", ["local"], indirect=True)
def test_a_key_that_was_given_up_and_not_yet_erased_holds_nothing_up(two, vault, provider, later):
    old = KeyVersion.objects.get()
    citadel.rotate_keys(actor="ada")
    citadel.rewrap_envelopes()
    # Whoever gave it up died before it was erased here.
    KeyVersion.objects.filter(pk=old.pk).update(wrapped=old.wrapped, state="decrypt_only", destroyed_at=None)
    later(16)

    assert generations.turn().moved == 2
    turned = generations.turn()

    assert (turned.stuck, turned.destroyed) == ([], [2])
    assert KeyVersion.objects.get(pk=old.pk).wrapped == old.wrapped
    assert opens() == []


@pytest.mark.parametrize("kind", ["local"], indirect=True)
def test_keys_from_before_the_first_generation_are_told_of(two, vault, later):
    generations.turn()
    KeyVersion.objects.update(created_at=clock.now() - timedelta(days=2))

    said = str(shredded().backups)

    day = KeyGeneration.objects.get(number=2).made_at.date()
    assert said.endswith(f"; those from before {day} open with the root key: let them expire.")


@pytest.mark.parametrize("kind", ["local"], indirect=True)
def test_the_command_makes_a_generation_at_once_and_the_beat_turns(two, vault, settings):
    out = StringIO()
    call_command("key_generations", "renew", stdout=out)
    assert out.getvalue() == "Generation 3 is made; 2 keys moved to it; destroyed: nothing.\n"
    call_command("key_generations", "turn", stdout=out)
    assert out.getvalue().endswith("Generation 3 is in use; 0 keys moved to it; destroyed: nothing.\n")
    assert [line.split("  ")[0] for line in shown().splitlines()] == ["local 3", "local 2", "local 1"]
    assert shown().splitlines()[0].endswith("in use")
    assert app.conf.beat_schedule["citadel.turn_generations"]["task"] == turn_generations.name
    turn_generations()

    for wrong in ("", "0", "-1", "nan", "4000", "soon"):
        settings.KEYS_HORIZON_DAYS = wrong
        with pytest.raises(CommandError, match="horizon_unknown"):
            call_command("key_generations", "turn", stdout=out)


@pytest.mark.parametrize("kind", ["local"], indirect=True)
def test_two_turns_at_once_lose_nothing(committed, alpha, beta, cast, connect, vault, provider, later):
    citadel.enrol(account_id=connect(cast.ben()).id)
    with entered(beta):
        citadel.enrol(account_id=connect(cast.cleo(), keys=CLEO).id)
    later(16)
    failed: list[BaseException] = []

    def run_it() -> None:
        try:
            for _ in range(4):
                generations.turn()
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run_it) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert [getattr(one, "code", one) for one in failed] == []
    with entered(PUBLIC):
        assert KeyGeneration.objects.exclude(destroyed_at=None).count() > 1
    restarted(vault, provider)
    for tenant in (alpha, beta):
        with entered(tenant):
            assert opens() == []


def test_who_tells_late_what_is_old_by_now_changes_nothing(alpha):
    from citadel.client import Generations
    from citadel.trail.generations import remember

    remember(Generations("local", {2: 1_000}, ()))
    remember(Generations("local", {2: 1_000, 3: 2_000}, ()))
    remember(Generations("local", {2: 1_000}, ()))

    with entered(PUBLIC):
        rows = {row.number: (row.left_at is not None, row.destroyed_at) for row in KeyGeneration.objects.all()}
    assert rows == {2: (True, None), 3: (False, None)}


@pytest.mark.parametrize(
    ("days", "numbers"),
    [(15.5, None), (16.5, [3]), (29.5, [3]), (31.5, [2, 3])],
)
def test_a_day_that_is_in_danger_is_told_even_while_the_vault_is_away(alpha, tmp_path, settings, later, days, numbers):
    now = clock.now()
    with entered(PUBLIC):
        KeyGeneration.objects.create(provider="nildb", number=1, made_at=now, left_at=now, destroyed_at=now)
        KeyGeneration.objects.create(provider="nildb", number=2, made_at=now, left_at=now + timedelta(days=15))
        KeyGeneration.objects.create(provider="nildb", number=3, made_at=now)
    settings.RUN_DIR = str(tmp_path)
    later(days)

    turn_generations()

    assert [one.facts["numbers"] for one in Alert.objects.filter(kind="generation_overdue")] == [
        one for one in [numbers] if one is not None
    ]


def test_the_office_shows_generations(redis_db, alpha, cast, client_at):
    with entered(PUBLIC):
        KeyGeneration.objects.create(provider="nildb", number=7, destroyed_at=clock.now(), owed=[3])
        office = client_at("office.testserver", user=cast.staff())

    assert "nildb" in office.get("/trail/keygeneration/").text
    row = KeyGeneration.objects.get()
    assert office.post(f"/trail/keygeneration/{row.pk}/change/", {"owed": "[]"}).status_code == 403
    assert office.post(f"/trail/keygeneration/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_turn_belongs_to_no_transaction(committed):
    """What a destruction rests on may not be rolled back afterwards."""
    from citadel.client import Generations

    class Signer:
        def move_key(self, key: object) -> str:
            return "local:2:moved"

    with entered("t_alpha"):
        KeyVersion.objects.create(version=2, wrapped="local:1:old", created_at=clock.now())
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        generations._move_all(Signer(), 2)

    assert Generations("local", {1: 0, 2: 5}, ()).active == 2
    with entered("t_alpha"):
        assert KeyVersion.objects.get().wrapped == "local:1:old"
