"""How large a copy is, for every way to size it and every limit a follower may set."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest

from pools.domain.style import Advanced, Martingale, Pair, dump
from tests.domain.drawn import NOON, D, adas, ben, market, terms
from trading.domain.fanout import Copy, Decision, Exits, Held, decide
from trading.domain.market import MarketFacts
from trading.domain.people import Follower, Lead
from trading.domain.reasons import Reason
from trading.domain.sizing import Book

LOTS = D(100_000)


def styled(subscription: int = 1, advanced: Advanced | None = None, **changed: Any) -> Follower:
    """Ben, who invests $1,000 and may lose all of it, with a style."""
    settings = None if advanced is None else orjson.dumps(dump(advanced)).decode()
    return ben(subscription, settings=settings, **{"max_loss": LOTS, **changed})


def facts(**changed: Any) -> MarketFacts:
    """Bitcoin at 50,000 on both sides; prices that may be paid go to 50,250."""
    told = {"bid": "50000", "ask": "50000", "step": D("0.000001"), "min_qty": D("0.000001"), **changed}
    move = told.pop("daily_move", None)
    found = market(**told)
    return MarketFacts(found.quote, found.rules, move)


def decided(
    *members: Follower, lead: Lead | None = None, books: dict[int, Book] | None = None, **given: Any
) -> Decision:
    told: dict[str, Any] = {
        "lead": lead or adas(),
        "terms": terms(),
        "followers": members,
        "held": {},
        "open_result": {},
        "markets": {"live": facts()},
        "now": NOON,
        "books": books or {},
    }
    return decide(**{**told, **given})


def copied(*members: Follower, **given: Any) -> Copy:
    decision = decided(*members, **given)
    assert decision.denials == []
    (copy,) = decision.copies
    return copy


def refused(*members: Follower, **given: Any) -> tuple[Reason, dict[str, str]]:
    decision = decided(*members, **given)
    assert decision.copies == []
    (denial,) = decision.denials
    return denial.reason, denial.detail


def futures(side: str = "buy", **changed: Any) -> Lead:
    return adas(market="usdm", side=side, **changed)


PAID = D(50_250)
"""The highest price a unit may cost, long and short: half a per cent above 50,000."""


def bought(usd: str, leverage: int = 1) -> tuple[Decimal, Decimal]:
    """Quantity and reserve of so many dollars of margin, by hand: down to a millionth."""
    qty = (D(usd) * leverage / PAID).quantize(D("0.000001"), "ROUND_FLOOR")
    return qty, qty * PAID / leverage


# -- the ways to size -----------------------------------------------------------------------------------------------


def test_slots_are_the_plain_way_with_or_without_a_style():
    plain, said = decided(styled(1), styled(2, Advanced(max_positions=5))).copies

    assert (plain.qty, plain.reserved) == (said.qty, said.reserved) == (D("0.00199"), D("99.9975"))


@pytest.mark.parametrize("lead", [adas(), futures("buy"), futures("sell")])
def test_a_fixed_amount_is_the_margin_of_every_copy(lead):
    copy = copied(styled(1, Advanced(sizing="fixed", value=D(60))), lead=lead)

    assert (copy.qty, copy.reserved) == (D("0.001194"), D("59.9985"))  # 60 / 50,250


def test_a_fixed_amount_on_futures_is_margin_and_buys_its_leverage_times():
    style = Advanced(sizing="fixed", value=D(60), leverage_long=5, leverage_short=2)

    long, short = (copied(styled(1, style), lead=futures(side)) for side in ("buy", "sell"))

    assert (long.qty, long.reserved, long.leverage) == (D("0.00597"), D("59.9985"), 5)
    assert (short.qty, short.reserved, short.leverage) == (D("0.002388"), D("59.9985"), 2)
    assert copied(styled(1, style)).leverage == 1  # spot has none


def test_a_ratio_is_so_many_times_the_leads_quantity():
    style = Advanced(sizing="ratio", value=D("0.05"))
    lead = {"qty": D("0.2")}

    spot = copied(styled(1, style), lead=adas(**lead))
    long = copied(styled(1, style), lead=futures(**lead), terms=terms(leverage=5))
    short = copied(styled(1, style), lead=futures("sell", **lead), terms=terms(leverage=5))

    assert (spot.qty, spot.reserved) == (D("0.01"), D("502.5"))
    assert (long.qty, long.reserved) == (short.qty, short.reserved) == (D("0.01"), D("100.5"))


def test_a_smart_ratio_is_the_leads_share_of_its_equity():
    style = Advanced(sizing="smart_ratio", value=D(1))

    # Ada puts 0.2 bitcoin of at most $10,050 out of $100,500: a tenth, as Ben does with his $1,000.
    spot = copied(styled(1, style), lead=adas(qty=D("0.2"), equity=D(100_500)))
    assert (spot.qty, spot.reserved) == bought("100")
    # With leverage 10 a hundredth of it is hers; Ben's 5 is on his own margin.
    for side in ("buy", "sell"):
        lead = futures(side, qty=D("0.2"), equity=D(100_500), leverage=10)
        copy = copied(styled(1, style), lead=lead, terms=terms(leverage=5))
        assert (copy.qty, copy.reserved) == bought("10", 5)


def test_a_smart_ratio_goes_by_what_the_follower_has_now():
    style = Advanced(sizing="smart_ratio", value=D(2))
    lead = adas(qty=D("0.2"), equity=D(100_500))

    assert copied(styled(1, style, realised=D(-300)), lead=lead, open_result={1: D(-100)}).qty == bought("120")[0]
    assert copied(styled(1, style, realised=D(300)), lead=lead).qty == bought("260")[0]


@pytest.mark.parametrize(
    "lead",
    [
        adas(qty=D("0.2")),
        adas(qty=D("0.2"), equity=D(0)),
        futures(qty=D("0.2"), equity=D(100_500)),
        futures(qty=D("0.2"), leverage=10),
    ],
)
def test_a_smart_ratio_needs_the_leads_equity_and_on_futures_its_leverage(lead):
    assert refused(styled(1, Advanced(sizing="smart_ratio", value=D(1))), lead=lead) == (Reason.LEAD_EQUITY_UNKNOWN, {})
    assert copied(styled(1), lead=lead).qty == D("0.00199")  # others do not care


def test_a_risk_is_lost_at_the_stop():
    style = Advanced(sizing="risk", value=D(1), stop_loss_pct=D(4))

    # 1% of $1,000 is lost when $250 fall by 4%.
    assert (copied(styled(1, style)).qty, copied(styled(1, style)).reserved) == bought("250")
    for side in ("buy", "sell"):
        copy = copied(styled(1, style), lead=futures(side), terms=terms(leverage=5))
        assert (copy.qty, copy.reserved) == bought("50", 5)
        assert copy.exits == Exits(D(4), None, None)


def test_a_risk_goes_by_the_signals_stop_where_the_follower_has_none_and_by_none_where_neither_has():
    style = Advanced(sizing="risk", value=D(1))

    assert copied(styled(1, style), lead=adas(stop_loss_pct=D(2))).qty == bought("500")[0]
    assert refused(styled(1, style)) == (Reason.NO_STOP, {})
    own = Advanced(sizing="risk", value=D(1), stop_loss_pct=D(4))
    copy = copied(styled(1, own), lead=adas(stop_loss_pct=D(2), take_profit_pct=D(9)))
    assert (copy.qty, copy.exits) == (bought("250")[0], Exits(D(4), D(9), None))


def test_a_volatility_moves_the_equity_by_so_much_on_a_usual_day():
    style = Advanced(sizing="volatility", value=D("0.5"))
    moving = {"live": facts(daily_move=D("0.025"))}

    # 0.5% of $1,000 is what $200 move when bitcoin moves by 2.5%.
    assert copied(styled(1, style), markets=moving).qty == bought("200")[0]
    for side in ("buy", "sell"):
        copy = copied(styled(1, style), lead=futures(side), markets=moving, terms=terms(leverage=4))
        assert (copy.qty, copy.reserved) == bought("50", 4)
    for still in (None, D(0)):
        reason = refused(styled(1, style), markets={"live": facts(daily_move=still)})
        assert reason == (Reason.NO_VOLATILITY, {})


@pytest.mark.parametrize(
    ("style", "worth"),
    [
        (Advanced(sizing="risk", value=D(1), stop_loss_pct=D(4), leverage_long=5), "250"),
        (Advanced(sizing="volatility", value=D("0.5"), leverage_long=5), "200"),
        (Advanced(sizing="ratio", value=D("0.01"), leverage_long=5), "251.25"),
    ],
)
def test_what_is_open_already_has_the_leverage_that_counts(style, worth):
    given = {"lead": futures(qty=D("0.5")), "markets": {"live": facts(daily_move=D("0.025"))}}

    copy = copied(styled(1, style), held={1: Held(D("0.01"), 0, 0, leverage=2)}, **given)

    # The position has the worth that was asked for, whoever's leverage it is.
    assert (copy.leverage, copy.qty) == (2, bought(worth)[0])
    assert copy.reserved == copy.qty * PAID / 2


# -- what single pairs do differently -------------------------------------------------------------------------------


def test_a_pair_may_be_sized_levered_and_stopped_in_its_own_way():
    own = Pair(
        sizing="fixed", value=D(40), leverage_short=3, max_slippage_bps=100, stop_loss_pct=D(2), trailing_pct=D(1)
    )
    style = Advanced(sizing="fixed", value=D(60), leverage_long=5, leverage_short=2, stop_loss_pct=D(8), pairs={
        "BTCUSDT": own})  # fmt: skip
    rest = Advanced(sizing="fixed", value=D(60), leverage_long=5, leverage_short=2, stop_loss_pct=D(8), pairs={
        "ETHUSDT": own})  # fmt: skip

    short, long = (copied(styled(1, style), lead=futures(side)) for side in ("sell", "buy"))
    other = copied(styled(1, rest), lead=futures("sell"))

    assert (short.leverage, short.limit_price) == (3, D(49_500))
    assert short.qty == (D(120) / D(50_500)).quantize(D("0.000001"), "ROUND_FLOOR")
    assert (long.leverage, long.limit_price, long.exits) == (5, D(50_500), Exits(D(2), None, D(1)))
    assert (other.leverage, other.limit_price, other.qty) == (2, D(49_750), bought("60", 2)[0])
    assert other.exits == Exits(D(8), None, None)


def test_the_most_in_one_pair_counts_what_is_in_it():
    style = Advanced(max_pair_usd=D(250), pairs={"ETHUSDT": Pair(max_usd=D(10))})

    assert copied(styled(1, style), books={1: Book(pairs=1, pair_money=D(150), in_pair=True)}).qty == D("0.00199")
    cut = copied(styled(1, style), books={1: Book(pairs=1, pair_money=D(210), in_pair=True)})
    assert (cut.qty, cut.reserved) == bought("40")
    full = {1: Book(pairs=1, pair_money=D(250), in_pair=True)}
    assert refused(styled(1, style), books=full) == (Reason.PAIR_LIMIT, {"limit": "250"})
    own = Advanced(max_pair_usd=D(250), pairs={"BTCUSDT": Pair(max_usd=D(300))})
    assert copied(styled(1, own), books=full).qty == bought("50")[0]


# -- limits ---------------------------------------------------------------------------------------------------------


def test_a_reserve_is_kept_free():
    style = Advanced(sizing="fixed", value=D(900), reserve_pct=D(20))

    assert copied(styled(1, style)).qty == bought("800")[0]
    assert copied(styled(1, style, exposure=D(700), reserved=D(60))).qty == bought("40")[0]
    full = styled(1, style, exposure=D(700), reserved=D(100))
    assert refused(full) == (Reason.BUDGET_USED, {"budget": "1000"})


def test_exposure_and_reserves_together_stay_below_the_cap():
    style = Advanced(max_exposure_usd=D(400))

    assert copied(styled(1, style, exposure=D(200), reserved=D(140))).qty == bought("60")[0]
    assert refused(styled(1, style, exposure=D(300), reserved=D(100))) == (Reason.EXPOSURE_LIMIT, {"limit": "400"})


def test_so_many_pairs_at_once_and_more_of_those_that_are_open():
    style = Advanced(max_positions=2)

    assert copied(styled(1, style), books={1: Book(pairs=1)}).qty == D("0.00199")
    assert refused(styled(1, style), books={1: Book(pairs=2)}) == (Reason.MAX_POSITIONS, {"limit": "2"})
    assert copied(styled(1, style), books={1: Book(pairs=2, in_pair=True)}).qty == D("0.00199")


@pytest.mark.parametrize(
    ("style", "chosen"),
    [
        (Advanced(allow=frozenset({"BTCUSDT"})), True),
        (Advanced(allow=frozenset({"ETHUSDT"})), False),
        (Advanced(deny=frozenset({"BTCUSDT"})), False),
        (Advanced(deny=frozenset({"ETHUSDT"})), True),
    ],
)
def test_pairs_are_chosen_by_a_list_of_either_kind_and_closed_in_any_case(style, chosen):
    decision = decided(styled(1, style))
    assert [one.reason for one in decision.denials] == ([] if chosen else [Reason.PAIR_NOT_CHOSEN])
    close = adas(effect="close", side="sell")
    assert copied(styled(1, style), lead=close, held={1: Held(D("0.002"), 0, 0)}).qty == D("0.002")


def test_of_a_burst_only_so_many_are_copied():
    style = Advanced(burst_opens=3, burst_ms=2000)

    assert copied(styled(1, style), books={1: Book(recent=2)}).qty == D("0.00199")
    assert refused(styled(1, style), books={1: Book(recent=3)}) == (Reason.BURST, {"limit": "3", "ms": "2000"})


def test_a_martingale_climbs_with_each_loss_to_its_last_level_below_its_cap():
    style = Advanced(sizing="fixed", value=D(20), martingale=Martingale(D("1.5"), 3, D(100)))

    sizes = [copied(styled(1, style, loss_streak=losses)).qty for losses in range(5)]

    assert sizes == [bought(usd)[0] for usd in ("20", "30", "45", "67.5", "67.5")]
    assert copied(styled(1, style, loss_streak=3, exposure=D(60))).qty == bought("40")[0]
    full = styled(1, style, exposure=D(80), reserved=D(20))
    assert refused(full) == (Reason.EXPOSURE_LIMIT, {"limit": "100"})


def test_a_martingale_of_slots_multiplies_the_slot():
    style = Advanced(martingale=Martingale(D(2), 2, D(500)))

    assert copied(styled(1, style, loss_streak=2)).qty == bought("400")[0]


def test_an_equity_stop_counts_from_the_beginning_or_from_the_top():
    fixed, trailing = Advanced(equity_stop_pct=D(20)), Advanced(equity_stop_pct=D(20), equity_stop_trailing=True)

    assert copied(styled(1, fixed, realised=D(-100)), open_result={1: D("-99.99")}).qty > 0
    assert refused(styled(1, fixed, realised=D(-100)), open_result={1: D(-100)}) == (
        Reason.EQUITY_STOP,
        {"limit": "200"},
    )
    assert copied(styled(1, fixed, realised=D(50), peak=D(250))).qty > 0
    assert refused(styled(1, trailing, realised=D(50), peak=D(250)))[0] is Reason.EQUITY_STOP
    assert copied(styled(1, trailing, realised=D(51), peak=D(250))).qty > 0
    assert refused(styled(1, trailing, realised=D(-200), peak=D(0)))[0] is Reason.EQUITY_STOP


def test_each_follower_pays_no_more_than_its_own_slippage_allows():
    plain, careful, bold = decided(
        styled(1), styled(2, Advanced(max_slippage_bps=10)), styled(3, Advanced(max_slippage_bps=200))
    ).copies

    assert [one.limit_price for one in (plain, careful, bold)] == [D(50_250), D(50_050), D(51_000)]
    assert [one.qty for one in (plain, careful, bold)] == [D("0.00199"), D("0.001998"), D("0.00196")]
    # The ask is 30 basis points above the lead's price: one of three thinks that too far.
    decision = decided(
        styled(1),
        styled(2, Advanced(max_slippage_bps=10)),
        styled(3, Advanced(max_slippage_bps=200)),
        markets={"live": facts(bid="50149", ask="50150")},
    )
    assert [one.subscription for one in decision.copies] == [1, 3]
    assert [(one.reason, one.detail) for one in decision.denials] == [(Reason.SLIPPAGE, {"moved_bps": "30"})]


def test_a_sale_has_its_own_limit_below():
    careful, bold = decided(
        styled(1, Advanced(max_slippage_bps=10)), styled(2, Advanced(max_slippage_bps=200)), lead=futures("sell")
    ).copies

    assert (careful.limit_price, bold.limit_price) == (D(49_950), D(49_000))
    assert (careful.qty, bold.qty) == (D("0.001998"), D("0.00196"))


def test_a_follower_may_be_less_patient_than_the_pool_not_more():
    hasty, patient = styled(1, Advanced(signal_ttl_s=5)), styled(2, Advanced(signal_ttl_s=3600))
    lead = adas(at=NOON - timedelta(seconds=6))

    decision = decided(hasty, patient, lead=lead)
    assert [(one.subscription, one.reason, one.detail) for one in decision.denials] == [
        (1, Reason.STALE_SIGNAL, {"age_s": "6"})
    ]
    assert [one.subscription for one in decision.copies] == [2]
    # What waits to be sent is dropped after the pool's time, whoever it is for.
    assert refused(patient, lead=adas(at=NOON - timedelta(seconds=31)))[0] is Reason.STALE_SIGNAL
    assert copied(hasty, lead=adas(at=NOON - timedelta(seconds=5))).qty == D("0.00199")


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "1", '{"value": 1}', '{"value": "x"}', '{"value": "NaN"}', '{"no_such": "1"}', '{"pairs": 1}',
        '{"max_positions": "5"}', '{"burst_opens": true}', '{"deny": "BTCUSDT"}', '{"sizing": "all"}',
        '{"sizing": ["slots"]}', '{"keep_open": 1}', '{"martingale": {"multiplier": "2"}}', '{"signal_ttl_s": null}',
    ],
)  # fmt: skip
def test_settings_that_cannot_be_read_deny_an_open_and_let_a_close_through(text):
    broken = styled(1)._replace(settings=text)

    decision = decided(broken, styled(2))
    assert [(one.subscription, one.reason) for one in decision.denials] == [(1, Reason.STYLE_UNREADABLE)]
    assert [one.subscription for one in decision.copies] == [2]
    close = adas(effect="close", side="sell")
    assert copied(broken, lead=close, held={1: Held(D("0.002"), 0, 0)}).qty == D("0.002")


def test_what_its_owner_closed_is_not_opened_again_until_the_lead_is_out():
    gone = {1: Book(closed_by_owner=True)}

    assert refused(styled(1), books=gone) == (Reason.CLOSED_BY_OWNER, {})
    assert refused(styled(1, Advanced(max_positions=3)), books=gone) == (Reason.CLOSED_BY_OWNER, {})


def test_a_kill_switch_stops_opens_alone():
    assert refused(styled(1), terms=terms(halted=True)) == (Reason.HALTED, {})
    close = adas(effect="close", side="sell")
    assert copied(styled(1), terms=terms(halted=True), lead=close, held={1: Held(D("0.002"), 0, 0)}).qty == D("0.002")


# -- what is too small ----------------------------------------------------------------------------------------------


def test_what_is_too_small_is_carried_and_taken_along():
    small = styled(1, Advanced(sizing="fixed", value=D(4)))

    (denial,) = decided(small).denials
    assert (denial.reason, denial.carried) == (Reason.BELOW_MIN_NOTIONAL, D("0.000079601990049751"))
    copy = copied(small, books={1: Book(carried=D("0.00016"))})
    assert (copy.qty, copy.reserved, copy.settles) == (D("0.000239"), D("12.00975"), True)


def test_what_is_carried_stays_within_the_limits_of_the_style():
    small = styled(1, Advanced(sizing="fixed", value=D(4), max_pair_usd=D(10)))

    copy = copied(small, books={1: Book(carried=D("0.00016"))})

    assert (copy.qty, copy.reserved) == (D("0.000199"), D("9.99975"))


def test_two_carried_halves_leave_the_quarter_the_lead_still_has():
    half = adas(effect="close", side="sell", fraction=D("0.5"))
    (first,) = decided(styled(1), lead=half, held={1: Held(D("0.00016"), 0, 0)}, markets={"live": facts()}).denials
    assert (first.reason, first.carried) == (Reason.BELOW_MIN_NOTIONAL, D("0.00008"))

    copy = copied(styled(1), lead=half, held={1: Held(D("0.00016"), 0, 0, carried=first.carried)})

    assert (copy.qty, copy.settles) == (D("0.00012"), True)


def test_what_is_carried_of_closes_is_never_more_than_what_is_held():
    tenth = adas(effect="close", side="sell", fraction=D("0.1"))

    copy = copied(styled(1), lead=tenth, held={1: Held(D("0.0002"), 0, 0, carried=D("0.0005"))})

    assert copy.qty == D("0.0002")
