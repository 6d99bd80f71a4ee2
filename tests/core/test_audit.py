"""The audit's chain: what is altered, left out, moved or slipped in is found, and nothing that was written is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import ProgrammingError, connection, transaction

from obscura.core.audit import chain
from obscura.core.audit.chain import GENESIS, Head
from obscura.core.audit.models import Entry
from obscura.core.audit.verify import against, verify
from obscura.core.audit.write import record
from obscura.core.clock import now
from tenants import audits
from tenants.models import Tenant
from tenants.scope import PUBLIC, entered
from tenants.tasks import sequence

T = "t_alpha"


def written(count: int, *, first: int = 1) -> None:
    for number in range(first, first + count):
        record("test.done", actor="ada", subject=f"thing:{number}", number=number, share=1.5, words="Ä ß")


def places() -> list[tuple[int, str]]:
    return [(one.position, one.subject) for one in Entry.objects.order_by("position")]


@contextmanager
def triggers_aside() -> Iterator[Callable[..., None]]:
    """What a superuser of the database could do."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        yield lambda sql, *values: cursor.execute(f"{sql}", values)
        cursor.execute("set local session_replication_role = default")


@pytest.fixture
def five(alpha) -> list[Entry]:
    """Five entries of Alpha's, chained."""
    written(5)
    assert chain.extend(T) == 5
    return list(Entry.objects.order_by("id"))


def found() -> tuple[int | None, str]:
    verdict = verify(T)
    return verdict.broken, verdict.what


def test_what_was_written_is_chained_and_verifies(five):
    assert places() == [(n, f"thing:{n}") for n in range(1, 6)]
    assert five[0].previous == GENESIS
    assert [one.previous for one in five[1:]] == [one.digest for one in five[:-1]]
    assert verify(T) == (T, 5, Head(5, five[-1].digest), None, "")
    assert chain.extend(T) == 0

    written(2, first=6)
    assert chain.extend(T) == 2
    assert (verify(T).entries, verify(T, first=4).entries) == (7, 4)
    assert verify(T, first=4).head == verify(T).head


def test_each_schema_has_a_chain_of_its_own(alpha, beta):
    written(1)
    with entered(beta):
        written(1)
    with entered(PUBLIC):
        written(2)
    Tenant.objects.filter(pk=beta.pk).update(status="suspended")

    sequence()

    heads = {schema: chain.head(schema) for schema in audits.schemas()}
    assert {schema: one and one.position for schema, one in heads.items()} == {
        "public": 2, "t_alpha": 1, "t_beta": 1, "t_zero": None,
    }  # fmt: skip
    assert heads["t_alpha"].digest != heads["t_beta"].digest
    assert {verify(schema).what for schema in heads} == {""}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "900"),
        ("at", "'2020-01-01T00:00:00Z'"),
        ("actor", "'eve'"),
        ("action", "'test.undone'"),
        ("subject", "'thing:9'"),
        ("facts", """'{"number": 3, "share": 1.50, "words": "Ä ß"}'"""),
        ("facts", "'{}'"),
        ("position", "99"),
        ("digest", f"'{'ab' * 32}'"),
        ("previous", f"'{'ab' * 32}'"),
    ],
)
def test_every_altered_column_is_found(five, column, value):
    with triggers_aside() as run:
        run(f"update audit_entry set {column} = {value} where position = 3")

    assert found() == (3, "missing" if column == "position" else "altered")


def test_a_forger_who_mends_the_digest_breaks_the_next(five):
    with triggers_aside() as run:
        run("update audit_entry set actor = 'eve' where position = 3")
        row = next(chain.chained(T, first=3))
        digest = chain.digest(row, schema=T, position=3, previous=row.previous)
        run("update audit_entry set digest = %s where position = 3", digest)

    assert found() == (4, "reordered")


def test_a_deleted_row_is_found(five):
    with triggers_aside() as run:
        run("delete from audit_entry where position = 2")

    assert found() == (2, "missing")


