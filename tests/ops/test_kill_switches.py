"""Kill switches in the admin sites: asked twice, done once, in the record, released by hand."""

from __future__ import annotations

import pytest

from obscura.core.audit.models import Entry
from pools.models import Pool, Subscription
from tenants.models import Tenant
from tenants.scope import PUBLIC, entered
from tests.trading.support import follow, lead

POOLS, SUBSCRIPTIONS, TENANTS = "/admin/pools/pool/", "/admin/pools/subscription/", "/tenants/tenant/"


@pytest.fixture
def office(zero, cast, client_at):
    with entered(PUBLIC):
        from tenants.models import Domain

        host = Domain.objects.get(tenant__kind="office").domain
        return client_at(host, user=cast.staff())


@pytest.fixture
def desk(alpha, cast, client_at):
    return client_at("alpha.testserver", user=cast.staff())


def chosen(browser, url: str, action: str, row: object, **more: str) -> str:
    asked = {"action": action, "_selected_action": [str(row)], **more}
    answer = browser.post(url, asked, follow=True)
    assert answer.status_code == 200
    return answer.text


def test_a_pool_is_halted_when_it_was_said_twice(desk, alpha, cast):
    pool, _ = lead(cast.ada())

    page = chosen(desk, POOLS, "halt_and_close", pool.pk)
    assert "everything that is open is closed" in page
    assert f'name="_selected_action" value="{pool.pk}"' in page
    pool.refresh_from_db()
    assert pool.halt == ""

    assert "is halted." in chosen(desk, POOLS, "halt_and_close", pool.pk, confirmed="yes")
    pool.refresh_from_db()
    assert pool.halt == "close"
    assert "Opens nothing and closes everything" in desk.get(POOLS).text
    assert Entry.objects.get(action="pools.pool.halted").actor == "staff:stella@example.com"

    assert "is released." in chosen(desk, POOLS, "release", pool.pk)
    pool.refresh_from_db()
    assert pool.halt == ""


def test_a_curated_pool_that_is_led_elsewhere_can_be_halted_here(desk, alpha, cast):
    pool, _ = lead(cast.ada(), kind="curated")
    Pool.objects.update(remote=True)

    chosen(desk, POOLS, "halt", pool.pk, confirmed="yes")

    pool.refresh_from_db()
    assert pool.halt == "opens"


def test_a_followers_everything_is_stopped_and_released(desk, alpha, cast):
    pool, _ = lead(cast.ada())
    ben, cleo = follow(pool, cast.ben()), follow(pool, cast.cleo())

    assert "ben@example.com" in chosen(desk, SUBSCRIPTIONS, "halt_followers", ben.pk)
    chosen(desk, SUBSCRIPTIONS, "halt_followers", ben.pk, confirmed="yes")

    states = dict(Subscription.objects.values_list("pk", "stopped_by"))
    assert states == {ben.pk: "halt_close", cleo.pk: ""}
    chosen(desk, SUBSCRIPTIONS, "release_followers", ben.pk)
    assert set(Subscription.objects.values_list("status", flat=True)) == {"active"}


def test_a_tenants_staff_stop_their_whole_service(desk, alpha):
    page = desk.get(f"{POOLS}halt-tenant-close/")
    assert "Every pool of this service" in page.text
    assert Tenant.objects.get(pk=alpha.pk).halt == ""

    assert desk.post(f"{POOLS}halt-tenant-close/", {"confirmed": "yes"}).status_code == 302
    assert Tenant.objects.get(pk=alpha.pk).halt == "close"

    desk.post(f"{POOLS}release-tenant/", {"confirmed": "yes"})
    assert Tenant.objects.get(pk=alpha.pk).halt == ""


def test_the_back_office_halts_one_tenant_or_all_of_them(office, alpha, beta):
    assert "Alpha" in chosen(office, TENANTS, "halt", alpha.pk)
    assert "is halted." in chosen(office, TENANTS, "halt", alpha.pk, confirmed="yes")
    assert "Every tenant" in office.get(f"{TENANTS}halt-platform/").text
    office.post(f"{TENANTS}halt-platform/", {"confirmed": "yes"})

    rows = dict(Tenant.objects.exclude(halt="", platform_halt="").values_list("schema_name", "halt"))
    assert rows == {"t_alpha": "opens", "t_beta": "", "t_zero": ""}
    assert "Platform: Opens nothing" in office.get(TENANTS).text

    office.post(f"{TENANTS}release-platform/", {"confirmed": "yes"})
    assert "is released." in chosen(office, TENANTS, "release", alpha.pk)
    assert not Tenant.objects.exclude(halt="", platform_halt="").exists()
    with entered(PUBLIC):
        actions = Entry.objects.filter(action__startswith="tenants.").order_by("id").values_list("action", flat=True)
        assert list(actions) == [
            "tenants.tenant.halted",
            "tenants.platform.halted",
            "tenants.platform.released",
            "tenants.tenant.released",
        ]


def test_who_may_not_change_pools_stops_nothing(alpha, cast, client_at):
    browser = client_at("alpha.testserver", user=cast.person("stan", is_staff=True))

    assert browser.post(f"{POOLS}halt-tenant/", {"confirmed": "yes"}).status_code == 403

    assert Tenant.objects.get(pk=alpha.pk).halt == ""
