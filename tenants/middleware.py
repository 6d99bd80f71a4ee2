"""The outermost part of every request: which tenant is asked, and that a session belongs to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from obscura.core.errors import Problem
from obscura.core.http import errors, throttling
from tenants.access import sessions
from tenants.directory import UnknownTenant
from tenants.models import Tenant
from tenants.resolve import Resolved, bare_host, is_warm, resolve
from tenants.scope import PUBLIC, current, entered

KEY_HEADER = "X-API-Key"


class _Both:
    """A middleware that is native to both worlds, so that Django need not change threads around it."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)  # type: ignore[type-var]


class TenantMiddleware(_Both):
    """Finds the tenant and stays in its schema for the length of the request.

    Sets ``request.tenant`` and ``request.api_key`` (a KeyHolder or None). An unknown host, and a key that belongs to
    another tenant than the host, answer 404; a suspended tenant answers 503.
    """

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.acall(request) if self.is_async else self.call(request)

    def call(self, request: HttpRequest) -> HttpResponseBase:
        try:
            found = resolve(_host(request), request.headers.get(KEY_HEADER, ""))
        except Problem as problem:
            return _refused(request, problem)
        _settle(request, found)
        with entered(found.tenant):
            return _finish(request, self.get_response(request), found.tenant)

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        try:
            host, key = _host(request), request.headers.get(KEY_HEADER, "")
            found = resolve(host, key) if is_warm(host, key) else await sync_to_async(resolve)(host, key)
        except Problem as problem:
            return _refused(request, problem)
        _settle(request, found)
        with entered(found.tenant):
            return _finish(request, await self.get_response(request), found.tenant)


def _host(request: HttpRequest) -> str:
    try:
        return bare_host(request.get_host())
    except DisallowedHost as error:
        raise UnknownTenant from error


def _refused(request: HttpRequest, problem: Problem) -> HttpResponse:
    return errors.answer(request, problem)


def _settle(request: HttpRequest, found: Resolved) -> None:
    request.tenant = found.tenant  # type: ignore[attr-defined]
    request.api_key = found.holder  # type: ignore[attr-defined]
    if found.tenant.schema_name == PUBLIC:
        request.urlconf = settings.PUBLIC_SCHEMA_URLCONF  # type: ignore[attr-defined]


def _finish(request: HttpRequest, response: Any, tenant: Tenant) -> HttpResponseBase:
    throttling.tell(request, response)
    if response.streaming:
        within = _apieces if response.is_async else _pieces
        response.streaming_content = within(response.streaming_content, tenant)
    return response  # type: ignore[no-any-return]


def _pieces(content: Any, tenant: Tenant) -> Iterator[bytes]:
    """A streamed body is made after the middleware has returned; each piece is made in the tenant again."""
    pieces = iter(content)
    while True:
        with entered(tenant):
            try:
                piece = next(pieces)
            except StopIteration:
                return
        yield piece


async def _apieces(content: Any, tenant: Tenant) -> AsyncIterator[bytes]:
    pieces = aiter(content)
    while True:
        with entered(tenant):
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
        yield piece


class SessionTenantMiddleware(_Both):
    """A session carries the schema it was begun in; anywhere else it is emptied and its bearer is nobody."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.acall(request) if self.is_async else self.call(request)

    def call(self, request: HttpRequest) -> HttpResponseBase:
        if _has_cookie(request) and sessions.is_foreign(request.session.get(sessions.KEY), current()):
            request.session.flush()
            request.user = AnonymousUser()
        return self.get_response(request)  # type: ignore[no-any-return]

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        session = request.session
        if _has_cookie(request) and sessions.is_foreign(await session.aget(sessions.KEY), current()):
            await session.aflush()
            request.user = AnonymousUser()
            request.auser = _nobody  # type: ignore[method-assign,assignment]
        return await self.get_response(request)  # type: ignore[no-any-return]


def _has_cookie(request: HttpRequest) -> bool:
    """Looking into a session makes an answer vary by cookie, so only those are looked into that were sent."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES


async def _nobody() -> AnonymousUser:
    return AnonymousUser()
