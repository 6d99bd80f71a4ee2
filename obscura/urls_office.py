"""Addresses of the back office, on its own host and in the public schema."""

from __future__ import annotations

from django.urls import path

from obscura.ops.sites import office

handler400 = "obscura.web.errors.bad_request"
handler403 = "obscura.web.errors.forbidden"
handler404 = "obscura.web.errors.not_found"
handler500 = "obscura.web.errors.server_error"

urlpatterns = [path("", office.urls)]
