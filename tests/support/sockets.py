"""A WebSocket client that talks to an ASGI app in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from asgiref.testing import ApplicationCommunicator

PATIENCE_S = 20


class Socket:
    """One WebSocket: ``socket = Socket(app, "/ws/live/", host="alpha.testserver")``; then connect, send, receive."""

    def __init__(self, app: Any, address: str, *, host: str, headers: Mapping[str, str] | None = None) -> None:
        route, _, query = address.partition("?")
        sent = {"host": host, **(headers or {})}
        scope = {
            "type": "websocket",
            "path": route,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "subprotocols": [],
        }
        self._talk = ApplicationCommunicator(app, scope)

    async def connect(self) -> int | None:
        """None when accepted, the close code when refused."""
        await self._talk.send_input({"type": "websocket.connect"})
        answer = await self._talk.receive_output(PATIENCE_S)
        return None if answer["type"] == "websocket.accept" else int(answer.get("code", 1000))

    async def send(self, text: str) -> None:
        """Send one text message."""
        await self._talk.send_input({"type": "websocket.receive", "text": text})

    async def receive(self) -> str:
        """The next message's text; AssertionError where the other side closed instead."""
        answer = await self._talk.receive_output(PATIENCE_S)
        assert answer["type"] == "websocket.send", answer
        return str(answer["text"])

    async def receive_json(self) -> Any:
        """The next message, parsed."""
        return json.loads(await self.receive())

    async def is_quiet(self, seconds: float = 0.05) -> bool:
        """Whether nothing came for a while."""
        return bool(await self._talk.receive_nothing(seconds))

    async def close(self) -> None:
        """Go away and let the consumer end."""
        await self._talk.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._talk.wait(PATIENCE_S)
