"""Advanced terms: taken as a whole or refused by name, kept as they were said, and told in plain figures."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from obscura.core.audit.models import Entry
from pools import services as pools
from pools.domain.style_words import in_short
from pools.models import Subscription
from pools.types import FIXED, GAPS, PLAIN, RISK, Advanced, FixedAmount, Martingale, Pair
from tests.pools.conftest import ACTOR, TERMS

CAREFUL = Advanced(
    stop_loss_pct=Decimal(5),
    max_positions=3,
    deny=frozenset({"DOGEUSDT"}),
    equity_stop_pct=Decimal(15),
    pairs={"BTCUSDT": Pair(sizing=FIXED, value=Decimal(50), take_profit_pct=Decimal(8))},
)
LADDER = Advanced(sizing=FIXED, value=Decimal(20), martingale=Martingale(Decimal(2), levels=2, cap_usd=Decimal(150)))


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
        return pools.subscribe(account_id=account_of(ben), **wanted)

    return make


@pytest.fixture
def check(ben, pool):
    def make(style, terms=TERMS):
        return pools.check_terms(pool_id=pool.id, user_id=ben.pk, terms=terms, style=style)

    return make


def test_a_style_is_kept_as_it_was_said(follow):
    made = follow(style=CAREFUL)

    assert (made.mode, made.style, made.stopped_by) == ("advanced", CAREFUL, "")
    assert Subscription.objects.get().settings == {
        "stop_loss_pct": "5", "max_positions": 3, "deny": ["DOGEUSDT"], "equity_stop_pct": "15",
        "pairs": {"BTCUSDT": {"sizing": "fixed", "value": "50", "take_profit_pct": "8"}},
    }  # fmt: skip
    assert Entry.objects.get(action="pools.subscription.started").facts["style"]["max_positions"] == 3


def test_amounts_alone_are_the_plain_way(follow):
    made = follow()

    assert (made.mode, made.style) == ("fixed_amount", PLAIN)
    assert Subscription.objects.get().settings == {}


def test_faults_of_a_style_are_named_where_they_are_entered(follow):
    behind = replace(CAREFUL, leverage_long=20, stop_loss_pct=Decimal(6))

    with pytest.raises(pools.TermsInvalid) as found:
        follow(style=behind)

    assert found.value.details["fields"] == {
        "stop_loss_pct": "At 20x the exchange closes a position after about 5 percent: stop earlier, or use less "
        "leverage."
    }
    assert Subscription.objects.count() == 0


def test_the_pools_leverage_counts_where_the_style_says_none(alpha, cast, pool_of, account_of, ben):
    high = pool_of(cast.person("eve"), leverage=10)

    with pytest.raises(pools.TermsInvalid) as found:
        pools.subscribe(
            user_id=ben.pk, pool_id=high.id, account_id=account_of(ben), terms=TERMS,
            style=Advanced(stop_loss_pct=Decimal(12)), actor=ACTOR,
        )  # fmt: skip

    assert list(found.value.details["fields"]) == ["stop_loss_pct"]


def test_a_small_investment_will_do_where_no_copy_is_a_slot(check):
    small = FixedAmount(Decimal(50), Decimal(50))

    _, slots = check(PLAIN, small)
    summary, own = check(Advanced(sizing=FIXED, value=Decimal(25)), small)

    assert [fault.code for fault in slots] == ["investment_too_small"]
    assert own == []
    assert (summary.per_copy, summary.max_copies) == (25, None)


def test_the_ladder_is_told_rung_by_rung_and_so_is_the_worst(check):
    summary, faults = check(LADDER)

    assert faults == []
    assert [tuple(rung) for rung in summary.style.ladder] == [(0, 20, 20), (1, 40, 60), (2, 80, 140)]
    assert summary.per_copy == 80
    assert summary.style.worst == (
        "At worst you lose the $200 you are ready to lose. Then nothing more is opened.",
        "2 losses in a row make the next copy $80, and losing that one too takes $140 in all, if each copy loses all "
        "it uses.",
        GAPS,
    )


def test_a_ladder_above_what_may_be_lost_is_refused(check):
    deep = replace(LADDER, martingale=Martingale(Decimal(3), levels=2, cap_usd=Decimal(1000)))

    summary, faults = check(deep)

    assert summary is None
    assert [(fault.field, fault.words.partition(":")[0]) for fault in faults] == [
        ("martingale", "Losing at every level would take $260, above the $200 that may go")
    ]


def test_a_martingale_over_pairs_climbs_with_the_largest_of_them(check):
    pairs = {"BTCUSDT": Pair(sizing=FIXED, value=Decimal(20)), "ETHUSDT": Pair(sizing=FIXED, value=Decimal(25))}
    both = Advanced(pairs=pairs, allow=frozenset(pairs), martingale=Martingale(Decimal(2), 1, Decimal(200)))

    summary, faults = check(both)

    assert faults == []
    assert [rung.amount for rung in summary.style.ladder] == [25, 50]
    assert summary.per_copy == 50


def test_what_a_pair_does_differently_is_said(check):
    summary, _ = check(CAREFUL)

    assert [(one.symbol, one.words) for one in summary.style.pairs] == [
        ("BTCUSDT", "Each copy uses $50 of your money; take profit at 8%.")
    ]
    assert "DOGEUSDT is never copied." in summary.style.sentences
    assert "Stop loss at 5%." in summary.style.sentences
    assert "When a limit is reached, what is open is closed." in summary.style.sentences


def test_a_style_fits_in_a_line():
    assert in_short(PLAIN) == ""
    assert in_short(LADDER) == "Each copy uses $20 of your money; martingale 2x, 2 levels"
    assert in_short(CAREFUL) == "stop loss at 5%; ends at 15% lost; 1 pair on terms of its own"
    assert in_short(Advanced(max_positions=2)) == "Limits of your own"


def test_other_amounts_leave_the_style_and_another_style_leaves_the_amounts(ben, follow):
    made = follow(style=CAREFUL)
    more = replace(TERMS, total_investment=Decimal(1200))

    first = pools.change_terms(subscription_id=made.id, user_id=ben.pk, terms=more, actor=ACTOR)
    second = pools.change_terms(subscription_id=made.id, user_id=ben.pk, terms=more, style=PLAIN, actor=ACTOR)

    assert (first.mode, first.style, first.terms) == ("advanced", CAREFUL, more)
    assert (second.mode, second.style, second.terms) == ("fixed_amount", PLAIN, more)
    newest, before = Entry.objects.filter(action="pools.subscription.changed")
    assert (newest.facts["style"], before.facts["style"]["max_positions"]) == ({}, 3)


def test_amounts_that_contradict_the_style_are_refused(ben, follow):
    made = follow(style=Advanced(sizing=RISK, value=Decimal(1), stop_loss_pct=Decimal(5), max_pair_usd=Decimal(900)))

    with pytest.raises(pools.TermsInvalid) as found:
        pools.change_terms(
            subscription_id=made.id, user_id=ben.pk, terms=replace(TERMS, total_investment=Decimal(800)), actor=ACTOR
        )

    assert list(found.value.details["fields"]) == ["max_pair_usd"]
    assert pools.subscription(subscription_id=made.id, user_id=ben.pk).terms == TERMS


def test_a_resumed_subscription_forgets_which_limit_stopped_it(ben, follow):
    made = follow()
    Subscription.objects.filter(pk=made.id).update(status="paused", reason="Stopped.", stopped_by="daily_loss")
    assert pools.subscription(subscription_id=made.id, user_id=ben.pk).stopped_by == "daily_loss"

    resumed = pools.resume_subscription(subscription_id=made.id, user_id=ben.pk, actor=ACTOR)

    assert (resumed.status, resumed.reason, resumed.stopped_by) == ("active", "", "")


# Money


def test_money_is_added_and_taken_out_and_both_stand_in_the_record(ben, follow):
    made = follow()

    more = pools.add_money(subscription_id=made.id, user_id=ben.pk, amount=Decimal("250.50"), actor=ACTOR)
    less = pools.withdraw_money(subscription_id=made.id, user_id=ben.pk, amount=Decimal(200), actor=ACTOR)

    assert (more.terms.total_investment, more.terms.max_loss) == (Decimal("1250.50"), 200)
    assert less.terms.total_investment == Decimal("1050.50")
    said = Entry.objects.filter(action__startswith="pools.subscription.money").order_by("pk")
    assert [(entry.action.rpartition("_")[2], entry.facts["amount"]) for entry in said] == [
        ("added", "250.50"), ("withdrawn", "200"),
    ]  # fmt: skip


def test_what_is_in_use_cannot_be_taken_out(ben, follow):
    made = follow()
    Subscription.objects.filter(pk=made.id).update(exposure=Decimal("640.123"), reserved=Decimal("60"))

    with pytest.raises(pools.MoneyInUse) as found:
        pools.withdraw_money(subscription_id=made.id, user_id=ben.pk, amount=Decimal(300), actor=ACTOR)

    assert found.value.details == {"free_usd": "299.87"}
    kept = pools.withdraw_money(subscription_id=made.id, user_id=ben.pk, amount=Decimal("299.87"), actor=ACTOR)
    assert kept.terms.total_investment == Decimal("700.13")


@pytest.mark.parametrize("amount", ["0", "-5", "0.001"])
def test_an_amount_that_is_none_moves_no_money(ben, follow, amount):
    made = follow()

    for move in (pools.add_money, pools.withdraw_money):
        with pytest.raises(pools.TermsInvalid) as found:
            move(subscription_id=made.id, user_id=ben.pk, amount=Decimal(amount), actor=ACTOR)
        assert list(found.value.details["fields"]) == ["amount"]
    assert pools.subscription(subscription_id=made.id, user_id=ben.pk).terms == TERMS


def test_taking_out_does_not_go_below_what_may_be_lost(ben, follow):
    made = follow()

    with pytest.raises(pools.TermsInvalid) as found:
        pools.withdraw_money(subscription_id=made.id, user_id=ben.pk, amount=Decimal(850), actor=ACTOR)

    assert list(found.value.details["fields"]) == ["max_loss"]


def test_nobody_moves_anothers_money(cast, follow):
    made, cleo = follow(), cast.cleo()

    for move in (pools.add_money, pools.withdraw_money):
        with pytest.raises(pools.SubscriptionUnknown):
            move(subscription_id=made.id, user_id=cleo.pk, amount=Decimal(10), actor=ACTOR)
    with pytest.raises(pools.SubscriptionUnknown):
        pools.leave_subscription(subscription_id=made.id, user_id=cleo.pk, actor=ACTOR)


# Leaving


def test_who_leaves_is_out_at_once_and_nothing_is_in_use_any_more(ben, pool, follow):
    made = follow()
    Subscription.objects.filter(pk=made.id).update(exposure=Decimal(120))

    left = pools.leave_subscription(subscription_id=made.id, user_id=ben.pk, actor=ACTOR)
    again = pools.leave_subscription(subscription_id=made.id, user_id=ben.pk, actor=ACTOR)

    assert (left.status, left.invested, left.reason) == ("ended", 0, "What it held was left in the account.")
    assert again == left
    assert pools.count_followers(pool.id) == 0
    assert Decimal(Entry.objects.get(action="pools.subscription.left").facts["released"]) == 120


def test_nobody_leaves_while_money_is_held_for_orders(ben, follow):
    made = follow()
    Subscription.objects.filter(pk=made.id).update(reserved=Decimal(5))

    with pytest.raises(pools.OrdersUnderWay) as found:
        pools.leave_subscription(subscription_id=made.id, user_id=ben.pk, actor=ACTOR)

    assert found.value.retryable
    assert pools.subscription(subscription_id=made.id, user_id=ben.pk).status == "active"
