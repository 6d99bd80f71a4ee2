"""Fixtures of all tests: a database of their own, tenants, a cast, clients at hosts, a clock that stands still.

A test that names `alpha`, `beta` or `zero` gets the Tenant and runs inside the first one it names, in a transaction
that is rolled back. With `committed` in its arguments everything is really committed (threads, workers, on_commit)
and removed afterwards; do not combine that with ``@pytest.mark.django_db``. Coroutines are tests like others.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.test import Client

from tests.support import database, network
from tests.support.clock import StillClock
from tests.support.people import Cast

T = TypeVar("T")

network.close()

os.environ["OBSCURA_MANDATE_KEY"] = "22" * 32  # tests agree terms, and tell every signer they start the same key


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine tests through async_to_sync: their ORM calls land on this thread, inside the test's transaction."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    async_to_sync(pyfuncitem.obj)(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames})
    return True


TOGETHER = {
    "the browser": ("tests/journeys/",),
    "whole stacks": ("tests/local/test_leaks", "tests/local/test_rotation"),  # one at a time: they want the same port
    "warm processes": (
        "tests/trading/test_sentinel",
        "tests/core/test_dead",
        "tests/trading/test_worth",
        "tests/tenants/test_worker",
    ),
}
"""Files that share what takes long to start, and so go to one test process."""
LONG = (*itertools.chain(*TOGETHER.values()), "tests/tenants/test_stock_engine")
"""What takes longest begins first, so that no process has it left when the others are done."""

PATIENT = "tests/trading/engine"
"""What waits for a venue more than it computes is spread among the rest, so that no core idles meanwhile."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file goes to one test process, and so do those of `TOGETHER`: what tests share is made once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((name for name, files in TOGETHER.items() if file.startswith(files)), file)

    return ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    files = [list(found) for _, found in itertools.groupby(items, key=lambda item: item.path)]
    first = [file for file in files if file[0].nodeid.startswith(LONG)]
    patient = [file for file in files if file[0].nodeid.startswith(PATIENT)]
    busy = [file for file in files if file not in first and file not in patient]
    items[:] = [item for file in (*first, *_spread(patient, sorted(busy, key=len, reverse=True))) for item in file]
    # What is imported by now stays: looking through it for garbage again and again costs a tenth of the suite.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _spread(few: list[T], many: list[T]) -> Iterator[T]:
    """The few, evenly among the first half of the many: short ones come last, so that all end together."""
    given = 0
    for done, one in enumerate(many, 1):
        yield one
        due = min(len(few) * done * 2 // len(many), len(few))
        yield from few[given:due]
        given = due
    yield from few[given:]


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """The template database, built once per state of the migrations, and this process's copy of it."""
    with django_db_blocker.unblock(), database.copy_of_template():
        yield


@pytest.fixture(autouse=True)
def _no_tenant_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test begins and ends in no tenant, with nothing kept of hosts and prices; with rows, an empty Redis."""
    from tenants import directory
    from tenants.access import authentication
    from trading.market import cache

    connection.set_schema_to_public()
    cache.forget()
    directory.forget()
    authentication._written.clear()
    if {"_rows", "db", "committed"} & set(request.fixturenames):
        _flush()
    yield
    connection.set_schema_to_public()


@pytest.fixture(autouse=True)
def _connections_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """database_sync_to_async closes old connections around each call, which would end the test's transaction."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda **_: None)


@pytest.fixture
def _rows(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("committed" if "committed" in request.fixturenames else "db")


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Real commits, seen by other threads and processes; on_commit runs. Rows, and Redis, are emptied afterwards."""
    with django_db_blocker.unblock():
        try:
            yield
        finally:
            database.empty()
            connection.close()
    _flush()


@pytest.fixture
def alpha(_rows: None):
    """The partner Alpha (schema t_alpha, alpha.testserver)."""
    return _enter("t_alpha")


@pytest.fixture
def beta(_rows: None):
    """The partner Beta (schema t_beta, beta.testserver)."""
    return _enter("t_beta")


@pytest.fixture
def zero(_rows: None):
    """Tenant Zero (schema t_zero, zero.testserver)."""
    return _enter("t_zero")


def _enter(schema: str):
    from tenants.models import Tenant

    before = connection.schema_name
    if before == "public":
        tenant = Tenant.objects.get(schema_name=schema)
        connection.set_tenant(tenant)
        return tenant
    from tenants.scope import PUBLIC, entered

    with entered(PUBLIC):
        return Tenant.objects.get(schema_name=schema)


@pytest.fixture
def cast(_rows: None) -> Cast:
    """Ada, Ben and Cleo: ``cast.ben()`` in the present tenant, ``cast.ben(at=beta)`` elsewhere. See Cast."""
    return Cast()


@pytest.fixture
def client_at(_rows: None) -> Callable[..., Client]:
    """A browser at a host: ``client_at("alpha.testserver")``, signed in with ``client_at(host, user=ben)``."""

    def make(host: str, *, user: object | None = None, **options: object) -> Client:
        browser = Client(SERVER_NAME=host, **options)
        if user is not None:
            from tenants import directory
            from tenants.scope import entered

            tenant = directory.tenant_by_host(host)
            assert tenant is not None, f"no tenant answers at {host}"
            with entered(tenant):
                browser.force_login(user)
        return browser

    return make


@pytest.fixture
def redis_db() -> Iterator[object]:
    """A client of this process's own Redis database, empty before and after."""
    from obscura.core import redis_clients

    _flush()
    yield redis_clients.sync()
    _flush()


def _flush() -> None:
    from obscura.core import redis_clients

    assert settings.REDIS_DATABASE != 0, "database 0 belongs to the running product"
    redis_clients.sync().flushdb()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """The clock stands at 2026-11-20 12:00 UTC; ``still.forward(seconds=5)`` moves it."""
    clock = StillClock()
    monkeypatch.setattr("obscura.core.clock.now", clock)
    return clock
