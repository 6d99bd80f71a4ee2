"""Subscriptions: who follows which pool, with which money, on which account."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction

from citadel import services as citadel
from citadel.types import AccountRef
from obscura.core import clock, features
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, Invalid, NotFound
from obscura.core.events import announce
from pools.domain import style as styles
from pools.domain import terms as rules
from pools.domain.style import PLAIN, Advanced
from pools.domain.style_faults import style_faults, uses_slots
from pools.domain.style_words import advanced_summary
from pools.domain.terms import FixedAmount, Summary, TermsFault
from pools.events import SubscriptionStarted, SubscriptionStopping
from pools.locks import hold
from pools.models import Pool, Subscription
from pools.services import curated, mandates, profit, records, traders
from pools.services.pools import PoolUnknown, pool_of
from pools.types import PoolRef, SubscriptionRef
from tenants import services as tenants
from tenants.scope import current

Status = Subscription.Status

FIXED_AMOUNT, ADVANCED = "fixed_amount", "advanced"
"""Modes: amounts alone, or amounts with a style."""

EXCHANGES = frozenset(traders.MARKETS)
"""Exchanges copies are placed at."""


class TermsInvalid(Invalid):
    """These amounts do not go together."""

    code = "terms_invalid"


class PoolNotOpen(Conflict):
    """This pool cannot be followed now."""

    code = "pool_not_active"
    remedy = "Wait until it is active again, or choose another pool."


class AccountUnfit(Conflict):
    """This exchange account cannot copy this pool."""

    code = "account_unfit"
    remedy = "Choose another account, or put this one in order."


class AlreadyFollowing(Conflict):
    """This account copies this pool already."""

    code = "already_subscribed"
    remedy = "Change the amounts of the subscription that is there, or stop it first."


class PlanLimit(Conflict):
    """The plan allows no more subscriptions."""

    code = "plan_limit"
    remedy = "Stop a subscription, or move to a larger plan."


class SubscriptionUnknown(NotFound):
    """There is no such subscription."""

    code = "subscription_unknown"


class OrdersUnderWay(Conflict):
    """Orders of this subscription are still on their way."""

    code = "orders_under_way"
    retryable = True
    remedy = "Wait a few seconds until they are settled, then ask again."


class SubscriptionMoveRefused(Conflict):
    """A subscription in this state cannot do that."""

    code = "subscription_state"
    remedy = "An active one can be paused, a paused one resumed, both stopped; what is stopped begins with a new one."


def check_terms(
    *, pool_id: UUID, user_id: UUID, terms: FixedAmount, style: Advanced = PLAIN
) -> tuple[Summary | None, list[TermsFault]]:
    """What terms would come to in a pool, or why they do not go together. Writes nothing.

    :raises PoolUnknown: there is no pool this user may see
    """
    pool = pool_of(pool_id=pool_id, user_id=user_id)
    found = faults_in(pool, terms, style)
    return (None, found) if found else (advanced_summary(terms, style, slots=pool.slots, leverage=pool.leverage), [])


def subscribe(
    *,
    user_id: UUID,
    pool_id: UUID,
    account_id: UUID,
    terms: FixedAmount,
    actor: str,
    style: Advanced = PLAIN,
    paper_only: bool = False,
) -> SubscriptionRef:
    """Follow a pool on one of the user's accounts, from its next trade on.

    :param style: how copies are sized, limited and ended beyond the amounts
    :param paper_only: refuse an account that is not a paper one (a test key asks)
    :raises PoolUnknown: there is no pool this user may see
    :raises NotFound: the user has no such account
    :raises TermsInvalid: `details` names the fields of `FixedAmount` and of the style (``pairs.BTCUSDT.value``)
    :raises PoolNotOpen, PoolTooRisky, AccountUnfit, AlreadyFollowing, PlanLimit: it cannot be now
    """
    pool = pool_of(pool_id=pool_id, user_id=user_id)
    account = citadel.account(account_id=account_id, user_id=user_id)
    _pool_is_open(pool)
    _account_fits(pool, account, paper_only)
    refuse(faults_in(pool, terms, style))
    records.refuse_risk(pool_id)
    with transaction.atomic():
        hold(f"account:{account_id}")
        if traders.leads(account_id):
            raise AccountUnfit("A trader leads with this account.", code="account_leads")
        _plan_allows()
        row = _insert(user_id, pool_id, account_id, terms, style)
        if pool.kind == Pool.Kind.CURATED:
            curated.count_here(pool_id)
        audit.record(
            "pools.subscription.started",
            actor=actor,
            subject=f"subscription:{row.pk}",
            pool=str(pool_id),
            total_investment=str(terms.total_investment),
            max_loss=str(terms.max_loss),
            style=row.settings,
        )
        announce(SubscriptionStarted(subscription_id=row.pk, pool_id=pool_id, user_id=user_id))
    return subscription(subscription_id=row.pk, user_id=user_id)


def change_terms(
    *, subscription_id: int, user_id: UUID, terms: FixedAmount, actor: str, style: Advanced | None = None
) -> SubscriptionRef:
    """Give an active or paused subscription other amounts. What is open stays open, with the exits it began with.

    :param style: the new style as a whole; None leaves it as it is
    :raises SubscriptionUnknown: this user has none of this id
    :raises SubscriptionMoveRefused: it is stopped
    :raises TermsInvalid: see `subscribe`
    """
    with transaction.atomic():
        row = changeable(subscription_id, user_id)
        wanted = style_in(row) if style is None else style
        refuse(faults_in(pool_of(pool_id=row.pool_id), terms, wanted))
        write_terms(row, terms, wanted)
        audit.record(
            "pools.subscription.changed",
            actor=actor,
            subject=f"subscription:{row.pk}",
            total_investment=str(terms.total_investment),
            max_loss=str(terms.max_loss),
            style=row.settings,
        )
    return subscription(subscription_id=subscription_id, user_id=user_id)


def pause_subscription(*, subscription_id: int, user_id: UUID, actor: str) -> SubscriptionRef:
    """Open nothing more until it is resumed; closes go on. May be repeated.

    :raises SubscriptionUnknown: this user has none of this id
    :raises SubscriptionMoveRefused: it is stopped
    """
    return _move(subscription_id, user_id, Status.PAUSED, {Status.ACTIVE}, actor)


def resume_subscription(*, subscription_id: int, user_id: UUID, actor: str) -> SubscriptionRef:
    """Copy again; which limit had stopped it is forgotten. May be repeated.

    :raises SubscriptionUnknown: this user has none of this id
    :raises SubscriptionMoveRefused: it is stopped
    :raises AccountUnfit: its account may not trade any more
    """
    row = _of(subscription_id, user_id)
    if row.status == Status.PAUSED and row.account.status != "active":
        raise AccountUnfit("The exchange account of this subscription is not active.")
    return _move(subscription_id, user_id, Status.ACTIVE, {Status.PAUSED}, actor)


def stop_subscription(*, subscription_id: int, user_id: UUID, actor: str) -> SubscriptionRef:
    """Open nothing more, ever: it is ``closing`` from now on, and ends when everything it holds is closed.

    May be repeated.

    :raises SubscriptionUnknown: this user has none of this id
    """
    row = _of(subscription_id, user_id)
    if row.status == Status.ENDED:
        return ref(row)
    return _move(subscription_id, user_id, Status.CLOSING, {Status.ACTIVE, Status.PAUSED}, actor)


def leave_subscription(*, subscription_id: int, user_id: UUID, actor: str) -> SubscriptionRef:
    """End it at once and let go of what it holds: it is in use no more, and nothing of it is closed by us.

    Part of a larger transaction, in which the caller marks what was held. Its row is locked from here on. May be
    repeated.

    :raises SubscriptionUnknown: this user has none of this id
    :raises OrdersUnderWay: money is held for orders whose fate is not known yet
    """
    with transaction.atomic():
        row = _locked(subscription_id, user_id)
        if row.status != Status.ENDED:
            if row.reserved:
                raise OrdersUnderWay
            released = row.exposure
            row.status, row.reason, row.stopped_by = Status.ENDED, "What it held was left in the account.", ""
            row.ended_at, row.exposure = clock.now(), Decimal(0)
            row.save(update_fields=["status", "reason", "stopped_by", "ended_at", "exposure"])
            mandates.seal_closed(row)
            profit.settle(row, cause="end")
            if row.pool.kind == Pool.Kind.CURATED:
                curated.count_here(row.pool_id)
            audit.record(
                "pools.subscription.left", actor=actor, subject=f"subscription:{row.pk}", released=str(released)
            )
    return subscription(subscription_id=subscription_id, user_id=user_id)


def end_subscription(*, subscription_id: int, actor: str) -> bool:
    """End a closing subscription that holds nothing any more. Returns whether it was this call that did.

    Its own figures decide: what is reserved for orders on their way, and the cost of what is open, come back to
    exactly zero with the last close.
    """
    with transaction.atomic():
        row = Subscription.objects.select_for_update(no_key=True).filter(pk=subscription_id).first()
        if row is None or row.status != Status.CLOSING or row.reserved or row.exposure:
            return False
        row.status, row.ended_at = Status.ENDED, clock.now()
        row.save(update_fields=["status", "ended_at"])
        profit.settle(row, cause="end")
        if row.pool.kind == Pool.Kind.CURATED:
            curated.count_here(row.pool_id)
        audit.record("pools.subscription.ended", actor=actor, subject=f"subscription:{row.pk}")
    return True


def end_idle() -> int:
    """End every closing subscription of the tenant that holds nothing any more. Returns how many."""
    idle = Subscription.objects.filter(status=Status.CLOSING, reserved=0, exposure=0)
    return sum(end_subscription(subscription_id=pk, actor="system") for pk in idle.values_list("pk", flat=True))


def subscription(*, subscription_id: int, user_id: UUID) -> SubscriptionRef:
    """One subscription of a user.

    :raises SubscriptionUnknown: this user has none of this id
    """
    return ref(_of(subscription_id, user_id))


def subscription_named(*, pool_id: UUID, name: str, paper_only: bool = False) -> SubscriptionRef:
    """The subscription ``sub_12`` to a pool that is not a user's own, whoever follows: for those who run the pool.

    :param paper_only: refuse one on an account that is not a paper one (a test key asks for a change)
    :raises SubscriptionUnknown: this pool has none of this name
    :raises AccountUnfit: code ``test_key_paper_only``
    """
    head, _, digits = name.partition("_")
    if head != "sub" or not (digits.isascii() and digits.isdecimal()) or int(digits) >= 2**63:
        raise SubscriptionUnknown
    rows = Subscription.objects.filter(pk=int(digits), pool_id=pool_id).exclude(pool__kind=Pool.Kind.CUSTOM)
    row = rows.select_related("pool", "account").first()
    if row is None:
        raise SubscriptionUnknown
    if paper_only and row.account.environment != "paper":
        raise paper_alone()
    return ref(row)


def subscriptions_of(user_id: UUID, *, pool_id: UUID | None = None, ended: bool = False) -> list[SubscriptionRef]:
    """A user's subscriptions, newest first.

    :param ended: with those that are over
    """
    rows = Subscription.objects.filter(user_id=user_id).select_related("pool", "account")
    if pool_id is not None:
        rows = rows.filter(pool_id=pool_id)
    if not ended:
        rows = rows.exclude(status=Status.ENDED)
    return [ref(row) for row in rows.order_by("-id")]


def pause_account(account_id: UUID) -> int:
    """Pause what copies on an account that may not trade any more. Returns how many subscriptions were paused."""
    return _pause_unfit(Subscription.objects.filter(account_id=account_id))


def pause_all_unfit() -> int:
    """The same for every account of the tenant: what an announcement that was lost would have paused."""
    return _pause_unfit(Subscription.objects.all())


def _pause_unfit(rows: object) -> int:
    with transaction.atomic():
        found = list(
            rows.filter(status=Status.ACTIVE)  # type: ignore[attr-defined]
            .exclude(account__status="active")
            .order_by("pk")
            .select_for_update(no_key=True, of=("self",))
        )
        for row in found:
            row.status, row.reason = Status.PAUSED, "The exchange account may not trade any more."
            row.save(update_fields=["status", "reason"])
            audit.record(
                "pools.subscription.paused", actor="system", subject=f"subscription:{row.pk}", reason=row.reason
            )
    return len(found)


def faults_in(pool: PoolRef, terms: FixedAmount, style: Advanced) -> list[TermsFault]:
    """Everything that does not go together in amounts and style, in a pool."""
    smallest = min((one.weight for one in pool.traders if one.weight > 0), default=Decimal(1))
    if uses_slots(style):
        found = rules.faults(terms, slots=pool.slots, smallest_weight=smallest)
    else:
        found = rules.faults(terms, slots=1)
    return found or style_faults(style, terms=terms, slots=pool.slots, pool_leverage=pool.leverage)


def refuse(found: list[TermsFault]) -> None:
    """:raises TermsInvalid: there is a fault"""
    if found:
        raise TermsInvalid(details={"fields": {fault.field: fault.words for fault in found}})


def style_in(row: Subscription) -> Advanced:
    """What is stored; the plain way where it cannot be read, which denies opens until it is saved again."""
    try:
        return styles.load(row.settings)
    except styles.NotAStyle:
        return PLAIN


def _mode_of(style: Advanced) -> str:
    return FIXED_AMOUNT if style == PLAIN else ADVANCED


def changeable(subscription_id: int, user_id: UUID) -> Subscription:
    """A subscription whose terms may change, locked.

    :raises SubscriptionUnknown, SubscriptionMoveRefused: there is none, or it is stopped
    """
    row = _locked(subscription_id, user_id)
    if row.status not in (Status.ACTIVE, Status.PAUSED):
        raise SubscriptionMoveRefused(f"The subscription is {row.status}.")
    return row


def write_terms(row: Subscription, terms: FixedAmount, style: Advanced) -> None:
    """Give a locked row these terms, sealed for the vault. The share of profit is settled before money goes."""
    if terms.total_investment < row.total_investment:
        profit.settle(row, cause="withdrawal")
    row.total_investment, row.max_loss = terms.total_investment, terms.max_loss
    row.profit_target, row.daily_loss_limit = terms.profit_target, terms.daily_loss_limit
    row.mode, row.settings = _mode_of(style), styles.dump(style)
    row.save(update_fields=["total_investment", "max_loss", "profit_target", "daily_loss_limit", "mode", "settings"])
    mandates.seal_terms(row)


def _pool_is_open(pool: PoolRef) -> None:
    if pool.status == Pool.Status.DRAFT and pool.kind != Pool.Kind.CUSTOM:
        raise PoolUnknown
    if pool.status != Pool.Status.ACTIVE:
        raise PoolNotOpen(f"The pool is {pool.status}.")


def _account_fits(pool: PoolRef, account: AccountRef, paper_only: bool) -> None:
    if account.status != "active":
        raise AccountUnfit(f"The account is {account.status}.", code="account_not_active")
    if account.exchange not in EXCHANGES:
        names = ", ".join(sorted(EXCHANGES))
        raise AccountUnfit(f"Copies are placed at {names} alone.", code="exchange_not_offered")
    if paper_only and account.environment != "paper":
        raise paper_alone()
    # Paper money may follow anybody; real money follows nobody who risks none.
    if account.environment == "live" and any(one.environment == "paper" for one in pool.traders):
        raise AccountUnfit(
            "A lead of this pool trades on paper.",
            code="environment_mismatch",
            remedy="Copy this pool with a paper account.",
        )


def paper_alone() -> AccountUnfit:
    """The refusal of a test key that asks for a change with real money."""
    return AccountUnfit(
        "A test key trades on paper accounts alone.", code="test_key_paper_only", remedy="Use a live key."
    )


def _plan_allows() -> None:
    tenant = tenants.tenant_by_schema(current())
    most = features.entitlements(tenant.entitlements).max_subscriptions
    if most is None:
        return
    hold("subscriptions")
    if Subscription.objects.exclude(status=Status.ENDED).count() >= most:
        raise PlanLimit(details={"max_subscriptions": most})


def _insert(user_id: UUID, pool_id: UUID, account_id: UUID, terms: FixedAmount, style: Advanced) -> Subscription:
    try:
        with transaction.atomic():
            row = Subscription.objects.create(
                pool_id=pool_id,
                user_id=user_id,
                account_id=account_id,
                total_investment=terms.total_investment,
                max_loss=terms.max_loss,
                profit_target=terms.profit_target,
                daily_loss_limit=terms.daily_loss_limit,
                mode=_mode_of(style),
                settings=styles.dump(style),
                created_at=clock.now(),
            )
            mandates.seal_terms(row)
            return row
    except IntegrityError as error:
        if "one_subscription" in str(error):
            raise AlreadyFollowing from None
        raise


def _move(subscription_id: int, user_id: UUID, to: str, allowed: set[str], actor: str) -> SubscriptionRef:
    with transaction.atomic():
        row = _locked(subscription_id, user_id)
        if row.status != to or row.stopped_by:  # what a limit had paused and its owner pauses is the owner's pause
            if row.status != to and row.status not in allowed:
                raise SubscriptionMoveRefused(f"The subscription is {row.status}.")
            if row.stopped_by == "equity_stop" and to == Status.ACTIVE:
                row.peak = row.realised  # what trails the peak begins anew where its owner begins anew
            row.status, row.reason, row.stopped_by, row.stopped_at = to, "", "", None
            row.save(update_fields=["status", "reason", "stopped_by", "stopped_at", "peak"])
            audit.record(f"pools.subscription.{to}", actor=actor, subject=f"subscription:{row.pk}")
            if to == Status.CLOSING:
                mandates.seal_closed(row)
                announce(SubscriptionStopping(subscription_id=row.pk, pool_id=row.pool_id, user_id=user_id))
    return subscription(subscription_id=subscription_id, user_id=user_id)


def _locked(subscription_id: int, user_id: UUID) -> Subscription:
    rows = Subscription.objects.select_for_update(no_key=True).filter(pk=subscription_id, user_id=user_id)
    row = rows.first()
    if row is None:
        raise SubscriptionUnknown
    return row


def _of(subscription_id: int, user_id: UUID) -> Subscription:
    rows = Subscription.objects.filter(pk=subscription_id, user_id=user_id)
    row = rows.select_related("pool", "account").first()
    if row is None:
        raise SubscriptionUnknown
    return row


def ref(row: Subscription) -> SubscriptionRef:
    """The value that leaves the app."""
    return SubscriptionRef(
        id=row.pk,
        pool_id=row.pool_id,
        pool_name=row.pool.name,
        user_id=row.user_id,
        account_id=row.account_id,
        account_label=row.account.label,
        environment=row.account.environment,
        status=row.status,
        reason=row.reason,
        terms=FixedAmount(row.total_investment, row.max_loss, row.profit_target, row.daily_loss_limit),
        mode=row.mode,
        style=style_in(row),
        stopped_by=row.stopped_by,
        peak=row.peak,
        loss_streak=row.loss_streak,
        invested=row.exposure,
        reserved=row.reserved,
        realised=row.realised,
        today_realised=row.day_realised if row.day == clock.now().date() else Decimal(0),
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
