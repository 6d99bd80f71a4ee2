"""Pools, traders and subscriptions over the partner API."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest

from citadel.models import ExchangeAccount
from obscura.core import clock
from obscura.core.audit.models import Entry
from pools import services as pools
from pools.models import Pool, Subscription
from tenants import services as tenants
from tenants.scope import entered
from tests.api.conftest import Desk, problem

POOL = {"name": "Kestrel", "description": "Slow.", "pool_type": "partner", "risk_class": "low", "traders": []}


def make_account(user, *, environment: str = "paper"):
    return ExchangeAccount.objects.create(
        owner=user, environment=environment, label=environment, status="active", created_at=clock.now()
    ).pk


@pytest.fixture
def pool_id(desk: Desk) -> str:
    trader = desk.post("/v2/traders", {"name": "Ada", "reference_capital_usd": "10000"}).json()["id"]
    made = desk.post("/v2/pools", POOL | {"traders": [{"trader_id": trader, "weight": 1}]}).json()["id"]
    desk.post(f"/v2/pools/{made}/activate")
    return made


@pytest.fixture
def wanted(alpha, cast) -> dict[str, object]:
    ben = cast.ben()
    return {
        "subscription_mode": "fixed_amount", "user_id": str(ben.pk), "exchange_account_id": str(make_account(ben)),
        "total_investment_usd": "1000", "max_loss_usd": 200, "profit_target_usd": 300, "daily_loss_limit_usd": "50.5",
    }  # fmt: skip


# Pools


def test_a_pool_is_made_in_draft(desk, alpha):
    answer = desk.post("/v2/pools", POOL)

    assert answer.status_code == 201
    body = answer.json()
    assert {name: body[name] for name in ("name", "description", "status", "tenant_id", "pool_type", "risk_class")} == {
        "name": "Kestrel", "description": "Slow.", "status": "draft", "tenant_id": alpha.pk, "pool_type": "partner",
        "risk_class": "low",
    }  # fmt: skip
    assert (body["fee_percentage"], body["platform_take_percentage"]) == ("10", "3")
    entry = Entry.objects.get(action="pools.pool.created")
    assert entry.actor.startswith("key:obsc_test_")


def test_a_pool_is_read_changed_and_moved(desk, pool_id):
    assert desk.get(f"/v2/pools/{pool_id}").json()["status"] == "active"
    changed = desk.patch(f"/v2/pools/{pool_id}", {"name": "Merlin", "fee_percentage": 12.5, "slots": 8})
    assert (changed.status_code, changed.json()["name"], changed.json()["fee_percentage"]) == (200, "Merlin", "12.5")
    assert [desk.post(f"/v2/pools/{pool_id}/{word}").json()["status"] for word in ("pause", "activate", "close")] == [
        "paused", "active", "closed",
    ]  # fmt: skip
    problem(desk.post(f"/v2/pools/{pool_id}/activate"), 409, "pool_state")


def test_pools_are_read_page_by_page_newest_first(desk):
    for number in range(5):
        desk.post("/v2/pools", POOL | {"name": f"Pool {number}"})

    first = desk.get("/v2/pools?limit=2").json()
    second = desk.get(f"/v2/pools?limit=2&cursor={first['next'].rpartition('cursor=')[2]}").json()

    assert [pool["name"] for pool in first["results"]] == ["Pool 4", "Pool 3"]
    assert [pool["name"] for pool in second["results"]] == ["Pool 2", "Pool 1"]
    assert first["previous"] is None
    problem(desk.get("/v2/pools?cursor=nonsense"), 400, "cursor_invalid")


def test_a_users_custom_pool_is_no_business_of_a_key(desk, cast):
    mine = pools.create_pool(kind="custom", name="Mine", owner_id=cast.ben().pk, actor="test")

    assert desk.get("/v2/pools").json()["results"] == []
    for answer in (
        desk.get(f"/v2/pools/{mine.id}"),
        desk.patch(f"/v2/pools/{mine.id}", {"name": "Ours"}),
        desk.post(f"/v2/pools/{mine.id}/activate"),
    ):
        problem(answer, 404, "pool_unknown")
    assert Pool.objects.get().status == "draft"


def test_a_weight_keeps_its_digits(desk):
    trader = desk.post("/v2/traders", {"name": "Ada", "reference_capital_usd": "123456789012.000000000000000001"})
    assert trader.json()["reference_capital_usd"] == "123456789012.000000000000000001"

    raw = b'{"name":"K","traders":[{"trader_id":"%s","weight":0.1234}]}' % trader.json()["id"].encode()
    made = desk.post("/v2/pools", raw=raw)

    assert made.json()["traders"] == [{"trader_id": trader.json()["id"], "name": "Ada", "weight": "0.1234"}]
    finer = desk.post("/v2/pools", raw=raw.replace(b"0.1234", b"0.12345"))
    assert "weight" in problem(finer, 400, "pool_invalid")["fields"]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"owner": "me"}, "unknown_fields", "owner"),
        ({"status": "active"}, "unknown_fields", "status"),
        ({"name": None}, "invalid", "name"),
        ({"name": "n" * 81}, "invalid", "name"),
        ({"risk_class": "wild"}, "invalid", "risk_class"),
        ({"pool_type": "custom"}, "invalid", "pool_type"),
        ({"traders": [{"trader_id": "x"}]}, "invalid", "traders"),
        ({"traders": [{"trader_id": str(uuid4()), "share": 1}]}, "unknown_fields", "share"),
        ({"traders": [{"trader_id": str(uuid4()), "weight": True}]}, "invalid", "traders"),
        ({"fee_percentage": "1e1"}, "invalid", "fee_percentage"),
        ({"fee_percentage": 21}, "pool_invalid", "fee_percentage"),
        ({"leverage": 125}, "pool_invalid", "leverage"),
    ],
)
def test_what_a_pool_cannot_be_is_named(desk, change, code, field):
    details = problem(desk.post("/v2/pools", POOL | change), 400, code)

    assert field in details["fields"]
    assert Pool.objects.exists() is False


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b'{"name":"a","name":"b"}', b'{"name":NaN}', b"\xff"])
def test_a_body_that_is_no_object_is_a_400(desk, raw):
    answer = desk.post("/v2/pools", raw=raw)

    assert answer.status_code == 400
    assert answer.json()["error"]["remedy"]
    assert Pool.objects.exists() is False


def test_an_unknown_trader_is_a_404_and_no_pool(desk):
    answer = desk.post("/v2/pools", POOL | {"traders": [{"trader_id": str(uuid4()), "weight": "1"}]})

    problem(answer, 404, "trader_unknown")
    assert Pool.objects.exists() is False


# Who may


def test_without_a_key_and_with_a_bad_one_nobody_is_known(desk, pool_id):
    for key, code in (("", "unauthenticated"), ("obsc_test_" + "x" * 43, "key_refused"), ("nonsense", "key_refused")):
        other = Desk(desk.host, key)
        for answer in (other.get("/v2/pools"), other.post("/v2/pools", POOL), other.post(f"/v2/pools/{pool_id}/close")):
            problem(answer, 401, code)
    assert Pool.objects.get().status == "active"


def test_a_key_without_the_scope_is_told_which_it_needs(alpha, desk_of, pool_id):
    reader = desk_of(alpha, scopes=("pool:read",))
    stranger = desk_of(alpha, scopes=("signal:write",))

    assert reader.get("/v2/pools").status_code == 200
    for answer in (
        reader.post("/v2/pools", POOL),
        reader.patch(f"/v2/pools/{pool_id}", {"name": "x"}),
        reader.post(f"/v2/pools/{pool_id}/close"),
        reader.post("/v2/traders", {"name": "Ada", "reference_capital_usd": "1"}),
        reader.post(f"/v2/pools/{pool_id}/subscribe", {}),
        stranger.get("/v2/pools"),
    ):
        problem(answer, 403, "scope_missing")
        assert "pool:manage" in answer.json()["error"]["remedy"]
    assert Pool.objects.get().status == "active"


def test_another_tenants_ids_do_not_exist(desk, beta, desk_of, pool_id, wanted, cast):
    theirs = desk_of(beta)
    with entered(beta):
        bens_twin = cast.ben()
        account = make_account(bens_twin)

    for answer in (
        theirs.get(f"/v2/pools/{pool_id}"),
        theirs.patch(f"/v2/pools/{pool_id}", {"name": "Ours"}),
        theirs.post(f"/v2/pools/{pool_id}/close"),
        theirs.post(
            f"/v2/pools/{pool_id}/subscribe",
            wanted | {"user_id": str(bens_twin.pk), "exchange_account_id": str(account)},
        ),
    ):
        problem(answer, 404, "pool_unknown")
    problem(
        desk.post(f"/v2/pools/{pool_id}/subscribe", wanted | {"exchange_account_id": str(account)}),
        404,
        "account_unknown",
    )
    assert theirs.get("/v2/pools").json()["results"] == []
    assert Pool.objects.get().name == "Kestrel"
    assert Subscription.objects.exists() is False


# Subscriptions


def test_an_end_user_follows_with_a_fixed_amount(desk, pool_id, wanted):
    answer = desk.post(f"/v2/pools/{pool_id}/subscribe", wanted)

    assert answer.status_code == 201, answer.content
    row = Subscription.objects.get()
    assert answer.json() | {"created_at": None} == {
        "id": f"sub_{row.pk}", "pool_id": pool_id, "user_id": wanted["user_id"],
        "exchange_account_id": wanted["exchange_account_id"], "subscription_mode": "fixed_amount", "status": "active",
        "status_reason": "", "stopped_by": "", "in_use_usd": "0", "realised_usd": "0",
        "total_investment_usd": "1000", "max_loss_usd": "200", "profit_target_usd": "300",
        "daily_loss_limit_usd": "50.5", "created_at": None,
    }  # fmt: skip
    assert (row.total_investment, row.daily_loss_limit) == (Decimal(1000), Decimal("50.5"))
    assert desk.get(f"/v2/pools/{pool_id}").json()["subscribers"] == 1
    problem(desk.post(f"/v2/pools/{pool_id}/subscribe", wanted), 409, "already_subscribed")


def test_target_and_daily_limit_may_be_left_out(desk, pool_id, wanted):
    answer = desk.post(
        f"/v2/pools/{pool_id}/subscribe",
        {name: value for name, value in wanted.items() if name not in ("profit_target_usd", "daily_loss_limit_usd")},
    )

    assert (answer.status_code, answer.json()["profit_target_usd"]) == (201, None)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"max_loss_usd": 1001}, "terms_invalid", "max_loss_usd"),
        ({"daily_loss_limit_usd": 201}, "terms_invalid", "daily_loss_limit_usd"),
        ({"total_investment_usd": 99, "max_loss_usd": 9}, "terms_invalid", "total_investment_usd"),
        ({"total_investment_usd": "0.001"}, "terms_invalid", "total_investment_usd"),
        ({"total_investment_usd": "a lot"}, "invalid", "total_investment_usd"),
        ({"total_investment_usd": None}, "invalid", "total_investment_usd"),
        ({"subscription_mode": "mirror"}, "invalid", "subscription_mode"),
        ({"user_id": "ben"}, "invalid", "user_id"),
        ({"leverage": 3}, "unknown_fields", "leverage"),
        ({"per_pair_config": {}}, "unknown_fields", "per_pair_config"),
    ],
)
def test_terms_that_cannot_be_are_named_as_the_api_names_them(desk, pool_id, wanted, change, code, field):
    details = problem(desk.post(f"/v2/pools/{pool_id}/subscribe", wanted | change), 400, code)

    assert field in details["fields"]
    assert Subscription.objects.exists() is False


def test_a_test_key_does_not_reach_real_money(alpha, desk, desk_of, pool_id, wanted, cast):
    live = wanted | {"exchange_account_id": str(make_account(cast.ben(), environment="live"))}

    problem(desk.post(f"/v2/pools/{pool_id}/subscribe", live), 409, "test_key_paper_only")
    assert Subscription.objects.exists() is False

    assert desk_of(alpha, environment="live").post(f"/v2/pools/{pool_id}/subscribe", live).status_code == 201


def test_the_plans_limit_is_told(alpha, desk, pool_id, wanted):
    tenants.set_entitlements(tenant_id=alpha.pk, values={"max_subscriptions": 0})

    details = problem(desk.post(f"/v2/pools/{pool_id}/subscribe", wanted), 409, "plan_limit")

    assert details == {"max_subscriptions": 0}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Ada"}, "reference_capital_usd"),
        ({"name": "Ada", "reference_capital_usd": "-1"}, "reference_capital_usd"),
        ({"name": "", "reference_capital_usd": "1"}, "name"),
        ({"name": "Ada", "reference_capital_usd": "1", "account": "x"}, "account"),
    ],
)
def test_what_a_trader_cannot_be_is_named(desk, body, field):
    answer = desk.post("/v2/traders", body)

    assert answer.status_code == 400
    assert field in answer.json()["error"]["details"]["fields"]
    assert pools.traders_of() == []


def test_a_trader_on_another_users_account_of_another_tenant_is_a_404(desk, beta, cast):
    with entered(beta):
        account = make_account(cast.ada())

    problem(desk.post("/v2/traders", {"name": "Ada", "exchange_account_id": str(account)}), 404, "account_unknown")
    assert pools.traders_of() == []
