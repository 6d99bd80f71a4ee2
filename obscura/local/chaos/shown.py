"""What the web process shows: lists of both admin sites and a row of each, people's pages, every GET of the API."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

from citadel import services as citadel
from obscura.local import cast
from obscura.local.chaos.gathered import Answer, Browser, expect
from obscura.local.chaos.typist import Typist
from obscura.ops.sites import office, tenant
from pools.models import Subscription
from tenants import services as tenants
from trading.models import Signal
from trading.signals.intake import public_id

PAGES = (
    "/exchange-accounts/", "/exchange-accounts/new/", "/pools/", "/copies/", "/portfolio/", "/profile/",
)  # fmt: skip


def admin_pages(typist: Typist, book: cast.Book) -> list[Answer]:
    """Of the tenant and of the office, each as a superuser of theirs."""
    found = []
    tenant.fill()
    office.fill()
    for site, host, schema, root, who in (
        (tenant, cast.ZERO.host, cast.ZERO.schema, "/admin/", f"admin@{cast.ZERO.slug}.example"),
        (office, settings.OFFICE_HOST, "public", "/", "office@obscura.example"),
    ):
        browser = Browser(typist.port, host)
        entered = {"username": who, "password": book.password(who), "next": root}
        expect(browser.post(f"{root}login/", entered), 302)
        found += [expect(browser.get(path), 200) for path in _admin_paths(site, schema, root)]
    return found


def pages(typist: Typist) -> list[Answer]:
    """Of the one who typed."""
    browser = typist.signed_in()
    return [expect(browser.get(path), 200) for path in PAGES]


def api_answers(typist: Typist) -> list[Answer]:
    """Every GET of the schema, for something that is there."""
    browser = typist.signed_in()
    return [
        browser.get(path, **({"X-API-Key": typist.key} if "/v2/" in path else {})) for path in _api_paths(typist)
    ]  # fmt: skip


def _admin_paths(site: Any, schema: str, root: str) -> list[str]:
    paths = [root]
    with tenants.entered(schema):
        for model in site._registry:
            at = f"{root}{model._meta.app_label}/{model._meta.model_name}/"
            first = model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
            paths += [at] if first is None else [at, f"{at}{first}/change/"]
    return paths


def _api_paths(typist: Typist) -> list[str]:
    with tenants.entered(cast.ZERO.schema):
        subscription = Subscription.objects.exclude(status="ended").latest("id")
        signal = Signal.objects.filter(pool_id=subscription.pool_id).latest("id")
        named = {
            "user_id": typist.owner,
            "account_id": next(one.id for one in citadel.accounts_of(typist.owner) if one.label == typist.label),
            "pool_id": subscription.pool_id,
            "subscription_id": subscription.pk,
            "signal_id": public_id(signal.pk),
        }
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return [path.format(**named) for path, operations in schema["paths"].items() if "get" in operations]
