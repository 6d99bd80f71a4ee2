"""The signer's record in the database: nothing twice, nothing missing unnoticed; alerts; what takes two people."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
import structlog
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction

from citadel import measured
from citadel import services as citadel
from citadel.client import SignerClient, SignerUnavailable
from citadel.domain.trail import GENESIS, digest
from citadel.models import Credential, KeyVersion
from citadel.tasks import collect_audit, watch_audit
from citadel.trail import alerts, break_glass, collect, doing, verify
from citadel.trail.models import Alert, BreakGlass, SignerEntry
from obscura.celery import app
from obscura.core import clock
from obscura.core.audit import chain as audit_chain
from obscura.core.audit.models import Entry
from tenants import audits
from tenants.scope import PUBLIC, entered
from tests.citadel.support import BEN, TENANT, Vault
from tests.citadel.test_signer import Raw, send_message
from tests.citadel_app.conftest import Binance
from tests.support.people import PASSWORD

OFFICE = "office.testserver"


@pytest.fixture
def running(binance: Binance) -> Iterator[Vault]:
    """A signer for each test, whose record begins with its start."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        pair = Vault(Path(directory), binance.port)
        try:
            pair.start_signer()
            yield pair
        finally:
            pair.close()


def kinds() -> list[str]:
    return list(SignerEntry.objects.order_by("id").values_list("kind", flat=True))


def raised() -> dict[str, int]:
    return dict(Alert.objects.order_by("id").values_list("kind", "count"))


def restarted(vault: Vault, *, without: str = "", **extra: str) -> None:
    vault.signer.kill()
    vault.signer.wait()
    for file in (vault.directory / "vault").glob(without or "nothing"):
        file.unlink()
    vault.start_signer(**extra)


def seal(vault: Vault) -> None:
    vault.enrol([BEN], open_them=False)


