"""Two people at once: limits hold, nobody is counted twice, and no account both leads and follows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from django.db import connection, transaction

from obscura.core.errors import Problem
from pools import services as pools
from pools.curated.models import CuratedFollowing
from pools.models import Pool, Subscription
from tenants import services as tenants
from tenants.scope import entered
from tests.pools.conftest import ACTOR, TERMS


def at_once(acts: list[Callable[[], object]]) -> list[str]:
    """Run all of them on threads of their own; the codes of the problems, "" for what went well."""

    def run(act: Callable[[], object]) -> str:
        try:
            act()
        except Problem as problem:
            return problem.code
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(len(acts)) as threads:
        return sorted(one.result() for one in [threads.submit(copy_context().run, run, act) for act in acts])


@pytest.fixture
def follow(committed, alpha, cast, pool_of):
    pool = pool_of(cast.ada())
    ben = cast.ben()
    return lambda account: (
        lambda: pools.subscribe(user_id=ben.pk, pool_id=pool.id, account_id=account, terms=TERMS, actor=ACTOR)
    )


def test_a_limit_of_two_lets_two_of_six_in(alpha, cast, follow, account_of):
    tenants.set_entitlements(tenant_id=alpha.pk, values={"max_subscriptions": 2})
    accounts = [account_of(cast.ben()) for _ in range(6)]

    assert at_once([follow(account) for account in accounts]) == ["", "", *["plan_limit"] * 4]
    assert Subscription.objects.count() == 2


def test_one_account_follows_once(cast, follow, account_of):
    account = account_of(cast.ben())

    assert at_once([follow(account)] * 4) == ["", *["already_subscribed"] * 3]


def test_an_account_leads_or_follows_but_never_both(cast, follow, account_of):
    account = account_of(cast.ben())
    lead = lambda: pools.create_trader(name="Ben", account_id=account, actor=ACTOR)  # noqa: E731

    found = at_once([follow(account), lead])

    assert found in (["", "account_leads"], ["", "account_taken"])


def test_followers_who_come_at_once_are_all_counted(committed, zero, alpha, cast, pool_of, account_of):
    pool = pool_of(cast.ada(), kind="curated")
    pools.publish_curated(pool_id=pool.id, actor=ACTOR)
    with entered(alpha):
        ben = cast.ben()
        accounts = [account_of(ben) for _ in range(5)]

        found = at_once(
            [
                lambda account=account: pools.subscribe(
                    user_id=ben.pk, pool_id=pool.id, account_id=account, terms=TERMS, actor=ACTOR
                )
                for account in accounts
            ]
        )

    assert found == [""] * 5
    assert CuratedFollowing.objects.get(tenant="t_alpha").followers == 5


def test_a_pool_that_is_placed_twice_at_once_is_there_once(committed, zero, alpha, cast, pool_of):
    pool = pool_of(cast.ada(), kind="curated")
    pools.publish_curated(pool_id=pool.id, actor=ACTOR)
    with entered(alpha):
        Pool.objects.filter(pk=pool.id).delete()

        with ThreadPoolExecutor(1) as threads, transaction.atomic():
            assert pools.place_curated(alpha) == 1
            second = threads.submit(copy_context().run, at_once, [lambda: pools.place_curated(alpha)])
            waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = %s"
            with connection.cursor() as cursor:
                while not cursor.execute(waiting, [connection.settings_dict["NAME"]]).fetchone()[0]:
                    assert not second.done()
        assert second.result() == [""]

        assert Pool.objects.filter(pk=pool.id).count() == 1
