"""What every page is given, before its view adds anything."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest

from obscura.web.branding import version

THEMES = ("light", "dark")
HOUSE_COLOUR = "#d9a62e"


def shell(request: HttpRequest) -> dict[str, object]:
    """The name and colours of the tenant that is asked, and the theme its reader chose; see templates/skeleton.html."""
    tenant = connection.tenant
    theme = request.COOKIES.get("theme", "")
    return {
        "tenant_name": getattr(tenant, "name", None) or "Obscura",
        "brand_version": version(getattr(tenant, "brand_colour", None) or HOUSE_COLOUR),
        "theme": theme if theme in THEMES else "",
    }
