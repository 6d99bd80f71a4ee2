"""The audit of all schemas: the platform's own and every tenant's, each with a chain of its own."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from django.db import DatabaseError

from obscura.core import log
from obscura.core.audit import chain
from tenants import scope
from tenants.scope import PUBLIC, entered

_logger = log.get("audit")


def schemas() -> Iterator[str]:
    """Every schema with an audit, being in each for the length of one step; those of suspended tenants as well."""
    with entered(PUBLIC):
        yield PUBLIC
    for tenant in scope.each(reason="chain and verify the audit", suspended=True):
        yield tenant.schema_name


def sequence() -> int:
    """Give every entry that has none a place in its schema's chain. How many were given one.

    A schema where it fails does not keep the others waiting; it is come back to.
    """
    done = 0
    for schema in schemas():
        try:
            done += chain.extend(schema)
        except (DatabaseError, psycopg.Error) as error:
            _logger.error("audit.unchained", tenant=schema, error=type(error).__name__)
    return done
