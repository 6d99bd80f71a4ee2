"""Following a pool: what is asked before, what may be done after, and what stands in the record."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from obscura.core import clock
from obscura.core.audit.models import Entry
from obscura.core.errors import NotFound, Problem
from obscura.core.nudge.models import Nudge
from pools import services as pools
from pools.models import Pool, Subscription
from pools.tasks import end
from tenants import services as tenants
from tenants.scope import entered
from tests.pools.conftest import ACTOR, TERMS


@pytest.fixture
def ben(alpha, cast):
    return cast.ben()


@pytest.fixture
def pool(alpha, cast, pool_of):
    return pool_of(cast.ada())


@pytest.fixture
def follow(ben, pool, account_of):
    def make(**changes):
        wanted = {"user_id": ben.pk, "pool_id": pool.id, "terms": TERMS, "actor": ACTOR, **changes}
        return pools.subscribe(**{"account_id": wanted.get("account_id") or account_of(ben), **wanted})

    return make


def refused(code: str, act) -> None:
    with pytest.raises(Exception) as found:  # noqa: PT011 - the code is what is compared
        act()
    assert found.value.code == code
    assert found.value.remedy
    assert Subscription.objects.count() == 0


def test_ben_follows_and_it_is_written_down(ben, pool, follow):
    made = follow()

    assert (made.status, made.pool_name, made.environment) == ("active", "Kestrel", "paper")
    assert made.terms == TERMS
    assert (made.invested, made.reserved, made.realised, made.today_realised) == (0, 0, 0, 0)
    assert pools.subscriptions_of(ben.pk) == [made]
    assert pools.count_followers(pool.id) == 1
    assert pools.pool_of(pool_id=pool.id, user_id=ben.pk).followers == 1
    entry = Entry.objects.get(action="pools.subscription.started")
    assert (entry.actor, entry.subject) == (ACTOR, f"subscription:{made.id}")


def test_another_users_account_is_not_found(cast, follow, account_of):
    cleos = account_of(cast.cleo())

    refused("account_unknown", lambda: follow(account_id=cleos))


def test_another_tenants_account_is_not_found(alpha, beta, cast, follow, account_of):
    with entered(beta):
        theirs = account_of(cast.ben())

    refused("account_unknown", lambda: follow(account_id=theirs))
    refused("account_unknown", lambda: follow(account_id=uuid4()))


@pytest.mark.parametrize("status", ["pending", "refused", "revoked"])
def test_an_account_that_is_not_active_cannot_follow(status, ben, follow, account_of):
    refused("account_not_active", lambda: follow(account_id=account_of(ben, status=status)))


def test_an_exchange_nothing_is_placed_at_cannot_follow(ben, follow, account_of):
    refused("exchange_not_offered", lambda: follow(account_id=account_of(ben, exchange="kraken")))


def test_real_money_does_not_follow_paper_but_paper_may_follow_real_money(cast, ben, follow, pool_of, account_of):
    refused("environment_mismatch", lambda: follow(account_id=account_of(ben, environment="live")))

    real = pool_of(cast.person("eve"), environment="live")

    assert follow(pool_id=real.id).environment == "paper"


def test_a_test_key_follows_on_paper_alone(ben, cast, follow, pool_of, account_of):
    real = pool_of(cast.person("eve"), environment="live")
    live = account_of(ben, environment="live")

    refused("test_key_paper_only", lambda: follow(pool_id=real.id, account_id=live, paper_only=True))


def test_a_pool_that_is_not_active_cannot_be_followed(pool, follow):
    pools.pause_pool(pool_id=pool.id, actor=ACTOR)

    refused("pool_not_active", follow)


def test_a_draft_and_a_stranger_do_not_exist(alpha, cast, follow):
    draft = pools.create_pool(kind="partner", name="Draft", actor=ACTOR)
    cleos = pools.create_pool(kind="custom", name="Cleo's", owner_id=cast.cleo().pk, actor=ACTOR)
    pools.activate_pool(pool_id=cleos.id, actor=ACTOR)

    for hidden in (draft.id, cleos.id, uuid4()):
        refused("pool_unknown", lambda hidden=hidden: follow(pool_id=hidden))


def test_amounts_that_do_not_go_together_are_named(ben, pool, follow):
    odd = replace(TERMS, max_loss=Decimal(2000), daily_loss_limit=Decimal(-1))

    with pytest.raises(pools.TermsInvalid) as found:
        follow(terms=odd)

    assert found.value.details == {
        "fields": {
            "max_loss": "You cannot lose more than you invest: $1,000 is the most.",
            "daily_loss_limit": "Set a daily limit above $0, or leave it empty.",
        }
    }
    assert Subscription.objects.exists() is False
    summary, faults = pools.check_terms(pool_id=pool.id, user_id=ben.pk, terms=odd)
    assert (summary, [fault.field for fault in faults]) == (None, ["max_loss", "daily_loss_limit"])
    assert pools.check_terms(pool_id=pool.id, user_id=ben.pk, terms=TERMS)[0].per_copy == Decimal(100)


def test_one_subscription_lives_for_a_pool_and_an_account(ben, follow, account_of):
    account = account_of(ben)
    first = follow(account_id=account)

    with pytest.raises(pools.AlreadyFollowing):
        follow(account_id=account)
    pools.stop_subscription(subscription_id=first.id, user_id=ben.pk, actor=ACTOR)
    with pytest.raises(pools.AlreadyFollowing):
        follow(account_id=account)
    pools.end_subscription(subscription_id=first.id, actor=ACTOR)

    assert follow(account_id=account).id != first.id
    assert follow().status == "active"


def test_the_plan_says_how_many_may_run(alpha, ben, follow):
    tenants.set_entitlements(tenant_id=alpha.pk, values={"max_subscriptions": 2})
    first, _ = follow(), follow()

    with pytest.raises(pools.PlanLimit) as found:
        follow()
    assert found.value.details == {"max_subscriptions": 2}
    assert Subscription.objects.count() == 2

    pools.stop_subscription(subscription_id=first.id, user_id=ben.pk, actor=ACTOR)
    pools.end_subscription(subscription_id=first.id, actor=ACTOR)
    assert follow().status == "active"


def test_it_is_paused_resumed_and_stopped_and_each_may_be_said_twice(ben, follow):
    made = follow()
    whose = {"subscription_id": made.id, "user_id": ben.pk, "actor": ACTOR}

    assert [pools.pause_subscription(**whose).status for _ in range(2)] == ["paused", "paused"]
    assert [pools.resume_subscription(**whose).status for _ in range(2)] == ["active", "active"]
    assert [pools.stop_subscription(**whose).status for _ in range(2)] == ["closing", "closing"]
    for act in (pools.pause_subscription, pools.resume_subscription):
        with pytest.raises(pools.SubscriptionMoveRefused):
            act(**whose)
    assert list(Entry.objects.filter(subject=f"subscription:{made.id}").order_by("id").values_list("action")) == [
        (f"pools.subscription.{what}",) for what in ("started", "paused", "active", "closing")
    ]


def test_another_users_subscription_is_not_found(cast, follow):
    made = follow()
    whose = {"subscription_id": made.id, "user_id": cast.cleo().pk}

    for act in (pools.pause_subscription, pools.resume_subscription, pools.stop_subscription):
        with pytest.raises(NotFound):
            act(**whose, actor=ACTOR)
    with pytest.raises(NotFound):
        pools.subscription(**whose)
    with pytest.raises(NotFound):
        pools.change_terms(**whose, terms=TERMS, actor=ACTOR)
    assert Subscription.objects.get().status == "active"


def test_terms_change_while_it_runs_and_not_after(ben, follow):
    made = follow()
    whose = {"subscription_id": made.id, "user_id": ben.pk, "actor": ACTOR}
    larger = pools.FixedAmount(Decimal(2000), Decimal(100))

    assert pools.change_terms(**whose, terms=larger).terms == larger
    with pytest.raises(pools.TermsInvalid):
        pools.change_terms(**whose, terms=replace(larger, max_loss=Decimal(0)))
    pools.stop_subscription(**whose)
    with pytest.raises(pools.SubscriptionMoveRefused):
        pools.change_terms(**whose, terms=TERMS)
    assert pools.subscription(subscription_id=made.id, user_id=ben.pk).terms == larger


def test_it_does_not_end_while_it_holds_something(ben, follow):
    made = follow()
    pools.stop_subscription(subscription_id=made.id, user_id=ben.pk, actor=ACTOR)
    Subscription.objects.update(exposure=Decimal("12.5"))

    assert pools.end_subscription(subscription_id=made.id, actor=ACTOR) is False

    Subscription.objects.update(exposure=0)
    assert pools.end_subscription(subscription_id=made.id, actor=ACTOR) is True
    assert pools.end_subscription(subscription_id=made.id, actor=ACTOR) is False
    assert pools.subscriptions_of(ben.pk) == []
    assert [one.status for one in pools.subscriptions_of(ben.pk, ended=True)] == ["ended"]


def test_what_is_stopped_with_nothing_open_ends_at_once_and_with_the_sweep(ben, follow, account_of):
    account = account_of(ben)
    first, second = follow(account_id=account), follow()
    for one in (first, second):
        pools.stop_subscription(subscription_id=one.id, user_id=ben.pk, actor=ACTOR)
    Subscription.objects.filter(pk=second.id).update(reserved=Decimal("0.000000000000000001"))

    end(subscription_id=first.id)
    assert pools.end_idle() == 0

    assert [(one.id, one.status) for one in pools.subscriptions_of(ben.pk)] == [(second.id, "closing")]
    assert follow(account_id=account).status == "active"
    Subscription.objects.filter(pk=second.id).update(reserved=0)
    assert pools.end_idle() == 1


def test_todays_result_is_todays_alone(ben, follow):
    made = follow()
    today = clock.now().date()
    Subscription.objects.update(day=today, day_realised=Decimal("-7.5"), realised=Decimal(20))

    assert pools.subscription(subscription_id=made.id, user_id=ben.pk).today_realised == Decimal("-7.5")

    Subscription.objects.update(day=today.replace(year=today.year - 1))
    assert pools.subscription(subscription_id=made.id, user_id=ben.pk).today_realised == 0


def test_an_account_that_is_revoked_pauses_what_copies_on_it(ben, follow, account_of):
    taken, kept = account_of(ben), account_of(ben)
    first, second = follow(account_id=taken), follow(account_id=kept)
    type(Subscription.objects.get(pk=first.id).account).objects.filter(pk=taken).update(status="revoked")

    assert pools.pause_account(taken) == 1
    assert pools.pause_account(taken) == 0
    assert pools.pause_all_unfit() == 0

    states = {one.id: (one.status, one.reason) for one in pools.subscriptions_of(ben.pk)}
    assert states == {
        first.id: ("paused", "The exchange account may not trade any more."),
        second.id: ("active", ""),
    }
    with pytest.raises(pools.AccountUnfit):
        pools.resume_subscription(subscription_id=first.id, user_id=ben.pk, actor=ACTOR)


def test_a_subscription_that_ended_may_be_stopped_again_and_is_found_by_its_pool(ben, pool, follow):
    made = follow()
    pools.stop_subscription(subscription_id=made.id, user_id=ben.pk, actor=ACTOR)
    pools.end_subscription(subscription_id=made.id, actor=ACTOR)

    assert pools.stop_subscription(subscription_id=made.id, user_id=ben.pk, actor=ACTOR).status == "ended"
    assert [one.id for one in pools.subscriptions_of(ben.pk, pool_id=pool.id, ended=True)] == [made.id]
    assert pools.subscriptions_of(ben.pk, pool_id=uuid4(), ended=True) == []


def test_stopping_promises_to_end(committed, ben, follow):
    made = follow()

    pools.stop_subscription(subscription_id=made.id, user_id=ben.pk, actor=ACTOR)

    [promise] = Nudge.objects.filter(task="pools.end")
    end(nudge=promise.pk, **promise.ids)
    assert pools.subscription(subscription_id=made.id, user_id=ben.pk).status == "ended"


def test_the_owner_of_a_custom_pool_follows_it_himself(alpha, cast, ben, follow):
    trader = pools.create_trader(name="Eve", reference_capital_usd=Decimal(1000), actor=ACTOR)
    mine = pools.create_pool(
        kind="custom", name="Mine", owner_id=ben.pk, traders=[(trader.id, Decimal(1))], actor=ACTOR
    )

    with pytest.raises(pools.PoolNotOpen):
        follow(pool_id=mine.id)
    pools.activate_pool(pool_id=mine.id, user_id=ben.pk, actor=ACTOR)

    assert follow(pool_id=mine.id).pool_name == "Mine"


def test_a_lead_that_is_followed_is_not_taken_out_of_the_pool(alpha, pool, follow):
    subscription = follow()
    eve = pools.create_trader(
        name="Eve", account_id=None, reference_capital_usd=Decimal(1000), user_id=None, actor=ACTOR
    )

    with pytest.raises(Problem) as refusal:
        pools.change_pool(pool_id=pool.id, traders=[(eve.id, Decimal(1))], actor=ACTOR)
    assert refusal.value.code == "lead_followed"
    assert [place.trader.name for place in Pool.objects.get(pk=pool.id).places.all()] != ["Eve"]

    Subscription.objects.filter(pk=subscription.id).update(status="ended")
    pools.change_pool(pool_id=pool.id, traders=[(eve.id, Decimal(1))], actor=ACTOR)
    assert [place.trader.name for place in Pool.objects.get(pk=pool.id).places.all()] == ["Eve"]
