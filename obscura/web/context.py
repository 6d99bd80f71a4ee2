"""What every page is given."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, object]:
    """The tenant's name."""
    return {"tenant_name": getattr(connection.tenant, "name", "Obscura")}
