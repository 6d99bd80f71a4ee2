"""The API describes itself: OpenAPI 3.1 at /api/schema/ and a page for people at /api/docs/."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView

METHODS = ("get", "post", "put", "patch", "delete")


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a key is sent."""

    target_class = "tenants.access.authentication.KeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "obsc_live_... or obsc_test_..."}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a person's token is sent."""

    target_class = "tenants.access.authentication.TokenAuthentication"
    name = "Bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a browser is known."""

    target_class = "tenants.access.authentication.BrowserAuthentication"
    name = "Session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


class Call(NamedTuple):
    """One line of the page."""

    method: str
    path: str
    summary: str
    security: str


@cache
def calls() -> dict[str, list[Call]]:
    """Every call of the API by its tag, as the schema says."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    found: dict[str, list[Call]] = {}
    for address, operations in sorted(schema["paths"].items()):
        for method in METHODS:
            if operation := operations.get(method):
                names = sorted({name for one in operation.get("security", []) for name in one})
                summary = operation.get("summary") or operation.get("description", "").partition("\n")[0]
                for tag in operation.get("tags", ["other"]):
                    found.setdefault(tag, []).append(Call(method.upper(), address, summary, ", ".join(names)))
    return found


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "api/docs.html", {"tags": sorted(calls().items())})


app_name = "docs"
urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", docs, name="page"),
]
