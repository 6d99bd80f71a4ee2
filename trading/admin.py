"""Where accounts differ from the record, and what was cut: for a tenant's staff to look at."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, EmptyFieldListFilter
from django.db.models import F
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from trading.models import Adjustment, Drift

COLOURS = {"smaller": "warning", "larger": "info", "order_open": "danger", "order_gone": "warning"}


def register_tenant(site: AdminSite) -> None:
    """What a tenant's staff see."""
    site.register(Drift, DriftAdmin)
    site.register(Adjustment, AdjustmentAdmin)


class _ReadOnly(ModelAdmin):  # type: ignore[misc]
    list_fullwidth = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DriftAdmin(_ReadOnly):
    """Differences, those that stand first."""

    list_display = ("what", "symbol", "side", "ours", "theirs", "sightings", "last_seen", "resolved_at", "done")
    list_filter = ("kind", "market", ("resolved_at", EmptyFieldListFilter))
    search_fields = ("account_id", "user_id", "symbol")
    date_hierarchy = "first_seen"
    ordering = (F("resolved_at").desc(nulls_first=True), "-last_seen")

    @display(description="Kind", ordering="kind", label=COLOURS)  # type: ignore[untyped-decorator]
    def what(self, row: Drift) -> tuple[str, str]:
        """What differs."""
        return row.kind, row.get_kind_display()


class AdjustmentAdmin(_ReadOnly):
    """Holdings that were cut to what the exchange has."""

    list_display = ("symbol", "side", "qty", "cost", "released", "reason", "subscription_id", "at")
    list_filter = ("reason", "market")
    search_fields = ("account_id", "user_id", "symbol", "subscription_id")
    date_hierarchy = "at"
    ordering = ("-at",)
