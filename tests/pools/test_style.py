"""A style is stored as text and read back as it was; what does not go together is refused in words."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import orjson
import pytest
from hypothesis import given

from pools.domain.style import PLAIN, PLAIN_STYLE, Advanced, Martingale, NotAStyle, Pair, dump, load, parsed, style_of
from pools.domain.style_faults import Rung, ladder, style_faults
from pools.domain.terms import FixedAmount
from tests.domain.drawn import law, styles

TERMS = FixedAmount(D(1000), D(200))


# -- as JSON, and back ----------------------------------------------------------------------------------------------


@law
@given(styles)
def test_every_style_is_read_back_as_it_was_written(advanced):
    text = orjson.dumps(dump(advanced)).decode()

    assert load(orjson.loads(text)) == parsed(text) == advanced


@law
@given(styles)
def test_no_number_is_stored_as_a_float(advanced):
    def floats(value: Any) -> bool:
        if isinstance(value, dict):
            return any(floats(one) for one in value.values())
        return isinstance(value, float)

    assert not floats(dump(advanced))


def test_the_plain_way_is_an_empty_object():
    assert dump(PLAIN) == {}
    assert load({}) == parsed("{}") == PLAIN


def test_only_what_differs_is_stored_and_money_is_text():
    advanced = Advanced(
        sizing="fixed",
        value=D("25.50"),
        deny=frozenset({"SOLUSDT", "ETHUSDT"}),
        martingale=Martingale(D("1.5"), 3, D(100)),
        pairs={"BTCUSDT": Pair(leverage_long=3), "ADAUSDT": Pair()},
    )

    assert dump(advanced) == {
        "sizing": "fixed",
        "value": "25.50",
        "deny": ["ETHUSDT", "SOLUSDT"],
        "martingale": {"multiplier": "1.5", "levels": 3, "cap_usd": "100"},
        "pairs": {"ADAUSDT": {}, "BTCUSDT": {"leverage_long": 3}},
    }


@pytest.mark.parametrize(
    "stored",
    [
        [],
        {"value": 25.5},
        {"value": "Infinity"},
        {"levels": 3},
        {"max_positions": "3"},
        {"max_positions": True},
        {"keep_open": 0},
        {"allow": "BTCUSDT"},
        {"allow": [1]},
        {"sizing": "everything"},
        {"pairs": []},
        {"pairs": {"BTCUSDT": {"max_pair_usd": "10"}}},
        {"martingale": {"multiplier": "2", "levels": 3}},
    ],
)
def test_what_no_style_looks_like_is_refused(stored):
    with pytest.raises(NotAStyle):
        load(stored)
    with pytest.raises(NotAStyle):
        parsed(orjson.dumps(stored).decode())


def test_a_pair_goes_its_own_way_where_it_says_so():
    advanced = Advanced(
        sizing="fixed", value=D(30), leverage_long=4, leverage_short=2, stop_loss_pct=D(8), max_pair_usd=D(90),
        pairs={"BTCUSDT": Pair(sizing="slots", leverage_short=1, stop_loss_pct=D(3))},
    )  # fmt: skip

    own, other = (style_of(advanced, symbol=symbol, short=True) for symbol in ("BTCUSDT", "ETHUSDT"))

    assert (own.sizing, own.value, own.leverage, own.stop_loss_pct, own.max_pair_usd) == ("slots", None, 1, D(3), D(90))
    assert (other.sizing, other.value, other.leverage, other.stop_loss_pct) == ("fixed", D(30), 2, D(8))
    assert style_of(advanced, symbol="BTCUSDT", short=False).leverage == 4
    assert style_of(PLAIN, symbol="BTCUSDT", short=True) == PLAIN_STYLE
    assert (own.exits, PLAIN_STYLE.exits) == (True, False)


# -- faults ---------------------------------------------------------------------------------------------------------


def said(pool_leverage: int = 1, terms: FixedAmount = TERMS, **style: Any) -> list[tuple[str, str, str]]:
    found = style_faults(Advanced(**style), terms=terms, slots=10, pool_leverage=pool_leverage)
    return [(fault.field, fault.code, fault.words) for fault in found]


def test_the_plain_way_has_no_fault_and_neither_has_one_that_uses_everything():
    assert said() == []
    assert said(
        pool_leverage=3, sizing="risk", value=D("0.5"), reserve_pct=D(5), leverage_long=5, leverage_short=2,
        max_positions=4, max_pair_usd=D(200), max_exposure_usd=D(800), stop_loss_pct=D(4), take_profit_pct=D(12),
        trailing_pct=D(2), max_slippage_bps=20, signal_ttl_s=10, allow=frozenset({"BTCUSDT", "ETHUSDT"}),
        burst_opens=3, burst_ms=1000, equity_stop_pct=D(15), equity_stop_trailing=True, keep_open=True,
        pairs={"BTCUSDT": Pair(sizing="fixed", value=D(50), leverage_long=10, max_usd=D(150), stop_loss_pct=D(2))},
    ) == []  # fmt: skip
    assert said(sizing="fixed", value=D(10), martingale=Martingale(D(2), 3, D(150))) == []


WRONG_STOP = "A stop lies on the losing side: give the percentage as a number above 0."
WRONG_TARGET = "A target lies on the winning side: give the percentage as a number above 0."
NO_STOP = "A size by risk needs a stop loss: without one it is not known what is at risk."
LEVERAGE = "Use a leverage of 1 to 20."
BURST = "Allow 1 to 100 opens within 50 to 600,000 milliseconds."
LARGE = {"BTCUSDT": Pair(sizing="fixed", value=D(60), max_usd=D(50))}


@pytest.mark.parametrize(
    ("style", "field", "code", "words"),
    [
        (
            {"sizing": "all_in"}, "sizing", "sizing_unknown",
            "Size copies by one of: slots, fixed, ratio, smart_ratio, risk, volatility.",
        ),
        ({"value": D(5)}, "value", "value_unwanted", "Slots need no value: the pool cuts your investment."),
        ({"sizing": "fixed"}, "value", "value_out_of_range", "Give 10 to 1,000,000,000 USD for each copy."),
        (
            {"sizing": "fixed", "value": D("9.99")}, "value", "value_out_of_range",
            "Give 10 to 1,000,000,000 USD for each copy.",
        ),
        (
            {"sizing": "fixed", "value": D(1001)}, "value", "value_above_investment",
            "One copy cannot be larger than what you invest, $1,000.",
        ),
        (
            {"sizing": "ratio", "value": D(101)}, "value", "value_out_of_range",
            "Give 0.0001 to 100 times the lead's quantity.",
        ),
        (
            {"sizing": "smart_ratio", "value": D(11)}, "value", "value_out_of_range",
            "Give 0.01 to 10 times the lead's share of its equity.",
        ),
        (
            {"sizing": "risk", "value": D(0), "stop_loss_pct": D(2)}, "value", "value_out_of_range",
            "Give 0.01 to 10 percent of your equity at risk in each copy.",
        ),
        (
            {"sizing": "volatility", "value": D(21)}, "value", "value_out_of_range",
            "Give 0.01 to 20 percent of your equity on a usual day.",
        ),
        ({"leverage_long": 0}, "leverage_long", "leverage_out_of_range", LEVERAGE),
        ({"leverage_short": 21}, "leverage_short", "leverage_out_of_range", LEVERAGE),
        (
            {"max_slippage_bps": 0}, "max_slippage_bps", "slippage_out_of_range", "Allow 1 to 1000 basis points.",
        ),
        ({"stop_loss_pct": D(-3)}, "stop_loss_pct", "stop_wrong_side", WRONG_STOP),
        ({"trailing_pct": D(0)}, "trailing_pct", "stop_wrong_side", WRONG_STOP),
        ({"stop_loss_pct": D("99.5")}, "stop_loss_pct", "stop_out_of_range", "Stop at 0.1 to 99 percent."),
        ({"trailing_pct": D("0.05")}, "trailing_pct", "stop_out_of_range", "Stop at 0.1 to 99 percent."),
        (
            {"stop_loss_pct": D(10), "leverage_short": 10}, "stop_loss_pct", "stop_behind_liquidation",
            "At 10x the exchange closes a position after about 10 percent: stop earlier, or use less leverage.",
        ),
        ({"take_profit_pct": D(-1)}, "take_profit_pct", "target_wrong_side", WRONG_TARGET),
        ({"take_profit_pct": D(1001)}, "take_profit_pct", "target_out_of_range", "Take 0.1 to 1000 percent."),
        ({"reserve_pct": D(51)}, "reserve_pct", "reserve_out_of_range", "Keep 0 to 50 percent free."),
        ({"max_positions": 0}, "max_positions", "positions_out_of_range", "Allow 1 to 100 open pairs."),
        ({"signal_ttl_s": 0}, "signal_ttl_s", "ttl_out_of_range", "Give 1 to 3600 seconds."),
        (
            {"max_pair_usd": D(9)}, "max_pair_usd", "cap_too_small",
            "An exchange takes no copy below about $10: allow at least as much.",
        ),
        (
            {"max_exposure_usd": D(1001)}, "max_exposure_usd", "cap_above_investment",
            "This cannot be more than what you invest, $1,000.",
        ),
        (
            {"allow": frozenset({"BTCUSDT"}), "deny": frozenset({"BTCUSDT"})}, "deny", "allowed_and_denied",
            "Take BTCUSDT out of one of the two lists.",
        ),
        ({"deny": frozenset({"btc/usdt"})}, "pairs", "symbol_malformed", "Write pairs like BTCUSDT."),
        ({"allow": frozenset({""})}, "pairs", "symbol_malformed", "Write pairs like BTCUSDT."),
        (
            {"equity_stop_trailing": True}, "equity_stop_pct", "equity_stop_missing",
            "Say at how many percent the trailing stop ends everything.",
        ),
        (
            {"equity_stop_pct": D(4)}, "equity_stop_pct", "equity_stop_out_of_range",
            "End everything at 5 to 95 percent.",
        ),
        (
            {"equity_stop_pct": D(25)}, "equity_stop_pct", "equity_stop_above_loss",
            "You are ready to lose $200, which comes before this stop: stop at 20 percent or earlier.",
        ),
        (
            {"burst_opens": 3}, "burst_ms", "burst_incomplete",
            "Give both: how many opens, and within how many milliseconds.",
        ),
        ({"burst_opens": 0, "burst_ms": 1000}, "burst_ms", "burst_out_of_range", BURST),
        ({"burst_opens": 3, "burst_ms": 0}, "burst_ms", "burst_out_of_range", BURST),
        ({"sizing": "risk", "value": D(1)}, "stop_loss_pct", "risk_without_stop", NO_STOP),
        (
            {"pairs": {f"A{n}USDT": Pair() for n in range(51)}}, "pairs", "too_many_pairs",
            "Set 50 pairs of their own at most.",
        ),
        (
            {"pairs": {"BTCUSDT": Pair()}, "deny": frozenset({"BTCUSDT"})}, "pairs", "pair_not_chosen",
            "BTCUSDT is set but never copied: allow it, or remove it.",
        ),
        (
            {"pairs": {"BTCUSDT": Pair()}, "allow": frozenset({"ETHUSDT"})}, "pairs", "pair_not_chosen",
            "BTCUSDT is set but never copied: allow it, or remove it.",
        ),
        (
            {"pairs": {"BTCUSDT": Pair(value=D(30))}}, "pairs.BTCUSDT.sizing", "sizing_missing",
            "Say how the pair is sized, or leave its value out.",
        ),
        (
            {"pairs": LARGE}, "pairs.BTCUSDT.max_usd", "cap_below_copy",
            "One copy of BTCUSDT is larger than the most you allow in it.",
        ),
        (
            {"pairs": {"BTCUSDT": Pair(max_usd=D(5))}}, "pairs.BTCUSDT.max_usd", "cap_too_small",
            "An exchange takes no copy below about $10: allow at least as much.",
        ),
        (
            {"pairs": {"BTCUSDT": Pair(leverage_long=0)}}, "pairs.BTCUSDT.leverage_long",
            "leverage_out_of_range", LEVERAGE,
        ),
        (
            {"pairs": {"BTCUSDT": Pair(stop_loss_pct=D(0))}}, "pairs.BTCUSDT.stop_loss_pct",
            "stop_wrong_side", WRONG_STOP,
        ),
        (
            {"stop_loss_pct": D(8), "pairs": {"BTCUSDT": Pair(leverage_short=20)}}, "pairs.BTCUSDT.stop_loss_pct",
            "stop_behind_liquidation",
            "At 20x the exchange closes a position after about 5 percent: stop earlier, or use less leverage.",
        ),
        (
            {"leverage_long": 5, "pairs": {"BTCUSDT": Pair(stop_loss_pct=D(20))}}, "pairs.BTCUSDT.stop_loss_pct",
            "stop_behind_liquidation",
            "At 5x the exchange closes a position after about 20 percent: stop earlier, or use less leverage.",
        ),
        (
            {"pairs": {"BTCUSDT": Pair(sizing="risk", value=D(1))}}, "pairs.BTCUSDT.stop_loss_pct",
            "risk_without_stop", NO_STOP,
        ),
        (
            {"sizing": "ratio", "value": D(1), "martingale": Martingale(D(2), 2, D(100))}, "martingale",
            "martingale_needs_amount",
            "A martingale multiplies one amount: size all copies by slots or by a fixed amount.",
        ),
        (
            {"martingale": Martingale(D(5), 2, D(100))}, "martingale.multiplier", "martingale_multiplier",
            "Multiply by 1.1 to 4.",
        ),
        ({"martingale": Martingale(D(2), 9, D(100))}, "martingale.levels", "martingale_levels", "Use 1 to 8 levels."),
        (
            {"martingale": Martingale(D(2), 2, D(1001))}, "martingale.cap_usd", "martingale_cap",
            "Cap it between $10 and what you invest, $1,000.",
        ),
        (
            {"martingale": Martingale(D(2), 2, D(500))}, "martingale", "martingale_above_budget",
            "Losing at every level would take $700, above the $200 that may go: "
            "use fewer levels, a smaller multiplier or a smaller amount.",
        ),
    ],
)  # fmt: skip
def test_each_fault_is_said_once_in_its_words(style, field, code, words):
    assert said(**style) == [(field, code, words)]


def test_the_pools_leverage_counts_where_the_style_has_none():
    assert said(pool_leverage=5, stop_loss_pct=D(19)) == []
    assert [code for _, code, _ in said(pool_leverage=5, stop_loss_pct=D(20))] == ["stop_behind_liquidation"]
    assert said(pool_leverage=5, stop_loss_pct=D(20), leverage_long=4, leverage_short=4) == []


def test_an_equity_stop_below_the_top_may_be_larger_than_the_loss():
    assert said(equity_stop_pct=D(25), equity_stop_trailing=True) == []


def test_every_fault_of_a_style_is_said_at_once():
    found = said(reserve_pct=D(60), max_positions=0, sizing="fixed", value=D(5))

    assert [code for _, code, _ in found] == ["value_out_of_range", "reserve_out_of_range", "positions_out_of_range"]


def test_the_ladder_shows_every_step_and_what_all_come_to():
    fixed = Advanced(sizing="fixed", value=D("10.01"), martingale=Martingale(D("1.5"), 2, D(100)))

    assert ladder(fixed, terms=TERMS, slots=10) == [
        Rung(0, D("10.01"), D("10.01")),
        Rung(1, D("15.01"), D("25.02")),  # 15.015, down to the cent
        Rung(2, D("22.52"), D("47.54")),
    ]
    slots = Advanced(martingale=Martingale(D(2), 1, D(300)))
    assert ladder(slots, terms=TERMS, slots=10) == [Rung(0, D(100), D(100)), Rung(1, D(200), D(300))]
    assert ladder(PLAIN, terms=TERMS, slots=10) == []


@law
@given(styles)
def test_any_style_is_judged_without_an_error(advanced):
    for fault in style_faults(advanced, terms=TERMS, slots=10):
        assert fault.field and fault.code and fault.words.endswith(".")
