"""Exchange accounts for a tenant's staff: to look at, to check again, to take back. Keys are not shown anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from citadel import services as citadel
from citadel.models import ExchangeAccount, UncheckedSigning
from obscura.core.errors import Problem
from obscura.core.http.confirm import asks

COLOURS = {"pending": "info", "active": "success", "refused": "danger", "revoked": ""}


def register_tenant(site: admin.AdminSite) -> None:
    """What a tenant's staff see. Credentials are registered nowhere."""
    site.register(ExchangeAccount, ExchangeAccountAdmin)
    site.register(UncheckedSigning, UncheckedSigningAdmin)


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


MEANS = (
    "The vault reads every order at Binance before it signs it, and holds it to what was agreed. At other exchanges it "
    "knows where a request goes, never lets one through that withdraws or transfers, and cannot read what an order "
    "says. With this switched on, whoever has broken into a worker could place any order there that a key may place, "
    "and what is signed with the key of a wallet is not known at all. Switched off, accounts there are read and their "
    "keys checked, and nothing is ordered."
)
"""What switching it on means, for whoever switches it."""


class UncheckedSigningForm(forms.ModelForm):
    """Which exchange, and that it was understood."""

    understood = forms.BooleanField(
        widget=UnfoldBooleanWidget, label="Orders at this exchange may be signed without being read", help_text=MEANS
    )

    class Meta:
        model = UncheckedSigning
        fields = ("exchange",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = set(UncheckedSigning.objects.values_list("exchange", flat=True))
        names = {one.code: one.name for one in citadel.supported_exchanges() if not citadel.asked_here(one.code)}
        choices = [(code, name) for code, name in names.items() if code not in known]
        self.fields["exchange"] = forms.ChoiceField(widget=UnfoldAdminSelectWidget, choices=choices)

    def clean(self) -> dict[str, Any] | None:
        if not citadel.can_seal_mandates():
            raise forms.ValidationError(f"{citadel.MandateKeyMissing.__doc__} {citadel.MandateKeyMissing.remedy}")
        return super().clean()


class UncheckedSigningAdmin(ModelAdmin):  # type: ignore[misc]
    """Exchanges that are signed for unread: switched on by a form, on and off by actions, never edited."""

    form = UncheckedSigningForm
    list_display = ("exchange", "state", "switched_by", "switched_at")
    fields = ("exchange", "understood")
    ordering = ("exchange",)
    actions = ("switch_on", "switch_off")

    @display(description="State", label={"on": "warning", "off": ""})
    def state(self, one: UncheckedSigning) -> tuple[str, str]:
        """Whether orders are signed for it."""
        return ("on", "Orders signed unread") if one.on else ("off", "No orders")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj is None else ("exchange", "on", "switched_by", "switched_at")

    def save_model(self, request: HttpRequest, obj: UncheckedSigning, form: Any, change: bool) -> None:
        citadel.switch_unchecked_signing(exchange=obj.exchange, on=True, actor=f"staff:{request.user}")
        obj.pk = UncheckedSigning.objects.get(exchange=obj.exchange).pk

    @admin.action(description="Sign orders unread at these exchanges", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[UncheckedSigning]) -> HttpResponse | None:
        """Asked about once more, in the words of what it means."""
        names = [one.exchange for one in queryset]
        page = asks(request, admin=self, title="Sign without reading?", words=MEANS, subjects=names)
        return page or self._switch(request, names, on=True)

    @admin.action(description="Sign no orders at these exchanges any more", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[UncheckedSigning]) -> None:
        """At once: to sign less needs no second word."""
        self._switch(request, [one.exchange for one in queryset], on=False)

    def _switch(self, request: HttpRequest, names: list[str], *, on: bool) -> None:
        for exchange in names:
            try:
                citadel.switch_unchecked_signing(exchange=exchange, on=on, actor=f"staff:{request.user}")
            except Problem as problem:
                self.message_user(request, f"{exchange}: {problem.message} {problem.remedy}", messages.ERROR)
            else:
                self.message_user(
                    request, f"Orders at {exchange} are {'signed unread' if on else 'not signed any more'}."
                )
