"""Exchange accounts for a tenant's staff: to look at, to check again, to take back. Keys are not shown anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from citadel import services as citadel
from citadel.models import ExchangeAccount
from obscura.core.errors import Problem

COLOURS = {"pending": "info", "active": "success", "refused": "danger", "revoked": ""}


def register_tenant(site: admin.AdminSite) -> None:
    """What a tenant's staff see. Credentials are registered nowhere."""
    site.register(ExchangeAccount, ExchangeAccountAdmin)


class ExchangeAccountAdmin(ModelAdmin):  # type: ignore[misc]
    """Read-only but for two actions."""

    list_display = ("label", "owner", "exchange", "venue", "state", "reason", "checked_at")
    list_filter = ("status", "environment", "exchange")
    search_fields = ("label", "owner__email", "id")
    list_select_related = ("owner",)
    fields = (
        "id", "owner", "label", "exchange", "environment", "status", "reason", "hint", "permissions",
        "egress_address", "checked_at", "created_at",
    )  # fmt: skip
    readonly_fields = fields
    list_fullwidth = True
    ordering = ("owner__email", "label")
    actions = ("recheck", "revoke")

    @display(description="Environment", ordering="environment", label={"live": "warning", "paper": "info"})
    def venue(self, account: ExchangeAccount) -> tuple[str, str]:
        """Real money, or the paper venue."""
        return account.environment, account.get_environment_display()

    @display(description="State", ordering="status", label=COLOURS)
    def state(self, account: ExchangeAccount) -> tuple[str, str]:
        """Whether it can be traded on."""
        return account.status, account.get_status_display()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="Ask the exchange again what the key may do", permissions=["change"])
    def recheck(self, request: HttpRequest, queryset: QuerySet[ExchangeAccount]) -> None:
        """Check the chosen accounts."""
        self._each(request, queryset, citadel.ask_check, "is being checked")

    @admin.action(description="Take back: erase the keys, pause what copies", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ExchangeAccount]) -> None:
        """Take the chosen accounts back."""
        self._each(request, queryset, citadel.revoke_account, "was taken back")

    def _each(
        self, request: HttpRequest, queryset: QuerySet[ExchangeAccount], act: Callable[..., object], word: str
    ) -> None:
        for account in queryset:
            try:
                act(account_id=account.pk, actor=f"staff:{request.user}")
            except Problem as problem:
                self.message_user(request, f"{account}: {problem.message} {problem.remedy}", messages.ERROR)
            else:
                self.message_user(request, f"{account} {word}.")
