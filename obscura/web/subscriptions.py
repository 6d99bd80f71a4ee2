"""Subscriptions: begin one, change its amounts, pause, resume and stop it, and see them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from billing import services as billing
from citadel import services as citadel
from citadel.types import AccountRef
from obscura.core.errors import NotFound, Problem
from obscura.web import cards
from obscura.web.copy_form import FIRST_INVESTMENT, OPEN_TOO, CopyForm
from obscura.web.copy_summary import summary
from obscura.web.pages import actor, page, tell, wants_part
from obscura.web.style_form import with_rows
from obscura.web.templatetags.figures import tone, usd, usd_signed
from pools import services as pools
from pools.types import GAPS, PoolRef, SubscriptionRef
from trading import services as trading

CLOSES_GO_ON = "Nothing new is opened; what is open still closes with the lead."
ACTIONS: dict[str, tuple[Callable[..., SubscriptionRef], str]] = {
    "pause": (pools.pause_subscription, f"{{}} is paused. {CLOSES_GO_ON}"),
    "resume": (pools.resume_subscription, "{} is copied again."),
    "stop": (pools.stop_subscription, f"{{}} is stopped. {CLOSES_GO_ON}"),
}
SETTLED_AT = {"withdrawal": "a withdrawal", "month": "the end of a month", "end": "the end of the copying"}


@require_safe
@page
def listing(request: HttpRequest) -> HttpResponse:
    """``/portfolio/``."""
    mine = pools.subscriptions_of(request.user.pk)  # type: ignore[arg-type]
    mine.sort(key=lambda one: one.status not in ("active", "paused"))
    shown = subscription_cards(mine)
    return render(
        request,
        "subscriptions/list.html",
        {
            "subscriptions": shown,
            "stats": _totals(shown) if len(shown) > 1 else [],
            "stoppable": any(one.status != "ended" and one.stopped_by != pools.HALT_CLOSE for one in mine),
            "stopped": sum(one.stopped_by in pools.HALTS for one in mine),
            "shares": _shares(request.user.pk),  # type: ignore[arg-type]
            "nav": "portfolio",
        },
    )


def _shares(user_id: UUID) -> dict[str, Any]:
    """What is due of a follower's profits, those of copies that are over too."""
    found = billing.shares_of(user_id)
    names = {one.id: one.pool_name for one in pools.subscriptions_of(user_id, ended=True)} if found else {}
    rows = [
        {
            "at": one.at,
            "pool_name": names.get(one.subscription_id, ""),
            "cause": SETTLED_AT[one.cause],
            "result": one.result,
            "profit": one.profit,
            "due": one.creator_usd + one.platform_usd,
        }
        for one in found
    ]
    return {"rows": rows, "total": billing.due_of(user_id)}


@page
def subscribe(request: HttpRequest, pool_id: UUID) -> HttpResponse:
    """``/pools/<id>/copy/``: a new subscription, or with ``?change=<id>`` other terms for one that is there.

    A POST with ``do`` adds or removes a row and saves nothing.
    """
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    pool = pools.pool_of(pool_id=pool_id, user_id=user_id)
    changed = _changed(request, pool_id)
    leading = {one.account_id for one in pools.traders_of(user_id=user_id)}
    accounts = _usable(user_id, pool, changed, leading)
    asked = request.GET if wants_part(request) else request.POST if request.method == "POST" else None
    data = None if asked is None else {name: asked[name] for name in asked}
    edit = "" if data is None else data.pop("do", "")
    if data is not None and edit:
        number = edit.removeprefix("remove-")
        data = with_rows(data, add=edit == "add", remove=int(number) if number.isdecimal() else None)
    form = CopyForm(data, accounts=accounts, changed=changed)
    if wants_part(request) and request.method == "GET":
        return render(request, "subscriptions/_part.html", summary(form, pool, user_id, begins=changed is None))
    if request.method == "POST" and not edit and form.is_valid():
        done = _save(request, form, pool, changed)
        if done is not None:
            return done
    context = {
        "pool": cards.pool_card(pool),
        "form": form.terms_form,
        "copy": form,
        "slider_max": form.terms_form["investment"].value() or FIRST_INVESTMENT,
        "editing": changed is not None,
        "account_missing": not accounts,
        "account_leads": bool(leading - {None}),
        "gaps": GAPS,
        "nav": "pools",
        **summary(form, pool, user_id, begins=changed is None),
    }
    status = 422 if request.method == "POST" and not edit and form.failed else 200
    return render(request, "subscriptions/form.html", context, status=status)


