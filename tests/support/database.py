"""A template database per state of the migrations; every test process works on a copy of it.

The template is built once (some seconds), a copy takes a fraction of one. In it: Tenant Zero at zero.testserver, two
partners at alpha.testserver and beta.testserver, the back office at office.testserver.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connection, connections
from django.db.backends.utils import CursorWrapper

from obscura.core.db.migrations_hash import fingerprint

TENANTS = {
    "t_zero": ("zero", "Obscura", "zero.testserver", "#d9a62e"),
    "t_alpha": ("partner", "Alpha", "alpha.testserver", "#2e6fd9"),
    "t_beta": ("partner", "Beta", "beta.testserver", "#1f8a5b"),
}
KEPT_TABLES = {"django_migrations", "django_content_type", "auth_permission", "tenants_tenant", "tenants_domain"}


@contextmanager
def copy_of_template() -> Iterator[None]:
    """Point Django at a fresh copy for the length of the block, and drop it afterwards."""
    template = f"tpl_{_state()}"
    mine = f"test_{_state()}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
    original = connection.settings_dict["NAME"]
    with _admin() as admin:
        _ensure(template, admin)
        admin.execute(f'create database "{mine}" template "{template}" strategy file_copy')
        # No test takes this server away, so nobody has to wait for the disk.
        admin.execute(f'alter database "{mine}" set synchronous_commit = off')
    _point(mine)
    try:
        yield
    finally:
        connections.close_all()
        connection.close_pool()
        _point(original)
        with _admin() as admin:
            admin.execute(f'drop database if exists "{mine}" with (force)')


def empty() -> None:
    """Remove every row that a test committed; tenants, hosts and lookup rows stay, sequences begin again.

    Only what holds rows is touched: to truncate all of some 150 tables takes a hundred times as long.
    """
    connection.set_schema_to_public()
    with connection.cursor() as cursor:
        raw = cursor.cursor.connection  # type: ignore[attr-defined]
        held = raw.execute(_which_hold_rows(connection.settings_dict["NAME"]), prepare=True).fetchall()
        if held:
            cursor.execute("set session_replication_role = replica")  # foreign keys, append-only triggers stand aside
            for (table,) in held:
                cursor.execute(f"delete from {table}")
            cursor.execute("set session_replication_role = default")
            raw.execute(_RESTART, [["public", *TENANTS], [f"{name}_id_seq" for name in KEPT_TABLES]], prepare=True)
        _drop_opened_tenants(cursor)
        cursor.execute("update tenants_tenant set status = 'open', entitlements = '{}'")


_RESTART = """select setval(format('%%I.%%I', schemaname, sequencename)::regclass, start_value, false) from pg_sequences
 where schemaname = any(%s) and last_value is not null and not sequencename = any(%s)"""


@cache
def _which_hold_rows(database: str) -> str:
    """One statement that names the tables with rows in them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select format('%%I.%%I', schemaname, tablename) from pg_tables"
            " where schemaname = any(%s) and not tablename = any(%s)",
            [["public", *TENANTS], list(KEPT_TABLES)],
        )
        tables = [name for (name,) in cursor.fetchall()]
    return " union all ".join(f"select '{table}' where exists (select from {table})" for table in tables)


def _drop_opened_tenants(cursor: CursorWrapper) -> None:
    cursor.execute(
        "select schema_name from tenants_tenant where not schema_name = any(%s)",
        [["public", settings.TEMPLATE_SCHEMA, *TENANTS]],
    )
    for (schema,) in cursor.fetchall():
        cursor.execute(f'drop schema if exists "{schema}" cascade')
        cursor.execute(
            "delete from tenants_domain using tenants_tenant t where t.id = tenant_id and t.schema_name = %s",
            [schema],
        )
        cursor.execute("delete from tenants_tenant where schema_name = %s", [schema])


def _state() -> str:
    return hashlib.sha256(fingerprint().encode() + Path(__file__).read_bytes()).hexdigest()[:12]


def _admin() -> psycopg.Connection:
    one = connection.settings_dict
    return psycopg.connect(
        dbname="postgres",
        user=one["USER"],
        password=one["PASSWORD"] or None,
        host=one["HOST"],
        port=one["PORT"],
        autocommit=True,
    )


def _point(name: str) -> None:
    settings.DATABASES["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name


def _ensure(template: str, admin: psycopg.Connection) -> None:
    folder = Path(settings.VAR)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{template}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process builds, the others wait
        found = admin.execute("select 1 from pg_database where datname = %s and datistemplate", [template]).fetchone()
        if found:
            return
        admin.execute(f'drop database if exists "{template}" with (force)')
        admin.execute(f'create database "{template}"')
        _point(template)
        _fill()
        admin.execute(f'alter database "{template}" is_template true allow_connections false')


def _fill() -> None:
    from tenants import onboarding

    onboarding.setup_platform()
    for schema, (kind, name, host, colour) in TENANTS.items():
        onboarding.open_schema(schema=schema, name=name, kind=kind, hosts=[host], brand_colour=colour)
    connection.set_schema_to_public()
    connections.close_all()
    connection.close_pool()
