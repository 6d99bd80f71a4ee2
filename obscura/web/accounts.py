"""Exchange accounts: connect one, check it, remove it. What is typed as a key goes to the vault and nowhere else."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from citadel import services as citadel
from citadel.types import AccountRef
from obscura.core.errors import Conflict, NotFound, Problem
from obscura.web.cards import VENUE
from obscura.web.limits import entered_limits, limit_fields
from obscura.web.pages import actor, page, tell, wants_part, words
from pools import services as pools
from trading import services as trading

HOME_EXCHANGE = "binance"
STATES = {"active": "ready", "pending": "checking", "refused": "refused"}
PAPER, LIVE = ("paper", "Paper"), ("live", "Live")
PAPER_DOLLARS = ("1000", "10000", "100000")


class AccountInUse(Conflict):
    """This account is in use."""

    code = "account_in_use"
    remedy = "Stop the pools that trade on it first."


@require_safe
@page
def listing(request: HttpRequest) -> HttpResponse:
    """``/exchange-accounts/``."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    used = _uses(user_id)
    names = {one.code: one.name for one in citadel.supported_exchanges()}
    leading = _leading(user_id)
    notices = trading.account_notices(user_id)
    shown = [
        _line(one, names, used[one.id], one.id in leading) | {"notices": notices.get(one.id, [])}
        for one in citadel.accounts_of(user_id)
    ]
    context = {"accounts": shown, "addresses": citadel.egress_addresses(), "nav": "accounts"}
    return render(request, "accounts/list.html", context)


@sensitive_post_parameters()
@sensitive_variables()
@page
def new(request: HttpRequest) -> HttpResponse:
    """``/exchange-accounts/new/?exchange=``: paste a key, or open a paper account."""
    asked = request.POST if request.method == "POST" else request.GET
    exchange = asked.get("exchange") or HOME_EXCHANGE
    if exchange not in {one.code for one in citadel.supported_exchanges()}:
        exchange = HOME_EXCHANGE
    problem = None
    if request.method == "POST":
        try:
            made = _open_paper(request) if "paper" in request.POST else _connect(request, exchange)
        except NotFound:
            raise
        except Problem as found:
            problem = found
        else:
            messages.success(request, f"{made.label} is connected. Its key is being checked.")
            return redirect("web:accounts")
    context = _form(asked, exchange, problem) | {"seal": _seal(request, exchange)}
    template = "accounts/_fields.html" if wants_part(request) else "accounts/new.html"
    return render(request, template, context, status=422 if problem else 200)


