"""What a plan allows is written on the tenant and read back exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest

from billing import services as billing
from billing.domain.entitlements import PlanLimits, values_of
from billing.plans.models import Plan
from obscura.core.audit.models import Entry
from obscura.core.features import Entitlements, entitlements
from tenants.directory import UnknownTenant
from tenants.models import Tenant
from tenants.scope import PUBLIC, entered


def stored(tenant: Tenant) -> Entitlements:
    with entered(PUBLIC):
        return entitlements(Tenant.objects.get(pk=tenant.pk).entitlements)


@pytest.fixture
def studio(alpha: Tenant) -> None:
    with entered(PUBLIC):
        Plan.objects.create(code="studio", name="Studio", max_subscriptions=3, max_copy_usd=Decimal("1250.50"))
        Plan.objects.create(code="open", name="Open", api=False)


def test_limits_survive_the_way_through_json():
    values = values_of("studio", PlanLimits(3, Decimal("1250.50"), True))

    assert entitlements(values) == Entitlements(3, Decimal("1250.50"), True)
    assert values["max_copy_usd"] == "1250.50"


def test_a_plan_without_limits_sets_none(alpha: Tenant, studio: None):
    billing.apply_plan(tenant_id=alpha.pk, plan_code="open", actor="stella")

    assert stored(alpha) == Entitlements(None, None, False)


def test_applying_a_plan_twice_leaves_its_limits_and_says_who_did_it(alpha: Tenant, beta: Tenant, studio: None):
    billing.apply_plan(tenant_id=alpha.pk, plan_code="studio", actor="stella")
    billing.apply_plan(tenant_id=alpha.pk, plan_code="studio", actor="stella")

    assert stored(alpha) == Entitlements(3, Decimal("1250.50"), True)
    assert stored(beta) == Entitlements()
    with entered(PUBLIC):
        entry = Entry.objects.filter(action="billing.plan.applied").first()
    assert (entry.actor, entry.subject, entry.facts) == ("stella", f"tenant:{alpha.pk}", {"plan": "studio"})


def test_an_unknown_plan_changes_nothing(alpha: Tenant, studio: None):
    with pytest.raises(billing.PlanUnknown):
        billing.apply_plan(tenant_id=alpha.pk, plan_code="studios", actor="stella")

    assert stored(alpha) == Entitlements()


def test_the_back_office_is_on_no_plan(alpha: Tenant, studio: None):
    with entered(PUBLIC):
        office = Tenant.objects.get(kind="office")

    with pytest.raises(UnknownTenant):
        billing.apply_plan(tenant_id=office.pk, plan_code="open", actor="stella")


def test_plans_are_listed_by_code(alpha: Tenant, studio: None):
    assert [plan.code for plan in billing.plans()] == ["open", "studio"]
