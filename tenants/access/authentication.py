"""Who calls the API: a key, a person with a token, or a person with a session. Views name which they accept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from obscura.core import clock
from obscura.core.errors import Forbidden
from obscura.core.features import entitlements
from tenants.access import tokens
from tenants.models import ApiKey
from tenants.resolve import KeyRefused
from tenants.scope import PUBLIC, entered
from tenants.types import KeyHolder

USED_EVERY = timedelta(minutes=1)

_written: dict[UUID, datetime] = {}  # when this process last wrote a key's use, so that most calls write nothing


class Caller:
    """Stands where a user stands when a key calls: it is somebody, and no person."""

    is_authenticated, is_anonymous, is_active, is_staff = True, False, True, False
    pk = None

    def __init__(self, holder: KeyHolder) -> None:
        self.holder = holder

    def __str__(self) -> str:
        return f"key:{self.holder.prefix}"


class ApiClosed(Forbidden):
    """This tenant's plan has no API."""

    code = "api_closed"
    remedy = "Choose a plan with the API, or ask the operator."


class KeyAuthentication(BaseAuthentication):
    """``X-API-Key``. The middleware has looked it up already and let it decide the tenant.

    ``request.user`` is a `Caller`, ``request.auth`` the `KeyHolder`.
    """

    def authenticate(self, request: Request) -> tuple[Caller, KeyHolder] | None:
        if "X-API-Key" not in request.headers:
            return None
        bare: Any = request._request
        holder: KeyHolder | None = getattr(bare, "api_key", None)
        if holder is None:
            raise KeyRefused
        if not entitlements(bare.tenant.entitlements).api:
            raise ApiClosed
        _used(holder)
        return Caller(holder), holder

    def authenticate_header(self, request: Request) -> str:
        return "X-API-Key"


def _used(holder: KeyHolder) -> None:
    now = clock.now()
    if holder.key_id in _written and abs(now - _written[holder.key_id]) < USED_EVERY:
        return
    _written[holder.key_id] = now
    with entered(PUBLIC):
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
        ApiKey.objects.filter(stale, pk=holder.key_id).update(last_used_at=now)


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer <access token>``. ``request.user`` is the person."""

    def authenticate(self, request: Request) -> tuple[Any, str] | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        return tokens.bearer_of(token.strip()), "bearer"

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BrowserAuthentication(SessionAuthentication):
    """The session of a signed-in browser; what changes something needs the CSRF token."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class Person:
    """What views for people accept: ``authentication_classes = Person.BY_TOKEN_OR_SESSION``."""

    BY_TOKEN_OR_SESSION = (TokenAuthentication, BrowserAuthentication)