@require_POST
@page
def check(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """``POST /exchange-accounts/<id>/check/``: ask the exchange again what the key may do."""
    try:
        one = citadel.ask_check(account_id=account_id, user_id=request.user.pk, actor=actor(request))
    except NotFound:
        raise
    except Problem as problem:
        tell(request, problem)
    else:
        messages.info(request, f"The exchange is being asked about {one.label}. The answer is here in a few seconds.")
    return redirect("web:accounts")


@require_POST
@page
def confirm(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """``POST /exchange-accounts/<id>/confirm/``: its owner has looked at the exchange, which does not tell us."""
    try:
        one = citadel.confirm_account(
            account_id=account_id,
            user_id=request.user.pk,  # type: ignore[arg-type]
            actor=actor(request),
        )
    except NotFound:
        raise
    except Problem as problem:
        tell(request, problem)
    else:
        messages.success(request, f"{one.label} is ready to trade.")
    return redirect("web:accounts")


@require_POST
@page
def remove(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """``POST /exchange-accounts/<id>/remove/``: erase its key. One that is in use stays."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    one = citadel.account(account_id=account_id, user_id=user_id)
    if _uses(user_id)[account_id]:
        tell(request, AccountInUse(f"{one.label} is in use."))
    elif account_id in _leading(user_id):
        tell(request, AccountInUse(f"A trader leads on {one.label}.", remedy="Let it stop leading first."))
    else:
        citadel.revoke_account(account_id=account_id, user_id=user_id, actor=actor(request))
        messages.success(request, f"{one.label} is removed. Its key is erased from the vault.")
    return redirect("web:accounts")


@require_POST
@page
def release(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """``POST /exchange-accounts/<id>/release/``: let it lead no more, so that it may follow again."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    one = citadel.account(account_id=account_id, user_id=user_id)
    try:
        pools.release_account(account_id=account_id, user_id=user_id, actor=actor(request))
    except pools.StillLeading as problem:
        tell(request, problem)
    else:
        messages.success(request, f"{one.label} leads no more. It can copy pools again.")
    return redirect("web:accounts")


def _leading(user_id: UUID) -> set[UUID | None]:
    return {one.account_id for one in pools.traders_of(user_id=user_id)}


def _uses(user_id: UUID) -> Counter[UUID]:
    return Counter(one.account_id for one in pools.subscriptions_of(user_id))


def _line(one: AccountRef, names: Mapping[str, str], in_use: int, leads: bool) -> dict[str, Any]:
    told = one.permissions if one.status in ("active", "pending") else {}
    unsure = told.get("confirm") is True
    return {
        "id": one.id,
        "unsure": unsure,
        "confirmed_at": parse_datetime(str(told.get("confirmed_at", ""))),
        "note": "" if unsure else told.get("note", ""),
        "anywhere": told.get("ip_restricted") is False,
        "label": one.label,
        "exchange": names.get(one.exchange, one.exchange),
        "environment": one.environment,
        "state": "unsure" if unsure and one.status == "pending" else STATES[one.status],
        "reason": one.reason,
        "checked_at": one.checked_at,
        "key_hint": one.hint,
        "in_use": in_use,
        "leads": leads,
        "address": one.address,
    }


@sensitive_variables()
def _connect(request: HttpRequest, exchange: str) -> AccountRef:
    if "sealed" in request.POST:
        return citadel.connect_sealed_account(
            owner_id=request.user.pk,  # type: ignore[arg-type]
            account_id=request.POST.get("account", ""),
            exchange=exchange,
            environment=request.POST.get("environment", ""),
            label=request.POST.get("label", ""),
            sealed=request.POST["sealed"],
            actor=actor(request),
        )
    entered = {one.name: request.POST.get(one.name, "") for one in citadel.credential_fields(exchange)}
    return citadel.connect_account(
        owner_id=request.user.pk,  # type: ignore[arg-type]
        exchange=exchange,
        environment=request.POST.get("environment", ""),
        label=request.POST.get("label", ""),
        credentials=entered,
        actor=actor(request),
        wished=entered_limits(request.POST),
    )


def _open_paper(request: HttpRequest) -> AccountRef:
    return citadel.open_paper_account(
        owner_id=request.user.pk,  # type: ignore[arg-type]
        label=request.POST.get("label", ""),
        usd=request.POST.get("paper", ""),
        actor=actor(request),
    )


@sensitive_variables("asked")
def _form(asked: Mapping[str, str], exchange: str, problem: Problem | None) -> dict[str, Any]:
    """For templates/accounts/_fields.html. Of what was typed, the name and the choices go back; a key never does."""
    named: Any = problem.details.get("fields") if problem else None
    faults = {str(name): str(said) for name, said in named.items()} if isinstance(named, Mapping) else {}
    limits = limit_fields(citadel.usual_limits(), asked, problem)
    at_limits = isinstance(problem, citadel.LimitsInvalid)
    at_label = isinstance(problem, citadel.LabelTaken) or (problem is not None and problem.code == "label_invalid")
    environments = [PAPER, LIVE] if exchange == HOME_EXCHANGE else [LIVE]
    return {
        "exchanges": _exchanges(),
        "exchange": exchange,
        "exchange_note": ""
        if exchange == HOME_EXCHANGE
        else f"Pools are copied on {VENUE}. On an account elsewhere, no pool can be copied.",
        "environments": environments,
        "environment": asked.get("environment") or environments[0][0],
        "label": asked.get("label", "")[:60],
        "label_error": words(problem) if problem and at_label else "",
        "fields": [
            {
                "name": one.name,
                "label": one.label,
                "kind": one.kind,
                "help": one.help,
                "error": faults.get(one.name, ""),
            }
            for one in citadel.credential_fields(exchange)
        ],
        "limits": limits,
        "limits_open": at_limits or any(one["value"] != one["usual"] for one in limits),
        "error": words(problem) if problem and not faults and not at_label else "",
        "addresses": citadel.egress_addresses(),
        "paper_dollars": PAPER_DOLLARS if os.environ.get("OBSCURA_PAPER_CONTROL") else (),
        "nav": "accounts",
    }


def _seal(request: HttpRequest, exchange: str) -> str:
    """For assets/js/connect.js: what the browser seals to, for which account, and what it asks of each field first."""
    try:
        key = citadel.intake_key()
    except citadel.VaultNotReady as problem:
        return json.dumps({"key": "", "unready": words(problem)})
    given = citadel.reserve_account(owner_id=request.user.pk)  # type: ignore[arg-type]
    return json.dumps(
        {
            "key": b64encode(key.public).decode(),
            "tenant": given.tenant,
            "account": given.account.hex,
            "account_id": given.account_id,
            "agreed": given.agreed,
            "beside": citadel.sealed_beside(exchange),
            "exchange": exchange,
            "rules": {
                field.name: [(rule.pattern, rule.words) for rule in field.rules]
                for field in citadel.credential_fields(exchange)
            },
        }
    )


def _exchanges() -> list[dict[str, str]]:
    found = sorted(citadel.supported_exchanges(), key=lambda one: (one.code != HOME_EXCHANGE, one.name.casefold()))
    return [{"code": one.code, "name": one.name} for one in found]
