"""Schemas come and go here: the template is migrated once, a new tenant is a replay of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import transaction

from obscura.core import clock, log
from obscura.core.db import dump
from obscura.core.db.migrations_hash import fingerprint
from obscura.core.db.session import connection
from obscura.core.errors import Conflict, Invalid, Unavailable
from tenants.models import Domain, Tenant
from tenants.scope import PUBLIC, entered

_logger = log.get("onboarding")

# Any number of processes may set up the platform at once; one does, the others wait and find it done.
_LOCK = 0x0B5C


_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


class SchemaTaken(Conflict):
    """A schema of this name is already there."""

    code = "tenant_taken"
    remedy = "Choose another slug."


class HostTaken(Conflict):
    """Another tenant answers at this host."""

    code = "host_taken"
    remedy = "Choose another host, or take it from the other tenant first."


class NotATenant(Invalid):
    """A tenant cannot be opened like this."""

    code = "tenant_invalid"
    remedy = "Check name, slug (a-z, 0-9, _ and -), kind (partner or zero), hosts and colour (#rrggbb)."


class PlatformBehind(Unavailable):
    """The template is not at the migrations of this code."""

    code = "platform_behind"
    remedy = "Run setup_platform, then open the tenant again."


def schema_of(slug: str) -> str:
    """The schema of a slug: "aurora" is t_aurora, "north-sea" is t_north_sea.

    :raises NotATenant: not a slug
    """
    if not _SLUG.fullmatch(slug):
        raise NotATenant(f"{slug!r} is not a slug.")
    return f"t_{slug.replace('-', '_')}"


def setup_platform() -> list[str]:
    """Bring public, the template and all tenants up to the migrations on disk. Returns what was migrated.

    Cheap when nothing changed: every schema carries the fingerprint of its migrations as its comment.
    """
    connection.set_schema_to_public()
    if not behind():
        return []
    with _alone():
        return _migrate_what_is_behind()


@contextmanager
def _alone() -> Iterator[None]:
    # Migrating closes the connection, so the lock is held by another one, outside the pool.
    holder = connection.copy()
    holder.settings_dict["OPTIONS"].pop("pool", None)
    with closing(holder), holder.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", [_LOCK])
        yield


def _migrate_what_is_behind() -> list[str]:
    done: list[str] = []
    if PUBLIC in behind():
        call_command("migrate_schemas", shared=True, interactive=False, verbosity=0)
        mark_current(schema=PUBLIC)
        done.append(PUBLIC)
    _ensure_office()
    _ensure_template()
    # The template first, so that a tenant opened meanwhile is a copy of the new state.
    for schema in sorted(behind(), key=lambda name: name != settings.TEMPLATE_SCHEMA):
        migrate(schema=schema)
        done.append(schema)
    return done


def migrate(*, schema: str) -> None:
    """Apply what is missing to one schema."""
    call_command("migrate_schemas", tenant=True, schema_name=schema, interactive=False, verbosity=0)
    mark_current(schema=schema)
    _logger.info("onboarding.migrated", schema=schema)


def mark_current(*, schema: str) -> None:
    """Write the migrations' fingerprint on the schema. It is part of a dump, so copies of the template carry it."""
    with connection.cursor() as cursor:
        cursor.execute(f"comment on schema {connection.ops.quote_name(schema)} is 'migrations {fingerprint()}'")


def behind() -> list[str]:
    """Schemas that are not at the migrations on disk; the platform's own and the template also when missing."""
    with connection.cursor() as cursor:
        cursor.execute("select nspname, obj_description(oid, 'pg_namespace') from pg_namespace")
        marks = dict(cursor.fetchall())
        cursor.execute("select to_regclass('public.tenants_tenant') is not null")
        (known,) = cursor.fetchone()
        schemas = {PUBLIC, settings.TEMPLATE_SCHEMA}
        if known:
            cursor.execute("select schema_name from public.tenants_tenant")
            schemas |= {name for (name,) in cursor.fetchall()}
    return sorted(name for name in schemas if marks.get(name) != f"migrations {fingerprint()}")


def _ensure_office() -> None:
    office, _ = Tenant.objects.get_or_create(
        schema_name=PUBLIC,
        defaults={"name": "Back office", "kind": Tenant.Kind.OFFICE, "created_at": clock.now()},
    )
    Domain.objects.get_or_create(domain=settings.OFFICE_HOST, defaults={"tenant": office})


def _ensure_template() -> None:
    template, _ = Tenant.objects.get_or_create(
        schema_name=settings.TEMPLATE_SCHEMA,
        defaults={"name": "Template", "kind": Tenant.Kind.TEMPLATE, "created_at": clock.now()},
    )
    with connection.cursor() as cursor:
        cursor.execute(f"create schema if not exists {connection.ops.quote_name(template.schema_name)}")


def open_schema(*, schema: str, name: str, kind: str, hosts: Sequence[str], brand_colour: str) -> Tenant:
    """Make a tenant: its row, its hosts and its schema, in one transaction.

    :raises SchemaTaken: a tenant or schema of this name is there
    :raises HostTaken: another tenant answers at one of the hosts
    :raises NotATenant: the name, kind, colour or a host cannot be
    :raises PlatformBehind: the template was not migrated yet
    """
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise NotATenant(f"{host!r} is not a host name in lower case.")
    if not hosts or kind not in (Tenant.Kind.PARTNER, Tenant.Kind.ZERO):
        raise NotATenant
    with entered(PUBLIC):
        sql = template_sql()
    with entered(PUBLIC), transaction.atomic():
        if Domain.objects.filter(domain__in=hosts).exists():
            raise HostTaken
        if Tenant.objects.filter(schema_name=schema).exists() or _exists(schema):
            raise SchemaTaken
        tenant = Tenant(schema_name=schema, name=name, kind=kind, brand_colour=brand_colour, created_at=clock.now())
        try:
            tenant.full_clean(exclude=["entitlements"])
        except ValidationError as error:
            raise NotATenant(details={"fields": error.message_dict}) from error
        tenant.save()
        for number, host in enumerate(hosts):
            Domain.objects.create(domain=host, tenant=tenant, is_primary=number == 0)
        with connection.cursor() as cursor:
            if sql is None:
                cursor.execute(f"create schema {connection.ops.quote_name(schema)}")
            else:
                cursor.execute("set local check_function_bodies = off")
                cursor.execute(dump.renamed(sql, old=settings.TEMPLATE_SCHEMA, new=schema))
        if sql is None:
            migrate(schema=schema)
    return tenant


def template_sql() -> str | None:
    """The template's statements, kept on disk per fingerprint; None where there is no pg_dump to make them.

    :raises PlatformBehind: the template is not at this fingerprint
    """
    path = Path(settings.VAR) / "templates" / f"{fingerprint()}.sql"
    if path.exists():
        return path.read_text()
    sql = dump.schema_sql(schema=settings.TEMPLATE_SCHEMA)
    if sql is None:
        return None
    if f"'migrations {fingerprint()}'" not in sql:
        raise PlatformBehind
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(sql)
    draft.replace(path)
    return sql


def _exists(schema: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select exists (select from pg_namespace where nspname = %s)", [schema])
        return bool(cursor.fetchone()[0])
