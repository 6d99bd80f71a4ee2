"""The sidebars of the two admin sites: groups of what a member of staff may see, each with its icon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

from citadel.trail import alerts
from obscura.core.db.session import connection
from obscura.core.nudge.dead_letters import dead_letters
from obscura.core.nudge.models import Nudge
from obscura.ops import sites

Item = tuple[str, str, str]
"""Title, symbol, and the model as "app.Model"."""

OFFICE: Sequence[tuple[str, Sequence[Item]]] = (
    (
        "Tenants",
        (
            ("Tenants", "domain", "tenants.Tenant"),
            ("Hosts", "dns", "tenants.Domain"),
            ("API keys", "key", "tenants.ApiKey"),
            ("Plans", "sell", "plans.Plan"),
        ),
    ),
    (
        "Vault",
        (
            ("Alerts", "warning", "trail.Alert"),
            ("Signer's record", "receipt_long", "trail.SignerEntry"),
            ("Break-glass", "lock_open", "trail.BreakGlass"),
            ("Key generations", "autorenew", "trail.KeyGeneration"),
        ),
    ),
    ("Curation", (("Curated pools", "verified", "curated.CuratedPool"),)),
    (
        "Operations",
        (
            ("Nudges", "notifications_active", "nudge.Nudge"),
            ("Audit", "history", "audit.Entry"),
            ("Staff", "badge", "accounts.User"),
        ),
    ),
)
TENANT: Sequence[tuple[str, Sequence[Item]]] = (
    (
        "Copying",
        (
            ("Pools", "groups", "pools.Pool"),
            ("Traders", "trending_up", "pools.Trader"),
            ("Subscriptions", "sync_alt", "pools.Subscription"),
            ("Exchange accounts", "account_balance", "citadel.ExchangeAccount"),
            ("Signed unread", "visibility_off", "citadel.UncheckedSigning"),
            ("Differences", "rule", "trading.Drift"),
            ("Adjustments", "content_cut", "trading.Adjustment"),
            ("Resting stops", "front_hand", "trading.RestingStop"),
        ),
    ),
    (
        "People",
        (
            ("People", "person", "accounts.User"),
            ("Appointments", "badge", "accounts.Membership"),
            ("Groups", "admin_panel_settings", "auth.Group"),
        ),
    ),
    (
        "Record",
        (("Dead letters", "mark_email_unread", "nudge.DeadLetter"), ("Audit", "history", "audit.Entry")),
    ),
)


def office(request: HttpRequest) -> list[dict[str, Any]]:
    """The back office's sidebar. Nudges and alerts that wait for a person are counted beside their name."""
    dead = Nudge.objects.filter(dead=True).count()
    return _sidebar(sites.office, OFFICE, request, badges={"nudge.Nudge": dead, "trail.Alert": alerts.waiting()})


def tenant(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar of a tenant's own administration. Its dead letters are counted beside their name."""
    dead = dead_letters(tenant=connection.schema_name).count()
    return _sidebar(sites.tenant, TENANT, request, badges={"nudge.DeadLetter": dead})


def favicon(request: HttpRequest) -> str:
    """Where the sites' icon is."""
    return static("favicon.svg")


def address(site: AdminSite, label: str) -> str:
    """Where `site` lists a model."""
    return reverse(f"{site.name}:{label.lower().replace('.', '_')}_changelist")


def may_see(site: AdminSite, label: str, request: HttpRequest) -> bool:
    """Whether this member of staff may look at a model on this site."""
    known = site._registry.get(apps.get_model(label))
    return known is not None and known.has_view_or_change_permission(request)


def _sidebar(
    site: AdminSite,
    groups: Sequence[tuple[str, Sequence[Item]]],
    request: HttpRequest,
    *,
    badges: dict[str, int],
) -> list[dict[str, Any]]:
    home = {"title": "Overview", "icon": "dashboard", "link": reverse(f"{site.name}:index")}
    shown: list[dict[str, Any]] = [{"items": [home]}]
    for title, items in groups:
        links = []
        for name, icon, label in items:
            if may_see(site, label, request):
                link: dict[str, Any] = {"title": name, "icon": icon, "link": address(site, label)}
                if badges.get(label):
                    link["badge"] = badges[label]
                links.append(link)
        if links:
            shown.append({"title": title, "separator": True, "items": links})
    return shown
