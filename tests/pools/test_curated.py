"""Curated pools: published once, present in every tenant that offers them, followed and counted there."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest

from obscura.core.audit.models import Entry
from obscura.core.nudge.models import Nudge
from pools import services as pools
from pools.curated.models import CuratedFollowing, CuratedPool
from pools.models import Pool, Subscription
from pools.tasks import place_curated, sweep, sync_curated
from tenants import services as tenants
from tenants.models import Tenant
from tenants.scope import PUBLIC, entered
from tests.pools.conftest import ACTOR, TERMS


@pytest.fixture
def published(zero, alpha, beta, cast, pool_of):
    """Tenant Zero's Kestrel, published. The present tenant is Tenant Zero."""
    pool = pool_of(cast.ada(), kind="curated", slots=5, leverage=3, fee_percentage=Decimal("12.5"))
    pools.publish_curated(pool_id=pool.id, actor="staff:stella")
    return pool


def followings() -> dict[str, int]:
    return dict(CuratedFollowing.objects.order_by("tenant").values_list("tenant", "followers"))


def test_a_published_pool_is_in_every_tenant_under_the_same_id(published, alpha, beta):
    for tenant in (alpha, beta):
        with entered(tenant):
            there = pools.pool_of(pool_id=published.id)
            assert (there.kind, there.name, there.status, there.remote) == ("curated", "Kestrel", "active", True)
            assert (there.slots, there.leverage, there.fee_percentage) == (5, 3, Decimal("12.50"))
            assert there.traders == published.traders
            assert pools.watched_accounts() == []
    origin = pools.pool_of(pool_id=published.id)
    assert (origin.kind, origin.remote) == ("curated", False)
    with entered(PUBLIC):
        one = CuratedPool.objects.get()
        assert (one.pk, one.status, one.published_by) == (published.id, "published", "staff:stella")
        assert Entry.objects.filter(action="pools.curated.published").count() == 1


def test_the_lead_is_known_to_others_by_name_alone(published, alpha):
    with entered(alpha):
        shown = Pool.objects.get(pk=published.id).shown_traders

    assert [set(one) for one in shown] == [{"id", "name", "weight", "environment"}]


def test_what_cannot_be_published(zero, cast, pool_of):
    partner = pool_of(cast.ada())
    draft = pools.create_pool(kind="curated", name="Draft", actor=ACTOR)
    empty = pools.activate_pool(pool_id=pools.create_pool(kind="curated", name="Empty", actor=ACTOR).id, actor=ACTOR)

    for pool in (partner, draft, empty):
        with pytest.raises(pools.PoolUnfit):
            pools.publish_curated(pool_id=pool.id, actor=ACTOR)
    with pytest.raises(pools.PoolUnknown):
        pools.publish_curated(pool_id=uuid4(), actor=ACTOR)
    assert CuratedPool.objects.exists() is False


def test_a_tenant_cannot_change_what_the_platform_runs(published, alpha):
    with entered(alpha):
        for act in (pools.pause_pool, pools.close_pool, pools.activate_pool):
            with pytest.raises(pools.PoolIsRemote):
                act(pool_id=published.id, actor=ACTOR)
        with pytest.raises(pools.PoolIsRemote):
            pools.change_pool(pool_id=published.id, name="Ours", actor=ACTOR)
        assert pools.pool_of(pool_id=published.id).name == "Kestrel"


def test_followers_are_counted_with_the_subscription_and_tell_where_to_relay(published, alpha, beta, cast, account_of):
    assert pools.relay_targets(published.id) == []

    with entered(alpha):
        ben = cast.ben()
        first = pools.subscribe(
            user_id=ben.pk, pool_id=published.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR
        )
        pools.subscribe(user_id=ben.pk, pool_id=published.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)
    cleo = cast.cleo()
    pools.subscribe(user_id=cleo.pk, pool_id=published.id, account_id=account_of(cleo), terms=TERMS, actor=ACTOR)

    assert followings() == {"t_alpha": 2, "t_beta": 0, "t_zero": 1}
    assert pools.relay_targets(published.id) == ["t_alpha"]

    with entered(alpha):
        # One that only closes is counted: its closes have to be heard.
        pools.stop_subscription(subscription_id=first.id, user_id=ben.pk, actor=ACTOR)
        assert followings()["t_alpha"] == 2
        pools.end_subscription(subscription_id=first.id, actor=ACTOR)
    assert followings()["t_alpha"] == 1


def test_counts_that_are_wrong_are_put_right_by_the_sweep(published, alpha, cast, account_of):
    with entered(alpha):
        ben = cast.ben()
        pools.subscribe(user_id=ben.pk, pool_id=published.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)
    CuratedFollowing.objects.update(followers=9)

    sweep()

    assert followings() == {"t_alpha": 1, "t_beta": 0, "t_zero": 0}


