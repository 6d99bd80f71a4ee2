"""The limits of an exchange account: looked at, narrowed at once, widened with a passkey that the vault checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from citadel import services as citadel
from citadel.types import AccountRef, Limits, LimitsQuestion
from obscura.core.errors import NotFound, Problem
from obscura.web.numbers import plain
from obscura.web.pages import actor, page, wants_part, words
from obscura.web.templatetags.figures import usd

FIELDS = {
    "order_usd": ("In one order", "$", "", "A larger order is not sent."),
    "minute_usd": ("In a minute", "$", "", "All orders of a minute together."),
    "day_usd": ("On a day", "$", "", "All orders of a day together, from midnight UTC."),
    "leverage": ("Highest leverage", "", "×", "On futures: from 1 to 125."),
}
"""Label, what stands before and behind, and help."""

ANSWER = ("id", "authenticator", "client", "signature")


@page
def limits(request: HttpRequest, account_id: UUID) -> HttpResponse:
    """``/exchange-accounts/<id>/limits/``."""
    user_id: UUID = request.user.pk  # type: ignore[assignment]
    one = citadel.account(account_id=account_id, user_id=user_id)
    problem = None
    if request.method == "POST":
        try:
            return _changed(request, one)
        except NotFound:
            raise
        except Problem as found:
            problem = found
    context = _context(one, request.POST if problem else {}, problem)
    template = "accounts/_limits.html" if wants_part(request) else "accounts/limits.html"
    return render(request, template, context, status=422 if problem else 200)


def entered_limits(asked: Mapping[str, Any]) -> dict[str, object]:
    """What a form says of the limits; a field that is not in it says nothing."""
    return {name: asked[name] for name in FIELDS if name in asked}


def limit_fields(usual: Limits, asked: Mapping[str, Any], problem: Problem | None) -> list[dict[str, str]]:
    """For templates/accounts/_limit_fields.html: what was entered, or else what is so now."""
    found: Any = problem.details.get("fields") if isinstance(problem, citadel.LimitsInvalid) else None
    faults = found if isinstance(found, Mapping) else {}
    return [
        {
            "name": name,
            "label": label,
            "value": str(asked.get(name) or _figure(usual, name))[:24],
            "usual": _figure(usual, name),
            "prefix": prefix,
            "suffix": suffix,
            "help": said,
            "error": str(faults.get(name, "")),
        }
        for name, (label, prefix, suffix, said) in FIELDS.items()
    ]


def _changed(request: HttpRequest, one: AccountRef) -> HttpResponse:
    """Ask for the change, or for the passkey that it needs."""
    whose = {"account_id": one.id, "user_id": one.owner_id}
    wished, number = entered_limits(request.POST), _number(request.POST.get("number", ""))
    answer = {part: request.POST.get(f"passkey_{part}", "") for part in ANSWER}
    if not any(answer.values()):
        present = citadel.limits_of([one.id])[one.id]
        if number != present.number:
            raise citadel.LimitsOutdated
        question = citadel.limits_question(**whose, wished=wished, site=_site(request))
        if question.challenge:
            return render(request, "accounts/limits_confirm.html", _confirm(one, present, question, _site(request)))
    asked = citadel.change_limits(
        **whose, wished=wished, number=number, assertion=answer if any(answer.values()) else None,
        actor=actor(request),
    )  # fmt: skip
    if not asked:
        messages.info(request, "These are the limits already.")
    return redirect("web:account_limits", one.id)


def _context(one: AccountRef, asked: Mapping[str, Any], problem: Problem | None) -> dict[str, Any]:
    present = citadel.limits_of([one.id])[one.id]
    at_field = isinstance(problem, citadel.LimitsInvalid)
    sites: Any = problem.details.get("sites", []) if problem else []
    return {
        "account": {"id": one.id, "label": one.label, "environment": one.environment},
        "present": present,
        "narrow_only": not present.passkeys,
        "rows": [(label, _words(present, name)) for name, (label, *_) in FIELDS.items()],
        "limits": limit_fields(present, asked, problem),
        "error": " ".join([words(problem), *sites]) if problem and not at_field else "",
        "nav": "accounts",
    }


def _confirm(one: AccountRef, present: Limits, question: LimitsQuestion, site: str) -> dict[str, Any]:
    changes = [
        {
            "label": label,
            "before": _words(present, name),
            "after": _words(question, name),
            "wider": getattr(question, name) > getattr(present, name),
        }
        for name, (label, *_) in FIELDS.items()
    ]
    return {
        "account": {"id": one.id, "label": one.label, "environment": one.environment},
        "changes": changes,
        "entered": [("number", str(question.number)), *((name, _figure(question, name)) for name in FIELDS)],
        "ask": {"challenge": question.challenge, "passkeys": list(question.passkeys), "site": site},
        "nav": "accounts",
    }


def _site(request: HttpRequest) -> str:
    """The host that passkeys are of here (tenants.access.allauth)."""
    return request.get_host().partition(":")[0]


def _number(text: str) -> int:
    """The number of the limits that were looked at; one that is none is no present one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _figure(of: Limits | LimitsQuestion, name: str) -> str:
    """As it stands in a field: 50,000."""
    return str(of.leverage) if name == "leverage" else plain(getattr(of, name))


def _words(of: Limits | LimitsQuestion, name: str) -> str:
    return f"{of.leverage}×" if name == "leverage" else usd(getattr(of, name))
