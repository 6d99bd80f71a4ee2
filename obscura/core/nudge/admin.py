"""The health of the queues in the back office: what was promised, what is late, what needs a person."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from obscura.core import clock
from obscura.core.db.session import connection
from obscura.core.nudge.dead_letters import replay
from obscura.core.nudge.models import DeadLetter, Nudge
from obscura.core.nudge.send import words_of


def register_office(site: AdminSite) -> None:
    """Nudges live in public, for all tenants."""
    site.register(Nudge, NudgeAdmin)


def register_tenant(site: AdminSite) -> None:
    """A tenant's staff see what is dead of its own."""
    site.register(DeadLetter, DeadLetterAdmin)


class _Letters(ModelAdmin):  # type: ignore[misc]
    """Read-only but for one thing: what is dead may be sent again, one by one or all together."""

    list_fullwidth = True
    actions = ("send_again",)

    @display(description="What it is for")  # type: ignore[untyped-decorator]
    def work(self, nudge: Nudge) -> str:
        """The task in words."""
        return words_of(nudge.task)

    @display(description="Why")  # type: ignore[untyped-decorator]
    def why(self, nudge: Nudge) -> str:
        """What the last try said, without its code."""
        return nudge.error.partition(": ")[2] or nudge.error

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def revive(self, request: HttpRequest, queryset: QuerySet[Nudge], *, tenant: str | None) -> None:
        """Send these again and say how many there were."""
        ids = list(queryset.filter(dead=True).values_list("pk", flat=True))
        count = replay(ids, actor=f"staff:{request.user}", tenant=tenant)
        self.message_user(request, f"{count} sent again.")


class NudgeAdmin(_Letters):
    """All promises of all tenants, what is dead first."""

    list_display = ("id", "task", "tenant", "queue", "state", "due", "tries", "why")
    list_filter = ("dead", "queue", "task", "tenant")
    search_fields = ("task", "tenant", "error")
    ordering = ("-dead", "due")

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

    @action(description="Send again", permissions=["change"])  # type: ignore[untyped-decorator]
    def send_again(self, request: HttpRequest, queryset: QuerySet[Nudge]) -> None:
        """What is dead among the chosen, with all tries before it."""
        self.revive(request, queryset, tenant=None)


class DeadLetterAdmin(_Letters):
    """What is dead of the present tenant; nothing of another is even counted."""

    list_display = ("id", "work", "why", "tries", "created_at")
    search_fields = ("task", "error")
    ordering = ("created_at", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Nudge]:
        return super().get_queryset(request).filter(dead=True, tenant=connection.schema_name)  # type: ignore[no-any-return]

    @action(description="Send again", permissions=["change"])  # type: ignore[untyped-decorator]
    def send_again(self, request: HttpRequest, queryset: QuerySet[Nudge]) -> None:
        """The chosen, or all of the tenant's."""
        self.revive(request, queryset, tenant=connection.schema_name)
