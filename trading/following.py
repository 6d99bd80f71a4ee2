"""Begin to copy, catch up with the leads, and leave: each step with a preview, and whole or not at all.

What belongs together is one transaction: the subscription, the signals it causes and the promise to plan them. A
process that dies leaves all of it or nothing; what was promised is done by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, Q

from citadel import services as citadel
from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Invalid
from obscura.core.money import ZERO
from pools import services as pools
from pools.types import PLAIN, Advanced, FixedAmount, SubscriptionRef
from trading.domain.catching_up import Mine, Step, steps
from trading.domain.order_state import IN_FLIGHT
from trading.leads import LeadHeld, held_by_leads
from trading.models import Holding, Order
from trading.rehearsal import Rehearsal, Rehearsed, beginner, standing
from trading.signals.asked import Place, alone, close_held, hold_lane, open_held, place_of, under_way
from trading.signals.closes import close_copies

NOW, FOLLOW, LEAVE = "now", "follow", "leave"
CLOSED_BY_OWNER = "You closed it yourself while the lead went on"
UNDER_WAY = "Orders are on their way; what it will be is not known yet"


class WayUnknown(Invalid):
    """There is no such way to stop."""

    code = "close_unknown"
    remedy = "Say what becomes of what is open: now, follow or leave."


@dataclass(frozen=True, slots=True)
class Position:
    """One line of a preview.

    :param key: what names it when it is chosen
    :param step: ``open``, ``close``, ``keep`` or ``wait``
    :param lead_qty: signed; so is `qty`, what the follower holds
    :param would: what would be traded, without a sign
    :param cost: USD of the follower's own money that an open would use, at most
    :param reason: why nothing would come of it, or why it is asked about; in words
    :param asks: it is done when it is ticked, and not otherwise: its owner closed it himself
    :param possible: whether something would come of it
    """

    key: str
    market: str
    symbol: str
    lead: str
    step: str
    lead_qty: Decimal
    qty: Decimal
    would: Decimal
    cost: Decimal
    price: Decimal | None
    reason: str
    asks: bool
    possible: bool


def start_preview(
    *, pool_id: UUID, user_id: UUID, account_id: UUID, terms: FixedAmount, style: Advanced = PLAIN
) -> list[Position]:
    """What copying everything the pool's leads hold would come to for somebody who begins now. Writes nothing.

    :raises NotFound: the user has no such account, or may not see the pool
    """
    pools.pool_of(pool_id=pool_id, user_id=user_id)
    account = citadel.account(account_id=account_id, user_id=user_id)
    follower = beginner(user_id=user_id, account=account, terms=terms, style=style)
    rehearsal = Rehearsal(pool_id=pool_id, follower=follower)
    return [_opening(rehearsal.open(held)) for held in held_by_leads(pool_id)]


def follow(
    *,
    user_id: UUID,
    pool_id: UUID,
    account_id: UUID,
    terms: FixedAmount,
    actor: str,
    style: Advanced = PLAIN,
    open_now: bool = False,
    paper_only: bool = False,
) -> SubscriptionRef:
    """Follow a pool from its next trade on; with `open_now`, copy what its leads hold already, at present prices.

    :raises Problem: what `pools.services.subscribe` raises; nothing was begun then
    """
    with transaction.atomic():
        made = pools.subscribe(
            user_id=user_id, pool_id=pool_id, account_id=account_id, terms=terms, style=style, actor=actor,
            paper_only=paper_only,
        )  # fmt: skip
        if open_now:
            copy_open(subscription_id=made.id, user_id=user_id, actor=actor)
    return made


def copy_open(*, subscription_id: int, user_id: UUID, actor: str) -> int:
    """Copy what the pool's leads hold already, once in a subscription's life. Returns how many opens were begun.

    Each becomes a copy or a denial with its reason, as any other signal does.

    :raises pools.services.SubscriptionUnknown: this user has none of this id
    """
    one = pools.subscription(subscription_id=subscription_id, user_id=user_id)
    with transaction.atomic():
        alone(one.id)
        rehearsal = Rehearsal(pool_id=one.pool_id, follower=standing(one))
        wanted = [held for held in held_by_leads(one.pool_id) if not rehearsal.open(held).dust]
        begun = open_held(pool_id=one.pool_id, subscription_id=one.id, leads=wanted, token="start")  # noqa: S106
        if begun:
            audit.record("trading.copies.begun", actor=actor, subject=f"subscription:{one.id}", opens=begun)
    return begun


def resync_preview(*, subscription_id: int, user_id: UUID) -> list[Position]:
    """What the leads hold beside what the subscription holds, and what would bring the two in line. Writes nothing.

    :raises pools.services.SubscriptionUnknown: this user has none of this id
    """
    return _compared(pools.subscription(subscription_id=subscription_id, user_id=user_id))[0]


def resync(
    *,
    subscription_id: int,
    user_id: UUID,
    actor: str,
    reopen: Collection[str] = (),
    only: Collection[str] | None = None,
) -> int:
    """Close what the leads hold no longer, and open what is missing, at present prices. Returns how many were begun.

    What is there by the time it is asked decides, not what a preview said. What its owner closed himself is opened
    again only where `reopen` names it.

    :param reopen: keys of such positions
    :param only: keys of positions to touch; None is all
    :raises pools.services.SubscriptionUnknown: this user has none of this id
    """
    one = pools.subscription(subscription_id=subscription_id, user_id=user_id)
    with transaction.atomic():
        alone(one.id)
        lines, leads, mine = _compared(one)
        chosen = [line for line in lines if only is None or line.key in only]
        closes = [mine[line.key] for line in chosen if line.step == Step.CLOSE and line.possible]
        closed = close_held(pool_id=one.pool_id, rows=closes)
        opens = [
            line
            for line in chosen
            if line.step == Step.OPEN and line.possible and (not line.asks or line.key in reopen)
        ]
        again = [mine[line.key].pk for line in opens if line.asks]
        wanted = [leads[line.key] for line in opens]
        token = uuid4().hex[:12]
        opened = open_held(pool_id=one.pool_id, subscription_id=one.id, leads=wanted, token=token)
        # Behind the lane, which the opens have locked: a planner takes holdings behind it too.
        Holding.objects.filter(pk__in=again).update(closed_by_owner=False)
        if closed or opened:
            said = {"opens": opened, "closes": len(closed), "reopened": len(again)}
            audit.record("trading.copies.resynced", actor=actor, subject=f"subscription:{one.id}", **said)
    return opened + len(closed)


def unfollow(*, subscription_id: int, user_id: UUID, close: str, actor: str) -> SubscriptionRef:
    """Stop for good. May be repeated, and another way may be chosen while something is still open.

    :param close: ``now`` closes what is open, ``follow`` lets it close with the leads, ``leave`` lets go of it: it
        stays in the account, is the owner's own affair, and the subscription is over at once
    :raises WayUnknown: `close` is none of these
    :raises pools.services.SubscriptionUnknown: this user has none of this id
    :raises pools.services.OrdersUnderWay: it cannot be left while orders are on their way
    """
    if close not in (NOW, FOLLOW, LEAVE):
        raise WayUnknown
    with transaction.atomic():
        if close == LEAVE:
            return _leave(subscription_id, user_id, actor)
        if close == NOW:
            # The lane, then the subscription's row, then holdings: planners and writers of results take them so too.
            one = pools.subscription(subscription_id=subscription_id, user_id=user_id)
            alone(one.id)
            hold_lane(one.pool_id)
        stopped = pools.stop_subscription(subscription_id=subscription_id, user_id=user_id, actor=actor)
        if close == NOW:
            close_copies(subscription_id=subscription_id, user_id=user_id, actor=actor)
        return stopped


def _leave(subscription_id: int, user_id: UUID, actor: str) -> SubscriptionRef:
    one = pools.leave_subscription(subscription_id=subscription_id, user_id=user_id, actor=actor)
    # Its row is locked: no planner and no result moves anything of it from here on.
    flying = Order.objects.filter(subscription_id=subscription_id, status__in=[int(state) for state in IN_FLIGHT])
    if flying.exists():
        raise pools.OrdersUnderWay
    Holding.objects.filter(subscription_id=subscription_id, left_at=None).exclude(qty=0).update(
        left_qty=F("qty"), left_cost=F("cost"), left_at=clock.now(), qty=0, cost=0, carry_open=0, carry_close=0,
        result=0, stop_loss_pct=None, take_profit_pct=None, trailing_pct=None, best=None, closed_by_owner=False,
    )  # fmt: skip
    return one


def _compared(one: SubscriptionRef) -> tuple[list[Position], dict[str, LeadHeld], dict[str, Holding]]:
    """The lines, and by their keys what the leads and what the subscription hold."""
    leads = {held.place: held for held in held_by_leads(one.pool_id)}
    rows = Holding.objects.filter(
        Q(opening__gt=0) | Q(closing__gt=0) | Q(closed_by_owner=True) | ~Q(qty=0), subscription_id=one.id
    )
    mine = {place_of(row): row for row in rows.order_by("symbol", "market", "pk")}
    asked = under_way(one.id, effect="open") | under_way(one.id, effect="close")
    stand = {place: _mine(row, place in asked) for place, row in mine.items()}
    stand |= {place: Mine(ZERO, busy=True) for place in asked - mine.keys()}
    found = steps(leads={place: held.qty for place, held in leads.items()}, mine=stand)
    rehearsal = Rehearsal(pool_id=one.pool_id, follower=standing(one), holdings=mine.values())
    names = {trader.id: trader.name for trader in pools.pool_of(pool_id=one.pool_id).traders}
    lines = []
    for place, step in found:
        held, row = leads.get(place), mine.get(place)
        if step is Step.OPEN and held is not None:
            lines.append(_opening(rehearsal.open(held), row))
        else:
            lines.append(_other(place, step, held, row, names.get(place[0], "")))
    return lines, {_key(place): held for place, held in leads.items()}, {_key(p): row for p, row in mine.items()}


def _mine(row: Holding, asked: bool) -> Mine:
    return Mine(row.qty, row.closed_by_owner, busy=asked or bool(row.opening or row.closing))


def _opening(one: Rehearsed, row: Holding | None = None) -> Position:
    held, asks = one.held, row is not None and row.closed_by_owner
    return Position(
        key=_key(held.place),
        market=held.market,
        symbol=held.symbol,
        lead=held.name,
        step=Step.OPEN.value,
        lead_qty=held.qty,
        qty=ZERO if row is None else row.qty,
        would=one.qty,
        cost=one.cost,
        price=one.price,
        reason=one.reason or (CLOSED_BY_OWNER if asks else ""),
        asks=asks,
        possible=not one.reason,
    )


def _other(place: Place, step: Step, held: LeadHeld | None, row: Holding | None, lead: str) -> Position:
    qty = ZERO if row is None else row.qty
    return Position(
        key=_key(place),
        market=place[1],
        symbol=place[2],
        lead=lead,
        step=step.value,
        lead_qty=ZERO if held is None else held.qty,
        qty=qty,
        would=abs(qty) if step is Step.CLOSE else ZERO,
        cost=ZERO,
        price=None,
        reason=UNDER_WAY if step is Step.WAIT else "",
        asks=False,
        possible=step is Step.CLOSE,
    )


def _key(place: Place) -> str:
    trader, market, symbol, side = place
    return f"{market}:{symbol}:{side}:{trader.hex}"


def estimated(lines: Sequence[Position]) -> Decimal:
    """What the opens among these lines would use together, at most, without those that are asked about."""
    return sum((line.cost for line in lines if line.possible and not line.asks), ZERO)
