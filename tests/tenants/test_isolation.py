"""No tenant sees another: over HTTP, sockets, tasks, cache and threads, while both are busy at once.

Run under the stock engine these fail, which test_stock_engine.py ascertains.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import celery
import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.http import HttpResponse, JsonResponse
from django.test import AsyncRequestFactory
from django.urls import path

from obscura.ops import sites
from tenants.middleware import TenantMiddleware
from tenants.scope import current, entered
from tenants.ws import TenantSockets
from tests.support.sockets import Socket
from tests.tenants.isolation_consumer import Reader

SOCKETS, ROUNDS = 20, 5
HOSTS = {"t_alpha": "alpha.testserver", "t_beta": "beta.testserver"}
PEOPLE = {"t_alpha": ["Ada", "Ben"], "t_beta": ["Cleo"]}


@pytest.fixture
def busy(committed, redis_db, alpha, beta, cast):
    """Ada and Ben live at Alpha, Cleo at Beta; each tenant has its own name in its cache."""
    cast.ada(at=alpha), cast.ben(at=alpha), cast.cleo(at=beta)
    for tenant in (alpha, beta):
        with entered(tenant):
            cache.set("whose", tenant.schema_name)
    connection.set_schema_to_public()
    return (alpha, beta)


def names():
    return list(get_user_model().objects.order_by("name").values_list("name", flat=True))


async def test_sockets_that_take_turns_on_one_thread_read_their_own_rows(busy):
    app = TenantSockets(URLRouter([path("read/", Reader.as_asgi())]))

    async def visit(schema):
        socket = Socket(app, "/read/", host=HOSTS[schema])
        assert await socket.connect() is None
        seen = []
        for _ in range(ROUNDS):
            await socket.send("{}")
            seen.append(await socket.receive_json())
        await socket.close()
        expected = {"names": PEOPLE[schema], "again": PEOPLE[schema], "cached": schema}
        return [one for one in seen if one != expected]

    wrong = await asyncio.gather(*(visit(list(HOSTS)[number % 2]) for number in range(SOCKETS)))

    assert [one for some in wrong for one in some] == []


async def test_tasks_of_one_loop_read_their_own_rows(busy):
    async def read(tenant):
        with entered(tenant):
            await asyncio.sleep(0)
            seen = [user.name async for user in get_user_model().objects.order_by("name")]
            in_thread = await sync_to_async(names, thread_sensitive=False)()
            other = await asyncio.to_thread(_closing, names)
            return (tenant.schema_name, seen, in_thread, other)

    answers = await asyncio.gather(*(read(busy[number % 2]) for number in range(40)))

    assert [one for one in answers if one[1:] != (PEOPLE[one[0]],) * 3] == []


async def test_the_cache_keeps_tenants_apart_in_coroutines(busy):
    async def read(tenant):
        with entered(tenant):
            await asyncio.sleep(0)
            await cache.aset(f"mine-{tenant.schema_name}", tenant.schema_name)
            return (tenant.schema_name, await cache.aget("whose"))

    answers = await asyncio.gather(*(read(busy[number % 2]) for number in range(40)))

    assert [one for one in answers if one[0] != one[1]] == []


def test_the_cache_keeps_tenants_apart_in_threads(busy):
    def read(number):
        tenant = busy[number % 2]
        with entered(tenant):
            return (tenant.schema_name, cache.get("whose"))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(read, range(40)))

    assert [one for one in answers if one[0] != one[1]] == []


async def test_requests_over_asgi_answer_in_their_own_tenant(busy):
    from obscura.asgi import application

    async def ask(schema):
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": "/brand.css",
            "query_string": b"",
            "headers": [(b"host", HOSTS[schema].encode())],
        }
        talk = ApplicationCommunicator(application, scope)
        await talk.send_input({"type": "http.request", "body": b""})
        start = await talk.receive_output(20)
        body = await talk.receive_output(20)
        await talk.wait()
        return (schema, start["status"], body["body"].decode())

    colours = {"t_alpha": "#2e6fd9", "t_beta": "#1f8a5b"}
    answers = await asyncio.gather(*(ask(list(HOSTS)[number % 2]) for number in range(30)))

    assert [(schema, status) for schema, status, body in answers if status != 200 or colours[schema] not in body] == []


async def test_async_views_that_read_in_threads_answer_in_their_own_tenant(busy):
    async def view(request):
        await asyncio.sleep(0)
        return JsonResponse({"names": await asyncio.to_thread(_closing, names)})

    served = TenantMiddleware(view)

    async def ask(schema):
        return (schema, json.loads((await served(_request(HOSTS[schema]))).content)["names"])

    answers = await asyncio.gather(*(ask(list(HOSTS)[number % 2]) for number in range(30)))

    assert [one for one in answers if one[1] != PEOPLE[one[0]]] == []


async def test_admin_pages_made_in_a_pool_of_threads_show_their_own_people(busy, cast):
    importlib.import_module("obscura.urls")  # which fills the sites
    staff = {tenant.schema_name: await sync_to_async(cast.staff)(at=tenant) for tenant in busy}

    async def view(request):
        request.user = staff[request.tenant.schema_name]
        page = sites.tenant.admin_view(sites.tenant.get_model_admin(get_user_model()).changelist_view)
        made = await asyncio.to_thread(_closing, lambda: page(request).render())
        return HttpResponse(made.content)

    served = TenantMiddleware(view)

    async def ask(schema):
        body = (await served(_request(HOSTS[schema]))).content.decode()
        return (schema, [name for name in ("Ada", "Ben", "Cleo") if f"{name.lower()}@example.com" in body])

    answers = await asyncio.gather(*(ask(list(HOSTS)[number % 2]) for number in range(6)))

    assert [one for one in answers if one[1] != PEOPLE[one[0]]] == []


async def test_tasks_that_run_a_loop_and_threads_read_their_own_rows(busy):
    app = celery.current_app

    @app.task(name="tests.isolation.loop")
    def read():
        async def gather():
            return await asyncio.gather(*(asyncio.to_thread(_closing, names) for _ in range(3)))

        return asyncio.run(gather())

    def work(tenant):
        with entered(tenant):
            return (tenant.schema_name, read.apply().get())

    try:
        answers = await asyncio.gather(*(asyncio.to_thread(_closing, work, busy[n % 2]) for n in range(6)))
    finally:
        del app.tasks["tests.isolation.loop"]

    assert [one for one in answers if one[1] != [PEOPLE[one[0]]] * 3] == []


def _request(host):
    request = AsyncRequestFactory().get("/")
    request.META["HTTP_HOST"] = host  # the factory always sends its own beside ours
    request.session = {}
    return request


def test_threads_that_share_the_pool_read_their_own_rows_through_rollbacks(busy):
    def read(number):
        tenant = busy[number % 2]
        wrong = []
        for turn in range(10):
            with entered(tenant):
                try:
                    with _atomic(fail=turn % 3 == 0):
                        wrong += [] if names() == PEOPLE[tenant.schema_name] else [names()]
                except ZeroDivisionError:
                    wrong += [] if names() == PEOPLE[tenant.schema_name] else [names()]
        connection.close()
        return wrong

    with ThreadPoolExecutor(6) as pool:
        assert [one for some in pool.map(read, range(24)) for one in some] == []


def test_a_lost_tenant_finds_no_business_tables(busy):
    from citadel.models import ExchangeAccount

    connection.set_schema_to_public()

    with pytest.raises(ProgrammingError):
        ExchangeAccount.objects.count()


def test_a_new_thread_begins_in_no_tenant(busy):
    seen = []
    with entered(busy[0]):
        worker = threading.Thread(target=lambda: seen.append(current()))
        worker.start()
        worker.join()

    assert seen == ["public"]


def test_a_connection_goes_back_to_the_pool_without_a_tenant(busy):
    with entered(busy[0]):
        names()
        connection.close()

    with connection.cursor() as cursor:
        raw = cursor.connection.execute("show search_path").fetchone()
        connection.close()
    assert "t_alpha" not in raw[0]


def test_a_task_runs_in_the_tenant_its_message_names(busy):
    app = celery.current_app
    seen = []

    @app.task(name="tests.isolation.read")
    def read():
        seen.append((current(), names()))

    try:
        for tenant in busy:
            with entered(tenant):
                read.apply()
    finally:
        del app.tasks["tests.isolation.read"]

    assert seen == [("t_alpha", ["Ada", "Ben"]), ("t_beta", ["Cleo"])]


def test_content_types_of_two_schemas_are_not_confused(busy):
    """The same model may have another id in public: what is remembered of one schema is not used in another."""
    from django.contrib.contenttypes.models import ContentType

    found = {}
    for schema in ("public", "t_alpha"):
        with entered(schema):
            ContentType.objects.get_for_model(get_user_model())
    for schema in ("public", "t_alpha"):
        with entered(schema), connection.cursor() as cursor:
            cursor.execute(
                f"select id from {schema}.django_content_type where app_label = 'accounts' and model = 'user'"
            )
            found[schema] = (cursor.fetchone()[0], ContentType.objects.get_for_model(get_user_model()).id)

    assert all(truth == remembered for truth, remembered in found.values())


def test_no_foreign_key_leaves_a_tenants_schema(alpha):
    with connection.cursor() as cursor:
        cursor.execute(
            "select conrelid::regclass::text, confrelid::regclass::text from pg_constraint c"
            " join pg_class a on a.oid = conrelid join pg_class b on b.oid = confrelid"
            " where contype = 'f' and a.relnamespace <> b.relnamespace"
        )
        assert cursor.fetchall() == []


def test_business_tables_are_not_in_public(alpha):
    with connection.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = 'public'")
        public = {name for (name,) in cursor.fetchall()}

    assert [name for name in public if name.startswith(("trading_", "citadel_exchange", "citadel_cred"))] == []


def test_nothing_is_left_to_migrate_that_no_migration_says(alpha):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def _closing(work, *given):
    try:
        return work(*given)
    finally:
        connection.close()


def _atomic(*, fail):
    from contextlib import contextmanager

    from django.db import transaction

    @contextmanager
    def block():
        with transaction.atomic():
            yield
            if fail:
                raise ZeroDivisionError

    return block()
