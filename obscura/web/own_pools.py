"""A person's own pools: make one, change what it is called, pause, resume and close it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from obscura.core.errors import Problem
from obscura.web.own_pool_form import OwnPoolForm, PoolWordsForm
from obscura.web.pages import actor, page, tell
from pools import services as pools
from pools.types import LeadChoices, PoolRef

CLOSES_GO_ON = "Nothing new is opened in it; what is open still closes with its leads."
ACTIONS: dict[str, tuple[Callable[..., PoolRef], str]] = {
    "pause": (pools.pause_pool, f"{{}} is paused. {CLOSES_GO_ON}"),
    "resume": (pools.activate_pool, "{} is open again. Its next trade is copied."),
    "close": (pools.close_pool, f"{{}} is closed. {CLOSES_GO_ON}"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@page
def new(request: HttpRequest) -> HttpResponse:
    """``/pools/new/``: choose leads and weights, and copy them as one pool that nobody else sees."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    choices = pools.lead_choices(user_id)
    form = OwnPoolForm(request.POST if request.method == "POST" else None, choices=choices)
    if request.method == "POST" and form.is_valid():
        made = _made(request, form)
        if made is not None:
            messages.success(request, f"{made.name} is yours, and open. Say what you put in to copy it.")
            return redirect("web:pool", made.id)
    context = {
        "form": form,
        "can_choose": any(not one.follows for one in choices.leads),
        "following": [one.name for one in choices.leads if one.follows],
        "not_offered": _not_offered(choices),
        "nav": "pools",
    }
    return render(request, "pools/new.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def change(request: HttpRequest, pool_id: UUID) -> HttpResponse:
    """``/pools/<id>/change/``: other words for one's own pool. Its leads stay: copies of theirs close with them."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    pool = pools.pool_of(pool_id=pool_id, user_id=user_id)
    if not actions_of(pool, user_id):
        raise Http404
    initial = {"name": pool.name, "sentence": pool.description, "risk": pool.risk_class}
    form = PoolWordsForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            pools.change_pool(pool_id=pool_id, user_id=user_id, actor=actor(request), **form.words())
        except pools.PoolInvalid as problem:
            form.take(problem)
        else:
            messages.success(request, "Saved.")
            return redirect("web:pool", pool_id)
    context = {"form": form, "pool": {"id": pool.id, "name": pool.name}, "nav": "pools"}
    return render(request, "pools/change.html", context, status=422 if form.errors else 200)


@require_POST
@page
def act(request: HttpRequest, pool_id: UUID, action: str) -> HttpResponse:
    """``POST /pools/<id>/pause|resume|close/``, for the pool's owner; then back to its page."""
    if action not in ACTIONS:
        raise Http404
    service, done = ACTIONS[action]
    try:
        one = service(pool_id=pool_id, user_id=request.user.pk, actor=actor(request))
    except pools.PoolMoveRefused as problem:
        tell(request, problem)
    else:
        messages.success(request, done.format(one.name))
    return redirect("web:pool", pool_id)


def actions_of(pool: PoolRef, user_id: UUID) -> list[str]:
    """What the reader may do with a pool: of his own, what its state allows; of any other, nothing."""
    if pool.kind != "custom" or pool.owner_id != user_id or pool.status == "closed":
        return []
    return ["pause" if pool.status == "active" else "resume", "close"]


def _made(request: HttpRequest, form: OwnPoolForm) -> PoolRef | None:
    try:
        return pools.open_own_pool(
            user_id=request.user.pk,  # type: ignore[arg-type]
            leads=form.chosen(),
            actor=actor(request),
            **form.words(),
        )
    except Problem as problem:
        form.take(problem)
        return None


def _not_offered(choices: LeadChoices) -> list[dict[str, Any]]:
    """Who cannot be chosen, and why."""
    found = []
    if choices.remote:
        found.append(
            {
                "who": "Leads of curated pools",
                "why": "Their trades are seen where they are curated, and reach you with their pool alone. "
                "Copy that pool as it is.",
            }
        )
    if choices.by_signals:
        found.append(
            {
                "who": "Leads that send signals",
                "why": "A signal is sent to one pool and copied in that one alone. Copy that pool as it is.",
            }
        )
    return found
