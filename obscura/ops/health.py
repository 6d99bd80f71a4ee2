"""Is it well? Answered before any tenant is looked up, so that it answers when nothing else does."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import django.db
import redis
from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from obscura.core import alive, log, redis_clients
from obscura.core.http.renderers import as_json
from tenants.scope import PUBLIC, entered

_logger = log.get("health")


class HealthMiddleware:
    """``/health`` and ``/health/{database,redis,processes}``; ``/health/live`` says only that this process answers."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.acall(request)
        if _is_ours(request.path):
            return answer(request.path)
        return self.get_response(request)  # type: ignore[no-any-return]

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        if _is_ours(request.path):
            return await sync_to_async(answer)(request.path)
        return await self.get_response(request)  # type: ignore[no-any-return]


def _is_ours(path: str) -> bool:
    return path == "/health" or path.startswith("/health/")


def answer(path: str) -> HttpResponse:
    """200 while everything asked for is well, 503 otherwise; 404 for a part that does not exist."""
    part = path.removeprefix("/health").strip("/")
    if part == "live":
        return _json({"status": "ok"}, 200)
    if part and part not in PARTS:
        return _json({"error": {"code": "not_found", "message": "No such part.", "remedy": "Ask /health."}}, 404)
    found = {name: check() for name, check in PARTS.items() if part in ("", name)}
    well = all(one["status"] == "ok" for one in found.values())
    return _json({"status": "ok" if well else "down", **found}, 200 if well else 503)


def _json(body: dict[str, Any], status: int) -> HttpResponse:
    response = HttpResponse(as_json(body), content_type="application/json", status=status)
    response["Cache-Control"] = "no-store"
    return response


def database() -> dict[str, Any]:
    """Whether PostgreSQL answers, and how fast."""
    began = time.monotonic()
    try:
        with entered(PUBLIC), connection.cursor() as cursor:
            cursor.execute("select 1")
    except django.db.Error as error:
        return _down("database", error)
    return _up(began)


def broker() -> dict[str, Any]:
    """Whether Redis answers, and how fast."""
    began = time.monotonic()
    try:
        redis_clients.sync().ping()
    except redis.RedisError as error:
        return _down("redis", error)
    return _up(began)


def processes() -> dict[str, Any]:
    """How many of each kind of process have reported within the last ten seconds."""
    try:
        names = [str(row["process"]) for row in alive.processes()]
    except redis.RedisError as error:
        return _down("processes", error)
    return {"status": "ok", "alive": {name: names.count(name) for name in sorted(set(names))}}


def _up(began: float) -> dict[str, Any]:
    return {"status": "ok", "took_ms": round((time.monotonic() - began) * 1000, 1)}


def _down(part: str, error: Exception) -> dict[str, Any]:
    _logger.warning("health.down", part=part, error=type(error).__name__)
    return {"status": "down", "error": type(error).__name__}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"database": database, "redis": broker, "processes": processes}
