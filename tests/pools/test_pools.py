"""Pools and traders: what can be made, who sees it, and whose trades are listened to."""

from __future__ import annotations

import itertools
from decimal import Decimal
from uuid import uuid4

import pytest

from obscura.core.audit.models import Entry
from obscura.core.errors import NotFound
from pools import services as pools
from pools.models import Pool, Subscription
from tenants.scope import entered
from tests.pools.conftest import ACTOR, TERMS


def names(user: object) -> list[str]:
    return [pool.name for pool in pools.pools_of(user_id=user.pk)]


def test_a_pool_begins_as_a_draft_nobody_sees(alpha, cast):
    made = pools.create_pool(kind="partner", name=" Kestrel ", risk_class="high", actor=ACTOR)

    assert (made.status, made.name, made.risk_class, made.fee_percentage) == ("draft", "Kestrel", "high", Decimal(10))
    assert names(cast.ben()) == []
    with pytest.raises(pools.PoolUnknown):
        pools.pool_of(pool_id=made.id, user_id=cast.ben().pk)
    assert Entry.objects.get().action == "pools.pool.created"


def test_a_pool_moves_along_its_states_and_a_closed_one_stays_closed(alpha):
    pool = pools.create_pool(kind="partner", name="Kestrel", actor=ACTOR)

    with pytest.raises(pools.PoolMoveRefused):
        pools.pause_pool(pool_id=pool.id, actor=ACTOR)
    assert pools.activate_pool(pool_id=pool.id, actor=ACTOR).status == "active"
    assert pools.activate_pool(pool_id=pool.id, actor=ACTOR).status == "active"
    assert pools.pause_pool(pool_id=pool.id, actor=ACTOR).status == "paused"
    assert pools.close_pool(pool_id=pool.id, actor=ACTOR).status == "closed"
    with pytest.raises(pools.PoolMoveRefused):
        pools.activate_pool(pool_id=pool.id, actor=ACTOR)
    with pytest.raises(pools.PoolMoveRefused):
        pools.change_pool(pool_id=pool.id, name="Merlin", actor=ACTOR)


def test_a_custom_pool_is_its_owners_alone(alpha, cast):
    ben, cleo = cast.ben(), cast.cleo()
    mine = pools.create_pool(kind="custom", name="Mine", owner_id=ben.pk, actor=ACTOR)
    pools.activate_pool(pool_id=mine.id, user_id=ben.pk, actor=ACTOR)

    assert names(ben) == ["Mine"]
    assert names(cleo) == []
    for ask in (
        lambda: pools.pool_of(pool_id=mine.id, user_id=cleo.pk),
        lambda: pools.pause_pool(pool_id=mine.id, user_id=cleo.pk, actor=ACTOR),
        lambda: pools.change_pool(pool_id=mine.id, user_id=cleo.pk, name="Hers", actor=ACTOR),
    ):
        with pytest.raises(pools.PoolUnknown):
            ask()
    assert pools.pool_of(pool_id=mine.id, user_id=ben.pk).name == "Mine"


def test_a_pool_of_another_tenant_does_not_exist_here(alpha, beta, cast, pool_of):
    with entered(beta):
        theirs = pool_of(cast.ada())

    for ask in (pools.pool_terms, lambda pool_id: pools.pool_of(pool_id=pool_id)):
        with pytest.raises(pools.PoolUnknown):
            ask(theirs.id)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "n" * 81}, "name"),
        ({"risk_class": "wild"}, "risk_class"),
        ({"slots": 0}, "slots"),
        ({"slots": True}, "slots"),
        ({"leverage": 21}, "leverage"),
        ({"max_slippage_bps": 0}, "max_slippage_bps"),
        ({"signal_ttl_s": "30"}, "signal_ttl_s"),
        ({"fee_percentage": Decimal("20.01")}, "fee_percentage"),
        ({"fee_percentage": Decimal("NaN")}, "fee_percentage"),
        ({"remote": True}, "remote"),
        ({"status": "active"}, "status"),
    ],
)
def test_what_a_pool_cannot_be_is_named(alpha, values, field):
    with pytest.raises(pools.PoolInvalid) as found:
        pools.create_pool(**{"kind": "partner", "name": "Kestrel", "actor": ACTOR, **values})

    assert list(found.value.details["fields"]) == [field]
    assert pools.pools_of() == []


