"""More money for a subscription, and less: never less than what is in use."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from django.db import transaction

from obscura.core.audit import write as audit
from obscura.core.errors import Conflict
from pools.domain import terms as rules
from pools.domain.terms import FixedAmount
from pools.services.pools import pool_of
from pools.services.subscriptions import (
    TermsInvalid,
    changeable,
    faults_in,
    refuse,
    style_in,
    subscription,
    write_terms,
)
from pools.types import SubscriptionRef


class MoneyInUse(Conflict):
    """That much cannot be taken out now."""

    code = "money_in_use"
    remedy = "Take out less, or close copies first and wait until they are closed."


def add_money(*, subscription_id: int, user_id: UUID, amount: Decimal, actor: str) -> SubscriptionRef:
    """Let an active or paused subscription invest `amount` more. What may be lost stays as it is.

    :raises SubscriptionUnknown: this user has none of this id
    :raises SubscriptionMoveRefused: it is stopped
    :raises TermsInvalid: the field ``amount``, or what does not go together with the new total
    """
    return _move_money(subscription_id, user_id, amount, actor, "added")


def withdraw_money(*, subscription_id: int, user_id: UUID, amount: Decimal, actor: str) -> SubscriptionRef:
    """Let it invest `amount` less, never less than what is in open copies and in orders on their way.

    :raises SubscriptionUnknown, SubscriptionMoveRefused, TermsInvalid: see `add_money`
    :raises MoneyInUse: `details` says how much can be taken out now
    """
    return _move_money(subscription_id, user_id, -amount, actor, "withdrawn")


def _move_money(subscription_id: int, user_id: UUID, change: Decimal, actor: str, word: str) -> SubscriptionRef:
    amount = abs(change)
    if (change > 0) != (word == "added") or not change or amount != amount.quantize(rules.CENT):
        raise TermsInvalid(details={"fields": {"amount": "Give an amount above $0 in dollars and whole cents."}})
    with transaction.atomic():
        row = changeable(subscription_id, user_id)
        total, used = row.total_investment + change, row.exposure + row.reserved
        if change < 0 and total < used:
            free = max(row.total_investment - used, Decimal(0)).quantize(rules.CENT, rounding=ROUND_FLOOR)
            words = f"${rules.money(used)} is in use, so ${rules.money(free)} can be taken out."
            raise MoneyInUse(words, details={"free_usd": str(free)})
        terms = FixedAmount(total, row.max_loss, row.profit_target, row.daily_loss_limit)
        style = style_in(row)
        refuse(faults_in(pool_of(pool_id=row.pool_id), terms, style))
        write_terms(row, terms, style)
        audit.record(
            f"pools.subscription.money_{word}",
            actor=actor,
            subject=f"subscription:{row.pk}",
            amount=str(amount),
            total_investment=str(total),
        )
    return subscription(subscription_id=subscription_id, user_id=user_id)
