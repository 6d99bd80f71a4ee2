"""The vault in the back office: what signers told, what was unusual, and requests that take two people."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from citadel.trail import alerts, break_glass
from citadel.trail.models import Alert, BreakGlass, KeyGeneration, SignerEntry
from obscura.core import clock
from obscura.core.errors import Problem


def register_office(site: admin.AdminSite) -> None:
    """The vault is the platform's: its record lives in public."""
    site.register(SignerEntry, SignerEntryAdmin)
    site.register(Alert, AlertAdmin)
    site.register(BreakGlass, BreakGlassAdmin)
    site.register(KeyGeneration, KeyGenerationAdmin)


class _Read(ModelAdmin):  # type: ignore[misc]
    """Nothing is added, changed or deleted by hand."""

    list_fullwidth = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SignerEntryAdmin(_Read):
    """The signer's record as it told it."""

    list_display = ("sequence", "at", "kind", "facts")
    list_filter = ("kind",)
    search_fields = ("chain", "kind")
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AlertAdmin(_Read):
    """What was unusual, what waits for a person first."""

    list_display = ("kind", "state", "count", "first_at", "last_at", "facts", "acknowledged_by")
    list_filter = ("kind",)
    ordering = ("acknowledged_by", "-last_at")
    actions = ("acknowledge",)

    @display(description="State", label={"waits": "danger", "acknowledged": "success"})  # type: ignore[untyped-decorator]
    def state(self, alert: Alert) -> str:
        """Whether a person has taken note."""
        return "acknowledged" if alert.acknowledged_by else "waits"

    @admin.action(description="Acknowledge", permissions=["change"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Take note of the chosen alerts."""
        taken = sum(alerts.acknowledge(alert_id=one.pk, actor=f"staff:{request.user}") for one in queryset)
        self.message_user(request, f"{taken} acknowledged.")


class BreakGlassAdmin(_Read):
    """Requests, asked on the command line. Here another person approves them."""

    list_display = ("id", "what", "tenant", "version", "why", "asked_by", "state", "expires_at")
    list_filter = ("what",)
    actions = ("approve",)

    @display(  # type: ignore[untyped-decorator]
        description="State",
        label={"waits": "warning", "approved": "info", "used": "danger", "expired": ""},
    )
    def state(self, row: BreakGlass) -> str:
        """How far it has come."""
        if row.used_at:
            return "used"
        if row.expires_at <= clock.now():
            return "expired"
        return "approved" if row.approved_by else "waits"

    @admin.action(description="Approve what another person asked for", permissions=["change"])
    def approve(self, request: HttpRequest, queryset: QuerySet[BreakGlass]) -> None:
        """Agree to the chosen requests."""
        for row in queryset:
            try:
                break_glass.approve(request_id=row.pk, approved_by=str(request.user))
            except Problem as problem:
                self.message_user(request, f"{row}: {problem.message} {problem.remedy}", messages.ERROR)
            else:
                self.message_user(request, f"{row} is approved: manage.py break_glass use {row.pk}")


class KeyGenerationAdmin(_Read):
    """What was made, left and destroyed of the provider's key, and which nodes still hold a share of it."""

    list_display = ("number", "provider", "made_at", "left_at", "destroyed_at", "owed")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
