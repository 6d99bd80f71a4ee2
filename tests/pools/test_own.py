"""A person's own pools: who may lead in them, and that an account neither leads and follows, nor leads unseen."""

from decimal import Decimal

import pytest

from obscura.core.errors import NotFound
from pools import services as pools
from pools.models import Pool, Trader
from tests.pools.conftest import ACTOR, TERMS
from tests.pools.test_races import at_once

HALF = Decimal("0.5")


def open_own(user, *leads, name="Mine"):
    return pools.open_own_pool(user_id=user.pk, name=name, leads=leads, actor=ACTOR)


def keys(user):
    return [one.key for one in pools.lead_choices(user.pk).leads]


def test_leads_are_ones_own_accounts_first_and_then_who_is_offered_here(alpha, cast, pool_of, account_of):
    ben = cast.ben()
    ada = pool_of(cast.ada()).traders[0]
    desk = account_of(ben)
    for unfit in ({"status": "pending"}, {"exchange": "okx"}):
        account_of(ben, **unfit)

    assert keys(ben) == [f"account:{desk}", f"trader:{ada.id}"]


@pytest.mark.parametrize("move", [pools.pause_pool, pools.close_pool])
def test_who_leads_in_no_open_pool_is_not_offered(alpha, cast, pool_of, move):
    pool = pool_of(cast.ada())
    move(pool_id=pool.id, actor=ACTOR)

    assert keys(cast.ben()) == []


def test_a_lead_of_somebody_elses_own_pool_is_not_offered(alpha, cast, account_of):
    ben = cast.ben()
    open_own(ben, (f"account:{account_of(ben)}", HALF))

    assert keys(cast.cleo()) == []


def test_the_share_of_profit_is_the_greatest_of_its_leads(alpha, cast, pool_of, account_of):
    ben = cast.ben()
    ada = pool_of(cast.ada(), fee_percentage=Decimal(12)).traders[0]
    desk = account_of(ben)

    made = open_own(ben, (f"trader:{ada.id}", HALF), (f"account:{desk}", Decimal(1)))

    assert (made.kind, made.status, made.owner_id) == ("custom", "active", ben.pk)
    assert (made.fee_percentage, [one.weight for one in made.traders]) == (12, [1, HALF])


@pytest.mark.parametrize("key", ["", "trader:", "account:1", "ada"])
def test_what_is_not_offered_makes_nothing(alpha, cast, key):
    with pytest.raises(pools.LeadUnfit):
        open_own(cast.ben(), (key, HALF))
    with pytest.raises(pools.LeadUnfit):
        open_own(cast.ben())

    assert not Pool.objects.exists()


def test_a_pool_that_is_refused_leaves_no_trader(alpha, cast, account_of):
    ben = cast.ben()

    with pytest.raises(pools.PoolInvalid):
        open_own(ben, (f"account:{account_of(ben)}", Decimal(2)))

    assert (Pool.objects.count(), Trader.objects.count()) == (0, 0)


def test_an_account_that_follows_cannot_be_made_a_lead(alpha, cast, pool_of, account_of):
    ben, account = cast.ben(), account_of(cast.ben())
    pools.subscribe(user_id=ben.pk, pool_id=pool_of(cast.ada()).id, account_id=account, terms=TERMS, actor=ACTOR)

    with pytest.raises(pools.AccountTaken):
        open_own(ben, (f"account:{account}", HALF))

    assert next(one for one in pools.lead_choices(ben.pk).leads if one.own).follows


def test_an_own_lead_is_watched_until_its_pool_is_closed_and_then_released(alpha, cast, account_of):
    ben, account = cast.ben(), account_of(cast.ben())
    made = open_own(ben, (f"account:{account}", HALF))
    assert [one.account_id for one in pools.watched_accounts()] == [account]
    with pytest.raises(pools.StillLeading):
        pools.release_account(account_id=account, user_id=ben.pk, actor=ACTOR)
    with pytest.raises(NotFound):
        pools.release_account(account_id=account, user_id=cast.cleo().pk, actor=ACTOR)

    pools.close_pool(pool_id=made.id, user_id=ben.pk, actor=ACTOR)
    for _ in range(2):
        pools.release_account(account_id=account, user_id=ben.pk, actor=ACTOR)

    assert pools.watched_accounts() == []
    assert open_own(ben, (f"account:{account}", HALF)).status == "active"


def test_somebody_elses_own_pool_is_not_named_to_whom_it_copies(alpha, cast, pool_of):
    ada, ben = cast.ada(), cast.ben()
    pool = pool_of(ada)
    trader = Trader.objects.get()
    open_own(ben, (f"trader:{trader.pk}", HALF), name="Ben's secret")
    pools.close_pool(pool_id=pool.id, actor=ACTOR)

    with pytest.raises(pools.StillLeading) as told:
        pools.release_account(account_id=trader.account_id, user_id=ada.pk, actor=ACTOR)

    assert "secret" not in told.value.message


def test_an_account_is_released_or_taken_into_a_pool_but_never_both(committed, alpha, cast, account_of):
    ben, account = cast.ben(), account_of(cast.ben())
    first = open_own(ben, (f"account:{account}", HALF))
    pools.close_pool(pool_id=first.id, user_id=ben.pk, actor=ACTOR)
    key = f"trader:{Trader.objects.get().pk}"

    found = at_once(
        [
            lambda: open_own(ben, (key, HALF)),
            lambda: pools.release_account(account_id=account, user_id=ben.pk, actor=ACTOR),
        ]
    )

    assert found in (["", "lead_unfit"], ["", "still_leading"])


def test_of_many_pools_made_at_once_twenty_are_kept(committed, alpha, cast, account_of):
    ben = cast.ben()
    key = f"account:{account_of(ben)}"
    for number in range(18):
        pools.create_pool(kind="custom", name=f"Mine {number}", owner_id=ben.pk, actor=ACTOR)
    open_own(ben, (key, HALF))
    key = f"trader:{Trader.objects.get().pk}"

    assert at_once([lambda: open_own(ben, (key, HALF))] * 3) == ["", "own_pools_full", "own_pools_full"]
