"""The directory in the back office: tenants, hosts, keys and staff; and people in each tenant's own admin."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminColorInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from obscura.core.db.session import connection
from obscura.core.errors import Problem
from obscura.core.http.confirm import HALTS, asks
from tenants import directory, onboarding, services
from tenants.accounts.models import Membership, User
from tenants.models import ApiKey, Domain, Tenant
from tenants.types import SCOPES


def register_office(site: AdminSite) -> None:
    """What the platform's staff see."""
    site.register(Tenant, TenantAdmin)
    site.register(Domain, DomainAdmin)
    site.register(ApiKey, ApiKeyAdmin)
    site.register(User, PersonAdmin)


def register_tenant(site: AdminSite) -> None:
    """What a tenant's staff see."""
    site.register(User, PersonAdmin)
    site.register(Membership, MembershipAdmin)
    site.register(Group, GroupAdmin)


def site_title(request: HttpRequest | None = None) -> str:
    """The tenant's name over its own admin."""
    return str(getattr(connection.tenant, "name", None) or "Obscura")


def actor_of(request: HttpRequest) -> str:
    """A member of staff as audit rows name him."""
    return f"staff:{request.user}"


class OpenTenantForm(forms.ModelForm):
    """What is asked to open a tenant."""

    slug = forms.CharField(
        widget=UnfoldAdminTextInputWidget, help_text="One word, e.g. aurora: its schema will be t_aurora."
    )
    hosts = forms.CharField(
        widget=UnfoldAdminTextInputWidget, help_text="Host names, separated by spaces; the first is the primary one."
    )
    kind = forms.ChoiceField(
        widget=UnfoldAdminSelectWidget,
        choices=[(kind.value, kind.label) for kind in (Tenant.Kind.PARTNER, Tenant.Kind.ZERO)],
    )

    class Meta:
        model = Tenant
        fields = ("name", "slug", "kind", "hosts", "brand_colour")
        widgets = {"name": UnfoldAdminTextInputWidget, "brand_colour": UnfoldAdminColorInputWidget}

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        try:
            schema = onboarding.schema_of(slug)
        except Problem as problem:
            raise forms.ValidationError(problem.message) from problem
        if Tenant.objects.filter(schema_name=schema).exists():
            raise forms.ValidationError("This slug is taken.")
        return slug

    def clean_hosts(self) -> list[str]:
        hosts = str(self.cleaned_data["hosts"]).split()
        taken = Domain.objects.filter(domain__in=hosts).first()
        if taken is not None:
            raise forms.ValidationError(f"{taken.domain} is taken.")
        return hosts


class DomainInline(TabularInline):  # type: ignore[misc]
    """The hosts of one tenant."""

    model = Domain
    extra = 0


OWN = (Tenant.Kind.OFFICE, Tenant.Kind.TEMPLATE)
"""Rows of the directory that are no tenants: the back office itself, and what new tenants are copied from."""


class RowsFilter(admin.SimpleListFilter):
    """Tenants, unless the platform's own rows are asked for."""

    title = "rows"
    parameter_name = "rows"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("own", "The platform's own")]

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            yield {**choice, "display": "Tenants"} if choice["display"] == gettext("All") else choice

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset  # `TenantAdmin.get_queryset` chose already, so that a total counts no other rows


