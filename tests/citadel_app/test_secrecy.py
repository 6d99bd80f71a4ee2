"""A secret that went in is nowhere: not in the database, Redis, a repr, an error, a log, the admin or a traceback."""

from __future__ import annotations

import sys

import pytest
from django.db import connection
from django.test import RequestFactory
from django.views.debug import SafeExceptionReporterFilter, get_exception_reporter_class

from citadel import sealing
from citadel import services as citadel
from citadel.intake.keys import VaultNotReady
from citadel.models import Credential
from tests.citadel.support import BEN, CLEO

SECRETS = (BEN.secret, CLEO.secret)


def everything_in_the_database() -> str:
    rows: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname = 'public' or schemaname like 't\\_%'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"select t::text from {table} t")
            rows += [row[0] for row in cursor.fetchall()]
    return "\n".join(rows)


def in_it(text: str) -> list[str]:
    return [one for one in SECRETS if one in text or one.encode().hex() in text]


def test_no_secret_is_in_the_database_or_the_queue(committed, alpha, cast, connect, redis_db):
    ben = cast.ben()
    first = connect(ben)
    connect(ben, keys=CLEO, label="Other")
    before = everything_in_the_database()
    citadel.enrol(account_id=first.id)
    after = everything_in_the_database()
    queued = b"".join(
        b"".join(redis_db.lrange(key, 0, -1)) for key in redis_db.scan_iter() if redis_db.type(key) == b"list"
    )

    assert "citadel.enrol" in before
    assert in_it(before) == in_it(after) == []
    assert b"citadel.enrol" in queued
    assert in_it(queued.decode("latin-1")) == []
    assert BEN.api_key not in before + after


def test_no_secret_is_in_a_repr_or_an_error(alpha, cast, connect, capfd, caplog):
    ben = cast.ben()
    made = connect(ben)
    with pytest.raises(citadel.CredentialsInvalid) as found:
        connect(ben, credentials={"apiKey": BEN.api_key, "secret": BEN.secret + "0"})
    citadel.enrol(account_id=made.id)
    credential = Credential.objects.get()

    out, err = capfd.readouterr()
    shown = [repr(made), repr(credential), str(credential), repr(credential.__dict__), str(found.value.as_dict())]
    assert in_it("".join([*shown, out, err, caplog.text])) == []


@pytest.mark.parametrize("where", ["seal", "SealedBox"])
def test_no_secret_is_in_the_report_of_a_mistake(alpha, cast, connect, monkeypatch, settings, where):
    settings.DEBUG = False

    def broken(*_: object, **given: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(sealing, where, broken)
    try:
        connect(cast.ben())
    except ZeroDivisionError:
        report = get_exception_reporter_class(None)(RequestFactory().get("/"), *sys.exc_info())
        report.filter = SafeExceptionReporterFilter()
        frames = [frame for frame in report.get_traceback_frames() if "/citadel/" in frame["filename"]]
        shown = "".join(str(frame["vars"]) for frame in frames)

    assert "owner_id" in shown
    assert in_it(shown) == []


def test_the_signer_and_the_egress_say_nothing_of_it(alpha, cast, connect, vault):
    made = connect(cast.ben())
    citadel.enrol(account_id=made.id)

    assert in_it(vault.log("signer") + vault.log("egress")) == []


def test_a_vault_that_is_not_ready_does_not_repeat_what_was_entered(alpha, cast, connect):
    from citadel.intake.models import IntakeKey

    IntakeKey.objects.all().delete()

    with pytest.raises(VaultNotReady) as found:
        connect(cast.ben())

    assert in_it(str(found.value.as_dict())) == []


def test_a_web_process_has_no_way_to_the_vault(vault, monkeypatch):
    from citadel.client import ChunkSender, SignerClient
    from citadel.questions import OutOfReach

    monkeypatch.setenv("OBSCURA_ROLE", "web")

    for way in (SignerClient, ChunkSender):
        with pytest.raises(OutOfReach):
            way(run_dir=vault.directory)


def test_a_check_that_was_asked_for_in_a_page_is_made_by_a_worker(alpha, cast, connect, monkeypatch):
    from citadel.tasks import check
    from obscura.core.nudge.models import Nudge

    ben = cast.ben()
    made = connect(ben)
    citadel.enrol(account_id=made.id)
    before = citadel.account(account_id=made.id).checked_at
    monkeypatch.setenv("OBSCURA_ROLE", "web")
    citadel.ask_check(account_id=made.id, user_id=ben.pk, actor="ben")
    assert citadel.account(account_id=made.id).checked_at == before
    monkeypatch.delenv("OBSCURA_ROLE")

    check(account_id=str(made.id), nudge=Nudge.objects.get(task="citadel.check").pk)

    assert citadel.account(account_id=made.id).checked_at > before
