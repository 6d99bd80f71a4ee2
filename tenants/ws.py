"""The outermost part of every WebSocket: host or key decides the tenant, and the page must come from that host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async

from obscura.core.errors import Problem
from tenants.resolve import Suspended, bare_host, is_warm, resolve
from tenants.scope import entered

UNKNOWN, FOREIGN_ORIGIN, SUSPENDED = 4404, 4403, 4503


class TenantSockets:
    """An ASGI app that runs another in its tenant.

    Sets ``scope["tenant"]`` and ``scope["api_key"]`` (a KeyHolder or None). Closes 4404 where no tenant answers, 4403
    where a page of another origin asks, 4503 while the tenant is suspended.
    """

    def __init__(self, app: Callable[..., Awaitable[Any]]) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        origin, host = headers.get(b"origin"), headers.get(b"host", "")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return await _close(receive, send, FOREIGN_ORIGIN)
        name, key = bare_host(host), headers.get(b"x-api-key", "")
        try:
            found = resolve(name, key) if is_warm(name, key) else await database_sync_to_async(resolve)(name, key)
        except Problem as problem:
            return await _close(receive, send, SUSPENDED if isinstance(problem, Suspended) else UNKNOWN)
        with entered(found.tenant):
            return await self.app({**scope, "tenant": found.tenant, "api_key": found.holder}, receive, send)


async def _close(receive: Any, send: Any, code: int) -> None:
    await receive()
    await send({"type": "websocket.close", "code": code})
