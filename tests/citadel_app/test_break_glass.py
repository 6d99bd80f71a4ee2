"""What takes two people takes them in the services: no caller gets around it, whatever it is."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.transaction import TransactionManagementError

from citadel import services as citadel
from citadel.models import KeyVersion
from citadel.trail import break_glass, doing
from citadel.trail.break_glass import Days
from citadel.trail.models import BreakGlass
from obscura.core import clock
from obscura.core.audit.models import Entry
from obscura.core.audit.write import record
from obscura.core.errors import Invalid, Problem
from tenants import audits
from tenants.scope import PUBLIC, entered
from tests.citadel.support import BEN
from tests.citadel_app.granting import ROB, STELLA, asked, granted

pytestmark = pytest.mark.usefixtures("keys")

BOTH = {2: "disabled", 3: "active"}


@pytest.fixture
def keys(request, alpha) -> None:
    """Two versions of Alpha's, of which one is disabled."""
    now = clock.now()
    KeyVersion.objects.create(version=2, state="disabled", wrapped="local:1:a", created_at=now)
    KeyVersion.objects.create(version=3, state="active", wrapped="local:1:b", created_at=now)


def states() -> dict[int, str]:
    return dict(KeyVersion.objects.order_by("version").values_list("version", "state"))


def today() -> Days:
    return Days(clock.now().date(), clock.now().date())


ACTIONS: dict[str, tuple[dict[str, int], Callable[[int], object]]] = {
    "shred": ({}, lambda number: citadel.shred_keys(request_id=number)),
    "enable_key": ({"version": 2}, lambda n: citadel.set_key_disabled(version=2, disabled=False, request_id=n)),
    "disable_key": ({"version": 2}, lambda n: citadel.set_key_disabled(version=2, disabled=True, request_id=n)),
}


@pytest.mark.parametrize("what", ACTIONS)
def test_without_a_request_nothing_is_done(what):
    with pytest.raises(break_glass.RequestUnknown):
        ACTIONS[what][1](404)
    assert states() == BOTH


@pytest.mark.parametrize("what", ACTIONS)
def test_one_person_is_not_enough(what):
    given, act = ACTIONS[what]
    number = asked(what, **given)
    with pytest.raises(break_glass.SamePerson):
        break_glass.approve(request_id=number, approved_by=ROB.upper())

    with pytest.raises(break_glass.RequestState, match="Nobody has approved it"):
        act(number)

    assert states() == BOTH
    assert BreakGlass.objects.get().used_at is None


@pytest.mark.parametrize("what", ACTIONS)
def test_a_request_is_good_for_half_an_hour(what, monkeypatch):
    given, act = ACTIONS[what]
    number = granted(what, **given)
    present = clock.now() + timedelta(minutes=30, seconds=1)
    monkeypatch.setattr("obscura.core.clock.now", lambda: present)

    with pytest.raises(break_glass.RequestState, match="expired"):
        act(number)

    assert states() == BOTH


@pytest.mark.parametrize("what", ACTIONS)
def test_a_request_is_good_once(what):
    given, act = ACTIONS[what]
    number = granted(what, **given)
    act(number)
    after = states()

    with pytest.raises(break_glass.RequestState, match="It was used"):
        act(number)

    assert states() == after
    with entered(PUBLIC):
        used = Entry.objects.get(action="citadel.break_glass.used")
    assert (used.actor, used.facts["approved_by"], used.facts["tenant"]) == (f"staff:{ROB}", STELLA, "t_alpha")


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("shred", {"tenant": "t_beta"}),
        ("disable_key", {"version": 2}),
        ("enable_key", {"version": 3}),
        ("enable_key", {"version": 2, "tenant": "t_beta"}),
        ("export_audit", {"days": Days(date(2026, 11, 1), date(2026, 11, 2))}),
    ],
)
def test_a_request_is_good_for_what_it_says_alone(what, given, beta):
    number = granted(what, **given)

    for act in (
        lambda: citadel.shred_keys(request_id=number),
        lambda: citadel.set_key_disabled(version=2, disabled=False, request_id=number),
    ):
        with pytest.raises(break_glass.RequestOfAnother):
            act()

    assert states() == BOTH
    assert BreakGlass.objects.get().used_at is None


def test_whoever_is_no_member_of_staff_any_more_counts_no_more():
    number = granted("shred")
    with entered(PUBLIC):
        get_user_model().objects.filter(email=STELLA).update(is_active=False)

    with pytest.raises(break_glass.NotStaff):
        citadel.shred_keys(request_id=number)

    assert states() == BOTH


def test_of_several_at_once_one_does_it(committed):
    number = granted("shred")
    said: list[str] = []

    def run_it() -> None:
        try:
            with entered("t_alpha"):
                citadel.shred_keys(request_id=number)
            said.append("done")
        except Problem as problem:
            said.append(problem.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=run_it) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(said) == ["It was used.", "It was used.", "done"]
    assert Entry.objects.filter(action="citadel.key.shredded").count() == 1


def test_outside_of_a_transaction_nothing_is_spent(committed):
    number = granted("shred")

    with pytest.raises(TransactionManagementError):
        break_glass.spend(request_id=number, what="shred", tenant="t_alpha")

    assert BreakGlass.objects.get().used_at is None