def test_a_suspended_tenant_is_not_relayed_to(published, alpha, cast, account_of):
    with entered(alpha):
        ben = cast.ben()
        pools.subscribe(user_id=ben.pk, pool_id=published.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)

    tenants.suspend_tenant(tenant_id=alpha.pk, actor=ACTOR)

    assert pools.relay_targets(published.id) == []


def test_a_withdrawn_pool_is_paused_elsewhere_and_comes_back_when_published_again(published, alpha, cast, account_of):
    with entered(alpha):
        ben = cast.ben()
        mine = pools.subscribe(
            user_id=ben.pk, pool_id=published.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR
        )

    pools.withdraw_curated(pool_id=published.id, actor=ACTOR)

    with entered(alpha):
        assert pools.pool_of(pool_id=published.id).status == "paused"
        assert pools.subscription(subscription_id=mine.id, user_id=ben.pk).status == "active"
    assert pools.pool_of(pool_id=published.id).status == "active"
    assert pools.relay_targets(published.id) == ["t_alpha"]

    pools.publish_curated(pool_id=published.id, actor=ACTOR)
    with entered(alpha):
        assert pools.pool_of(pool_id=published.id).status == "active"


def test_what_was_never_published_cannot_be_withdrawn(zero, cast, pool_of):
    pool = pool_of(cast.ada(), kind="curated")

    with pytest.raises(pools.PoolUnknown):
        pools.withdraw_curated(pool_id=pool.id, actor=ACTOR)


def test_a_pool_paused_or_closed_at_tenant_zero_is_so_everywhere(published, alpha, cast, account_of):
    with entered(alpha):
        ben = cast.ben()
        pools.subscribe(user_id=ben.pk, pool_id=published.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)

    for act, status in ((pools.pause_pool, "paused"), (pools.activate_pool, "active"), (pools.close_pool, "closed")):
        act(pool_id=published.id, actor=ACTOR)
        pools.sync_curated()
        with entered(alpha):
            assert pools.pool_of(pool_id=published.id).status == status
    with entered(alpha):
        assert [one.status for one in pools.subscriptions_of(ben.pk)] == ["closing"]
    [lead] = pools.watched_accounts()
    assert [one.pool_id for one in pools.leads_of(lead.account_id)] == [published.id]


def test_a_tenant_that_does_not_offer_curated_pools_has_none(published, alpha, beta):
    with entered(PUBLIC):
        Tenant.objects.filter(pk=beta.pk).update(offers_curated=False)

    pools.sync_curated()

    with entered(beta):
        assert pools.pool_of(pool_id=published.id).status == "paused"
    with entered(alpha):
        assert pools.pool_of(pool_id=published.id).status == "active"


def test_publishing_again_renews_what_is_shown(published, alpha):
    pools.change_pool(pool_id=published.id, name="Merlin", slots=7, actor=ACTOR)
    with entered(alpha):
        assert pools.pool_of(pool_id=published.id).name == "Kestrel"

    pools.publish_curated(pool_id=published.id, actor=ACTOR)

    with entered(alpha):
        there = pools.pool_of(pool_id=published.id)
        assert (there.name, there.slots) == ("Merlin", 7)


def test_what_is_unpublished_is_listed_for_curators(published, cast, pool_of):
    other = pool_of(cast.person("eve"), kind="curated")

    assert pools.unpublished() == [(other.id, "Kestrel")]

    pools.withdraw_curated(pool_id=published.id, actor=ACTOR)
    assert {pool_id for pool_id, _ in pools.unpublished()} == {other.id, published.id}


def test_a_tenant_opened_later_gets_what_is_published(committed, zero, alpha, cast, pool_of):
    pool = pool_of(cast.ada(), kind="curated")
    pools.publish_curated(pool_id=pool.id, actor=ACTOR)

    made = tenants.open_tenant(name="Gamma", slug="gamma", kind="partner", hosts=["gamma.testserver"], actor=ACTOR)

    [promise] = Nudge.objects.filter(task="pools.place_curated")
    assert promise.tenant == made.schema
    with entered(made.schema):
        assert Pool.objects.exists() is False
        place_curated(nudge=promise.pk)
        assert pools.pool_of(pool_id=pool.id).remote is True
    assert Nudge.objects.filter(pk=promise.pk).exists() is False


def test_a_revoked_account_leads_to_a_nudge_that_pauses(committed, alpha, cast, pool_of, account_of):
    from citadel import services as citadel
    from pools.tasks import pause_account

    ben = cast.ben()
    pool, account = pool_of(cast.ada()), account_of(ben)
    pools.subscribe(user_id=ben.pk, pool_id=pool.id, account_id=account, terms=TERMS, actor=ACTOR)

    citadel.revoke_account(account_id=account, user_id=ben.pk, actor=ACTOR)

    [promise] = Nudge.objects.filter(task="pools.pause_account")
    pause_account(nudge=promise.pk, **promise.ids)
    assert Subscription.objects.get().status == "paused"


