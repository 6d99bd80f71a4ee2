"""Where accounts differ from the record, what was cut, and what rests at venues: for a tenant's staff to look at."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, EmptyFieldListFilter
from django.db.models import F
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from trading.domain.stops import State
from trading.models import Adjustment, Drift, RestingStop

COLOURS = {"smaller": "warning", "larger": "info", "order_open": "danger", "order_gone": "warning"}


STATES = {"RESTING": "success", "SENDING": "info", "LEAVING": "warning", "FIRED": "info", "REFUSED": "danger"}


def register_tenant(site: AdminSite) -> None:
    """What a tenant's staff see."""
    site.register(Drift, DriftAdmin)
    site.register(Adjustment, AdjustmentAdmin)
    site.register(RestingStop, RestingStopAdmin)


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


class RestingStopAdmin(_ReadOnly):
    """Stops at venues, those that rest first."""

    list_display = ("what", "symbol", "order_side", "qty", "trigger_price", "cause", "code", "created_at", "ended_at")
    list_filter = ("kind", "state", ("ended_at", EmptyFieldListFilter))
    search_fields = ("account_id", "user_id", "symbol", "client_id")
    date_hierarchy = "created_at"
    ordering = (F("ended_at").desc(nulls_first=True), "-created_at")

    @display(description="State", ordering="state", label=STATES)  # type: ignore[untyped-decorator]
    def what(self, row: RestingStop) -> tuple[str, str]:
        """How it stands."""
        return State(row.state).name, State(row.state).name.capitalize()