def test_swapped_rows_are_found(five):
    with triggers_aside() as run:
        run("update audit_entry set position = 99 where position = 2")
        run("update audit_entry set position = 2 where position = 4")
        run("update audit_entry set position = 4 where position = 99")

    assert found() == (2, "reordered")


def test_swapped_facts_are_found(five):
    with triggers_aside() as run:
        run(
            "update audit_entry e set subject = o.subject, facts = o.facts from audit_entry o"
            " where (e.position, o.position) in ((2, 4), (4, 2))"
        )

    assert found() == (2, "altered")


def test_an_inserted_row_is_found(five):
    with triggers_aside() as run:
        run("update audit_entry set position = position + 1000 where position > 2")
        run("update audit_entry set position = position - 999 where position > 1000")
        run(
            "insert into audit_entry (at, actor, action, subject, facts, position, previous, digest)"
            " select at, 'eve', action, subject, facts, 3, digest, repeat('ab', 32) from audit_entry where position = 2"
        )

    assert found() == (3, "altered")


def test_a_chain_that_was_written_anew_or_cut_short_is_found_by_a_head_kept_elsewhere(five):
    kept = chain.head(T)
    assert against(T, kept) is None
    with triggers_aside() as run:
        run("delete from audit_entry where position = 5")
    assert found() == (None, "")
    assert against(T, kept)[3:] == (5, "missing")

    with triggers_aside() as run:
        run("update audit_entry set actor = 'eve', position = null, previous = null, digest = null")
    written(1)
    chain.extend(T)
    assert found() == (None, "")
    assert against(T, kept)[3:] == (5, "rewritten")


def test_an_entry_that_nobody_chains_is_found_after_a_minute(five):
    written(1, first=6)
    assert found() == (None, "")
    with triggers_aside() as run:
        run("update audit_entry set at = at - interval '2 min' where position is null")

    assert found() == (6, "unchained")


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("update audit_entry set actor = 'eve' where position = 1", "update"),
        ("update audit_entry set position = 77 where position = 5", "update"),
        ("update audit_entry set position = null, previous = null, digest = null where position = 5", "update"),
        (
            "update audit_entry set actor = 'eve', position = 6, previous = 'a', digest = 'b' where position is null",
            "update",
        ),
        ("update audit_entry set position = 6 where position is null", "update"),
        ("update audit_entry set facts = '{\"number\": 6.0}' where position is null", "update"),
        ("delete from audit_entry where position = 5", "delete"),
        ("delete from audit_entry where position is null", "delete"),
        ("truncate audit_entry", "truncate"),
        (
            "insert into audit_entry (at, actor, action, subject, facts, position, previous, digest)"
            " values (now(), 'eve', 'a', 'b', '{}', 6, 'a', 'b')",
            "insert",
        ),
    ],
)
@pytest.mark.parametrize("schema", ["t_alpha", "public"])
def test_the_database_refuses_to_change_what_was_written(alpha, schema, sql, word):
    with entered(alpha if schema == T else PUBLIC):
        written(5)
        chain.extend(schema)
        record("test.done", actor="ada", subject="thing:6")
        before = list(Entry.objects.order_by("id").values_list())

        with pytest.raises(ProgrammingError, match=f"append-only: {word} refused"), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(sql)

        assert list(Entry.objects.order_by("id").values_list()) == before
        assert len(before) == 6


def test_the_orm_is_refused_as_well(five):
    for change in (lambda: five[0].delete(), lambda: Entry.objects.update(actor="eve"), lambda: five[0].save()):
        with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
            change()

    assert found() == (None, "")


def test_a_tenant_that_is_opened_has_the_triggers(committed, zero):
    from tenants import onboarding

    made = onboarding.open_schema(
        schema="t_gamma", name="Gamma", kind="partner", hosts=["gamma.testserver"], brand_colour="#112233"
    )
    with entered(made):
        written(1)
        assert chain.extend("t_gamma") == 1
        with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
            Entry.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(
                "select pronamespace::regnamespace::text from pg_trigger t join pg_proc p on p.oid = t.tgfoid"
                " where tgrelid = 't_gamma.audit_entry'::regclass and not tgisinternal"
            )
            assert set(cursor.fetchall()) == {("t_gamma",)}
        assert verify("t_gamma").what == ""


