"""What all pages of signed-in people share: who may see them, and how problems are told to their reader."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.vary import vary_on_headers

from obscura.core.errors import NotFound, Problem
from obscura.core.http.errors import answer

View = Callable[..., HttpResponse]


def page(view: View) -> View:
    """A page for signed-in people. What is another's answers as what is not there; other problems in their words."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotFound as problem:
            raise Http404 from problem
        except Problem as problem:
            return answer(request, problem)

    return vary_on_headers("HX-Request")(login_required(guarded))


def actor(request: HttpRequest) -> str:
    """How audit rows name the person who asks."""
    return f"user:{request.user.pk}"


def words(problem: Problem) -> str:
    """A problem for people: what happened, then what to do."""
    return f"{problem.message} {problem.remedy}"


def tell(request: HttpRequest, problem: Problem) -> None:
    """Say a problem on the next page."""
    messages.error(request, words(problem))


def wants_part(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page; one that restores history wants all of it."""
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and not htmx.history_restore_request
