"""One end of a WebSocket that speaks ASGI with the application directly, without a server between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote


class Socket:
    """A client of one connection. Waiting for a message and giving up leaves the connection as it is."""

    def __init__(self, application: Any, address: str, headers: Sequence[tuple[bytes, bytes]]) -> None:
        path, _, query = address.partition("?")
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": unquote(path),
            "query_string": query.encode(),
            "headers": list(headers),
            "subprotocols": [],
        }
        self._task = asyncio.create_task(application(scope, self._in.get, self._out.put))

    async def open(self) -> dict[str, Any]:
        """Connect; the server's first answer."""
        await self._in.put({"type": "websocket.connect"})
        return await self.next()

    async def next(self, within: float = 5) -> dict[str, Any]:
        """The next thing the server does.

        :raises TimeoutError: it does nothing
        """
        async with asyncio.timeout(within):
            return await self._out.get()

    async def text(self, within: float = 5) -> str:
        """The next message's text."""
        message = await self.next(within)
        assert message["type"] == "websocket.send", message
        return str(message["text"])

    async def close(self) -> None:
        """Go away, as a browser does, and wait for the server to have noticed."""
        await self._in.put({"type": "websocket.disconnect", "code": 1001})
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