class Saying:
    """A signer that says what a test wants: a record that is put together here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, chain: str = "ab" * 16) -> None:
        self.chain, self.entries, self.previous = chain, [], GENESIS
        monkeypatch.setattr(SignerClient, "audit", lambda _, *, after: self.audit(after))

    def say(self, kind: str, *, at: object = None, **facts: object) -> list[object]:
        number, ms = len(self.entries) + 1, clock.millis(at or clock.now())
        made = digest(chain=self.chain, sequence=number, at=ms, kind=kind, facts=facts, previous=self.previous)
        self.entries.append([number, ms, kind, facts, self.previous, made])
        self.previous = made
        return self.entries[-1]

    def audit(self, after: int) -> dict[str, object]:
        return {"chain": self.chain, "last": len(self.entries), "lost": 0, "entries": self.entries[after : after + 2]}


@pytest.fixture
def signer(_rows: None, monkeypatch) -> Saying:
    return Saying(monkeypatch)


# collecting
def test_what_the_signer_did_is_written_down_once(vault, alpha):
    seal(vault)

    assert collect.collect() == 2
    assert collect.collect() == 0
    collect_audit()

    assert kinds() == ["start", "sealed"]
    one = SignerEntry.objects.get(kind="sealed")
    assert one.facts == {"tenant": TENANT, "account": BEN.account.hex(), "version": 1}
    assert raised() == {}
    assert verify.verify(one.chain)[1:] == (2, (2, one.digest), None, "")


def test_a_restart_of_the_signer_goes_on_with_the_record_and_is_told(vault, alpha):
    collect.collect()
    seal(vault)  # nobody has fetched it when the signer is killed
    restarted(vault)
    seal(vault)

    assert collect.collect() == 3
    assert kinds() == ["start", "sealed", "start", "sealed"]
    assert raised() == {}
    watch_audit()
    watch_audit()
    assert raised() == {"signer_restarted": 1}
    assert [verify.verify(one).what for one in verify.chains()] == [""]


def test_a_buffer_that_ran_over_is_told(vault, alpha):
    collect.collect()
    restarted(vault, OBSCURA_SIGNER_AUDIT="2")
    for _ in range(4):
        seal(vault)

    assert collect.collect() == 2
    assert list(SignerEntry.objects.order_by("id").values_list("sequence", flat=True)) == [1, 5, 6]
    assert Alert.objects.get().facts == {"chain": verify.chains()[0], "after": 1, "lost": 3}
    assert raised() == {"signer_entries_lost": 1}
    assert verify.verify(verify.chains()[0])[3:] == (2, "missing")


def test_a_signer_that_lost_its_journal_is_told_and_its_record_kept_apart(vault, alpha):
    seal(vault)
    collect.collect()
    restarted(vault, without="journal.*")

    assert collect.collect() == 1
    assert kinds() == ["start", "sealed", "start"]
    assert raised() == {"signer_chain_new": 1}
    assert [verify.verify(one).what for one in verify.chains()] == ["", ""]
    assert collect.collect() == 0


def test_an_older_journal_that_was_put_back_is_told(vault, alpha):
    folder = vault.directory / "vault"
    vault.signer.kill()
    vault.signer.wait()
    older = {file.name: file.read_bytes() for file in folder.glob("journal.*")}
    vault.start_signer()
    seal(vault)
    seal(vault)
    collect.collect()
    vault.signer.kill()
    vault.signer.wait()
    for name, content in older.items():
        (folder / name).write_bytes(content)
    vault.start_signer()

    collect.collect()

    assert set(raised()) == {"signer_went_back"}
    for _ in range(4):
        seal(vault)
    collect.collect()
    assert set(raised()) == {"signer_went_back", "signer_chain_broken"}


def test_an_entry_that_does_not_fit_is_written_down_and_told(signer):
    signer.say("start")
    signer.say("sealed", tenant=7)[3] = {"tenant": 8}
    signer.say("sealed", tenant=9)

    assert collect.collect() == 3
    assert [(one.kind, one.facts["sequence"]) for one in Alert.objects.all()] == [("signer_chain_broken", 2)]
    assert verify.verify(signer.chain)[3:] == (2, "altered")


@pytest.mark.parametrize(
    "entry",
    [
        [1, 1_000, "start", {}, GENESIS],
        [0, 1_000, "start", {}, GENESIS, GENESIS],
        ["1", 1_000, "start", {}, GENESIS, GENESIS],
        [1, -1, "start", {}, GENESIS, GENESIS],
        [1, 1_000, "Not A Kind", {}, GENESIS, GENESIS],
        [1, 1_000, "start", [], GENESIS, GENESIS],
        [1, 1_000, "start", {}, "short", GENESIS],
        [1, 1_000, "start", {}, GENESIS, 7],
    ],
)
def test_what_is_no_entry_is_not_written_down(signer, entry):
    signer.entries.append(entry)

    with pytest.raises(collect.SignerBabbles):
        collect.collect()

    collect_audit()
    assert SignerEntry.objects.count() == 0


def test_two_collectors_at_once_write_nothing_twice(committed, alpha, signer):
    for number in range(40):
        signer.say("sealed", number=number)

    def run() -> None:
        try:
            collect.collect()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    collect.collect()

    assert list(SignerEntry.objects.order_by("id").values_list("sequence", flat=True)) == list(range(1, 41))
    assert raised() == {}


def test_a_signer_that_is_away_is_asked_again_later(alpha, settings, tmp_path):
    settings.RUN_DIR = str(tmp_path)

    with pytest.raises(SignerUnavailable):
        collect.collect()

    collect_audit()
    assert SignerEntry.objects.count() == 0


@pytest.mark.parametrize(
    "sql",
    [
        "update public.trail_signerentry set kind = 'stop'",
        "update public.trail_signerentry set digest = previous where sequence = 1",
        "delete from public.trail_signerentry",
        "truncate public.trail_signerentry",
    ],
)
def test_the_database_refuses_to_change_what_the_signer_told(signer, alpha, sql):
    signer.say("start")
    collect.collect()

    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)

    assert kinds() == ["start"]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("update public.trail_signerentry set facts = '{\"tenant\": 8}' where sequence = 3", (3, "altered")),
        ("update public.trail_signerentry set kind = 'stop' where sequence = 3", (3, "altered")),
        ("update public.trail_signerentry set at = at + interval '1 ms' where sequence = 3", (3, "altered")),
        ("update public.trail_signerentry set digest = previous where sequence = 3", (3, "altered")),
        ("delete from public.trail_signerentry where sequence = 3", (3, "missing")),
        (
            "update public.trail_signerentry set sequence = 99 where sequence = 2;"
            "update public.trail_signerentry set sequence = 2 where sequence = 4;"
            "update public.trail_signerentry set sequence = 4 where sequence = 99",
            (2, "reordered"),
        ),
    ],
)
def test_what_was_changed_behind_the_triggers_is_found(signer, sql, found):
    for number in range(5):
        signer.say("sealed", tenant=number)
    collect.collect()
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("set local session_replication_role = default")

    assert verify.verify(signer.chain)[3:] == found
    assert verify.verify(signer.chain, first=5)[3:] == ((None, "") if found[0] == 3 else (5, "reordered"))


# alerts
def test_a_withdrawal_that_is_asked_for_once_is_told_once(vault, alpha):
    with Raw(vault) as raw:
        assert raw.ask(send_message(path="/sapi/v1/capital/withdraw/apply"))["ok"] is False
    vault.signer.terminate()
    vault.signer.wait(timeout=10)
    vault.start_signer()
    collect.collect()

    with structlog.testing.capture_logs() as lines:
        watch_audit()
        watch_audit()

    one = Alert.objects.get(kind="withdrawal_asked")
    assert (one.count, one.first_at) == (1, one.last_at)
    assert one.facts == {"count": 1, "requests": ["binance spot paper POST /sapi/v1/capital/withdraw/apply"]}
    told = [line for line in lines if line["event"] == "citadel.alert" and line["kind"] == "withdrawal_asked"]
    assert [line["log_level"] for line in told] == ["warning"]
    assert Entry.objects.filter(action="citadel.alert.raised").count() == 0  # it is the platform's
    with entered(PUBLIC):
        assert Entry.objects.filter(action="citadel.alert.raised", subject="alert:withdrawal_asked").count() == 1


def test_what_is_fetched_late_is_looked_at_all_the_same(signer):
    request = "binance spot live POST /sapi/v1/capital/withdraw/apply"
    long_ago = clock.now() - timedelta(hours=9)
    signer.say("refused", at=long_ago, op="send", code="request_not_allowed", count=1, request=request)
    collect.collect()

    alerts.watch()

    assert raised() == {"withdrawal_asked": 1}
    alerts.watch(now=clock.now() + timedelta(minutes=6))
    assert raised() == {"withdrawal_asked": 1}


def test_what_goes_on_is_counted_and_after_it_was_acknowledged_told_anew(signer, still):
    def unopened() -> None:
        signer.say("unopened", op="open", codes={"envelope_refused": 3}, tenants={"7": 1, "8": 1, "9": 1})
        collect.collect()
        alerts.watch()

    unopened()
    first = still.now
    still.forward(seconds=60)
    unopened()
    one = Alert.objects.get()
    assert (one.kind, one.count, one.first_at, one.last_at) == ("envelopes_refused", 2, first, still.now)

    assert alerts.acknowledge(alert_id=one.pk, actor="staff:stella") is True
    assert alerts.acknowledge(alert_id=one.pk, actor="staff:other") is False
    alerts.watch()
    assert alerts.waiting() == 0  # nothing new has happened since
    still.forward(seconds=60)
    unopened()

    assert list(Alert.objects.order_by("id").values_list("count", "acknowledged_by")) == [(2, "staff:stella"), (1, "")]
    assert alerts.waiting() == 1


def test_signatures_far_above_the_usual_minute_are_told(signer, still):
    for minutes, rows in ((40, 1_000), (30, 1_100), (20, 1_200), (1, 5_501)):
        signer.say("signed", at=still.now - timedelta(minutes=minutes), signed=rows, refused={})
    signer.say("signed", at=still.now - timedelta(hours=2), signed=9_999, refused={})
    collect.collect()

    alerts.watch()

    assert Alert.objects.get().facts == {"signed": 5_501, "usual": 1_100}


def test_refusals_above_the_limit_are_told(signer):
    signer.say("signed", signed=1, refused={"mandate_loss": 150, "mark_unknown": 200})
    signer.say("refused", op="send", code="mandate_loss", count=51)
    collect.collect()

    alerts.watch()

    assert raised() == {"refusals.mandate_loss": 1}


def test_the_beat_collects_and_watches():
    planned = {name: one["task"] for name, one in app.conf.beat_schedule.items()}

    assert planned["citadel.collect_audit"] == collect_audit.name
    assert planned["citadel.watch_audit"] == watch_audit.name


# the office
@pytest.fixture
def office(redis_db, alpha, cast, client_at):
    """Stella of the platform's staff, signed in at the office."""
    with entered(PUBLIC):
        return client_at(OFFICE, user=cast.staff())


