"""Serves `/metrics` before any tenant is looked up, to whoever has the token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from obscura.core.errors import NotFound, Problem
from obscura.core.http.errors import MethodNotAllowed, Unauthenticated, headers
from obscura.core.http.renderers import as_json
from obscura.ops.metrics.page import page

PATH = "/metrics"


class MetricsMiddleware:
    """The outermost, at every host. Without $OBSCURA_METRICS_TOKEN there is no such address."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.acall(request)
        return answer(request) if request.path == PATH else self.get_response(request)  # type: ignore[no-any-return]

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == PATH:
            # In a thread of its own: what pages wait for in theirs must not wait for this.
            return await sync_to_async(answer, thread_sensitive=False)(request)
        return await self.get_response(request)  # type: ignore[no-any-return]


def answer(request: HttpRequest) -> HttpResponse:
    """The page; 404 where no token is set, 401 without the right one, 405 to anything but a question."""
    if not settings.METRICS_TOKEN:
        return _refused(NotFound())
    wanted = f"Bearer {settings.METRICS_TOKEN.reveal()}".encode()
    if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), wanted):
        return _refused(Unauthenticated(remedy="Send the token of $OBSCURA_METRICS_TOKEN as a bearer token."))
    if request.method not in ("GET", "HEAD"):
        return _refused(MethodNotAllowed())
    body, content_type = page(request.headers.get("Accept", ""))
    response = HttpResponse(body, content_type=content_type)
    response["Cache-Control"] = "no-store"
    return response


def _refused(problem: Problem) -> HttpResponse:
    response = HttpResponse(as_json(problem.as_dict()), content_type="application/json", status=problem.http_status)
    for name, value in (headers(problem) | {"Cache-Control": "no-store"}).items():
        response[name] = value
    if problem.http_status == MethodNotAllowed.http_status:
        response["Allow"] = "GET, HEAD"
    return response
