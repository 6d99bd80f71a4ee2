"""A consumer as it is naively written: the tenant is set once, at connect, and rows are read after others had turns."""

from __future__ import annotations

import asyncio

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection


class Reader(AsyncJsonWebsocketConsumer):
    """Answers each message with the names of the people it can see and with what the cache holds for its tenant."""

    async def connect(self) -> None:
        await database_sync_to_async(lambda: connection.set_tenant(self.scope["tenant"]))()
        await self.accept()

    async def receive_json(self, content: dict[str, object], **_: object) -> None:
        await asyncio.sleep(0.005)  # the others get their turn between being let in and reading
        names = await database_sync_to_async(_names)()
        again = [user.name async for user in get_user_model().objects.order_by("name")]
        await self.send_json({"names": names, "again": again, "cached": await cache.aget("whose")})


def _names() -> list[str]:
    return list(get_user_model().objects.order_by("name").values_list("name", flat=True))
