"""Advanced terms and the life of a subscription over the partner API, as the contract writes them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from citadel.models import ExchangeAccount
from obscura.core import clock
from pools import services as pools
from pools.models import Pool, Subscription
from tenants.scope import entered
from tests.api.conftest import Desk, problem
from tests.api.test_pools import POOL, make_account
from trading.models import Holding, LeadPosition, Signal

CONTRACT = {
    "subscription_mode": "advanced",
    "per_pair_config": {
        "BTCUSDT": {"amount_usd": 100, "stop_loss_pct": 5, "take_profit_pct": "10.5"},
        "ETHUSDT": {"amount_usd": "50"},
    },
    "enable_martingale": True,
    "martingale_multiplier": 2,
    "martingale_max_levels": 2,
    "daily_loss_limit_usd": 80,
}


@pytest.fixture
def trader(desk: Desk) -> str:
    return desk.post("/v2/traders", {"name": "Ada", "reference_capital_usd": "10000"}).json()["id"]


@pytest.fixture
def pool_id(desk: Desk, trader: str) -> str:
    made = desk.post("/v2/pools", POOL | {"traders": [{"trader_id": trader, "weight": 1}]}).json()["id"]
    desk.post(f"/v2/pools/{made}/activate")
    return made


@pytest.fixture
def who(alpha, cast) -> dict[str, object]:
    ben = cast.ben()
    return {"user_id": str(ben.pk), "exchange_account_id": str(make_account(ben))}


@pytest.fixture
def fixed(desk, pool_id, who) -> str:
    """A subscription with amounts alone; the path of it."""
    amounts = {"subscription_mode": "fixed_amount", "total_investment_usd": "1000", "max_loss_usd": 200}
    made = desk.post(f"/v2/pools/{pool_id}/subscribe", {**who, **amounts}).json()["id"]
    return f"/v2/pools/{pool_id}/subscriptions/{made}"


# Begin


def test_the_contracts_own_example_is_taken(desk, pool_id, who):
    answer = desk.post(f"/v2/pools/{pool_id}/subscribe", CONTRACT | who)

    assert answer.status_code == 201, answer.content
    body = answer.json()
    row = Subscription.objects.get()
    # Both pairs with their full ladders: (100 + 50) x (1 + 2 + 4). All of it may be lost, and it caps the martingale.
    assert (row.mode, row.total_investment, row.max_loss) == ("advanced", 1050, 1050)
    assert row.settings == {
        "allow": ["BTCUSDT", "ETHUSDT"],
        "martingale": {"multiplier": "2", "levels": 2, "cap_usd": "1050.00"},
        "pairs": {
            "BTCUSDT": {"sizing": "fixed", "value": "100", "stop_loss_pct": "5", "take_profit_pct": "10.5"},
            "ETHUSDT": {"sizing": "fixed", "value": "50"},
        },
    }
    assert {name: body[name] for name in CONTRACT} == {
        "subscription_mode": "advanced",
        "per_pair_config": {
            "BTCUSDT": {"amount_usd": "100", "stop_loss_pct": "5", "take_profit_pct": "10.5"},
            "ETHUSDT": {"amount_usd": "50"},
        },
        "enable_martingale": True, "martingale_multiplier": "2", "martingale_max_levels": 2,
        "daily_loss_limit_usd": "80",
    }  # fmt: skip
    assert body["allow"] == ["BTCUSDT", "ETHUSDT"]


def test_without_a_martingale_the_investment_is_the_sum_of_the_amounts(desk, pool_id, who):
    plain = {name: CONTRACT[name] for name in ("subscription_mode", "per_pair_config")}

    body = desk.post(f"/v2/pools/{pool_id}/subscribe", plain | who | {"enable_martingale": False}).json()

    assert (body["total_investment_usd"], body["max_loss_usd"]) == ("150", "150")
    assert "enable_martingale" not in body


def test_the_amounts_may_be_given_and_every_rule_of_a_style(desk, pool_id, who):
    style = {
        "sizing": "risk", "value": "1.5", "reserve_pct": "10", "leverage_long": 3, "leverage_short": 2,
        "max_positions": 4, "max_pair_usd": "300", "max_exposure_usd": "900", "stop_loss_pct": "4",
        "take_profit_pct": "9", "trailing_pct": "3", "max_slippage_bps": 20, "signal_ttl_s": 15,
        "allow": ["BTCUSDT", "ETHUSDT"], "deny": ["DOGEUSDT"], "burst_opens": 3, "burst_ms": 2000,
        "equity_stop_pct": "20", "equity_stop_trailing": True, "keep_open": True,
    }  # fmt: skip
    amounts = {"total_investment_usd": "1000", "max_loss_usd": "250", "profit_target_usd": "400"}

    answer = desk.post(f"/v2/pools/{pool_id}/subscribe", {"subscription_mode": "advanced", **who, **amounts, **style})

    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert {name: body[name] for name in (*style, *amounts)} == style | amounts


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"per_pair_config": {"BTCUSDT": {"amount": 5}}}, "unknown_fields", "amount"),
        ({"martingale_levels": 2}, "unknown_fields", "martingale_levels"),
        ({"martingale_max_levels": None}, "terms_invalid", "martingale_max_levels"),
        ({"martingale_multiplier": 9}, "terms_invalid", "martingale_multiplier"),
        ({"martingale_max_levels": 10**9}, "terms_invalid", "martingale_max_levels"),
        ({"martingale_max_levels": 100, "martingale_multiplier": 100}, "terms_invalid", "martingale_max_levels"),
        ({"total_investment_usd": 200}, "terms_invalid", "daily_loss_limit_usd"),
        ({"total_investment_usd": 300}, "terms_invalid", "enable_martingale"),
        ({"per_pair_config": {"BTCUSDT": {"amount_usd": 5}}}, "terms_invalid", "per_pair_config.BTCUSDT.amount_usd"),
        ({"per_pair_config": {"btc": {"amount_usd": 50}}}, "terms_invalid", "per_pair_config"),
        ({"per_pair_config": {"BTCUSDT": {"stop_loss_pct": 5}}}, "terms_invalid", "total_investment_usd"),
        ({"per_pair_config": {}}, "terms_invalid", "total_investment_usd"),
        (
            {"per_pair_config": {"BTCUSDT": {"amount_usd": 50, "sizing": "risk", "value": 1}}},
            "terms_invalid",
            "per_pair_config.BTCUSDT.amount_usd",
        ),
        (
            {"per_pair_config": {"BTCUSDT": {"amount_usd": 50, "stop_loss_pct": -5}}},
            "terms_invalid",
            "per_pair_config.BTCUSDT.stop_loss_pct",
        ),
        ({"sizing": "all_in"}, "invalid", "sizing"),
    ],
)
def test_what_does_not_go_together_is_named_as_the_api_names_it(desk, pool_id, who, change, code, field):
    amounts = {"daily_loss_limit_usd": 250} if change == {"total_investment_usd": 200} else {"daily_loss_limit_usd": 20}

    answer = desk.post(f"/v2/pools/{pool_id}/subscribe", CONTRACT | who | amounts | change)

    details = problem(answer, 400, code)
    assert field in details["fields"], details
    assert Subscription.objects.exists() is False


# Read and change


def test_a_subscription_is_read_changed_paused_and_resumed(desk, fixed):
    assert desk.get(fixed).json()["subscription_mode"] == "fixed_amount"

    changed = desk.patch(fixed, {"total_investment_usd": "1200", "stop_loss_pct": 5, "max_positions": 3}).json()
    assert (changed["subscription_mode"], changed["total_investment_usd"], changed["max_loss_usd"]) == (
        "advanced", "1200", "200",
    )  # fmt: skip
    assert (changed["stop_loss_pct"], changed["max_positions"]) == ("5", 3)

    less = desk.patch(fixed, {"max_positions": None}).json()
    assert (less["stop_loss_pct"], "max_positions" in less) == ("5", False)
    assert desk.patch(fixed, {"subscription_mode": "fixed_amount"}).json()["subscription_mode"] == "fixed_amount"
    assert desk.post(f"{fixed}/pause").json()["status"] == "paused"
    Subscription.objects.update(stopped_by="daily_loss", reason="The daily loss limit was reached.")
    stopped = desk.get(fixed).json()
    assert (stopped["stopped_by"], stopped["status_reason"]) == ("daily_loss", "The daily loss limit was reached.")
    resumed = desk.post(f"{fixed}/resume").json()
    assert (resumed["status"], resumed["stopped_by"]) == ("active", "")


def test_a_martingale_is_put_on_and_taken_off(desk, fixed):
    steps = {"enable_martingale": True, "martingale_multiplier": "1.5", "martingale_max_levels": 1}

    on = desk.patch(fixed, steps | {"sizing": "fixed", "value": 40}).json()
    off = desk.patch(fixed, {"enable_martingale": False}).json()

    assert (on["martingale_cap_usd"], on["value"]) == ("1000.00", "40")
    assert ("enable_martingale" in off, off["sizing"]) == (False, "fixed")


def test_a_change_that_does_not_fit_changes_nothing(desk, fixed):
    before = desk.get(fixed).json()

    details = problem(desk.patch(fixed, {"max_pair_usd": 2000}), 400, "terms_invalid")
    problem(desk.patch(fixed, {"subscription_mode": "fixed_amount", "max_positions": 2}), 400, "terms_invalid")
    problem(desk.patch(fixed, {"user_id": "x"}), 400, "unknown_fields")

    assert list(details["fields"]) == ["max_pair_usd"]
    assert desk.get(fixed).json() == before


# Positions


@pytest.fixture
def ada_holds(pool_id, trader):
    def make(symbol: str, qty: str) -> None:
        LeadPosition.objects.create(
            pool_id=pool_id, trader_id=trader, market="spot", symbol=symbol, qty=Decimal(qty), updated_at=clock.now()
        )

    return make


@pytest.fixture
def ben_holds(trader):
    def make(symbol: str, qty: str, **fields) -> Holding:
        return Holding.objects.create(
            subscription_id=Subscription.objects.get().pk, trader_id=trader, market="spot", symbol=symbol,
            qty=Decimal(qty), cost=Decimal(60), updated_at=clock.now(), **fields,
        )  # fmt: skip

    return make


def test_a_preview_compares_and_a_resync_begins(desk, fixed, ada_holds, ben_holds):
    ada_holds("BTCUSDT", "0.5")
    ada_holds("SOLUSDT", "10")
    ben_holds("ETHUSDT", "0.02")
    ben_holds("SOLUSDT", "0", closed_by_owner=True)

    preview = desk.get(f"{fixed}/resync").json()
    begun = desk.post(f"{fixed}/resync", {})

    lines = {line["symbol"]: line for line in preview["positions"]}
    assert {symbol: (line["step"], line["closed_by_owner"]) for symbol, line in lines.items()} == {
        "BTCUSDT": ("open", False), "SOLUSDT": ("open", True), "ETHUSDT": ("close", False),
    }  # fmt: skip
    assert (lines["ETHUSDT"]["would_trade"], lines["BTCUSDT"]["lead_quantity"]) == ("0.02", "0.5")
    assert lines["BTCUSDT"]["reason"] == "The exchange's rules for this symbol are not known"
    # Nothing is known of these markets, so nothing is opened; a close needs no price.
    assert (begun.status_code, begun.json()) == (202, {"begun": 1})
    signal = Signal.objects.get()
    row = Subscription.objects.get()
    assert (signal.symbol, signal.effect, signal.side, signal.source, signal.only_for) == (
        "ETHUSDT", "close", "sell", "owner", row.pk,
    )  # fmt: skip


@pytest.mark.parametrize(("way", "status", "signals"), [("now", "closing", 1), ("follow", "closing", 0)])
def test_a_subscription_is_stopped_in_the_way_that_is_chosen(desk, fixed, ben_holds, way, status, signals):
    ben_holds("ETHUSDT", "0.02")

    answer = desk.post(f"{fixed}/unfollow", {"close": way})

    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert Signal.objects.filter(source="owner", effect="close").count() == signals


def test_what_is_left_alone_is_left_alone(desk, fixed, ben_holds):
    held = ben_holds("ETHUSDT", "0.02")
    Subscription.objects.update(exposure=60)

    answer = desk.post(f"{fixed}/unfollow", {"close": "leave"})

    assert answer.json()["status"] == "ended"
    held.refresh_from_db()
    assert (held.qty, held.left_qty, held.left_cost) == (0, Decimal("0.02"), 60)
    assert Signal.objects.count() == 0
    assert desk.get(fixed).json()["in_use_usd"] == "0"


def test_how_to_stop_has_to_be_said(desk, fixed):
    problem(desk.post(f"{fixed}/unfollow", {}), 400, "invalid")
    problem(desk.post(f"{fixed}/unfollow", {"close": "later"}), 400, "invalid")
    assert Subscription.objects.get().status == "active"


# Who may

CALLS = [
    ("get", "", None),
    ("patch", "", {"max_loss_usd": 100}),
    ("post", "/pause", None),
    ("post", "/resume", None),
    ("post", "/unfollow", {"close": "now"}),
    ("get", "/resync", None),
    ("post", "/resync", {}),
]


def call(desk: Desk, path: str, method: str, body: object):
    return desk.get(path) if method == "get" else getattr(desk, method)(path, body)


@pytest.mark.parametrize(("method", "rest", "body"), CALLS)
def test_what_is_another_tenants_or_another_pools_does_not_exist(desk, alpha, beta, desk_of, fixed, method, rest, body):
    theirs = desk_of(beta)
    other = desk.post("/v2/pools", POOL).json()["id"]
    name = fixed.rpartition("/")[2]

    for who_asks, path in (
        (theirs, fixed),
        (desk, f"/v2/pools/{other}/subscriptions/{name}"),
        (desk, f"{fixed}0"),
        (desk, fixed.replace("sub_", "")),
        (desk, fixed.replace(name, "sub_99999999999999999999")),
    ):
        problem(call(who_asks, f"{path}{rest}", method, body), 404, "subscription_unknown")
    with entered(alpha):
        assert Subscription.objects.get().status == "active"


@pytest.mark.parametrize(("method", "rest", "body"), [one for one in CALLS if one[0] != "get"])
def test_a_test_key_changes_nothing_of_real_money(desk, fixed, cast, method, rest, body):
    live = make_account(cast.ben(), environment="live")
    Subscription.objects.update(account_id=live)

    problem(call(desk, f"{fixed}{rest}", method, body), 409, "test_key_paper_only")

    assert Subscription.objects.get().status == "active"
    assert Signal.objects.count() == 0


@pytest.mark.parametrize(("method", "rest", "body"), CALLS)
def test_a_users_own_pool_is_not_the_partners_affair(desk, fixed, method, rest, body):
    Pool.objects.update(kind="custom")

    problem(call(desk, f"{fixed}{rest}", method, body), 404, "subscription_unknown")


def test_a_key_that_reads_changes_nothing(alpha, desk_of, fixed):
    reader = desk_of(alpha, scopes=("pool:read",))

    assert reader.get(fixed).status_code == 200
    assert reader.get(f"{fixed}/resync").status_code == 200
    for method, rest, body in CALLS:
        if method != "get":
            problem(call(reader, f"{fixed}{rest}", method, body), 403, "scope_missing")


# Stop everything


def test_everything_of_a_user_is_stopped_and_released(desk, who, fixed):
    path = f"/v2/users/{who['user_id']}"

    stopped = desk.post(f"{path}/halt", {"close_positions": True})
    again = desk.post(f"{path}/halt", {"close_positions": True})
    assert (stopped.status_code, stopped.json()) == (200, {"user_id": who["user_id"], "changed": 1, "stopped": 1})
    assert again.json()["changed"] == 0
    assert desk.get(fixed).json()["status"] == "paused"

    released = desk.post(f"{path}/release").json()
    assert (released["changed"], released["stopped"]) == (1, 0)
    assert desk.get(fixed).json()["status"] == "active"


def test_a_halt_says_what_becomes_of_what_is_open(desk, who, fixed):
    assert desk.post(f"/v2/users/{who['user_id']}/halt", {}).status_code == 400
    assert desk.get(fixed).json()["status"] == "active"


def test_a_test_key_stops_nobody_who_has_real_money_in_it(desk, desk_of, alpha, who, fixed):
    ExchangeAccount.objects.update(environment="live")
    path = f"/v2/users/{who['user_id']}"

    for move, body in (("halt", {"close_positions": True}), ("release", None)):
        problem(desk.post(f"{path}/{move}", body), 409, "test_key_paper_only")
    live = desk_of(alpha, environment="live")
    assert live.post(f"{path}/halt", {"close_positions": False}).json()["changed"] == 1


def test_another_tenants_user_is_not_known(desk_of, alpha, beta, who, fixed):
    answer = desk_of(beta).post(f"/v2/users/{who['user_id']}/halt", {"close_positions": True})

    assert answer.status_code == 404
    assert Subscription.objects.get().status == "active"


# Shares of profit


def test_what_is_due_of_a_subscriptions_profits(desk, fixed):
    assert desk.get(f"{fixed}/shares").json() == {"due_usd": "0", "collected": False, "shares": []}
    Pool.objects.update(fee_percentage=Decimal(20))
    Subscription.objects.update(realised=Decimal("130.55"))
    pools.settle_month()

    found = desk.get(f"{fixed}/shares").json()

    assert (found["due_usd"], found["collected"]) == ("30.02", False)
    [one] = found["shares"]
    assert one.pop("settled_at")
    assert one == {
        "cause": "month", "result_usd": "130.55", "high_water_usd": "0", "profit_usd": "130.55",
        "creator_usd": "26.11", "platform_usd": "3.91",
    }  # fmt: skip