def test_the_migration_can_be_taken_back_and_made_again(five):
    from importlib import import_module

    made = import_module("obscura.core.audit.migrations.0003_append_only")
    with connection.cursor() as cursor:
        cursor.execute(made.FREE)
        cursor.execute("update audit_entry set actor = 'eve' where position = 5")
        cursor.execute(made.KEPT)
        with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
            cursor.execute("update audit_entry set actor = 'ada' where position = 5")

    assert found() == (5, "altered")


def _session() -> psycopg.Connection:
    one = connection.settings_dict
    return psycopg.connect(
        dbname=one["NAME"], user=one["USER"], password=one["PASSWORD"] or None, host=one["HOST"], port=one["PORT"]
    )


def _insert(session: psycopg.Connection, subject: str) -> None:
    session.execute(
        f"insert into {T}.audit_entry (at, actor, action, subject, facts) values (%s, 'ada', 'a', %s, '{{}}')",
        [now(), subject],
    )


def test_the_entry_of_a_transaction_that_commits_late_comes_later_and_is_not_passed_over(committed, alpha):
    with _session() as slow, _session() as rolled_back:
        _insert(slow, "late")
        _insert(rolled_back, "never")
        written(3)
        assert chain.extend(T) == 3
        rolled_back.rollback()
        slow.commit()

    assert chain.extend(T) == 1
    assert places() == [(1, "thing:1"), (2, "thing:2"), (3, "thing:3"), (4, "late")]
    assert [one.position for one in Entry.objects.order_by("id")] == [4, 1, 2, 3]
    assert found() == (None, "")


def test_writers_and_sequencers_at_once_lose_nothing(committed, alpha, monkeypatch):
    monkeypatch.setattr(chain, "BATCH", 7)
    writing = threading.Event()
    writing.set()

    def write(name: str) -> None:
        with _session() as session:
            for number in range(40):
                _insert(session, f"{name}:{number}")
                if number % 3 == 0:
                    _insert(session, f"{name}:{number}+")
                session.commit()

    def chain_on() -> None:
        try:
            while writing.is_set():
                chain.extend(T)
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=[name]) for name in "abc"]
    sequencers = [threading.Thread(target=chain_on) for _ in range(2)]
    for one in (*writers, *sequencers):
        one.start()
    for one in writers:
        one.join()
    writing.clear()
    for one in sequencers:
        one.join()
    chain.extend(T)

    verdict = verify(T)
    assert (verdict.entries, verdict.what) == (3 * (40 + 14), "")
    assert Entry.objects.filter(position=None).count() == 0
    assert len({one.subject for one in Entry.objects.all()}) == 3 * (40 + 14)


def test_a_sequencer_that_dies_half_way_is_continued(committed, alpha, monkeypatch):
    monkeypatch.setattr(chain, "BATCH", 2)
    written(5)
    digest, calls = chain.digest, []

    def dies(*args, **named):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return digest(*args, **named)

    monkeypatch.setattr(chain, "digest", dies)
    with pytest.raises(KeyboardInterrupt):
        chain.extend(T)
    monkeypatch.setattr(chain, "digest", digest)
    assert Entry.objects.exclude(position=None).count() == 2
    assert found() == (None, "")

    assert chain.extend(T) == 3
    assert places() == [(n, f"thing:{n}") for n in range(1, 6)]
    assert found() == (None, "")


def test_one_sequencer_runs_at_a_time(committed, alpha):
    written(2)
    with _session() as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"audit:{T}"])
        assert chain.extend(T) == 0
        with entered(PUBLIC):
            written(1)
            assert chain.extend("public") == 1  # another schema's chain does not wait

    assert chain.extend(T) == 2


def test_the_beat_runs_the_sequencer():
    from obscura.celery import app

    assert app.conf.beat_schedule["audit.sequence"]["task"] == sequence.name
