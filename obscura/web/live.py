"""The live feed of a page: what changed since its cursor, read from the tables, then what the hub hears."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import orjson
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from obscura.core import log
from obscura.web.copies import pool_names
from obscura.web.hub import Inbox, hub
from obscura.web.rows import drawn
from tenants.access import sessions
from tenants.scope import entered
from trading import services as trading

BETWEEN_S = 0.1
PATIENCE_S = 10.0
ASK_AGAIN_S = 60.0
BACKLOG = 100
MOST_REMEMBERED = 1_000
NOT_SIGNED_IN, NO_SUCH_TOPIC = 4401, 4404
COME_BACK, BROKEN = 1013, 1011

_logger = log.get("live")


class LiveFeed(AsyncWebsocketConsumer):  # type: ignore[misc]
    """``/ws/live/?topic=copies|copies:<pool id>&after=<cursor>``: one message of rows at most every tenth of a second.

    A message is ``{"target": "#copies", "swap": "afterbegin", "content": "<tr ...>..."}``. Closes 4401 for whoever is
    not (or no longer) signed in at this tenant, 4404 for another topic, 1013 for who does not keep up: coming back with
    the newest cursor loses nothing.
    """

    inbox: Inbox | None = None
    pump: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Register first, so that nothing falls between what is read from the tables and what is heard."""
        await self.accept()  # a browser is not told the reason of a refused handshake
        user, schema = self.scope["user"], self.scope["tenant"].schema_name
        if not user.is_authenticated or self.scope["session"].get(sessions.KEY) != schema:
            return await self.close(code=NOT_SIGNED_IN)
        asked = parse_qs(self.scope["query_string"].decode("latin-1"))
        pool = _pool_of(asked.get("topic", [""])[0])
        if pool is None:
            return await self.close(code=NO_SUCH_TOPIC)
        self.user_id: UUID = user.pk
        self.after = _cursor(asked.get("after", ["0"])[-1])
        self.names: dict[str, str] = {}
        self.told: dict[str, Mapping[str, Any]] = {}
        self.inbox = Inbox(schema=schema, user=str(user.pk), pool=pool)
        hub().join(self.inbox)
        self.pump = asyncio.create_task(self._pump(self.inbox), name="live-pump")
        return None

    async def disconnect(self, code: int) -> None:
        """Leave the hub."""
        if self.inbox is not None:
            hub().leave(self.inbox)
        if self.pump is not None:
            self.pump.cancel()

    async def _pump(self, inbox: Inbox) -> None:
        code, loop = BROKEN, asyncio.get_running_loop()
        try:
            asked = loop.time()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(asked + ASK_AGAIN_S):
                        await inbox.woken.wait()
                if loop.time() >= asked + ASK_AGAIN_S:
                    asked = loop.time()
                    if not await self._still_signed_in(inbox):
                        code = NOT_SIGNED_IN
                        break
                inbox.woken.clear()
                if inbox.full:
                    code = COME_BACK
                    break
                if inbox.behind:
                    inbox.behind = False
                    for row in await self._missed(inbox):
                        inbox.offer(row)
                    inbox.woken.clear()
                if rows := self._news(inbox.take()):
                    async with asyncio.timeout(PATIENCE_S):
                        await self._tell(inbox, rows)
                    await asyncio.sleep(BETWEEN_S)
        except TimeoutError:
            code = COME_BACK
        except Exception as error:  # noqa: BLE001 - whatever it was, the browser comes back and asks for what it missed
            _logger.error("live.broken", exc_info=error)
        hub().leave(inbox)
        try:
            await self.close(code=code)
        except Exception as error:  # noqa: BLE001 - the socket is gone already, each server says so in its own way
            _logger.debug("live.gone", error=type(error).__name__)

    async def _still_signed_in(self, inbox: Inbox) -> bool:
        """Whether the session the socket was opened with is still good: not ended, not of somebody shut out."""

        def ask() -> bool:
            with entered(inbox.schema):
                request = HttpRequest()
                request.session = import_module(settings.SESSION_ENGINE).SessionStore(self.scope["session"].session_key)
                return bool(get_user(request).is_authenticated)

        return await sync_to_async(ask)()

    async def _missed(self, inbox: Inbox) -> list[dict[str, Any]]:
        def read() -> list[dict[str, Any]]:
            with entered(inbox.schema):
                self.names = pool_names(self.user_id)
                pool = UUID(inbox.pool) if inbox.pool else None
                return trading.copies_of(self.user_id, pool_id=pool, after=self.after, limit=BACKLOG)

        return await sync_to_async(read)()

    def _news(self, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Those that say something new, the newest trade first."""
        found = []
        for row in rows:
            told = self.told.pop(row["id"], None)
            new = told is None or (row != told and row["cursor"] >= told["cursor"])
            self.told[row["id"]] = row if new or told is None else told
            if new:
                found.append(row)
                self.after = max(self.after, row["cursor"])
        while len(self.told) > MOST_REMEMBERED:
            del self.told[next(iter(self.told))]
        return sorted(found, key=lambda row: (row["at"], row["id"]), reverse=True)

    async def _tell(self, inbox: Inbox, rows: Iterable[Mapping[str, Any]]) -> None:
        if any(row["pool"] not in self.names for row in rows):

            def names() -> dict[str, str]:
                with entered(inbox.schema):
                    return pool_names(self.user_id)

            self.names = await sync_to_async(names)()
        message = {"target": "#copies", "swap": "afterbegin", "content": drawn(rows, self.names)}
        await self.send(text_data=orjson.dumps(message).decode())


def _pool_of(topic: str) -> str | None:
    """The pool of a topic, "" for all of them, None where there is no such topic."""
    kind, _, pool = topic.partition(":")
    if kind != "copies":
        return None
    if topic == "copies":
        return ""
    try:
        return str(UUID(pool))
    except ValueError:
        return None


def _cursor(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
