"""A subscription's way from the inside: close one's own, catch up with the leads, move money, and leave."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from obscura.core.errors import NotFound, Problem
from obscura.web import cards
from obscura.web.pages import actor, page, tell, words
from obscura.web.style_form import RADIO
from obscura.web.templatetags.figures import usd
from pools import services as pools
from pools.types import SubscriptionRef
from trading import services as trading

ADD, WITHDRAW = "add", "withdraw"
LEFT = {
    "now": "{} is stopped. What is open is being closed.",
    "follow": "{} is stopped. What is open still closes with the lead.",
    "leave": "{} is over. What it held stays in your account and is yours to close.",
}

STOPPED = {
    "leave": "Everything is stopped. What is open still closes with its lead.",
    "now": "Everything is stopped. What is open is being closed.",
}


class MoneyForm(forms.Form):
    """How much, and which way."""

    way = forms.ChoiceField(
        label="What to do",
        choices=[(ADD, "Add"), (WITHDRAW, "Take out")],
        initial=ADD,
        widget=forms.RadioSelect(attrs=RADIO),
    )
    amount = forms.DecimalField(
        label="Amount",
        max_digits=14,
        decimal_places=2,
        min_value=Decimal("0.01"),
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


@require_POST
@page
def close(request: HttpRequest, subscription_id: int) -> HttpResponse:
    """``POST /portfolio/<id>/close/`` with ``what=<market>:<symbol>``: close it now, whatever the lead does."""
    one = _mine(request, subscription_id)
    market, _, symbol = request.POST.get("what", "").partition(":")
    if not market or not symbol:
        raise Http404
    begun = trading.close_copies(
        subscription_id=one.id, user_id=one.user_id, actor=actor(request), symbol=symbol, market=market
    )
    if begun:
        messages.success(request, f"{cards.pair(symbol)} is being closed. It is copied again from the next entry on.")
    else:
        messages.info(request, f"{cards.pair(symbol)} is closed already, or being closed.")
    return redirect("web:subscriptions")


@require_http_methods(["GET", "HEAD", "POST"])
@page
def leave(request: HttpRequest, subscription_id: int) -> HttpResponse:
    """``/portfolio/<id>/leave/``: stop for good, and say what becomes of what is open."""
    one = _mine(request, subscription_id)
    if request.method == "POST":
        way = request.POST.get("close", "")
        try:
            trading.unfollow(subscription_id=one.id, user_id=one.user_id, close=way, actor=actor(request))
        except NotFound:
            raise
        except Problem as problem:
            tell(request, problem)
            return redirect("web:subscription_leave", one.id)
        messages.success(request, LEFT[way].format(one.pool_name))
        return redirect("web:subscriptions")
    held = [cards.holding_line(line) for line in trading.open_holdings_of([one.id])]
    return render(request, "subscriptions/leave.html", {"one": _shown(one), "holdings": held, "nav": "portfolio"})


@require_http_methods(["GET", "HEAD", "POST"])
@page
def stop_everything(request: HttpRequest) -> HttpResponse:
    """``/portfolio/stop/``: the follower's own kill switch, and what becomes of what is open."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    mine = [one for one in pools.subscriptions_of(user_id) if one.status != "ended"]
    if request.method == "POST" and mine:
        way = request.POST.get("close", "")
        if way not in ("leave", "now"):
            messages.error(request, "Say what becomes of what is open.")
            return redirect("web:stop_everything")
        pools.halt_user(user_id=user_id, actor=actor(request), close=way == "now")
        messages.success(request, STOPPED[way])
        return redirect("web:subscriptions")
    held = trading.open_holdings_of([one.id for one in mine])
    shown = [
        {
            "pool_name": one.pool_name,
            "account": one.account_label,
            "environment": one.environment,
            "holdings": [cards.holding_line(line) for line in held if line.subscription_id == one.id],
        }
        for one in mine
    ]
    return render(request, "subscriptions/stop.html", {"mine": shown, "nav": "portfolio"})


@require_POST
@page
def copy_again(request: HttpRequest) -> HttpResponse:
    """``POST /portfolio/copy-again/``: let what "stop everything" had stopped copy again."""
    count = pools.release_user(user_id=request.user.pk, actor=actor(request))  # type: ignore[arg-type]
    if count:
        messages.success(
            request, f"{count} pool{'s are' if count > 1 else ' is'} copied again, from the next trade on."
        )
    else:
        messages.info(request, "Nothing was waiting to be copied again.")
    return redirect("web:subscriptions")


@require_http_methods(["GET", "HEAD", "POST"])
@page
def catch_up(request: HttpRequest, subscription_id: int) -> HttpResponse:
    """``/portfolio/<id>/catch-up/``: what the leads hold and what is held here; what is ticked is brought in line."""
    one = _mine(request, subscription_id)
    if request.method == "POST":
        ticked = request.POST.getlist("take")
        begun = trading.resync(
            subscription_id=one.id, user_id=one.user_id, actor=actor(request), only=ticked, reopen=ticked
        )
        if begun:
            orders = "1 order is" if begun == 1 else f"{begun} orders are"
            messages.success(request, f"{orders} on the way. What becomes of them is among your copies.")
        else:
            messages.info(request, "Nothing was ticked that could be brought in line, so nothing was done.")
        return redirect("web:subscriptions")
    lines = trading.resync_preview(subscription_id=one.id, user_id=one.user_id)
    context = {
        "one": _shown(one),
        "lines": [cards.position_line(line) for line in lines],
        "cost": trading.estimated(lines),
        "anything": any(line.possible for line in lines),
        "nav": "portfolio",
    }
    return render(request, "subscriptions/catch_up.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def money(request: HttpRequest, subscription_id: int) -> HttpResponse:
    """``/portfolio/<id>/money/``: let it invest more, or less."""
    one = _mine(request, subscription_id)
    form = MoneyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _moved(request, one, form):
        return redirect("web:subscriptions")
    free = max(one.terms.total_investment - one.invested - one.reserved, Decimal(0))
    context = {"one": _shown(one), "form": form, "free": free, "nav": "portfolio"}
    return render(request, "subscriptions/money.html", context, status=422 if form.errors else 200)


def _moved(request: HttpRequest, one: SubscriptionRef, form: MoneyForm) -> bool:
    way, amount = form.cleaned_data["way"], form.cleaned_data["amount"]
    move = pools.add_money if way == ADD else pools.withdraw_money
    try:
        after = move(subscription_id=one.id, user_id=one.user_id, amount=amount, actor=actor(request))
    except pools.TermsInvalid as problem:
        named: Any = problem.details["fields"]
        form.add_error("amount", " ".join(named.values()))
    except NotFound:
        raise
    except Problem as problem:
        form.add_error("amount", words(problem))
    else:
        messages.success(request, f"{after.pool_name} may invest {usd(after.terms.total_investment)} now.")
        return True
    return False


def _mine(request: HttpRequest, subscription_id: int) -> SubscriptionRef:
    if subscription_id >= 2**63:
        raise Http404
    return pools.subscription(subscription_id=subscription_id, user_id=request.user.pk)  # type: ignore[arg-type]


def _shown(one: SubscriptionRef) -> dict[str, Any]:
    return {
        "id": one.id,
        "pool_id": one.pool_id,
        "pool_name": one.pool_name,
        "status": one.status,
        "investment": one.terms.total_investment,
        "ready_to_lose": one.terms.max_loss,
        "in_use": one.invested + one.reserved,
    }
