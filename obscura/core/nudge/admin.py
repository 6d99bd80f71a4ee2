"""The health of the queues in the back office: what was promised, what is late, what needs a person."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.nudge.models import Nudge


def register_office(site: AdminSite) -> None:
    """Nudges live in public, for all tenants."""
    site.register(Nudge, NudgeAdmin)


class NudgeAdmin(ModelAdmin):  # type: ignore[misc]
    """Read-only but for one thing: what is dead may be sent again."""

    list_display = ("id", "task", "tenant", "queue", "state", "due", "tries", "error")
    list_fullwidth = True
    list_filter = ("dead", "queue", "task", "tenant")
    search_fields = ("task", "tenant", "error")
    ordering = ("-dead", "due")
    actions = ("send_again",)

    @display(  # type: ignore[untyped-decorator]
        description="State",
        ordering="dead",
        label={"waiting": "info", "overdue": "warning", "dead": "danger"},
    )
    def state(self, nudge: Nudge) -> str:
        """On its way, late, or waiting for a person."""
        if nudge.dead:
            return "dead"
        return "overdue" if nudge.due <= clock.now() else "waiting"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def send_again(self, request: HttpRequest, queryset: QuerySet[Nudge]) -> None:
        """Due now, with all tries before it: the sweep takes it up within a second."""
        with transaction.atomic():
            for nudge in queryset:
                audit.record(
                    "nudge.resent",
                    actor=f"staff:{request.user}",
                    subject=f"nudge:{nudge.pk}",
                    task=nudge.task,
                    tenant=nudge.tenant,
                )
            count = queryset.update(dead=False, tries=0, error="", due=clock.now())
        self.message_user(request, f"{count} sent again.")

    send_again.short_description = "Send again"  # type: ignore[attr-defined]
