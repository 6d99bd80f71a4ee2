"""Billing's door: what plans there are, which of them a tenant is on, and what is due of followers' profits."""

from __future__ import annotations

from django.db import transaction

from billing.domain.entitlements import PlanLimits, values_of
from billing.plans.models import Plan
from billing.profit.services import due_of, settle_share, shares_of
from billing.types import PlanRef
from obscura.core.audit import write as audit
from obscura.core.errors import NotFound
from tenants import services as tenants
from tenants.scope import PUBLIC, entered

__all__ = ["PlanUnknown", "apply_plan", "due_of", "plans", "settle_share", "shares_of"]


class PlanUnknown(NotFound):
    """There is no such plan."""

    code = "plan_unknown"
    remedy = "Make the plan in the back office first, or check its code."


def plans() -> list[PlanRef]:
    """Every plan, by code."""
    with entered(PUBLIC):
        return [_ref(plan) for plan in Plan.objects.order_by("code")]


def apply_plan(*, tenant_id: int, plan_code: str, actor: str) -> None:
    """Put a tenant on a plan: its limits hold from now on, everywhere within a second. May be repeated.

    What runs already goes on; a limit is asked when something new begins.

    :raises PlanUnknown: there is no such plan
    :raises tenants.directory.UnknownTenant: there is no such tenant, or it is the platform's own
    """
    with entered(PUBLIC), transaction.atomic():
        plan = Plan.objects.filter(code=plan_code).first()
        if plan is None:
            raise PlanUnknown
        limits = PlanLimits(plan.max_subscriptions, plan.max_copy_usd, plan.api, plan.requests_per_minute)
        tenants.set_entitlements(tenant_id=tenant_id, values=values_of(plan.code, limits))
        audit.record("billing.plan.applied", actor=actor, subject=f"tenant:{tenant_id}", plan=plan.code)


def _ref(plan: Plan) -> PlanRef:
    limits = (plan.max_subscriptions, plan.max_copy_usd, plan.api, plan.requests_per_minute)
    return PlanRef(plan.code, plan.name, *limits)
