"""What a copy's terms mean in plain words, worked out while they are typed: templates/subscriptions/_part.html."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from obscura.core.errors import Problem
from obscura.web import cards
from obscura.web.copy_form import OPEN_TOO, CopyForm
from pools import services as pools
from pools.types import FixedAmount, PoolRef, Summary
from trading import services as trading


def summary(form: CopyForm, pool: PoolRef, user_id: UUID, *, begins: bool) -> dict[str, Any]:
    """The context of the template.

    :param begins: a new copy, which may begin with what is open
    """
    terms, style = form.terms(), form.style()
    if terms is None or style is None:
        return {"summary": None, "problems": form.problems(), "ladder": None}
    ladder = form.ladder(terms, slots=pool.slots)
    found, faults = pools.check_terms(pool_id=pool.id, user_id=user_id, terms=terms, style=style)
    if found is None:
        return {"summary": None, "problems": [fault.words for fault in faults], "ladder": ladder}
    positions = _positions(form, pool, user_id, terms) if begins and form.begin == OPEN_TOO else None
    return {"summary": _shown(found, form), "problems": [], "ladder": ladder, "begin": positions}


def _shown(found: Summary, form: CopyForm) -> dict[str, Any]:
    accounts = form.terms_form
    account = accounts.chosen() or next(iter(accounts.accounts.values()), None)
    return {
        "investment": found.investment,
        "ready_to_lose": found.ready_to_lose,
        "keeps": found.keeps,
        "per_copy": found.per_copy,
        "max_copies": found.max_copies,
        "profit_target": found.profit_target,
        "daily_loss": found.daily_loss,
        "leverage": found.leverage if found.leverage > 1 else None,
        "account": account.label if account else "",
        "environment": account.environment if account else "",
        "style": found.style,
    }


def _positions(form: CopyForm, pool: PoolRef, user_id: UUID, terms: FixedAmount) -> dict[str, Any] | None:
    """What the leads hold and what copying it would come to, where an account is chosen."""
    account, style = form.terms_form.chosen(), form.style()
    if account is None or style is None:
        return None
    try:
        lines = trading.start_preview(pool_id=pool.id, user_id=user_id, account_id=account.id, terms=terms, style=style)
    except Problem as problem:
        return {"lines": [], "cost": None, "problem": problem.message}
    return {"lines": [cards.position_line(line) for line in lines], "cost": trading.estimated(lines), "problem": ""}
