"""Pools, traders and subscriptions for a tenant's staff. Whatever changes goes through the services, with its audit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from obscura.core.errors import Problem
from obscura.core.http.confirm import HALTS, asks
from pools import services as pools
from pools.models import Pool, PoolTrader, Subscription, Trader
from tenants import services as tenants
from tenants.scope import current

STATES = {
    "halted": "danger",
    "draft": "info",
    "active": "success",
    "paused": "warning",
    "closing": "info",
    "closed": "",
    "ended": "",
}
RISKS = {"low": "success", "medium": "info", "high": "warning"}
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

    list_display = ("name", "kind", "state", "risk", "live", "led_from", "created_at")
    list_filter = ("kind", "status", "risk_class")
    search_fields = ("name", "id")
    fields = ("name", "kind", "owner", "description", "risk_class", *TERMS, "when_silent")
    autocomplete_fields = ("owner",)
    inlines = (PlaceInline,)
    list_fullwidth = True
    actions = ("activate", "pause", "close", "halt", "halt_and_close", "release")
    actions_list = ("halt_tenant", "halt_tenant_and_close", "release_tenant")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pool]:
        rows: QuerySet[Pool] = super().get_queryset(request)
        active = Q(subscriptions__status=Subscription.Status.ACTIVE)
        return rows.annotate(live_subscriptions=Count("subscriptions", active))

    @display(description="State", ordering="status", label=STATES)
    def state(self, pool: Pool) -> tuple[str, str]:
        """Whether it can be followed, and whether its kill switch is on."""
        if pool.origin_halt:
            return ("halted", f"{pool.get_origin_halt_display()} (at Tenant Zero)")
        return ("halted", pool.get_halt_display()) if pool.halt else (pool.status, pool.get_status_display())

    @display(description="Risk", ordering="risk_class", label=RISKS)
    def risk(self, pool: Pool) -> tuple[str, str]:
        """How much it dares."""
        return pool.risk_class, pool.get_risk_class_display()

    @display(description="Live subscriptions", ordering="live_subscriptions")
    def live(self, pool: Any) -> int:
        """How many copy it now."""
        return int(pool.live_subscriptions)

    @display(description="Led from", ordering="remote")
    def led_from(self, pool: Pool) -> str:
        """Where its leads trade."""
        return "Tenant Zero" if pool.remote else "here"

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

    @admin.action(description="Kill switch: open nothing at all", permissions=["change"])
    def halt(self, request: HttpRequest, queryset: QuerySet[Pool]) -> HttpResponse | None:
        """Halt the chosen pools."""
        return self._halt(request, queryset, close=False)

    @admin.action(description="Kill switch: open nothing and close everything", permissions=["change"])
    def halt_and_close(self, request: HttpRequest, queryset: QuerySet[Pool]) -> HttpResponse | None:
        """Halt the chosen pools and close what is open in them."""
        return self._halt(request, queryset, close=True)

    @admin.action(description="Release the kill switch", permissions=["change"])
    def release(self, request: HttpRequest, queryset: QuerySet[Pool]) -> None:
        """Let the chosen pools open again."""
        actor = actor_of(request)
        self.each(request, queryset, lambda row: pools.release_pool(pool_id=row.pk, actor=actor), "is released")

    def _halt(self, request: HttpRequest, queryset: QuerySet[Pool], *, close: bool) -> HttpResponse | None:
        title = "Halt and close everything" if close else "Halt"
        page = asks(request, admin=self, title=title, words=HALTS[close], subjects=queryset)
        if page is None:
            actor = actor_of(request)
            halt = partial(pools.halt_pool, actor=actor, close=close)
            self.each(request, queryset, lambda row: halt(pool_id=row.pk), "is halted")
        return page

    @action(description="Stop all copying", url_path="halt-tenant", permissions=["change"])
    def halt_tenant(self, request: HttpRequest) -> HttpResponse:
        """The kill switch of this whole tenant."""
        return self._halt_tenant(request, close=False)

    @action(description="Stop all copying, close everything", url_path="halt-tenant-close", permissions=["change"])
    def halt_tenant_and_close(self, request: HttpRequest) -> HttpResponse:
        """The kill switch of this whole tenant, and everything that is open."""
        return self._halt_tenant(request, close=True)

    @action(description="Let copying go on", url_path="release-tenant", permissions=["change"])
    def release_tenant(self, request: HttpRequest) -> HttpResponse:
        """Release the tenant's kill switch."""
        page = asks(request, admin=self, title="Let copying go on", words="Pools open again, but for those halted.")
        if page is not None:
            return page
        tenants.release_tenant(tenant_id=tenants.tenant_by_schema(current()).id, actor=actor_of(request))
        self.message_user(request, "Copying goes on.")
        return HttpResponseRedirect("../")

    def _halt_tenant(self, request: HttpRequest, *, close: bool) -> HttpResponse:
        title = "Stop all copying and close everything" if close else "Stop all copying"
        page = asks(request, admin=self, title=title, words=HALTS[close], subjects=["Every pool of this service"])
        if page is not None:
            return page
        tenant_id = tenants.tenant_by_schema(current()).id
        tenants.halt_tenant(tenant_id=tenant_id, actor=actor_of(request), close=close)
        self.message_user(request, "All copying is stopped.", messages.WARNING)
        return HttpResponseRedirect("../")


