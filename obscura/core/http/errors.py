"""Every error of the API in one shape, said in our own words: never a traceback, never a library's message."""

from __future__ import annotations

import math
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from rest_framework import exceptions as drf
from rest_framework.response import Response

from obscura.core import log
from obscura.core.errors import Forbidden, Invalid, NotFound, Problem, Unavailable
from obscura.core.http.renderers import as_json

_logger = log.get("http")


class Unauthenticated(Problem):
    """Who you are is not known."""

    code, http_status = "unauthenticated", 401
    remedy = "Send a valid X-API-Key, or a bearer token from /api/v1/auth/login."


class TooManyRequests(Problem):
    """Too many requests."""

    code, http_status, retryable = "too_many_requests", 429, True
    remedy = "Wait as many seconds as Retry-After says."


class TooLarge(Problem):
    """The request is too large."""

    code, http_status = "too_large", 413
    remedy = "Send at most 1 MiB at once; split what is longer."


class MethodNotAllowed(Problem):
    """This address does not know that method."""

    code, http_status = "method_not_allowed", 405
    remedy = "Use one of the methods that the Allow header names."


class Unsupported(Problem):
    """This format is not spoken here."""

    code, http_status = "unsupported_format", 415
    remedy = "Send and accept application/json."


class DatabaseAway(Unavailable):
    """The database does not answer right now."""

    code = "database_unavailable"


class Internal(Problem):
    """Something went wrong on our side."""

    code, http_status, retryable = "internal", 500, True
    remedy = "It has been noted. Ask for the present state before you repeat what you did."


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler: the answer to any exception a view raises.

    Body: ``{"error": {"code", "message", "remedy", "details"?}}``. What was not anticipated is logged with its
    traceback and answers as ``internal``.
    """
    from rest_framework.views import set_rollback  # reads the settings that name this module

    set_rollback()
    problem = anticipated(error)
    if problem is None:
        request = context.get("request")
        _logger.error("http.unexpected", view=type(context.get("view")).__name__, exc_info=error)
        got_request_exception.send(sender=None, request=getattr(request, "_request", request))
        problem = Internal()
    return Response(problem.as_dict(), status=problem.http_status, headers=headers(problem, error))


def anticipated(error: BaseException) -> Problem | None:  # noqa: PLR0911
    """The Problem that an exception of ours, of DRF or of Django stands for; None for a mistake in the code."""
    match error:
        case Problem():
            return error
        case OperationalError() | InterfaceError():
            return DatabaseAway()
        case Http404() | ObjectDoesNotExist() | drf.NotFound():
            return NotFound()
        case drf.NotAuthenticated() | drf.AuthenticationFailed():
            return Unauthenticated()
        case PermissionDenied() | drf.PermissionDenied():
            return Forbidden()
        case drf.Throttled():
            return TooManyRequests(details={"wait_s": math.ceil(getattr(error, "wait", None) or 1)})
        case drf.ValidationError():
            return Invalid(details={"fields": error.detail})
        case DjangoValidationError():
            return Invalid(details={"fields": _fields(error)})
        case RequestDataTooBig():
            return TooLarge()
        case drf.MethodNotAllowed():
            return MethodNotAllowed()
        case drf.UnsupportedMediaType() | drf.NotAcceptable():
            return Unsupported()
        case drf.ParseError():
            return Invalid("The body cannot be read as JSON.", code="invalid_json", remedy="Send one JSON document.")
        case drf.APIException():
            return Unavailable() if error.status_code == 503 else None
    return None


def _fields(error: DjangoValidationError) -> object:
    return error.message_dict if hasattr(error, "error_dict") else {"": error.messages}


def headers(problem: Problem, error: BaseException | None = None) -> dict[str, str]:
    """What the answer to a problem says beside its body."""
    found: dict[str, str] = {}
    if problem.http_status == 401:
        found["WWW-Authenticate"] = "Bearer"
    if problem.http_status in (429, 503):
        found["Retry-After"] = str(problem.details.get("wait_s", 5))
    if isinstance(error, drf.MethodNotAllowed):
        found["Cache-Control"] = "no-store"
    return found


def wants_json(request: HttpRequest) -> bool:
    """Whether whoever asks is a program: it calls the API, sends a key, or prefers JSON to a page."""
    accepted = request.headers.get("Accept", "")
    return (
        request.path.startswith("/api/")
        or "X-API-Key" in request.headers
        or ("application/json" in accepted and "text/html" not in accepted)
    )


def answer(request: HttpRequest, problem: Problem, *, title: str = "") -> HttpResponse:
    """A problem outside of DRF: JSON for programs, a calm page that needs no tenant for people."""
    if wants_json(request):
        response = HttpResponse(as_json(problem.as_dict()), content_type="application/json")
    else:
        words = {"code": problem.http_status, "title": title or problem.message, "text": problem.remedy}
        response = HttpResponse(render_to_string("calm.html", words))
    response.status_code = problem.http_status
    for name, value in headers(problem).items():
        response[name] = value
    return response
