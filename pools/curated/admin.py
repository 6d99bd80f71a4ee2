"""Curated pools in the back office: publish a pool of Tenant Zero, publish it again, withdraw it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from obscura.core.errors import Problem
from pools import services as pools
from pools.curated.models import CuratedPool


def register_office(site: admin.AdminSite) -> None:
    """What the platform's curators see."""
    site.register(CuratedPool, CuratedPoolAdmin)


def actor_of(request: HttpRequest) -> str:
    """A member of staff as audit rows name him."""
    return f"staff:{request.user}"


class PublishForm(forms.ModelForm):
    """Which of Tenant Zero's active curated pools is published; those that are already are not offered."""

    pool = forms.ChoiceField(widget=UnfoldAdminSelectWidget, help_text="Active curated pools of Tenant Zero.")

    class Meta:
        model = CuratedPool
        fields = ("pool",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["pool"].choices = [(str(pool_id), name) for pool_id, name in pools.unpublished()]  # type: ignore[attr-defined]


class CuratedPoolAdmin(ModelAdmin):  # type: ignore[misc]
    """What is offered to all tenants. Adding one publishes it; nothing is edited or deleted here."""

    list_display = ("name", "state", "risk", "followers", "published_at", "published_by")
    list_filter = ("status", "risk_class")
    search_fields = ("name", "id")
    actions = ("publish", "withdraw")
    list_fullwidth = True
    ordering = ("name", "id")

    @display(
        description="State",
        ordering="status",
        label={"draft": "info", "published": "success", "withdrawn": "warning"},
    )
    def state(self, row: CuratedPool) -> tuple[str, str]:
        """Whether it is offered."""
        return row.status, row.get_status_display()

    @display(description="Risk", ordering="risk_class", label={"low": "success", "medium": "info", "high": "warning"})
    def risk(self, row: CuratedPool) -> tuple[str, str]:
        """How much it dares."""
        return row.risk_class, row.risk_class.capitalize()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[CuratedPool]:
        rows: QuerySet[CuratedPool] = super().get_queryset(request)
        return rows.annotate(all_followers=Sum("followings__followers", default=0))

    @display(description="Followers, all tenants", ordering="all_followers")
    def followers(self, row: Any) -> int:
        """Over all tenants."""
        return int(row.all_followers)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return PublishForm if obj is None else super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("pool",) if obj is None else [field.name for field in CuratedPool._meta.fields]

    def save_model(self, request: HttpRequest, obj: CuratedPool, form: Any, change: bool) -> None:
        pool_id = UUID(form.cleaned_data["pool"])
        pools.publish_curated(pool_id=pool_id, actor=actor_of(request))
        obj.__dict__.update(CuratedPool.objects.get(pk=pool_id).__dict__)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        try:
            return super().add_view(request, form_url, extra_context)  # type: ignore[no-any-return]
        except Problem as problem:
            self.message_user(request, f"{problem.message} {problem.remedy}", messages.ERROR)
            return HttpResponseRedirect("../")

    @admin.action(description="Publish again: renew what is shown", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[CuratedPool]) -> None:
        """Publish the chosen pools as they are at Tenant Zero now."""
        self._each(request, queryset, pools.publish_curated, "is published")

    @admin.action(description="Withdraw: pause it in every tenant", permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[CuratedPool]) -> None:
        """Take the chosen offers back."""
        self._each(request, queryset, pools.withdraw_curated, "is withdrawn")

    def _each(
        self, request: HttpRequest, queryset: QuerySet[CuratedPool], act: Callable[..., object], word: str
    ) -> None:
        for row in queryset:
            try:
                act(pool_id=row.pk, actor=actor_of(request))
            except Problem as problem:
                self.message_user(request, f"{row}: {problem.message} {problem.remedy}", messages.ERROR)
            else:
                self.message_user(request, f"{row} {word}.")
