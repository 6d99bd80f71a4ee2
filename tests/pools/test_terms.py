"""Terms of a fixed amount: which go together, and what they come to."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from pools.domain.terms import FixedAmount, faults, least_investment, money, per_copy, summary


def codes(terms: FixedAmount, *, slots: int = 10, smallest_weight: D = D(1)) -> list[str]:
    return [f"{fault.field}: {fault.code}" for fault in faults(terms, slots=slots, smallest_weight=smallest_weight)]


def test_terms_that_go_together_have_no_faults():
    assert codes(FixedAmount(D(1000), D(200), D(300), D(50))) == []


def test_everything_may_be_lost_but_not_more():
    assert codes(FixedAmount(D(1000), D(1000))) == []
    assert codes(FixedAmount(D(1000), D("1000.01"))) == ["max_loss: loss_above_investment"]


def test_the_daily_limit_may_be_all_that_may_be_lost_but_not_more():
    assert codes(FixedAmount(D(1000), D(200), None, D(200))) == []
    assert codes(FixedAmount(D(1000), D(200), None, D("200.01"))) == ["daily_loss_limit: daily_loss_above_loss"]


@pytest.mark.parametrize("zero", [D(0), D(-1)])
def test_every_amount_is_above_zero(zero: D):
    assert codes(FixedAmount(zero, zero, zero, zero)) == [
        "total_investment: investment_not_positive",
        "max_loss: loss_not_positive",
        "daily_loss_limit: daily_loss_not_positive",
        "profit_target: target_not_positive",
    ]


def test_a_budget_is_large_enough_that_every_lead_can_be_copied():
    assert least_investment(slots=10) == D(100)
    assert least_investment(slots=3, smallest_weight=D("0.7")) == D("42.86")
    assert codes(FixedAmount(D(100), D(10))) == []
    assert codes(FixedAmount(D("99.99"), D(10))) == ["total_investment: investment_too_small"]
    assert codes(FixedAmount(D(199), D(10)), smallest_weight=D("0.5")) == ["total_investment: investment_too_small"]
    assert codes(FixedAmount(D(200), D(10)), smallest_weight=D("0.5")) == []


def test_the_words_name_the_amount_that_would_do():
    [fault] = faults(FixedAmount(D(50), D(10)), slots=12)

    assert fault.words == (
        "Invest at least $120: this pool cuts it into 12 copies, and an exchange takes none below about $10."
    )


@pytest.mark.parametrize("odd", [D("0.001"), D("NaN"), D("Infinity"), D("10.005")])
def test_amounts_are_whole_cents(odd: D):
    assert codes(FixedAmount(D(1000), odd)) == ["max_loss: not_whole_cents"]


def test_enormous_amounts_are_refused_and_do_not_break_anything():
    assert codes(FixedAmount(D("1E40"), D("1E39"), D("1E38"))) == [
        "total_investment: investment_too_large",
        "profit_target: target_too_large",
    ]


def test_a_copy_is_cut_down_to_the_cent_so_that_all_of_them_fit():
    share = per_copy(total_investment=D(1000), slots=7)

    assert share == D("142.85")
    assert share * 7 <= D(1000)


def test_the_summary_says_what_is_kept_and_what_a_copy_is_worth():
    found = summary(FixedAmount(D(1000), D(200), D(300), D(50)), slots=10, leverage=3)

    assert (found.keeps, found.per_copy, found.max_copies, found.leverage) == (D(800), D(100), 10, 3)
    assert (found.profit_target, found.daily_loss, found.loses_at_once) == (D(300), D(50), False)
    assert summary(FixedAmount(D(1000), D(1000)), slots=10).loses_at_once is True


def test_money_in_sentences():
    assert [money(D(value)) for value in ("1250", "1250.5", "0.01")] == ["1,250", "1,250.50", "0.01"]
