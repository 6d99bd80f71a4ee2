"""Copies: every outcome of every pool the reader copies, newest first."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from obscura.web import cards
from obscura.web.pages import page
from pools import services as pools
from trading import services as trading

SHOWN = {"all": None, "copied": "copied", "not_copied": "not_copied"}
A_PAGE = 50


@require_safe
@page
def listing(request: HttpRequest) -> HttpResponse:
    """``/copies/?show=all|copied|not_copied&before=``. The newest page of all is live."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    show = request.GET.get("show", "all")
    show = show if show in SHOWN else "all"
    before = request.GET.get("before") or None
    found = trading.copies_page(user_id, only=SHOWN[show], before=before, limit=A_PAGE)
    names = pool_names(user_id)
    address, asked = reverse("web:copies"), {} if show == "all" else {"show": show}
    context = {
        "copies": [cards.copy_row(row, names) for row in found.rows],
        "cursor": cards.newest(found.rows),
        "show": show,
        "newer_url": _with(address, asked) if before else None,
        "older_url": _with(address, {**asked, "before": found.older}) if found.older else None,
        "live_topic": "copies" if show == "all" and not before else "",
        "nav": "copies",
    }
    return render(request, "copies/list.html", context)


def pool_names(user_id: UUID) -> dict[str, str]:
    """The names of all pools a user ever copied, by id."""
    return {str(one.pool_id): one.pool_name for one in pools.subscriptions_of(user_id, ended=True)}


def _with(address: str, asked: dict[str, str]) -> str:
    return f"{address}?{urlencode(asked)}" if asked else address
