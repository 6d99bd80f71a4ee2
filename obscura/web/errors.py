"""What is answered where a page cannot be: JSON for programs, a page that says what to do for people."""

from __future__ import annotations

import sys

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from obscura.core.errors import Forbidden, Invalid, NotFound, Problem
from obscura.core.http.errors import Internal, answer, anticipated, wants_json
from tenants.scope import PUBLIC


class StaleForm(Forbidden):
    """This form did not come from one of our pages, or was open for too long."""

    code = "csrf_failed"
    remedy = "Load the page again and send the form once more. Nothing was changed."


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return _page(request, "400.html", Invalid())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return _page(request, "403.html", Forbidden())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, the same for what is not there and for what is somebody else's."""
    return _page(request, "404.html", NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 while the database is away. The page asks nothing of what may be broken."""
    error = sys.exc_info()[1]
    problem = (anticipated(error) if error is not None else None) or Internal()
    if wants_json(request):
        return answer(request, problem)
    return HttpResponse(render_to_string("500.html"), status=max(problem.http_status, 500))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that did not come from our page."""
    return _page(request, "403_csrf.html", StaleForm())


def _page(request: HttpRequest, template: str, problem: Problem) -> HttpResponse:
    # The pages' shell links to pages that the back office does not have.
    if wants_json(request) or connection.schema_name == PUBLIC:
        return answer(request, problem)
    return render(request, template, status=problem.http_status)
