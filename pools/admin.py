"""Pools, traders and subscriptions for a tenant's staff. Whatever changes goes through the services, with its audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin, TabularInline

from obscura.core.errors import Problem
from pools import services as pools
from pools.models import Pool, PoolTrader, Subscription, Trader

TERMS = ("slots", "leverage", "max_slippage_bps", "signal_ttl_s", "fee_percentage")


def register_tenant(site: admin.AdminSite) -> None:
    """What a tenant's staff see."""
    site.register(Pool, PoolAdmin)
    site.register(Trader, TraderAdmin)
    site.register(Subscription, SubscriptionAdmin)


def actor_of(request: HttpRequest) -> str:
    """A member of staff as audit rows name him."""
    return f"staff:{request.user}"


class _Guarded(ModelAdmin):  # type: ignore[misc]
    """What a service refuses is said above the form; nothing was written."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[no-any-return]
        except Problem as problem:
            fields: Any = problem.details.get("fields", {})
            words = " ".join([problem.message, *fields.values(), problem.remedy])
            self.message_user(request, words, messages.ERROR)
            return HttpResponseRedirect(request.path)

    def each(self, request: HttpRequest, queryset: QuerySet[Any], act: Callable[[Any], object], word: str) -> None:
        """Do it to each and say of each what became of it."""
        for row in queryset:
            try:
                act(row)
            except Problem as problem:
                self.message_user(request, f"{row}: {problem.message} {problem.remedy}", messages.ERROR)
            else:
                self.message_user(request, f"{row} {word}.")


class PlaceInline(TabularInline):  # type: ignore[misc]
    """The traders of a pool."""

    model = PoolTrader
    extra = 0
    autocomplete_fields = ("trader",)


class PoolAdmin(_Guarded):
    """Pools: made and changed here, moved along their states by actions; curated ones of the platform only shown."""

    list_display = ("name", "kind", "status", "risk_class", "remote", "created_at")
    list_filter = ("kind", "status", "risk_class")
    search_fields = ("name", "id")
    fields = ("name", "kind", "owner", "description", "risk_class", *TERMS)
    autocomplete_fields = ("owner",)
    inlines = (PlaceInline,)
    actions = ("activate", "pause", "close")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not (obj and obj.remote) and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("kind", "owner")

    def save_model(self, request: HttpRequest, obj: Pool, form: Any, change: bool) -> None:
        said = form.cleaned_data
        if change:
            values = {name: said[name] for name in form.changed_data if name in said}
            pools.change_pool(pool_id=obj.pk, actor=actor_of(request), **values)
            return
        owner = said.pop("owner", None)
        made = pools.create_pool(owner_id=owner.pk if owner else None, actor=actor_of(request), **said)
        obj.__dict__.update(Pool.objects.get(pk=made.id).__dict__)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)
        if formset.has_changed():
            kept = [one.cleaned_data for one in formset.forms if one.cleaned_data and one not in formset.deleted_forms]
            places = [(place["trader"].pk, place["weight"]) for place in kept]
            pools.change_pool(pool_id=form.instance.pk, traders=places, actor=actor_of(request))

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[Pool]) -> None:
        """Let the chosen pools be followed."""
        actor = actor_of(request)
        self.each(request, queryset, lambda row: pools.activate_pool(pool_id=row.pk, actor=actor), "is active")

    @admin.action(description="Pause: open nothing more, closes go on", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Pool]) -> None:
        """Pause the chosen pools."""
        actor = actor_of(request)
        self.each(request, queryset, lambda row: pools.pause_pool(pool_id=row.pk, actor=actor), "is paused")

    @admin.action(description="Close for good", permissions=["change"])
    def close(self, request: HttpRequest, queryset: QuerySet[Pool]) -> None:
        """End the chosen pools."""
        actor = actor_of(request)
        self.each(request, queryset, lambda row: pools.close_pool(pool_id=row.pk, actor=actor), "is closed")


class TraderForm(forms.ModelForm):
    """What is asked to make a trader."""

    class Meta:
        model = Trader
        fields = ("name", "account", "reference_capital_usd")


class TraderAdmin(_Guarded):
    """Traders: made here, then only shown."""

    form = TraderForm
    list_display = ("name", "user", "account", "reference_capital_usd", "created_at")
    search_fields = ("name", "user__email", "id")
    list_select_related = ("user", "account")
    autocomplete_fields = ("account",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Trader, form: Any, change: bool) -> None:
        said = form.cleaned_data
        made = pools.create_trader(
            name=said["name"],
            account_id=said["account"].pk if said["account"] else None,
            reference_capital_usd=said["reference_capital_usd"],
            actor=actor_of(request),
        )
        obj.__dict__.update(Trader.objects.get(pk=made.id).__dict__)


class SubscriptionAdmin(_Guarded):
    """Subscriptions: to look at, to pause and to stop."""

    list_display = ("id", "user", "pool", "account", "status", "total_investment", "exposure", "realised")
    list_filter = ("status", "pool")
    search_fields = ("id", "user__email", "pool__name")
    list_select_related = ("user", "pool", "account")
    actions = ("pause", "stop")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    @admin.action(description="Pause: open nothing more, closes go on", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Pause the chosen subscriptions."""
        self._move(request, queryset, pools.pause_subscription, "is paused")

    @admin.action(description="Stop for good: close with the lead, then end", permissions=["change"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Stop the chosen subscriptions."""
        self._move(request, queryset, pools.stop_subscription, "is stopped")

    def _move(
        self, request: HttpRequest, queryset: QuerySet[Subscription], move: Callable[..., object], word: str
    ) -> None:
        actor = actor_of(request)
        self.each(request, queryset, lambda row: move(subscription_id=row.pk, user_id=row.user_id, actor=actor), word)
