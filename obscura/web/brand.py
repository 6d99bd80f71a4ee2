"""The tenant's brand as a stylesheet."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control

from obscura.web.branding import stylesheet


@cache_control(public=True, max_age=300)
def brand_css(request: HttpRequest) -> HttpResponse:
    """``/brand.css``: the colours of the tenant that is asked."""
    return HttpResponse(stylesheet(request.tenant.brand_colour), content_type="text/css")  # type: ignore[attr-defined]
