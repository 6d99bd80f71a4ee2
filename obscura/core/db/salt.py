"""A salt that names the present schema, for whoever signs with a fixed one."""

from __future__ import annotations

from django.utils.functional import lazy


def _salt(name: str) -> str:
    from obscura.core.db.session import connection

    return f"{name}:{connection.schema_name}"


def tenant_salt(name: str) -> str:
    """A text that is `name` and the schema at the moment it is used: what tenant A signed is nothing at tenant B."""
    return lazy(_salt, str)(name)