def test_staff_see_alerts_with_a_counter_and_acknowledge_them(office, signer):
    alerts.raise_alert("withdrawal_asked", at=clock.now(), count=1)
    alerts.raise_alert("signer_restarted", at=clock.now(), times=1)
    signer.say("start")
    collect.collect()
    row = Alert.objects.get(kind="withdrawal_asked")

    page = office.get("/trail/alert/").text
    assert "withdrawal_asked" in page
    badges = {item["title"]: item.get("badge") for item in _sidebar(office)}
    assert badges["Alerts"] == 2
    office.post("/trail/alert/", {"action": "acknowledge", "_selected_action": [row.pk]})

    row.refresh_from_db()
    assert row.acknowledged_by == "staff:stella@example.com"
    assert {item["title"]: item.get("badge") for item in _sidebar(office)}["Alerts"] == 1
    assert "start" in office.get("/trail/signerentry/").text
    assert office.post(f"/trail/alert/{row.pk}/change/", {"kind": "x"}).status_code == 403
    assert office.post(f"/trail/alert/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def _sidebar(browser) -> list[dict[str, object]]:
    groups = browser.get("/").context["sidebar_navigation"]
    return [item for group in groups for item in group["items"]]


def test_a_tenants_staff_see_nothing_of_the_vaults_record(redis_db, alpha, cast, client_at):
    desk = client_at("alpha.testserver", user=cast.staff(at=alpha))

    for model in ("signerentry", "alert", "breakglass"):
        assert desk.get(f"/admin/trail/{model}/").status_code == 404


# two people
@pytest.fixture
def rob(office, alpha, cast) -> str:
    """Another member of the platform's staff."""
    with entered(PUBLIC):
        return cast.person("rob", is_staff=True, is_superuser=True).email


@pytest.fixture
def keys(alpha) -> KeyVersion:
    """Two versions of Alpha's."""
    now = clock.now()
    KeyVersion.objects.create(version=2, state="decrypt_only", wrapped="local:1:a", created_at=now)
    return KeyVersion.objects.create(version=3, state="active", wrapped="local:1:b", created_at=now)


def run(*words: str) -> str:
    from io import StringIO

    out = StringIO()
    call_command("break_glass", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def password(monkeypatch) -> Callable[[str], None]:
    """What is typed when the command asks for it."""

    def typed(text: str) -> None:
        monkeypatch.setattr("citadel.management.commands.break_glass.getpass", lambda _: text)

    typed(PASSWORD)
    return typed


def asked(by: str, *, what: str = "shred", version: int | None = None) -> BreakGlass:
    number = break_glass.ask(what=what, tenant="t_alpha", why="Has left.", asked_by=by, version=version)
    return BreakGlass.objects.get(pk=number)


def approve(office, row: BreakGlass) -> str:
    return office.post("/trail/breakglass/", {"action": "approve", "_selected_action": [row.pk]}, follow=True).text


def told() -> list[tuple[str, str]]:
    with entered(PUBLIC):
        found = Entry.objects.filter(action__startswith="citadel.break_glass").order_by("id")
        return [(action.rpartition(".")[2], actor) for action, actor in found.values_list("action", "actor")]


def states() -> dict[int, str]:
    return dict(KeyVersion.objects.order_by("version").values_list("version", "state"))


def test_two_people_shred_a_tenants_keys(office, rob, keys, password):
    assert "waits for another" in run("ask", "--what", "shred", "--tenant", "alpha", "--why", "Has left.", "--by", rob)
    row = BreakGlass.objects.get()
    assert f"{row.pk}  shred  t_alpha  asked by {rob}  waits" in run("list")

    assert "is approved" in approve(office, row)
    assert states() == {2: "decrypt_only", 3: "active"}  # to approve it does nothing yet
    by = (clock.now() + timedelta(days=31)).date()
    assert run("use", str(row.pk)) == (
        "Every key of t_alpha is erased; 0 credentials open here never again. "
        f"Older backups of the database open it no more not later than {by}.\n"
    )

    assert states() == {2: "destroyed", 3: "destroyed"}
    assert Credential.objects.exclude(envelopes={}).count() == 0
    stella = "stella@example.com"
    assert told() == [("asked", f"staff:{rob}"), ("approved", f"staff:{stella}"), ("used", f"staff:{rob}")]
    assert Entry.objects.get(action="citadel.key.shredded").actor == f"break-glass:{row.pk} {rob} {stella}"
    with pytest.raises(CommandError, match="It was used"):
        run("use", str(row.pk))
    assert f"asked by {rob}  used" in run("list")


def test_two_people_disable_a_key_version(office, rob, keys):
    row = asked(rob, what="disable_key", version=2)
    approve(office, row)

    assert run("use", str(row.pk)) == "Version 2 of t_alpha is disabled.\n"

    assert states() == {2: "disabled", 3: "active"}
    assert Entry.objects.get(action="citadel.key.disabled").actor == f"break-glass:{row.pk} {rob} stella@example.com"


def test_two_people_export_audit_by_the_command(office, rob, keys, password, tmp_path):
    words = ["--what", "export_audit", "--tenant", "public", "--why", "Review.", "--by", rob]
    with pytest.raises(CommandError, match="--from and --until belong together"):
        run("ask", *words, "--from", "2026-11-01")
    with pytest.raises(CommandError, match="is no day"):
        run("ask", *words, "--from", "yesterday", "--until", "2026-11-01")
    day = clock.now().date().isoformat()
    run("ask", *words, "--from", day, "--until", day)
    row = BreakGlass.objects.get()
    assert "is approved" in approve(office, row)

    with pytest.raises(CommandError, match="--out, belongs to export_audit"):
        run("use", str(row.pk))
    out = tmp_path / "audit.jsonl"

    assert run("use", str(row.pk), "--out", str(out)).startswith(
        f"{len(out.read_text().splitlines())} entries of public"
    )
    assert "citadel.break_glass.approved" in out.read_text()


def test_what_fails_has_not_happened_and_can_be_used_again(office, rob, keys):
    row = asked(rob, what="disable_key", version=3)  # the active one is not disabled
    approve(office, row)

    with pytest.raises(citadel.KeyVersionState):
        doing.use(request_id=row.pk)

    row.refresh_from_db()
    assert row.used_at is None
    assert told()[-1][0] == "approved"
    KeyVersion.objects.filter(version=2).update(state="destroyed")
    KeyVersion.objects.filter(version=3).update(state="decrypt_only")
    assert doing.use(request_id=row.pk) == "Version 3 of t_alpha is disabled."


def test_who_asked_cannot_approve(office, keys):
    row = asked("Stella@example.com")

    assert "Whoever asked cannot approve." in approve(office, row)

    row.refresh_from_db()
    assert row.approved_by == ""
    assert told() == [("asked", "staff:stella@example.com"), ("refused", "staff:stella@example.com")]
    with pytest.raises(break_glass.RequestState):
        doing.use(request_id=row.pk)
    with pytest.raises(IntegrityError, match="break_glass_takes_two"), transaction.atomic():
        BreakGlass.objects.update(approved_by="stella@example.com")
    assert states() == {2: "decrypt_only", 3: "active"}


def test_nothing_is_done_without_approval(rob, keys):
    row = asked(rob)

    with pytest.raises(CommandError, match="Nobody has approved it"):
        run("use", str(row.pk))
    with pytest.raises(IntegrityError, match="break_glass_used_once_approved"), transaction.atomic():
        BreakGlass.objects.update(used_at=clock.now())

    assert states() == {2: "decrypt_only", 3: "active"}
    assert told() == [("asked", f"staff:{rob}")]


def test_a_request_that_is_used_twice_at_once_is_used_once(committed, office, rob, keys):
    row = asked(rob, what="disable_key", version=2)
    approve(office, row)
    done: list[str] = []

    def run_it() -> None:
        try:
            done.append(doing.use(request_id=row.pk))
        except break_glass.RequestState as problem:
            done.append(problem.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=run_it) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(done) == ["It was used.", "It was used.", "Version 2 of t_alpha is disabled."]
    assert Entry.objects.filter(action="citadel.key.disabled").count() == 1


def test_a_request_expires(office, rob, keys, monkeypatch):
    late, approved = asked(rob), asked(rob)
    approve(office, approved)
    present = clock.now() + timedelta(minutes=30, seconds=5)
    monkeypatch.setattr("obscura.core.clock.now", lambda: present)

    with pytest.raises(break_glass.RequestState, match="expired"):
        doing.use(request_id=approved.pk)
    with pytest.raises(break_glass.RequestState, match="expired"):
        break_glass.approve(request_id=late.pk, approved_by="stella@example.com")

    assert states() == {2: "decrypt_only", 3: "active"}
    assert [word for word, _ in told()] == ["asked", "asked", "approved", "refused"]


def test_a_request_is_approved_once(office, rob, keys):
    row = asked(rob)
    approve(office, row)

    assert "It was approved by stella@example.com." in approve(office, row)


def test_only_staff_with_a_password_ask(office, rob, keys, password, cast):
    cast.ben()  # a user of Alpha's is nobody at the office
    ask = ["ask", "--what", "shred", "--tenant", "alpha", "--why", "Because.", "--by"]

    for email, text in ((rob, "wrong"), ("ben@example.com", PASSWORD), ("nobody@example.com", PASSWORD)):
        password(text)
        with pytest.raises(CommandError, match="Only an active member of the platform's staff"):
            run(*ask, email)
    with pytest.raises(break_glass.NotStaff):
        break_glass.approve(request_id=asked(rob).pk, approved_by="ben@example.com")

    assert BreakGlass.objects.count() == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"what": "export"}, "break_glass_what"),
        ({"why": "  "}, "break_glass_why"),
        ({"version": 2}, "break_glass_version"),
        ({"what": "disable_key"}, "break_glass_version"),
        ({"tenant": "public"}, "break_glass_tenant"),
        ({"tenant": "t_nobody"}, "tenant_unknown"),
    ],
)
def test_what_makes_no_sense_cannot_be_asked(rob, changed, code):
    from obscura.core.errors import Problem

    with pytest.raises(Problem) as problem:
        break_glass.ask(**{"what": "shred", "tenant": "t_alpha", "why": "Has left.", "asked_by": rob, **changed})

    assert problem.value.code == code
    assert BreakGlass.objects.count() == 0
    with pytest.raises(break_glass.RequestUnknown):
        doing.use(request_id=404)


