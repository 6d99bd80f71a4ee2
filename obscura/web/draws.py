"""How the order of a pool's followers was drawn: for the reader to see, and to check."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from obscura.web.pages import page
from pools import services as pools
from trading import services as trading


@page
def draws(request: HttpRequest, pool_id: UUID) -> HttpResponse:
    """``/pools/<id>/draws/``."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    pool = pools.pool_of(pool_id=pool_id, user_id=user_id)
    mine = [one.id for one in pools.subscriptions_of(user_id, pool_id=pool_id)]
    found = trading.draws_of(pool_id, subscription_ids=mine)
    context = {"pool": pool, "commitments": found.commitments, "drawn": found.drawn, "nav": "pools"}
    return render(request, "pools/draws.html", context)
