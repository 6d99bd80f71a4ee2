"""Who did what, for reading alone."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from obscura.core.audit.models import Entry


def register_office(site: AdminSite) -> None:
    """The platform's own entries."""
    site.register(Entry, EntryAdmin)


def register_tenant(site: AdminSite) -> None:
    """The tenant's entries."""
    site.register(Entry, EntryAdmin)


class EntryAdmin(ModelAdmin):  # type: ignore[misc]
    """Append-only: nobody adds, changes or deletes here."""

    list_display = ("moment", "action", "subject", "actor")
    list_fullwidth = True
    list_filter = ("action",)
    search_fields = ("subject", "actor", "action")
    date_hierarchy = "at"

    @display(description="When, UTC", ordering="at")  # type: ignore[untyped-decorator]
    def moment(self, entry: Entry) -> str:
        """To the second: entries of one minute have an order."""
        return f"{entry.at.day} {entry.at:%b %Y, %H:%M:%S}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
