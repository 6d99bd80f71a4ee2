"""One thread with one database connection that does what the event loop hands it, in the order it was handed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection, reset_queries

from tenants.models import Tenant
from tenants.scope import entered

T = TypeVar("T")


class Writer:
    """The loop's way to the database. The tenant is entered for each piece of work, and left again."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, tenant: Tenant | str, work: Callable[[], T]) -> T:
        """Do the work in a tenant's context, after whatever was handed over before.

        :raises django.db.DatabaseError: as the work raises it; the next work has a new connection
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(_within, tenant, work))

    async def close(self) -> None:
        """Finish what was handed over, give the connection back and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, _leave)
        self._thread.shutdown()


def _leave() -> None:
    connection.close()  # the thread's own: Django's connections are one a thread


def _within(tenant: Tenant | str, work: Callable[[], T]) -> T:
    try:
        with entered(tenant):
            return work()
    except (DatabaseError, InterfaceError):
        connection.close()  # it may be broken: whoever comes next begins with a fresh one
        raise
    finally:
        reset_queries()