# the export
def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_two_people_export_the_audit_of_a_tenant(tmp_path, cast, beta):
    record("test.done", actor="ada", subject="thing:1", count=2)
    with entered(beta):
        record("test.done", actor="eve", subject="thing:2")
    audits.sequence()
    number, out = granted("export_audit", days=today()), tmp_path / "audit.jsonl"
    before = os.umask(0)
    try:
        said = doing.use(request_id=number, out=out)
    finally:
        os.umask(before)

    [line] = lines(out)
    assert (line["record"], line["position"], line["actor"], line["facts"]) == ("t_alpha", 1, "ada", {"count": 2})
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with entered(PUBLIC):
        told = Entry.objects.get(action="citadel.audit.exported")
    assert told.actor == f"break-glass:{number} {ROB} {STELLA}"
    assert said == f"1 entries of t_alpha are in {out}, SHA-256 {told.facts['sha256']}."
    assert (told.subject, told.facts["entries"]) == ("audit:t_alpha", 1)
    again = tmp_path / "again"
    with pytest.raises(break_glass.RequestState, match="It was used"):
        doing.use(request_id=number, out=again)
    assert not again.exists()


def test_the_platforms_export_has_what_signers_told_and_no_secret(tmp_path, vault, connect, cast):
    from citadel.trail import collect

    KeyVersion.objects.all().delete()
    account = connect(cast.ben())
    citadel.enrol(account_id=account.id)
    collect.collect()
    texts = ""
    for tenant in (PUBLIC, "t_alpha"):
        with entered(tenant):
            out = tmp_path / tenant
            citadel.export_audit(days=today(), out=out, request_id=granted("export_audit", days=today()))
            texts += out.read_text()

    assert {line["record"] for line in lines(tmp_path / PUBLIC)} == {"public", "signer"}
    assert "citadel.account.connected" in texts and "sealed" in texts
    wrapped = KeyVersion.objects.get().wrapped
    for secret in (BEN.secret, BEN.api_key, wrapped, "nil:v", "11" * 32, "22" * 32):
        assert secret not in texts


def test_an_export_takes_the_days_that_were_approved(tmp_path):
    number = granted("export_audit", days=today())
    other = Days(today().first - timedelta(days=1), today().last)

    with pytest.raises(break_glass.RequestOfAnother):
        citadel.export_audit(days=other, out=tmp_path / "audit", request_id=number)
    with pytest.raises(break_glass.RequestUnknown):
        citadel.export_audit(days=today(), out=tmp_path / "audit", request_id=404)

    assert list(tmp_path.iterdir()) == []
    assert BreakGlass.objects.get().used_at is None


def test_what_is_outside_of_the_days_is_not_in_it(tmp_path, monkeypatch):
    present = clock.now()
    day = present.date()
    for hours, name in ((-24, "before"), (0, "within"), (24, "after")):
        monkeypatch.setattr("obscura.core.clock.now", lambda hours=hours: present + timedelta(hours=hours))
        record("test.done", actor=name, subject="thing:1")
    monkeypatch.setattr("obscura.core.clock.now", lambda: present)

    out = tmp_path / "audit"
    number = granted("export_audit", days=Days(day, day))
    assert citadel.export_audit(days=Days(day, day), out=out, request_id=number).entries == 1

    assert [line["actor"] for line in lines(out)] == ["within"]


def test_an_export_never_writes_over_anything_and_is_bounded(tmp_path, monkeypatch):
    number, out = granted("export_audit", days=today()), tmp_path / "audit"
    out.write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (out, tmp_path / "link", tmp_path / "none" / "audit"):
        with pytest.raises(Problem) as problem:
            citadel.export_audit(days=today(), out=path, request_id=number)
        assert problem.value.code == "export_unwritable"
    record("test.done", actor="ada", subject="thing:1")
    monkeypatch.setattr("citadel.trail.export.MOST", 0)
    with pytest.raises(Problem) as problem:
        citadel.export_audit(days=today(), out=tmp_path / "many", request_id=number)

    assert problem.value.code == "export_too_large"
    assert out.read_text() == "mine"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["audit", "link"]
    assert BreakGlass.objects.get().used_at is None


@pytest.mark.parametrize(
    ("what", "given", "code"),
    [
        ("export_audit", {}, "break_glass_days"),
        ("export_audit", {"days": Days(date(2026, 11, 2), date(2026, 11, 1))}, "break_glass_days"),
        ("export_audit", {"days": Days(date(2026, 10, 1), date(2026, 11, 1))}, "break_glass_days"),
        ("shred", {"days": Days(date(2026, 11, 1), date(2026, 11, 1))}, "break_glass_days"),
        ("enable_key", {}, "break_glass_version"),
    ],
)
def test_what_makes_no_sense_is_not_asked(what, given, code):
    with pytest.raises(Invalid) as problem:
        asked(what, **given)
    assert problem.value.code == code


def test_a_file_belongs_to_an_export_alone(tmp_path):
    for what, given, out in (("shred", {}, tmp_path / "a"), ("export_audit", {"days": today()}, None)):
        with pytest.raises(Invalid) as problem:
            doing.use(request_id=granted(what, **given), out=out)
        assert problem.value.code == "break_glass_out"
    assert states() == BOTH
