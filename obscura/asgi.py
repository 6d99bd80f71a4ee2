"""The ASGI application: HTTP by Django, WebSockets by Channels, each in its tenant."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "obscura.settings.local")

from django.core.asgi import get_asgi_application  # noqa: E402

django_app = get_asgi_application()

from asgiref.sync import sync_to_async  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.db import connections  # noqa: E402
from django.urls import path  # noqa: E402

from tenants.ws import UNKNOWN, TenantSockets  # noqa: E402


async def _no_such_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close", "code": UNKNOWN})


def _routes() -> list[Any]:
    """The sockets of the pages where there are any; any other address is closed."""
    found: list[Any] = []
    if find_spec("obscura.web.routing"):
        from obscura.web.routing import websocket_urlpatterns

        found += websocket_urlpatterns
    nowhere: Any = _no_such_socket
    return [*found, path("<path:anything>", nowhere), path("", nowhere)]


async def _lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Say that we are up and, at the end, give the database its connections back."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await sync_to_async(_close_pools)()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _close_pools() -> None:
    for one in connections.all(initialized_only=True):
        one.close()
        if hasattr(one, "close_pool"):
            one.close_pool()


application = ProtocolTypeRouter(
    {
        "http": django_app,
        "websocket": TenantSockets(AuthMiddlewareStack(URLRouter(_routes()))),
        "lifespan": _lifespan,
    }
)
