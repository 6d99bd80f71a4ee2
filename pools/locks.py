"""Locks on things that have no row of their own to be locked."""

from __future__ import annotations

from django.db import connection

from tenants.scope import current


def hold(name: str) -> None:
    """Wait until nobody else holds `name` in the present tenant, then hold it until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"pools:{current()}:{name}"])