@require_POST
@page
def act(request: HttpRequest, subscription_id: int, action: str) -> HttpResponse:
    """``POST /portfolio/<id>/pause|resume|stop/``; then back to the page it was asked from."""
    if action not in ACTIONS or subscription_id >= 2**63:
        raise Http404
    service, done = ACTIONS[action]
    try:
        one = service(subscription_id=subscription_id, user_id=request.user.pk, actor=actor(request))
    except NotFound:
        raise
    except Problem as problem:
        tell(request, problem)
    else:
        messages.success(request, done.format(one.pool_name))
    return redirect("web:subscriptions")


def subscription_cards(mine: Sequence[SubscriptionRef]) -> list[dict[str, Any]]:
    """Subscriptions with what was copied and what is open, read together."""
    ids = [one.id for one in mine]
    counts, held, notices = trading.copy_counts(ids), trading.open_holdings_of(ids), trading.standing_words(ids)
    return [
        cards.subscription_card(
            one,
            counts=counts[one.id],
            holdings=[line for line in held if line.subscription_id == one.id],
            notices=notices.get(one.id, ()),
        )
        for one in mine
    ]


def _changed(request: HttpRequest, pool_id: UUID) -> SubscriptionRef | None:
    asked = request.GET.get("change", "")
    if not asked:
        return None
    if not asked.isdecimal() or int(asked) >= 2**63:
        raise Http404
    found = pools.subscription(subscription_id=int(asked), user_id=request.user.pk)  # type: ignore[arg-type]
    if found.pool_id != pool_id:
        raise Http404
    return found


def _usable(
    user_id: UUID, pool: PoolRef, changed: SubscriptionRef | None, leading: set[UUID | None]
) -> list[AccountRef]:
    """The accounts the pool can be copied on: paper money may follow anybody, real money nobody who risks none.

    An account that leads is not among them.
    """
    if changed is not None:
        return [citadel.account(account_id=changed.account_id, user_id=user_id)]
    on_paper = any(one.environment == "paper" for one in pool.traders)
    return [
        one
        for one in citadel.accounts_of(user_id)
        if one.status == "active" and one.id not in leading and (one.environment == "paper" or not on_paper)
    ]


def _save(request: HttpRequest, form: CopyForm, pool: PoolRef, changed: SubscriptionRef | None) -> HttpResponse | None:
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    terms, style = form.terms(), form.style()
    if terms is None or style is None:
        return None
    try:
        if changed is not None:
            pools.change_terms(
                subscription_id=changed.id, user_id=user_id, terms=terms, style=style, actor=actor(request)
            )
            messages.success(request, "The new terms hold from the next trade on.")
        else:
            open_now = form.begin == OPEN_TOO
            trading.follow(
                user_id=user_id,
                pool_id=pool.id,
                account_id=form.terms_form.account_id,
                terms=terms,
                style=style,
                open_now=open_now,
                actor=actor(request),
            )
            begun = "What is open is being copied." if open_now else "Its next trade is yours too."
            messages.success(request, f"You copy {pool.name}. {begun}")
    except Problem as problem:
        form.take(problem)
        return None
    return redirect("web:pool", pool.id)


def _totals(shown: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    live = [one for one in shown if one["state"] != "stopped"]
    results = [one["result"] for one in shown if one["result"] is not None]
    result = sum(results, Decimal(0)) if results else None
    at_risk = sum((max(one["ready_to_lose"] - one["lost"], Decimal(0)) for one in live), Decimal(0))
    return [
        _total("Result", None if result is None else usd_signed(result), "closed copies, fees paid", tone(result)),
        _total("In use", usd(sum((one["in_use"] for one in shown), Decimal(0))), "in open copies"),
        _total("Still at risk", usd(at_risk), "of what you are ready to lose"),
        _total("Not copied", str(sum(one["not_copied"] for one in shown)), "each with its reason"),
    ]


def _total(label: str, value: str | None, note: str, colour: str = "") -> dict[str, Any]:
    return {"label": label, "value": value, "tone": colour, "note": note, "reason": "No copy has been closed yet"}
