"""Plans in the back office: what each allows, and which tenants are on it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from billing import services as billing
from billing.plans.models import Plan
from tenants.models import Tenant


def register_office(site: admin.AdminSite) -> None:
    """What the platform's staff see."""
    site.register(Plan, PlanAdmin)


class PlanForm(forms.ModelForm):
    """A plan's limits, and tenants to put on it."""

    put_on_it = forms.ModelMultipleChoiceField(
        queryset=Tenant.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="These tenants are put on this plan when you save. Those that are on it get its new limits anyway.",
    )

    class Meta:
        model = Plan
        fields = ("code", "name", "max_subscriptions", "max_copy_usd", "api", "requests_per_minute")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Tenant.objects.filter(kind__in=[Tenant.Kind.ZERO, Tenant.Kind.PARTNER]).order_by("name")
        on_it = Tenant.objects.filter(entitlements__plan=self.instance.code)  # a tenant without a plan is not in here
        self.fields["put_on_it"].queryset = others.exclude(pk__in=on_it)  # type: ignore[attr-defined]


class PlanAdmin(ModelAdmin):  # type: ignore[misc]
    """Plans. A plan somebody may be on is not deleted."""

    form = PlanForm
    list_display = ("code", "name", "max_subscriptions", "max_copy_usd", "api", "requests_per_minute", "tenants")
    search_fields = ("code", "name")
    list_fullwidth = True
    ordering = ("code",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("code",)

    @admin.display(description="Tenants on it")
    def tenants(self, plan: Plan) -> int:
        """How many are on it."""
        return Tenant.objects.filter(entitlements__plan=plan.code).count()

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        chosen = {tenant.pk for tenant in form.cleaned_data["put_on_it"]}
        on_it = set(Tenant.objects.filter(entitlements__plan=obj.code).values_list("pk", flat=True))
        for tenant_id in sorted(chosen | on_it):
            billing.apply_plan(tenant_id=tenant_id, plan_code=obj.code, actor=f"staff:{request.user}")
