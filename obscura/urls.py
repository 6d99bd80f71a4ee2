"""Addresses of every tenant's hosts."""

from __future__ import annotations

from django.urls import include, path

from obscura.ops.sites import tenant
from obscura.web.brand import brand_css

handler400 = "obscura.web.errors.bad_request"
handler403 = "obscura.web.errors.forbidden"
handler404 = "obscura.web.errors.not_found"
handler500 = "obscura.web.errors.server_error"

urlpatterns = [
    path("brand.css", brand_css, name="brand_css"),
    path("api/", include("obscura.api.urls")),
    path("admin/", tenant.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("obscura.web.urls")),
]
