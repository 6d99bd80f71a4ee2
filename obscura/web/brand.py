"""The tenant's brand as a stylesheet."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from obscura.web.branding import stylesheet, version

A_YEAR, FIVE_MINUTES = 31_536_000, 300


def brand_css(request: HttpRequest) -> HttpResponse:
    """``/brand.css?v=<version>``: the colours of the tenant that is asked; under its version it never changes."""
    colour = str(request.tenant.brand_colour)  # type: ignore[attr-defined]
    asked = request.GET.get("v") == version(colour)
    response = HttpResponse(stylesheet(colour), content_type="text/css; charset=utf-8")
    response["Cache-Control"] = f"public, max-age={A_YEAR}, immutable" if asked else f"public, max-age={FIVE_MINUTES}"
    response["Vary"] = "Host"
    return response