class TenantAdmin(ModelAdmin):  # type: ignore[misc]
    """Tenants: opened by a form, suspended and reopened by actions, never deleted here."""

    list_display = ("name", "kind", "state", "halted", "schema_name", "offers_curated", "created_at")
    list_filter = (RowsFilter, "kind", "status")
    ordering = ("-created_at", "-id")
    list_fullwidth = True
    search_fields = ("name", "schema_name", "domains__domain")
    fields = ("name", "schema_name", "kind", "status", "brand_colour", "offers_curated", "entitlements", "created_at")
    readonly_fields = ("schema_name", "kind", "status", "created_at")
    actions = ("suspend", "reopen", "halt", "halt_and_close", "release")
    actions_list = ("halt_platform", "halt_platform_and_close", "release_platform")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Every row for its own page; a list has either tenants or the platform's own rows."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        if match is None or not str(match.url_name).endswith("_changelist"):
            return rows
        return rows.filter(kind__in=OWN) if request.GET.get("rows") == "own" else rows.exclude(kind__in=OWN)

    def get_actions(self, request: HttpRequest) -> Any:
        """The platform's own rows have no doors to close."""
        return {} if request.GET.get("rows") == "own" else super().get_actions(request)

    @display(description="State", ordering="status", label={"open": "success", "suspended": "danger"})
    def state(self, tenant: Tenant) -> tuple[str, str]:
        """Whether its doors are open."""
        return tenant.status, tenant.get_status_display()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            return OpenTenantForm
        return super().get_form(request, obj, change, widgets=OpenTenantForm.Meta.widgets, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return OpenTenantForm.Meta.fields if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else self.readonly_fields

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return [] if obj is None else [DomainInline]

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            directory.changed()
            return
        said = form.cleaned_data
        opened = services.open_tenant(
            name=said["name"],
            slug=said["slug"],
            kind=said["kind"],
            hosts=said["hosts"],
            brand_colour=said["brand_colour"],
            actor=actor_of(request),
        )
        made = Tenant.objects.get(pk=opened.id)
        obj.__dict__.update(made.__dict__)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        directory.changed()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        try:
            return super().add_view(request, form_url, extra_context)  # type: ignore[no-any-return]
        except Problem as problem:
            self.message_user(request, f"{problem.message} {problem.remedy}", messages.ERROR)
            return HttpResponseRedirect(request.path)

    def suspend(self, request: HttpRequest, queryset: Any) -> None:
        """Close the doors of the chosen tenants."""
        self._each(request, queryset, services.suspend_tenant, "suspended")

    suspend.short_description = "Suspend: hosts and keys answer 503"  # type: ignore[attr-defined]

    def reopen(self, request: HttpRequest, queryset: Any) -> None:
        """Open the doors of the chosen tenants."""
        self._each(request, queryset, services.reopen_tenant, "open")

    reopen.short_description = "Reopen"  # type: ignore[attr-defined]

    @display(description="Kill switch", label={"own": "danger", "platform": "danger"})
    def halted(self, tenant: Tenant) -> tuple[str, str] | None:
        """Which kill switch is on."""
        if tenant.platform_halt:
            return "platform", f"Platform: {tenant.get_platform_halt_display()}"
        return ("own", tenant.get_halt_display()) if tenant.halt else None

    def halt(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Halt the chosen tenants."""
        return self._halt(request, queryset, close=False)

    halt.short_description = "Kill switch: open nothing at all"  # type: ignore[attr-defined]

    def halt_and_close(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Halt the chosen tenants and close what is open there."""
        return self._halt(request, queryset, close=True)

    halt_and_close.short_description = "Kill switch: open nothing and close everything"  # type: ignore[attr-defined]

    def release(self, request: HttpRequest, queryset: Any) -> None:
        """Let the chosen tenants open again."""
        self._each(request, queryset, services.release_tenant, "released")

    release.short_description = "Release the kill switch"  # type: ignore[attr-defined]

    def _halt(self, request: HttpRequest, queryset: Any, *, close: bool) -> HttpResponse | None:
        title = "Halt and close everything" if close else "Halt"
        page = asks(request, admin=self, title=title, words=HALTS[close], subjects=queryset)
        if page is None:
            self._each(request, queryset, partial(services.halt_tenant, close=close), "halted")
        return page

    @action(description="Stop the platform", url_path="halt-platform", permissions=["change"])
    def halt_platform(self, request: HttpRequest) -> HttpResponse:
        """The kill switch of all tenants."""
        return self._halt_platform(request, close=False)

    @action(description="Stop the platform, close everything", url_path="halt-platform-close", permissions=["change"])
    def halt_platform_and_close(self, request: HttpRequest) -> HttpResponse:
        """The kill switch of all tenants, and everything that is open."""
        return self._halt_platform(request, close=True)

    @action(description="Let the platform go on", url_path="release-platform", permissions=["change"])
    def release_platform(self, request: HttpRequest) -> HttpResponse:
        """Release the platform's kill switch."""
        words = "Tenants open again, but for those that are halted themselves."
        page = asks(request, admin=self, title="Let the platform go on", words=words)
        if page is not None:
            return page
        count = services.release_platform(actor=actor_of(request))
        self.message_user(request, f"Released: {count} tenants.")
        return HttpResponseRedirect("../")

    def _halt_platform(self, request: HttpRequest, *, close: bool) -> HttpResponse:
        title = "Stop the platform and close everything" if close else "Stop the platform"
        page = asks(request, admin=self, title=title, words=HALTS[close], subjects=["Every tenant"])
        if page is not None:
            return page
        count = services.halt_platform(actor=actor_of(request), close=close)
        self.message_user(request, f"Stopped: {count} tenants.", messages.WARNING)
        return HttpResponseRedirect("../")

    def _each(self, request: HttpRequest, queryset: Any, act: Any, word: str) -> None:
        for tenant in queryset:
            try:
                act(tenant_id=tenant.id, actor=actor_of(request))
            except Problem as problem:
                self.message_user(request, f"{tenant}: {problem.message}", messages.ERROR)
            else:
                self.message_user(request, f"{tenant} is {word}.")


class DomainAdmin(ModelAdmin):  # type: ignore[misc]
    """Hosts of all tenants."""

    list_display = ("domain", "tenant", "is_primary")
    list_select_related = ("tenant",)
    ordering = ("tenant__name", "domain")
    list_fullwidth = True
    search_fields = ("domain",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.domain = obj.domain.lower()  # hosts are looked up in lower case
        super().save_model(request, obj, form, change)
        directory.changed()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        directory.changed()

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        super().delete_queryset(request, queryset)
        directory.changed()


class MintForm(forms.ModelForm):
    """What is asked to mint a key."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = ApiKey
        fields = ("tenant", "label", "environment", "scopes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "tenant" in self.fields:
            self.fields["tenant"].queryset = Tenant.objects.exclude(kind__in=OWN).order_by("name")  # type: ignore[attr-defined]


class ApiKeyAdmin(ModelAdmin):  # type: ignore[misc]
    """Keys: minted here and shown once, revoked, never changed."""

    form = MintForm
    list_display = ("prefix", "label", "tenant", "works_at", "may", "state", "created_at", "last_used_at")
    list_filter = ("environment", "tenant")
    list_select_related = ("tenant",)
    ordering = ("-created_at",)
    list_fullwidth = True
    search_fields = ("prefix", "label")
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return MintForm.Meta.fields
        return ("prefix", "label", "tenant", "environment", "scopes", "created_at", "last_used_at", "revoked_at")

    @display(description="Environment", ordering="environment", label={"live": "warning", "test": "info"})
    def works_at(self, key: ApiKey) -> tuple[str, str]:
        """Real accounts, or paper ones alone."""
        return key.environment, key.environment

    @display(description="Scopes")
    def may(self, key: ApiKey) -> str:
        """What it may do."""
        return ", ".join(key.scopes)

    @display(description="State", label={"valid": "success", "revoked": "danger"})
    def state(self, key: ApiKey) -> str:
        """Whether it opens anything."""
        return "revoked" if key.revoked_at else "valid"

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        said = form.cleaned_data
        key, key_id = services.mint_api_key(
            tenant_id=said["tenant"].id,
            label=said["label"],
            environment=said["environment"],
            scopes=said["scopes"],
            actor=actor_of(request),
        )
        made = ApiKey.objects.get(pk=key_id)
        obj.__dict__.update(made.__dict__)
        request.minted_key = key  # type: ignore[attr-defined]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        try:
            return super().add_view(request, form_url, extra_context)  # type: ignore[no-any-return]
        except Problem as problem:
            self.message_user(request, f"{problem.message} {problem.remedy}", messages.ERROR)
            return HttpResponseRedirect(request.path)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        """Show the key in the answer itself: it is stored nowhere, not even in a message."""
        context = {**self.admin_site.each_context(request), "title": "API key", "key": obj, "opts": self.opts}
        context["secret"] = request.minted_key  # type: ignore[attr-defined]
        response = TemplateResponse(request, "admin/obscura/key_minted.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        """End the chosen keys."""
        for key in queryset:
            services.revoke_api_key(key_id=key.pk, actor=actor_of(request))
            self.message_user(request, f"{key.prefix}… is revoked.")

    revoke.short_description = "Revoke"  # type: ignore[attr-defined]


class MembershipInline(TabularInline):  # type: ignore[misc]
    """What one person was appointed to."""

    model = Membership
    extra = 0


class PersonAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc]
    """People of the present schema: a tenant's users, or the platform's staff."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "is_active", "is_staff", "date_joined")
    list_fullwidth = True
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name", "external_ref")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ("groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("email", "password", "name", "external_ref")}),
        ("What they may", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("When", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),)
    inlines = (MembershipInline,)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return [] if obj is None else self.inlines


class MembershipAdmin(ModelAdmin):  # type: ignore[misc]
    """Appointments."""

    list_display = ("user", "role", "since")
    list_select_related = ("user",)
    list_filter = ("role",)
    search_fields = ("user__email",)
    autocomplete_fields = ("user",)


class GroupAdmin(ModelAdmin):  # type: ignore[misc]
    """Groups of permissions."""

    search_fields = ("name",)
    filter_horizontal = ("permissions",)