# the command
def verified(*words: str) -> str:
    from io import StringIO

    out = StringIO()
    try:
        call_command("verify_audit", *words, stdout=out, stderr=StringIO())
    except CommandError as error:
        return out.getvalue() + f"{error.returncode}: {error}"
    return out.getvalue()


@pytest.fixture
def chained(signer, alpha) -> Saying:
    """Three entries of Alpha's, one of the platform's, two of the signer's; all chained."""
    from obscura.core.audit.write import record

    for number in range(3):
        record("test.done", actor="ada", subject=f"thing:{number}")
    with entered(PUBLIC):
        record("test.done", actor="ada", subject="thing")
    signer.say("start")
    signer.say("sealed", tenant=7)
    collect.collect()
    audits.sequence()
    return signer


def behind_the_triggers(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("set local session_replication_role = default")


def test_the_command_tells_of_every_chain(chained):
    alpha, public = audit_chain.head("t_alpha"), audit_chain.head("public")

    assert verified().splitlines() == [
        f"public  1 entries  head 1 {public.digest}  in order",
        "t_zero  0 entries  no head  in order",
        f"t_alpha  3 entries  head 3 {alpha.digest}  in order",
        "t_beta  0 entries  no head  in order",
        f"signer:{chained.chain}  2 entries  head 2 {chained.previous}  in order",
    ]
    assert verified("--tenant", "alpha", "--from", "3") == f"t_alpha  1 entries  head 3 {alpha.digest}  in order\n"
    assert verified("--tenant", "nobody") == "1: Nothing is known of nobody."


def test_what_the_command_found_of_all_chains_is_laid_down_for_operators(chained, redis_db, tmp_path, monkeypatch):
    def told() -> dict[tuple[str, ...], float]:
        return {one.labels: one.value for one in measured.chains() if one.name == "obscura_audit_chains_broken"}

    kept = tmp_path / "heads.json"
    kept.write_text(verified("--head"))
    verified("--tenant", "alpha")
    verified("--from", "2")
    assert told() == {}  # not all of it was looked at

    verified()
    verified("--against", str(kept))
    assert told() == {("walked",): 0, ("against",): 0}
    behind_the_triggers("update t_alpha.audit_entry set actor = 'eve' where position = 2")
    verified()
    assert told() == {("walked",): 1, ("against",): 0}

    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(redis_db, "set", away)
    assert verified().endswith("1: 1 of 5 are not in order.")


def test_the_command_ends_with_1_where_something_is_wrong(chained):
    behind_the_triggers("update t_alpha.audit_entry set actor = 'eve' where position = 2")
    behind_the_triggers("update public.trail_signerentry set kind = 'stop' where sequence = 1")

    lines = verified().splitlines()

    assert [line.split("  ")[-1] for line in lines[:-1]] == [
        "in order", "in order", "altered at 2", "in order", "altered at 1",
    ]  # fmt: skip
    assert lines[-1] == "1: 2 of 5 are not in order."
    assert verified("--tenant", "beta").endswith("in order\n")


def test_heads_that_are_kept_elsewhere_tell_of_a_chain_that_was_written_anew(chained, tmp_path):
    kept = tmp_path / "heads.json"
    kept.write_text(verified("--head"))
    assert {name: one["position"] for name, one in json.loads(kept.read_text()).items()} == {
        "public": 1, "t_alpha": 3, f"signer:{chained.chain}": 2,
    }  # fmt: skip
    assert verified("--against", str(kept)).count("in order") == 3

    behind_the_triggers(
        "update t_alpha.audit_entry set actor = 'eve', position = null, previous = null, digest = null;"
        "delete from public.trail_signerentry where sequence = 2"
    )
    audits.sequence()

    assert verified().count("in order") == 5  # in itself it is whole
    lines = verified("--against", str(kept)).splitlines()
    assert [line.split("  ")[-1] for line in lines[:-1]] == ["in order", "rewritten at 3", "missing at 2"]
    assert lines[-1] == "1: 2 of 3 are not in order."
    assert verified("--against", str(kept), "--tenant", "alpha").splitlines()[0].endswith("rewritten at 3")


def test_a_tenant_that_is_gone_has_lost_its_chain(chained, tmp_path):
    kept = tmp_path / "heads.json"
    kept.write_text(json.dumps({"t_gone": {"position": 4, "digest": "ab" * 32}}))

    assert verified("--against", str(kept)).splitlines()[0] == "t_gone  no head  missing at 4"
    kept.write_text("[]")
    assert "does not hold heads" in verified("--against", str(kept))
