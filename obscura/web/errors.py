"""What is answered where a page cannot be: JSON for programs, a calm page for people."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from obscura.core.errors import Forbidden, Invalid, NotFound
from obscura.core.http.errors import Internal, answer


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return answer(request, Invalid())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return answer(request, Forbidden())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return answer(request, NotFound(), title="Nothing is here")


def server_error(request: HttpRequest) -> HttpResponse:
    """500."""
    return answer(request, Internal())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that did not come from our page."""
    return answer(request, Forbidden("This form was too old.", code="csrf", remedy="Load the page and send it again."))