def test_a_curated_pool_that_is_not_published_is_followed_at_tenant_zero_alone(zero, cast, pool_of, account_of):
    pool, ben = pool_of(cast.ada(), kind="curated"), cast.ben()

    made = pools.subscribe(user_id=ben.pk, pool_id=pool.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)

    assert made.status == "active"
    assert followings() == {}
    assert pools.relay_targets(pool.id) == []


def test_a_pool_withdrawn_before_a_tenant_offers_curated_pools_never_appears_there(zero, alpha, cast, pool_of):
    with entered(PUBLIC):
        Tenant.objects.filter(pk=alpha.pk).update(offers_curated=False)
    pool = pool_of(cast.ada(), kind="curated")
    pools.publish_curated(pool_id=pool.id, actor=ACTOR)

    with entered(alpha):
        assert Pool.objects.exists() is False


def test_without_a_tenant_zero_nothing_is_curated(alpha):
    with entered(PUBLIC):
        Tenant.objects.filter(kind="zero").update(kind="partner")

    assert pools.sync_curated() == 0
    for ask in (pools.unpublished, lambda: pools.publish_curated(pool_id=uuid4(), actor=ACTOR)):
        with pytest.raises(pools.NoTenantZero):
            ask()


def test_pausing_the_origin_promises_to_tell_the_others(committed, zero, alpha, cast, pool_of):
    pool = pool_of(cast.ada(), kind="curated")
    pools.publish_curated(pool_id=pool.id, actor=ACTOR)
    Nudge.objects.all().delete()

    pools.pause_pool(pool_id=pool.id, actor=ACTOR)

    [promise] = Nudge.objects.filter(task="pools.sync_curated")
    sync_curated(nudge=promise.pk)
    with entered(alpha):
        assert pools.pool_of(pool_id=pool.id).status == "paused"


def halts(*schemas: str) -> list[tuple[str, str, str]]:
    """By tenant: its own switch, the origin's, and the stronger of the two."""
    found = []
    for schema in schemas:
        with entered(schema):
            found += [(one.halt, one.origin_halt, one.halted) for one in Pool.objects.all()]
    return found


def test_halting_the_origin_halts_it_everywhere_and_closes_where_that_was_said(committed, zero, alpha, cast, pool_of):
    pool = pool_of(cast.ada(), kind="curated")
    pools.publish_curated(pool_id=pool.id, actor=ACTOR)
    Nudge.objects.all().delete()

    pools.halt_pool(pool_id=pool.id, actor=ACTOR, close=True)

    [promise] = Nudge.objects.filter(task="pools.sync_curated")
    assert promise.queue == "critical"
    sync_curated(nudge=promise.pk)
    sync_curated()
    assert halts("t_zero", "t_alpha") == [("close", "", "close"), ("", "close", "close")]
    closes = Nudge.objects.filter(task="trading.close_halted").order_by("tenant")
    assert [one.tenant for one in closes] == ["t_alpha", "t_beta", "t_zero"]
    with entered(alpha):
        assert Entry.objects.get(action="pools.pool.halted").actor == "origin"


def test_each_releases_its_own_halt_alone(published, alpha, beta):
    with entered(alpha):
        pools.halt_pool(pool_id=published.id, actor=ACTOR)
    pools.halt_pool(pool_id=published.id, actor=ACTOR, close=True)
    pools.sync_curated()
    assert halts("t_alpha", "t_beta") == [("opens", "close", "close"), ("", "close", "close")]

    with entered(alpha):
        pools.release_pool(pool_id=published.id, actor=ACTOR)
    pools.sync_curated()
    assert halts("t_alpha") == [("", "close", "close")]

    with entered(alpha):
        pools.halt_pool(pool_id=published.id, actor=ACTOR)
    pools.release_pool(pool_id=published.id, actor=ACTOR)
    pools.sync_curated()
    assert halts("t_alpha", "t_beta") == [("opens", "", "opens"), ("", "", "")]


def test_a_tenant_that_begins_to_offer_a_halted_pool_gets_it_halted(published, alpha):
    with entered(alpha):
        Pool.objects.all().delete()
    pools.halt_pool(pool_id=published.id, actor=ACTOR)

    pools.sync_curated()

    assert halts("t_alpha") == [("", "opens", "opens")]


def test_what_happens_when_a_lead_is_silent_is_the_same_everywhere(published, alpha):
    pools.change_pool(pool_id=published.id, when_silent="close", actor=ACTOR)

    pools.sync_curated()

    with entered(alpha):
        assert Pool.objects.get().when_silent == "close"
