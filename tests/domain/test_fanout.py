"""One signal, many followers: what each copies, and why not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.drawn import (
    NOON,
    TODAY,
    D,
    adas,
    amounts,
    ben,
    followers,
    law,
    leads,
    market,
    markets,
    poolterms,
    results,
    terms,
)
from trading.domain.fanout import Decision, Follower, Held, closing_quantity, decide
from trading.domain.market import MarketFacts
from trading.domain.reasons import Reason

CLOSE_MAY_SAY = {
    Reason.NOTHING_TO_CLOSE,
    Reason.BELOW_MIN_QTY,
    Reason.BELOW_MIN_NOTIONAL,
    Reason.ACCOUNT_INACTIVE,
    Reason.VENUE_NOT_OFFERED,
    Reason.TEST_ONLY,
}


def decided(follower: Follower, **given: Any) -> Decision:
    """What is decided for one follower, at noon."""
    told: dict[str, Any] = {
        "lead": adas(),
        "terms": terms(),
        "followers": [follower],
        "held": {},
        "open_result": {},
        "markets": {"live": market()},
        "now": NOON,
    }
    return decide(**{**told, **given})


def refused(follower: Follower, **given: Any) -> tuple[Reason, dict[str, str]]:
    decision = decided(follower, **given)
    assert decision.copies == []
    (denial,) = decision.denials
    return denial.reason, denial.detail


def copied(follower: Follower, **given: Any) -> tuple[Decimal, Decimal]:
    decision = decided(follower, **given)
    assert decision.denials == []
    (copy,) = decision.copies
    return copy.qty, copy.reserved


# -- opens -----------------------------------------------------------------------------------------------------------


def test_a_copy_takes_a_slot_of_the_investment_at_the_highest_price_it_may_cost():
    decision = decided(ben())

    (copy,) = decision.copies
    assert (copy.qty, copy.reserved) == (D("0.00199"), D("99.9975"))  # $100 at 50,250, down to the step
    shape = decision.shapes["live"]
    assert (shape.type, shape.time_in_force, shape.limit_price) == ("limit", "IOC", D("50250"))
    assert (shape.mark_price, shape.leverage, shape.reduce_only) == (D(50_000), 1, False)


def test_a_trader_of_a_quarter_of_the_pool_gets_a_quarter_of_the_slot():
    assert copied(ben(), lead=adas(weight=D("0.25"))) == (D("0.00049"), D("24.6225"))


def test_what_is_left_of_the_budget_cuts_the_copy():
    assert copied(ben(exposure=D(900), reserved=D(60))) == (D("0.00079"), D("39.6975"))
    assert refused(ben(exposure=D(900), reserved=D(100))) == (Reason.BUDGET_USED, {"budget": "1000"})


def test_what_is_left_of_the_loss_budget_cuts_the_copy():
    assert copied(ben(realised=D(-100)), open_result={1: D(-60)}) == (D("0.00079"), D("39.6975"))
    assert refused(ben(realised=D(-100)), open_result={1: D(-100)}) == (Reason.LOSS_LIMIT, {"limit": "200"})


def test_gains_do_not_widen_the_loss_budget():
    assert copied(ben(max_loss=D(40), realised=D(500))) == (D("0.00079"), D("39.6975"))


def test_a_tenants_plan_cuts_the_copy():
    assert copied(ben(), terms=terms(max_copy_usd=D(40))) == (D("0.00079"), D("39.6975"))


def test_margin_is_what_a_leveraged_copy_costs():
    decision = decided(ben(), lead=adas(market="usdm"), terms=terms(leverage=5), markets={"live": market()})

    (copy,) = decision.copies
    assert (copy.qty, copy.reserved) == (D("0.00995"), D("99.9975"))
    assert decision.shapes["live"].leverage == 5


def test_spot_has_no_leverage_whatever_the_terms_say():
    assert copied(ben(), terms=terms(leverage=5)) == (D("0.00199"), D("99.9975"))


def test_a_short_is_paid_for_at_the_highest_price_it_may_fill_at():
    lead = adas(market="usdm", side="sell")
    decision = decided(ben(), lead=lead, markets={"live": market(bid="50000", ask="50001")})

    (copy,) = decision.copies
    assert decision.shapes["live"].limit_price == D(49_750)
    assert (copy.qty, copy.reserved) == (D("0.00199"), D("99.9975"))


def test_a_sale_whose_limit_a_tick_lifts_above_the_book_is_paid_for_at_its_limit():
    facts = market(bid="0.00000001", ask="0.00000001", tick=D("0.01"), step=D(0), min_notional=D(0))
    decision = decided(ben(), lead=adas(market="usdm", side="sell", price=None), markets={"live": facts})

    (copy,) = decision.copies
    assert decision.shapes["live"].limit_price == D("0.01")
    assert (copy.qty, copy.reserved) == (D(9000), D(90))  # as many as the venue takes at once, at a cent each


def test_the_cap_of_a_sale_is_the_next_tick_above_it_never_below():
    lead = adas(market="usdm", side="sell", price=D("50000.01"))
    decision = decided(ben(), lead=lead, markets={"live": market(bid="50000", ask="50001")})

    assert decision.shapes["live"].limit_price == D("49750.01")  # 49,750.00995 would have been half a tick too cheap


def test_a_limit_to_sell_that_crosses_is_paid_for_at_the_bid():
    lead = adas(market="usdm", side="sell", order_type="limit", price=D(40_000))
    decision = decided(ben(), lead=lead, markets={"live": market(bid="50000", ask="50001")})

    (copy,) = decision.copies
    assert decision.shapes["live"].limit_price == D(40_000)
    assert (copy.qty, copy.reserved) == (D("0.00199"), D("99.9975"))


def test_a_limit_goes_out_as_a_limit_on_the_venues_tick():
    decision = decided(ben(), lead=adas(order_type="limit", price=D("41234.567")))

    shape = decision.shapes["live"]
    assert (shape.type, shape.time_in_force, shape.limit_price) == ("limit", "GTC", D("41234.56"))


@pytest.mark.parametrize("price", [None, D("0.001")])
def test_a_limit_without_a_price_the_venue_can_write_is_denied(price):
    assert refused(ben(), lead=adas(order_type="limit", price=price))[0] is Reason.NO_PRICE


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"account_active": False}, Reason.ACCOUNT_INACTIVE),
        ({"exchange": "bybit"}, Reason.VENUE_NOT_OFFERED),
        ({"status": "paused"}, Reason.SUBSCRIPTION_PAUSED),
        ({"environment": "paper"}, Reason.NO_RULES),  # nobody loaded that market
        ({"profit_target": D(50), "realised": D(50)}, Reason.PROFIT_TARGET),
        ({"daily_loss_limit": D(30), "day": TODAY, "day_realised": D(-30)}, Reason.DAILY_LOSS),
        ({"total_investment": D(30)}, Reason.BELOW_MIN_NOTIONAL),
        ({"total_investment": D("0.30")}, Reason.BELOW_MIN_QTY),
    ],
)
def test_a_follower_that_may_not_open_is_told_why(changed, reason):
    assert refused(ben(**changed))[0] is reason


def test_yesterdays_loss_is_not_todays():
    follower = ben(daily_loss_limit=D(30), day=TODAY - timedelta(days=1), day_realised=D(-30))

    assert copied(follower) == (D("0.00199"), D("99.9975"))
    assert refused(follower, open_result={1: D(-30)})[0] is Reason.DAILY_LOSS


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"terms": terms(active=False)}, Reason.POOL_PAUSED),
        ({"now": NOON + timedelta(seconds=29)}, Reason.STALE_SIGNAL),
        ({"lead": adas(test_only=True)}, Reason.TEST_ONLY),
        ({"markets": {"live": MarketFacts(market().quote, None)}}, Reason.NO_RULES),
        ({"markets": {"live": MarketFacts(None, market().rules)}}, Reason.NO_PRICE),
        ({"markets": {"live": market(age=16)}}, Reason.STALE_PRICE),
        ({"open_result": {1: None}}, Reason.RESULT_UNKNOWN),
    ],
)
def test_a_rule_without_data_or_out_of_time_denies_an_open(given, reason):
    assert refused(ben(), **given)[0] is reason


def test_a_price_that_ran_away_is_denied_with_how_far_it_ran():
    runaway = {"live": market(bid="50300", ask="50301")}

    assert refused(ben(), markets=runaway) == (Reason.SLIPPAGE, {"moved_bps": "60.2"})
    assert copied(ben(), markets={"live": market(bid="50249", ask="50250")})[0] == D("0.00199")


# -- closes ----------------------------------------------------------------------------------------------------------


def closing(follower: Follower, *, holds: Held | None, **given: Any) -> Decision:
    lead = given.pop("lead", adas(effect="close", side="sell", fraction=D("0.25")))
    return decided(follower, lead=lead, held={} if holds is None else {1: holds}, **given)


def test_a_close_takes_the_leads_fraction_of_the_copy():
    (copy,) = closing(ben(), holds=Held(D("0.00199"), 0, 0)).copies

    assert (copy.qty, copy.reserved, copy.waits) == (D("0.00049"), D(0), False)


def test_the_last_close_takes_all_that_can_be_traded():
    lead = adas(effect="close", side="sell", fraction=D(1))
    (copy,) = closing(ben(), holds=Held(D("0.001988"), 0, 0), lead=lead).copies

    assert copy.qty == D("0.00198")


def test_a_close_waits_for_what_is_on_its_way():
    for holds in (Held(D(0), 1, 0), Held(D("0.5"), 1, 0), Held(D("0.5"), 0, 1)):
        (copy,) = closing(ben(), holds=holds).copies
        assert (copy.qty, copy.waits) == (D(0), True)


def test_nothing_to_close_is_said():
    for holds in (None, Held(D(0), 0, 0)):
        (denial,) = closing(ben(), holds=holds).denials
        assert denial.reason is Reason.NOTHING_TO_CLOSE


def test_no_opening_rule_holds_back_a_close():
    broke = ben(status="paused", realised=D(-900), exposure=D(2000), daily_loss_limit=D(1), profit_target=D("0.01"))
    given = {
        "terms": terms(active=False),
        "now": NOON + timedelta(days=3),
        "open_result": {1: None},
        "markets": {},
    }

    (copy,) = closing(broke, holds=Held(D("0.00199"), 0, 0), **given).copies

    assert copy.qty == D("0.0004975")  # without the venue's rules it goes out as it is


def test_an_environment_without_a_market_still_says_how_its_closes_look():
    decision = closing(ben(), holds=Held(D(1), 0, 0), markets={})

    assert decision.shapes["live"].type == "market"


def test_a_close_on_futures_only_reduces():
    decision = closing(ben(), holds=Held(D(-1), 0, 0), lead=adas(effect="close", market="usdm", fraction=D("0.5")))

    assert decision.shapes["live"].reduce_only is True
    assert decision.copies[0].qty == D("0.5")


def test_a_limit_close_without_a_price_goes_to_the_market():
    lead = adas(effect="close", side="sell", order_type="limit", price=None)

    assert closing(ben(), holds=Held(D(1), 0, 0), lead=lead).shapes["live"].type == "market"


def test_the_venues_minimum_binds_a_close_except_where_it_exempts_one():
    tiny = Held(D("0.0002"), 0, 0)

    (denial,) = closing(ben(), holds=tiny).denials
    assert (denial.reason, denial.detail) == (Reason.BELOW_MIN_NOTIONAL, {"minimum": "5", "held": "0.0002"})
    (copy,) = closing(ben(), holds=tiny, markets={"live": market(reduce_exempt=True)}).copies
    assert copy.qty == D("0.00005")


def test_a_close_as_large_as_the_venue_takes_at_once_is_still_on_its_step():
    facts = market(market_max_qty=D("107.57134166"))

    assert closing_quantity(held=D(500), fraction=D(1), rules=facts.rules, price=D(50_000)) == (D("107.57134"), None)


def test_an_unknown_rulebook_leaves_no_more_digits_than_the_tables_keep():
    qty, _ = closing_quantity(
        held=D("0.123456789012345678"), fraction=D("0.333333333333333333"), rules=None, price=None
    )

    assert qty == D("0.041152263004115225")


# -- laws ------------------------------------------------------------------------------------------------------------


@law
@given(
    lead=leads,
    terms=poolterms,
    members=st.lists(followers, max_size=6),
    facts=markets,
    open_results=st.lists(st.none() | results, min_size=6, max_size=6),
)
def test_no_open_reserves_more_than_its_room_or_what_is_left_to_lose(lead, terms, members, facts, open_results):
    members = [member._replace(subscription=number) for number, member in enumerate(members, 1)]
    found = dict(enumerate(open_results, 1))
    decision = decide(
        lead=lead,
        terms=terms,
        followers=members,
        held={},
        open_result=found,
        markets={"live": facts, "paper": facts},
        now=NOON,
    )

    by_id = {member.subscription: member for member in members}
    for copy in decision.copies:
        member = by_id[copy.subscription]
        shape = decision.shapes[copy.environment]
        result = member.realised + found[copy.subscription]
        assert 0 <= copy.reserved <= member.total_investment - member.exposure - member.reserved
        assert copy.reserved <= member.max_loss + min(result, D(0))
        assert copy.reserved <= member.total_investment * lead.weight / terms.slots + D("1e-12")
        assert terms.max_copy_usd is None or copy.reserved <= terms.max_copy_usd
        # What it costs where it fills: a buy at its limit, a sale at the bid.
        worst = shape.limit_price if lead.side == "buy" else max(shape.limit_price, shape.mark_price)
        assert copy.qty * worst / shape.leverage <= copy.reserved + D("1e-18")
        assert copy.qty > 0
        assert facts.rules.step == 0 or copy.qty % facts.rules.step == 0


@law
@given(
    lead=leads.map(lambda lead: adas(effect="close", side=lead.side, market=lead.market, fraction=lead.fraction,
                                     price=lead.price, order_type=lead.order_type, test_only=lead.test_only)),
    terms=poolterms,
    member=followers,
    qty=amounts("-1000", "1000", 18),
    opening=st.sampled_from([0, 0, 1]),
    closing=st.sampled_from([0, 0, 1]),
    facts=markets,
    result=st.none() | results,
)  # fmt: skip
def test_a_close_is_never_denied_by_an_opening_rule(lead, terms, member, qty, opening, closing, facts, result):
    decision = decide(
        lead=lead,
        terms=terms,
        followers=[member],
        held={member.subscription: Held(qty, opening, closing)},
        open_result={member.subscription: result},
        markets={"live": facts},
        now=NOON + timedelta(days=1),
    )

    assert len(decision.copies) + len(decision.denials) == 1
    for denial in decision.denials:
        assert denial.reason in CLOSE_MAY_SAY
    for copy in decision.copies:
        assert copy.reserved == 0
        assert 0 <= copy.qty <= abs(qty)
        assert copy.waits == (copy.qty == 0)
        assert copy.environment in decision.shapes


@law
@given(
    lead=leads,
    effect=st.sampled_from(["open", "close"]),
    terms=poolterms,
    members=st.lists(followers, max_size=12),
    facts=markets,
)
def test_every_follower_gets_exactly_one_outcome_in_order(lead, effect, terms, members, facts):
    members = [member._replace(subscription=number) for number, member in enumerate(members, 1)]
    decision = decide(
        lead=adas(effect=effect, side=lead.side, market=lead.market, price=lead.price, order_type=lead.order_type),
        terms=terms,
        followers=members,
        held={number: Held(D(number), 0, 0) for number in range(1, 13, 2)},
        open_result={},
        markets={"paper": facts},
        now=NOON,
    )

    copies = [copy.subscription for copy in decision.copies]
    denials = [denial.subscription for denial in decision.denials]
    assert sorted(copies + denials) == [member.subscription for member in members]
    assert copies == sorted(copies)
    assert denials == sorted(denials)