class TraderForm(forms.ModelForm):
    """What is asked to make a trader."""

    class Meta:
        model = Trader
        fields = ("name", "account", "reference_capital_usd")


class TraderAdmin(_Guarded):
    """Traders: made here, then only shown."""

    form = TraderForm
    list_display = ("name", "user", "account", "capital", "created_at")
    search_fields = ("name", "user__email", "id")
    list_select_related = ("user", "account")
    autocomplete_fields = ("account",)
    list_fullwidth = True
    ordering = ("name", "id")

    @display(description="Reference capital, USD", ordering="reference_capital_usd")
    def capital(self, trader: Trader) -> str | None:
        """What its trades are measured against; not said for those who trade by signals alone."""
        return None if trader.reference_capital_usd is None else f"{trader.reference_capital_usd:,.2f}"

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

    list_display = ("id", "user", "pool", "on_account", "state", "invests", "invested", "result")
    list_filter = ("status", "pool")
    search_fields = ("id", "user__email", "pool__name")
    list_select_related = ("user", "pool", "account")
    list_fullwidth = True
    ordering = ("-id",)
    actions = ("pause", "stop", "halt_followers", "release_followers")

    @display(description="State", ordering="status", label=STATES)
    def state(self, row: Subscription) -> tuple[str, str]:
        """Whether it copies."""
        return row.status, row.get_status_display()

    @display(description="Account", ordering="account__label")
    def on_account(self, row: Subscription) -> str:
        """Where it trades."""
        return f"{row.account.label} ({row.account.environment})"

    @display(description="May invest, USD", ordering="total_investment")
    def invests(self, row: Subscription) -> str:
        """Its budget."""
        return f"{row.total_investment:,.2f}"

    @display(description="Invested, USD", ordering="exposure")
    def invested(self, row: Subscription) -> str:
        """The cost of what is open."""
        return f"{row.exposure:,.2f}"

    @display(description="Result, USD", ordering="realised")
    def result(self, row: Subscription) -> str:
        """Of everything that was closed."""
        return f"{row.realised:+,.2f}"

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

    @admin.action(description="Kill switch: stop and close everything of these followers", permissions=["change"])
    def halt_followers(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> HttpResponse | None:
        """All subscriptions of whoever has one of the chosen."""
        page = asks(
            request, admin=self, title="Stop everything of these followers", words=HALTS[True],
            subjects=sorted({str(row.user) for row in queryset}),
        )  # fmt: skip
        if page is None:
            halt = partial(pools.halt_user, actor=actor_of(request))
            self.each(request, queryset, lambda row: halt(user_id=row.user_id), "and all of its follower's is stopped")
        return page

    @admin.action(description="Release the followers' kill switch", permissions=["change"])
    def release_followers(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> None:
        """Let what the switch had stopped copy again."""
        release = partial(pools.release_user, actor=actor_of(request))
        self.each(request, queryset, lambda row: release(user_id=row.user_id), "and all of its follower's is released")

    def _move(
        self, request: HttpRequest, queryset: QuerySet[Subscription], move: Callable[..., object], word: str
    ) -> None:
        actor = actor_of(request)
        self.each(request, queryset, lambda row: move(subscription_id=row.pk, user_id=row.user_id, actor=actor), word)
