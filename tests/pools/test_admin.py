"""Staff: curators publish in the back office, a tenant's staff run its pools; all of it is in the record."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing.plans.models import Plan
from obscura.core.audit.models import Entry
from pools import services as pools
from pools.curated.models import CuratedPool
from pools.models import Pool, PoolTrader, Subscription, Trader
from tenants.models import Tenant
from tenants.scope import PUBLIC, entered
from tests.pools.conftest import ACTOR, TERMS

OFFICE, ALPHA = "office.testserver", "alpha.testserver"


@pytest.fixture
def office(zero, cast, client_at, settings):
    with entered(PUBLIC):
        settings.OFFICE_HOST = OFFICE
        from tenants.models import Domain

        host = Domain.objects.get(tenant__kind="office").domain
        return client_at(host, user=cast.staff())


@pytest.fixture
def desk(alpha, cast, client_at):
    return client_at(ALPHA, user=cast.staff())


def act(browser, url: str, name: str, *rows: object) -> str:
    answer = browser.post(url, {"action": name, "_selected_action": [str(row) for row in rows]}, follow=True)
    assert answer.status_code == 200
    return answer.text


def test_a_curator_publishes_one_of_tenant_zeros_pools_and_withdraws_it(office, zero, alpha, cast, pool_of):
    with entered(zero):
        pool = pool_of(cast.ada(), kind="curated")
    url = "/curated/curatedpool/"
    assert "Kestrel" in office.get(f"{url}add/").text

    assert office.post(f"{url}add/", {"pool": str(pool.id)}).status_code == 302

    with entered(PUBLIC):
        assert (CuratedPool.objects.get().pk, CuratedPool.objects.get().status) == (pool.id, "published")
        assert Entry.objects.get(action="pools.curated.published").actor == "staff:stella@example.com"
    assert "Kestrel" in office.get(url).text
    assert "Kestrel" not in office.get(f"{url}add/").text
    assert office.get(f"{url}{pool.id}/change/").status_code == 200

    assert "Kestrel is withdrawn." in act(office, url, "withdraw", pool.id)
    with entered(alpha):
        assert pools.pool_of(pool_id=pool.id).status == "paused"
    assert "Kestrel is published." in act(office, url, "publish", pool.id)
    with entered(alpha):
        assert pools.pool_of(pool_id=pool.id).status == "active"


def test_a_tenants_own_staff_reach_no_back_office(desk):
    assert desk.get("/admin/").status_code == 200
    for path in ("/curated/curatedpool/", "/admin/curated/curatedpool/", "/admin/plans/plan/"):
        assert desk.get(path).status_code == 404


def test_staff_make_a_pool_with_its_traders_and_activate_it(desk, alpha, cast, account_of):
    account = account_of(cast.ada())
    answer = desk.post("/admin/pools/trader/add/", {"name": "Ada", "account": str(account)})
    assert answer.status_code == 302
    trader = Trader.objects.get()

    answer = desk.post(
        "/admin/pools/pool/add/",
        {
            "name": "Kestrel", "kind": "partner", "owner": "", "description": "", "risk_class": "low", "slots": "8",
            "leverage": "2", "max_slippage_bps": "40", "signal_ttl_s": "20", "fee_percentage": "15",
            "when_silent": "close",
            "places-TOTAL_FORMS": "1", "places-INITIAL_FORMS": "0", "places-0-trader": str(trader.pk),
            "places-0-weight": "0.5",
        },
    )  # fmt: skip

    assert answer.status_code == 302, answer.text
    pool = pools.pools_of()[0]
    assert (pool.name, pool.slots, pool.fee_percentage, pool.status) == ("Kestrel", 8, Decimal(15), "draft")
    assert Pool.objects.get().when_silent == "close"
    assert [(one.name, one.weight) for one in pool.traders] == [("Ada", Decimal("0.5000"))]
    assert "Kestrel is active." in act(desk, "/admin/pools/pool/", "activate", pool.id)
    assert [one.actor for one in Entry.objects.filter(action="pools.pool.active")] == ["staff:stella@example.com"]


def test_staff_change_a_pool_and_take_a_trader_out(desk, cast, pool_of):
    pool = pool_of(cast.ada())
    place = PoolTrader.objects.get()

    answer = desk.post(
        f"/admin/pools/pool/{pool.id}/change/",
        {
            "name": "Merlin", "description": "", "risk_class": "high", "slots": "10", "leverage": "1",
            "max_slippage_bps": "50", "signal_ttl_s": "30", "fee_percentage": "10", "when_silent": "tell",
            "places-TOTAL_FORMS": "1", "places-INITIAL_FORMS": "1", "places-0-id": str(place.pk),
            "places-0-pool": str(pool.id), "places-0-trader": str(place.trader_id), "places-0-weight": "1",
            "places-0-DELETE": "on",
        },
    )  # fmt: skip

    assert answer.status_code == 302, answer.text
    now = pools.pool_of(pool_id=pool.id)
    assert (now.name, now.risk_class, now.traders) == ("Merlin", "high", ())
    assert Entry.objects.filter(action="pools.pool.changed").exists()


def test_what_a_service_refuses_is_said_and_not_written(desk, cast, account_of, pool_of):
    lead = pool_of(cast.ada())
    taken = Trader.objects.get().account_id

    answer = desk.post("/admin/pools/trader/add/", {"name": "Again", "reference_capital_usd": ""}, follow=True)
    assert "A trader without an account needs the capital" in answer.text
    answer = desk.post("/admin/pools/trader/add/", {"name": "Again", "account": str(taken)}, follow=True)
    assert Trader.objects.count() == 1
    assert "Kestrel: The pool is closed." in (
        act(desk, "/admin/pools/pool/", "close", lead.id) and act(desk, "/admin/pools/pool/", "activate", lead.id)
    )


def test_staff_pause_and_stop_subscriptions_and_edit_none(desk, cast, pool_of, account_of):
    ben = cast.ben()
    pool = pool_of(cast.ada())
    mine = pools.subscribe(user_id=ben.pk, pool_id=pool.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)
    url = "/admin/pools/subscription/"

    assert "is paused" in act(desk, url, "pause", mine.id)
    assert Subscription.objects.get().status == "paused"
    assert "is stopped" in act(desk, url, "stop", mine.id)
    assert Subscription.objects.get().status == "closing"
    assert desk.get(f"{url}{mine.id}/change/").status_code == 200
    assert desk.post(f"{url}{mine.id}/change/", {"total_investment": "9"}).status_code == 403
    assert desk.get(f"{url}add/").status_code == 403


def test_another_tenants_rows_are_not_in_this_admin(desk, beta, cast, pool_of):
    with entered(beta):
        theirs = pool_of(cast.ada())

    assert "Kestrel" not in desk.get("/admin/pools/pool/").text
    assert desk.get(f"/admin/pools/pool/{theirs.id}/change/").status_code == 302  # "does not exist", back to the index
    act(desk, "/admin/pools/pool/", "close", theirs.id)
    with entered(beta):
        assert Pool.objects.get().status == "active"


def test_a_plan_is_put_on_tenants_and_its_new_limits_reach_those_on_it(office, alpha, beta):
    url = "/plans/plan/"
    limits = {"name": "Studio", "max_subscriptions": "3", "max_copy_usd": "", "api": "on", "requests_per_minute": "60"}

    assert office.post(f"{url}add/", {"code": "studio", "put_on_it": [alpha.pk], **limits}).status_code == 302
    with entered(PUBLIC):
        plan = Plan.objects.get()
        assert Tenant.objects.get(pk=alpha.pk).entitlements["max_subscriptions"] == 3
        assert Tenant.objects.get(pk=alpha.pk).entitlements["requests_per_minute"] == 60
        assert Tenant.objects.get(pk=beta.pk).entitlements == {}

    assert office.post(f"{url}{plan.pk}/change/", {**limits, "max_subscriptions": "5"}).status_code == 302

    with entered(PUBLIC):
        assert Tenant.objects.get(pk=alpha.pk).entitlements["max_subscriptions"] == 5
        assert Entry.objects.filter(action="billing.plan.applied").count() == 2
    assert office.get(url).status_code == 200
