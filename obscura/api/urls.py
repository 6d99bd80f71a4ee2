"""Addresses of the API: each app's own, mounted by version."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

MOUNTED = [
    ("v1/auth/", "tenants.api.urls"),
    ("", "tenants.api.users"),
    ("", "pools.api.urls"),
    ("", "trading.api.urls"),
    ("", "citadel.api.urls"),
    ("", "obscura.api.docs"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path(prefix, include(module)) for prefix, module in MOUNTED if find_spec(module)
]
