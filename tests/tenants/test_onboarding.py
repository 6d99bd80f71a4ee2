"""A tenant that was opened by replaying the template is the same as one that was migrated from nothing."""

from __future__ import annotations

import io
import re

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from obscura.core.audit.models import Entry
from obscura.core.db import dump
from tenants import directory, onboarding, services
from tenants.models import Domain, Tenant
from tenants.scope import PUBLIC, entered

# What a schema is made of, with its own name taken out so that two can be compared. Places count what is there: a
# column that a migration dropped leaves a gap, which a replay closes. PostgreSQL also moves casts when it reads back
# what it wrote (x = ANY (ARRAY[...])), so definitions are compared without casts and parentheses.
FACTS = {
    "columns": """select table_name, column_name, data_type, character_maximum_length, is_nullable, is_identity,
        row_number() over (partition by table_name order by ordinal_position), replace(column_default, %(s)s, '')
        from information_schema.columns where table_schema = %(s)s""",
    "constraints": """select conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid)
        from pg_constraint where connamespace = %(s)s::regnamespace""",
    "indexes": "select tablename, indexname, indexdef from pg_indexes where schemaname = %(s)s",
    "sequences": """select sequencename, data_type::text, start_value, increment_by
        from pg_sequences where schemaname = %(s)s""",
    "functions": "select proname, prosrc from pg_proc where pronamespace = %(s)s::regnamespace",
    "triggers": """select tgname, tgrelid::regclass::text from pg_trigger join pg_class c on c.oid = tgrelid
        where not tgisinternal and relnamespace = %(s)s::regnamespace""",
}
CAST = re.compile(r"::(character varying|text)(\[\])?|[()]")
ROWS = {
    "migrations": "select app, name from {}.django_migrations",
    "content types": "select app_label, model from {}.django_content_type",
    "permissions": "select codename, app_label, model from {0}.auth_permission p"
    " join {0}.django_content_type c on c.id = p.content_type_id",
}


def facts(schema):
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(f"set local search_path = {schema}")
        for name, sql in FACTS.items():
            cursor.execute(sql, {"s": schema})
            found[name] = sorted(CAST.sub("", str(row).replace(schema, "")) for row in cursor.fetchall())
        for name, sql in ROWS.items():
            cursor.execute(sql.format(schema))
            found[name] = sorted(cursor.fetchall())
    connection.search_path_set_schemas = None
    return found


def open_gamma(**changed):
    said = {
        "name": "Gamma",
        "slug": "gamma",
        "kind": "partner",
        "hosts": ["gamma.testserver", "www.gamma.testserver"],
        "actor": "test",
    }
    return services.open_tenant(**{**said, **changed})


def test_a_replayed_tenant_equals_a_migrated_one(committed, monkeypatch, alpha):
    connection.set_schema_to_public()
    open_gamma()
    monkeypatch.setattr(dump, "pg_dump", lambda: None)
    monkeypatch.setattr(onboarding, "template_sql", lambda: None)
    open_gamma(name="Delta", slug="delta", hosts=["delta.testserver"])

    from django.db import transaction

    with transaction.atomic():
        replayed, migrated = facts("t_gamma"), facts("t_delta")

    assert replayed["columns"]
    for name in replayed:
        assert replayed[name] == migrated[name], name


def test_an_opened_tenant_works_at_once(committed, cast, client_at, alpha):
    connection.set_schema_to_public()
    opened = open_gamma()

    gamma = directory.tenant_by_schema(opened.schema)
    ben = cast.ben(at=gamma)

    assert (opened.schema, opened.kind) == ("t_gamma", "partner")
    assert [d.domain for d in Domain.objects.filter(tenant_id=opened.id, is_primary=True)] == ["gamma.testserver"]
    with entered(gamma):
        assert type(ben).objects.get().email == "ben@example.com"
        assert type(ben).objects.count() == 1
    with entered(alpha):
        assert type(ben).objects.count() == 0
    assert client_at("gamma.testserver").get("/api/v1/auth/me").status_code == 401


def test_opening_is_written_down(zero):
    opened = open_gamma()

    with entered(PUBLIC):
        entry = Entry.objects.get(action="tenants.tenant.opened")
    assert (entry.actor, entry.subject) == ("test", "tenant:t_gamma")
    assert entry.facts == {"hosts": ["gamma.testserver", "www.gamma.testserver"]}
    assert opened.id < 2**24


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"slug": "alpha"}, onboarding.SchemaTaken),
        ({"slug": "x; drop schema public"}, onboarding.NotATenant),
        ({"slug": "Ümlaut"}, onboarding.NotATenant),
        ({"hosts": ["alpha.testserver"]}, onboarding.HostTaken),
        ({"hosts": ["not a host"]}, onboarding.NotATenant),
        ({"hosts": []}, onboarding.NotATenant),
        ({"brand_colour": "red"}, onboarding.NotATenant),
        ({"kind": "office"}, onboarding.NotATenant),
    ],
)
def test_what_cannot_be_opened_leaves_nothing_behind(zero, changed, problem):
    with entered(PUBLIC):
        before = Tenant.objects.count()

        with pytest.raises(problem):
            open_gamma(**changed)

        assert Tenant.objects.count() == before


def test_setting_up_again_finds_nothing_to_do(zero):
    assert onboarding.setup_platform() == []

    said = io.StringIO()
    call_command("setup_platform", stdout=said)
    assert said.getvalue() == "everything is current\n"


def test_a_schema_without_the_mark_is_behind(zero):
    with connection.cursor() as cursor:
        cursor.execute("comment on schema t_beta is 'migrations of another time'")

    assert onboarding.behind() == ["t_beta"]


def test_office_and_template_are_there(zero):
    with entered(PUBLIC):
        assert Tenant.objects.get(kind="office").domains.get().domain == "office.testserver"
        assert Tenant.objects.get(kind="template").schema_name == settings.TEMPLATE_SCHEMA


def test_who_is_opened_while_the_platform_is_halted_is_halted_from_birth(zero):
    connection.set_schema_to_public()
    services.halt_platform(actor="stella", close=True)

    open_gamma()

    assert Tenant.objects.get(schema_name="t_gamma").platform_halt == "close"
    services.release_platform(actor="stella")
    assert not Tenant.objects.exclude(platform_halt="").exists()


def test_the_command_opens_and_says_why_it_does_not(zero):
    connection.set_schema_to_public()
    said = io.StringIO()

    call_command("open_tenant", "gamma", name="Gamma", host=["gamma.testserver"], stdout=said)
    with pytest.raises(CommandError, match="already there"):
        call_command("open_tenant", "gamma", name="Gamma", host=["gamma2.testserver"])

    assert said.getvalue() == "opened Gamma in t_gamma\n"


def test_a_functions_body_survives_the_replay():
    sql = (
        "SET row_security = off;\nCREATE FUNCTION obscura_template_schema.f() AS $$\nSET row_count = 1;\n-- why\n$$;\n"
    )

    assert dump.renamed(dump._PREAMBLE.sub("", sql), old="obscura_template_schema", new="t_x") == (
        "CREATE FUNCTION t_x.f() AS $$\nSET row_count = 1;\n-- why\n$$;\n"
    )


def test_a_template_that_is_behind_opens_nothing(zero, monkeypatch):
    monkeypatch.setattr(onboarding, "fingerprint", lambda: "of-tomorrow")

    with pytest.raises(onboarding.PlatformBehind):
        open_gamma()

    with entered(PUBLIC):
        assert Tenant.objects.filter(schema_name="t_gamma").exists() is False