def test_a_trader_without_an_account_needs_a_capital(alpha):
    with pytest.raises(pools.TraderInvalid):
        pools.create_trader(name="Ada", actor=ACTOR)

    made = pools.create_trader(name="Ada", reference_capital_usd=Decimal("5000.50"), actor=ACTOR)

    assert pools.traders_of() == [made]
    assert made.reference_capital_usd == Decimal("5000.50")


def test_an_account_leads_once_and_belongs_to_its_leads_user(alpha, cast, account_of):
    ada = cast.ada()
    account = account_of(ada)

    made = pools.create_trader(name="Ada", account_id=account, actor=ACTOR)

    assert made.user_id == ada.pk
    with pytest.raises(pools.AccountTaken):
        pools.create_trader(name="Ada again", account_id=account, actor=ACTOR)
    with pytest.raises(NotFound):
        pools.create_trader(name="Not Ben's", account_id=account_of(ada), user_id=cast.ben().pk, actor=ACTOR)
    with pytest.raises(NotFound):
        pools.create_trader(name="Nobody", account_id=uuid4(), actor=ACTOR)


def test_an_account_that_follows_cannot_lead_and_one_that_leads_cannot_follow(alpha, cast, pool_of, account_of):
    ada, ben = cast.ada(), cast.ben()
    pool = pool_of(ada)
    bens = account_of(ben)
    pools.subscribe(user_id=ben.pk, pool_id=pool.id, account_id=bens, terms=TERMS, actor=ACTOR)
    [lead] = pools.watched_accounts()

    with pytest.raises(pools.AccountTaken):
        pools.create_trader(name="Ben", account_id=bens, actor=ACTOR)
    with pytest.raises(pools.AccountUnfit) as found:
        pools.subscribe(user_id=ada.pk, pool_id=pool.id, account_id=lead.account_id, terms=TERMS, actor=ACTOR)

    assert found.value.code == "account_leads"
    assert pools.subscriptions_of(ada.pk) == []


@pytest.mark.parametrize("weight", [Decimal(0), Decimal("1.0001"), Decimal(-1), Decimal("0.00001")])
def test_a_weight_is_above_zero_and_at_most_one(alpha, weight):
    trader = pools.create_trader(name="Ada", reference_capital_usd=Decimal(1), actor=ACTOR)
    pool = pools.create_pool(kind="partner", name="Kestrel", actor=ACTOR)

    with pytest.raises(pools.PoolInvalid):
        pools.add_trader(pool_id=pool.id, trader_id=trader.id, weight=weight)

    assert pools.pool_terms(pool.id).traders == ()


def test_leads_are_heard_while_somebody_may_have_to_close(alpha, cast, pool_of, account_of):
    ben = cast.ben()
    pool = pool_of(cast.ada())
    [lead] = pools.watched_accounts()
    place = pools.Lead(pool.id, lead.trader_id, Decimal(1))
    assert lead.markets == ("spot", "usdm")
    assert pools.leads_of(lead.account_id) == [place]

    pools.pause_pool(pool_id=pool.id, actor=ACTOR)
    assert (pools.leads_of(lead.account_id), pools.watched_accounts()) == ([], [])

    pools.activate_pool(pool_id=pool.id, actor=ACTOR)
    pools.subscribe(user_id=ben.pk, pool_id=pool.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)
    pools.close_pool(pool_id=pool.id, actor=ACTOR)
    assert (pools.leads_of(lead.account_id), pools.watched_accounts()) == ([place], [lead])
    [mine] = pools.subscriptions_of(ben.pk)
    assert (mine.status, mine.reason) == ("closing", "The pool was closed.")

    assert pools.end_subscription(subscription_id=mine.id, actor=ACTOR) is True
    assert (pools.leads_of(lead.account_id), pools.watched_accounts()) == ([], [])


@pytest.mark.parametrize("following", ["active", "ended", None])
def test_whoever_is_heard_is_watched_and_nobody_else(alpha, cast, pool_of, account_of, following):
    ben, pool = cast.ben(), pool_of(cast.ada())
    [lead] = pools.watched_accounts()
    if following:
        mine = pools.subscribe(user_id=ben.pk, pool_id=pool.id, account_id=account_of(ben), terms=TERMS, actor=ACTOR)
        Subscription.objects.filter(pk=mine.id).update(status=following)

    for kind, status, remote in itertools.product(Pool.Kind.values, Pool.Status.values, [True, False]):
        Pool.objects.update(kind=kind, status=status, remote=remote)

        needed = status == "active" or (status in ("paused", "closed") and (kind == "curated" or following == "active"))
        heard = needed and not remote
        place = pools.Lead(pool.id, lead.trader_id, Decimal(1))
        assert pools.leads_of(lead.account_id) == ([place] if heard else []), (kind, status, remote)
        assert pools.watched_accounts() == ([lead] if heard else []), (kind, status, remote)


def test_a_lead_whose_account_is_not_active_is_not_watched(alpha, cast, account_of):
    account = account_of(cast.ada(), status="pending")
    trader = pools.create_trader(name="Ada", account_id=account, actor=ACTOR)
    pool = pools.create_pool(kind="partner", name="Kestrel", traders=[(trader.id, Decimal("0.5"))], actor=ACTOR)
    pools.activate_pool(pool_id=pool.id, actor=ACTOR)

    assert pools.watched_accounts() == []


def test_changing_a_pools_traders_replaces_all_of_them(alpha):
    ada, eve = (
        pools.create_trader(name=name, reference_capital_usd=Decimal(1000), actor=ACTOR) for name in ("Ada", "Eve")
    )
    pool = pools.create_pool(kind="partner", name="Kestrel", traders=[(ada.id, Decimal(1))], actor=ACTOR)

    changed = pools.change_pool(
        pool_id=pool.id, traders=[(eve.id, Decimal("0.25"))], description="Slower.", slots=5, actor=ACTOR
    )

    assert [(one.name, one.weight) for one in changed.traders] == [("Eve", Decimal("0.2500"))]
    assert (changed.slots, changed.description) == (5, "Slower.")
    with pytest.raises(pools.PoolInvalid):
        pools.change_pool(pool_id=pool.id, traders=[(eve.id, Decimal(1)), (eve.id, Decimal(1))], actor=ACTOR)


def test_the_kind_decides_whether_there_is_an_owner(alpha, cast):
    for wrong in ({"kind": "house"}, {"kind": "custom"}, {"kind": "partner", "owner_id": cast.ben().pk}):
        with pytest.raises(pools.PoolInvalid):
            pools.create_pool(name="Kestrel", actor=ACTOR, **wrong)
    with pytest.raises(NotFound):
        pools.create_pool(kind="custom", name="Kestrel", owner_id=uuid4(), actor=ACTOR)

    assert pools.pools_of() == []


def test_a_trader_is_added_with_a_weight_and_then_another(alpha):
    trader = pools.create_trader(name="Ada", reference_capital_usd=Decimal(1), actor=ACTOR)
    pool = pools.create_pool(kind="partner", name="Kestrel", actor=ACTOR)

    for weight in (Decimal(1), Decimal("0.25")):
        pools.add_trader(pool_id=pool.id, trader_id=trader.id, weight=weight, actor=ACTOR)

    assert pools.pool_terms(pool.id).traders == (pools.Lead(pool.id, trader.id, Decimal("0.25"), Decimal(1)),)
    with pytest.raises(NotFound):
        pools.add_trader(pool_id=pool.id, trader_id=uuid4())


def test_pools_are_walked_in_the_order_they_were_made(alpha, cast):
    made = [pools.create_pool(kind="partner", name=f"Pool {number}", actor=ACTOR).id for number in range(3)]
    pools.create_pool(kind="custom", name="Mine", owner_id=cast.ben().pk, actor=ACTOR)

    first = pools.pools_of(kinds=["partner"], limit=2)
    rest = pools.pools_of(kinds=["partner"], after=first[-1].id, limit=2)

    assert [pool.id for pool in [*first, *rest]] == made
    assert pools.pools_of(kinds=["curated"]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name": "a\x00"},
        {"reference_capital_usd": Decimal(0)},
        {"reference_capital_usd": Decimal("Infinity")},
    ],
)
def test_what_a_trader_cannot_be(alpha, wrong):
    with pytest.raises(pools.TraderInvalid):
        pools.create_trader(**{"name": "Ada", "reference_capital_usd": Decimal(1), "actor": ACTOR, **wrong})

    assert pools.traders_of() == []


def test_a_trader_has_a_user_who_exists_and_an_account_that_was_not_taken_back(alpha, cast, account_of):
    with pytest.raises(NotFound):
        pools.create_trader(name="Ada", user_id=uuid4(), reference_capital_usd=Decimal(1), actor=ACTOR)
    with pytest.raises(NotFound):
        pools.create_trader(name="Ada", account_id=account_of(cast.ada(), status="revoked"), actor=ACTOR)

    assert pools.traders_of() == []
