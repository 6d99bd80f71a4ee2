"""What does not go together in a style, and the ladder a martingale climbs: refused where it is entered, in words."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from pools.domain.style import FIXED, RATIO, RISK, SIZINGS, SLOTS, SMART, VOLATILITY, Advanced, Martingale, Pair
from pools.domain.terms import CENT, LEAST_COPY_USD, FixedAmount, TermsFault, money, per_copy

MOST_LEVERAGE = 20
MOST_PAIRS = 50
LEAST_STOP, MOST_STOP, LEAST_EQUITY_STOP, MOST_EQUITY_STOP = Decimal("0.1"), Decimal(99), Decimal(5), Decimal(95)
LEAST_TIMES, MOST_TIMES, MOST_LEVELS = Decimal("1.1"), Decimal(4), 8

_VALUES = {
    FIXED: (LEAST_COPY_USD, Decimal(1_000_000_000), "USD for each copy"),
    RATIO: (Decimal("0.0001"), Decimal(100), "times the lead's quantity"),
    SMART: (Decimal("0.01"), Decimal(10), "times the lead's share of its equity"),
    RISK: (Decimal("0.01"), Decimal(10), "percent of your equity at risk in each copy"),
    VOLATILITY: (Decimal("0.01"), Decimal(20), "percent of your equity on a usual day"),
}


class Rung(NamedTuple):
    """One step of a martingale: what the copy after so many losses costs, and what all copies so far come to."""

    losses: int
    amount: Decimal
    together: Decimal


def ladder(advanced: Advanced, *, terms: FixedAmount, slots: int) -> list[Rung]:
    """Every step of the martingale, in USD, from the first copy to the last level; empty without one.

    Losses are counted over all pairs, so it is climbed with the largest first copy that any pair has.
    """
    if advanced.martingale is None:
        return []
    return rungs(advanced.martingale, first=_base(advanced, terms=terms, slots=slots))


def rungs(martingale: Martingale, *, first: Decimal) -> list[Rung]:
    """The steps that begin with a copy of `first` USD."""
    together, found = Decimal(0), []
    for losses in range(martingale.levels + 1):
        step = (first * martingale.multiplier**losses).quantize(CENT, ROUND_FLOOR)
        together += step
        found.append(Rung(losses, step, together))
    return found


def uses_slots(advanced: Advanced) -> bool:
    """Whether any pair that may be copied is sized by the pool's slots."""
    own = any(pair.sizing == SLOTS for pair in advanced.pairs.values())
    return own or (advanced.sizing == SLOTS and not pairs_alone(advanced))


def pairs_alone(advanced: Advanced) -> bool:
    """Whether every pair that may be copied is sized in a way of its own, so that what holds everywhere never does."""
    own = {symbol for symbol, pair in advanced.pairs.items() if pair.sizing is not None}
    return bool(advanced.allow) and advanced.allow <= own


def style_faults(advanced: Advanced, *, terms: FixedAmount, slots: int, pool_leverage: int = 1) -> list[TermsFault]:
    """Everything that does not go together in a style, with amounts that have no fault of their own.

    :param slots: into how many copies the pool cuts a budget
    :param pool_leverage: what holds where the style says nothing
    """
    return [
        *_sized("", advanced.sizing, advanced.value, terms),
        *_levels("", advanced),
        *_liquidation("", advanced.stop_loss_pct, advanced, pool_leverage),
        *_room(advanced, terms),
        *_choice(advanced),
        *_equity(advanced, terms),
        *_burst(advanced),
        *_pairs(advanced, terms, pool_leverage),
        *_stops_of_risk(advanced),
        *_martingale(advanced, terms, slots),
    ]


def _base(advanced: Advanced, *, terms: FixedAmount, slots: int) -> Decimal:
    amounts = [pair.value for pair in advanced.pairs.values() if pair.sizing == FIXED and pair.value is not None]
    if uses_slots(advanced):
        amounts.append(per_copy(total_investment=terms.total_investment, slots=slots))
    elif advanced.sizing == FIXED and advanced.value is not None and not pairs_alone(advanced):
        amounts.append(advanced.value)
    return max(amounts, default=Decimal(0))


def _sized(where: str, sizing: str | None, value: Decimal | None, terms: FixedAmount) -> Iterator[TermsFault]:
    if sizing is None:
        if value is not None:
            yield TermsFault(f"{where}sizing", "sizing_missing", "Say how the pair is sized, or leave its value out.")
        return
    if sizing not in SIZINGS:
        yield TermsFault(f"{where}sizing", "sizing_unknown", f"Size copies by one of: {', '.join(SIZINGS)}.")
        return
    if sizing == SLOTS:
        if value is not None:
            yield TermsFault(f"{where}value", "value_unwanted", "Slots need no value: the pool cuts your investment.")
        return
    low, high, unit = _VALUES[sizing]
    if value is None or not low <= value <= high:
        yield TermsFault(f"{where}value", "value_out_of_range", f"Give {low} to {high:,} {unit}.")
    elif sizing == FIXED and value > terms.total_investment:
        words = f"One copy cannot be larger than what you invest, ${money(terms.total_investment)}."
        yield TermsFault(f"{where}value", "value_above_investment", words)


def _levels(where: str, one: Advanced | Pair) -> Iterator[TermsFault]:
    for name in ("leverage_long", "leverage_short"):
        leverage = getattr(one, name)
        if leverage is not None and not 1 <= leverage <= MOST_LEVERAGE:
            yield TermsFault(f"{where}{name}", "leverage_out_of_range", f"Use a leverage of 1 to {MOST_LEVERAGE}.")
    bps = one.max_slippage_bps
    if bps is not None and not 1 <= bps <= 1000:
        yield TermsFault(f"{where}max_slippage_bps", "slippage_out_of_range", "Allow 1 to 1000 basis points.")
    yield from _exits(where, one)


def _exits(where: str, one: Advanced | Pair) -> Iterator[TermsFault]:
    for name, value in (("stop_loss_pct", one.stop_loss_pct), ("trailing_pct", one.trailing_pct)):
        if value is None:
            continue
        if value <= 0:
            words = "A stop lies on the losing side: give the percentage as a number above 0."
            yield TermsFault(f"{where}{name}", "stop_wrong_side", words)
        elif not LEAST_STOP <= value <= MOST_STOP:
            words = f"Stop at {LEAST_STOP} to {MOST_STOP} percent."
            yield TermsFault(f"{where}{name}", "stop_out_of_range", words)
    target = one.take_profit_pct
    if target is not None and target <= 0:
        words = "A target lies on the winning side: give the percentage as a number above 0."
        yield TermsFault(f"{where}take_profit_pct", "target_wrong_side", words)
    elif target is not None and not LEAST_STOP <= target <= 1000:
        yield TermsFault(f"{where}take_profit_pct", "target_out_of_range", f"Take {LEAST_STOP} to 1000 percent.")


def _liquidation(
    where: str, stop: Decimal | None, one: Advanced | Pair, pool_leverage: int, everywhere: Advanced | None = None
) -> Iterator[TermsFault]:
    """:param everywhere: what holds where the pair says nothing"""
    levels = []
    for name in ("leverage_long", "leverage_short"):
        own = getattr(one, name)
        if own is None and everywhere is not None:
            own = getattr(everywhere, name)
        levels.append(pool_leverage if own is None else own)
    highest = max(levels)
    if stop is not None and 0 < stop <= MOST_STOP and stop * highest >= 100:
        words = (
            f"At {highest}x the exchange closes a position after about {100 // highest} percent: "
            "stop earlier, or use less leverage."
        )
        yield TermsFault(f"{where}stop_loss_pct", "stop_behind_liquidation", words)


def _room(advanced: Advanced, terms: FixedAmount) -> Iterator[TermsFault]:
    if not 0 <= advanced.reserve_pct <= 50:
        yield TermsFault("reserve_pct", "reserve_out_of_range", "Keep 0 to 50 percent free.")
    if advanced.max_positions is not None and not 1 <= advanced.max_positions <= 100:
        yield TermsFault("max_positions", "positions_out_of_range", "Allow 1 to 100 open pairs.")
    if advanced.signal_ttl_s is not None and not 1 <= advanced.signal_ttl_s <= 3600:
        yield TermsFault("signal_ttl_s", "ttl_out_of_range", "Give 1 to 3600 seconds.")
    for name in ("max_pair_usd", "max_exposure_usd"):
        yield from _cap(name, getattr(advanced, name), terms)


def _cap(name: str, value: Decimal | None, terms: FixedAmount) -> Iterator[TermsFault]:
    if value is None:
        return
    if value < LEAST_COPY_USD:
        words = f"An exchange takes no copy below about ${money(LEAST_COPY_USD)}: allow at least as much."
        yield TermsFault(name, "cap_too_small", words)
    elif value > terms.total_investment:
        words = f"This cannot be more than what you invest, ${money(terms.total_investment)}."
        yield TermsFault(name, "cap_above_investment", words)


def _choice(advanced: Advanced) -> Iterator[TermsFault]:
    both = sorted(advanced.allow & advanced.deny)
    if both:
        words = f"Take {', '.join(both[:5])} out of one of the two lists."
        yield TermsFault("deny", "allowed_and_denied", words)
    for symbol in sorted({*advanced.allow, *advanced.deny, *advanced.pairs}):
        if not symbol.isalnum() or not symbol.isascii() or symbol != symbol.upper() or len(symbol) > 32:
            yield TermsFault("pairs", "symbol_malformed", "Write pairs like BTCUSDT.")
            return


def _equity(advanced: Advanced, terms: FixedAmount) -> Iterator[TermsFault]:
    stop = advanced.equity_stop_pct
    if stop is None:
        if advanced.equity_stop_trailing:
            words = "Say at how many percent the trailing stop ends everything."
            yield TermsFault("equity_stop_pct", "equity_stop_missing", words)
        return
    if not LEAST_EQUITY_STOP <= stop <= MOST_EQUITY_STOP:
        words = f"End everything at {LEAST_EQUITY_STOP} to {MOST_EQUITY_STOP} percent."
        yield TermsFault("equity_stop_pct", "equity_stop_out_of_range", words)
    elif not advanced.equity_stop_trailing and terms.total_investment * stop / 100 > terms.max_loss:
        words = (
            f"You are ready to lose ${money(terms.max_loss)}, which comes before this stop: "
            f"stop at {money(terms.max_loss * 100 / terms.total_investment)} percent or earlier."
        )
        yield TermsFault("equity_stop_pct", "equity_stop_above_loss", words)


def _burst(advanced: Advanced) -> Iterator[TermsFault]:
    if (advanced.burst_opens is None) != (advanced.burst_ms is None):
        yield TermsFault("burst_ms", "burst_incomplete", "Give both: how many opens, and within how many milliseconds.")
    elif advanced.burst_opens is None or advanced.burst_ms is None:
        return
    elif not 1 <= advanced.burst_opens <= 100 or not 50 <= advanced.burst_ms <= 600_000:
        words = "Allow 1 to 100 opens within 50 to 600,000 milliseconds."
        yield TermsFault("burst_ms", "burst_out_of_range", words)


def _pairs(advanced: Advanced, terms: FixedAmount, pool_leverage: int) -> Iterator[TermsFault]:
    if len(advanced.pairs) > MOST_PAIRS:
        yield TermsFault("pairs", "too_many_pairs", f"Set {MOST_PAIRS} pairs of their own at most.")
        return
    for symbol, pair in sorted(advanced.pairs.items()):
        where = f"pairs.{symbol}."
        if symbol in advanced.deny or (advanced.allow and symbol not in advanced.allow):
            yield TermsFault("pairs", "pair_not_chosen", f"{symbol} is set but never copied: allow it, or remove it.")
        yield from _sized(where, pair.sizing, pair.value, terms)
        yield from _levels(where, pair)
        if pair.stop_loss_pct is not None:
            yield from _liquidation(where, pair.stop_loss_pct, pair, pool_leverage, advanced)
        elif pair.leverage_long is not None or pair.leverage_short is not None:
            # The stop of everywhere, with a leverage of the pair's own.
            yield from _liquidation(where, advanced.stop_loss_pct, pair, pool_leverage, advanced)
        yield from _cap(f"{where}max_usd", pair.max_usd, terms)
        if pair.sizing == FIXED and pair.value and pair.max_usd is not None and pair.value > pair.max_usd:
            words = f"One copy of {symbol} is larger than the most you allow in it."
            yield TermsFault(f"{where}max_usd", "cap_below_copy", words)


def _stops_of_risk(advanced: Advanced) -> Iterator[TermsFault]:
    words = "A size by risk needs a stop loss: without one it is not known what is at risk."
    if advanced.sizing == RISK and advanced.stop_loss_pct is None:
        yield TermsFault("stop_loss_pct", "risk_without_stop", words)
    for symbol, pair in sorted(advanced.pairs.items()):
        if pair.sizing == RISK and pair.stop_loss_pct is None and advanced.stop_loss_pct is None:
            yield TermsFault(f"pairs.{symbol}.stop_loss_pct", "risk_without_stop", words)


def _martingale(advanced: Advanced, terms: FixedAmount, slots: int) -> Iterator[TermsFault]:
    steps = advanced.martingale
    if steps is None:
        return
    if any(one not in (SLOTS, FIXED, None) for one in (advanced.sizing, *(p.sizing for p in advanced.pairs.values()))):
        words = "A martingale multiplies one amount: size all copies by slots or by a fixed amount."
        yield TermsFault("martingale", "martingale_needs_amount", words)
        return
    if not LEAST_TIMES <= steps.multiplier <= MOST_TIMES:
        words = f"Multiply by {LEAST_TIMES} to {MOST_TIMES}."
        yield TermsFault("martingale.multiplier", "martingale_multiplier", words)
    elif not 1 <= steps.levels <= MOST_LEVELS:
        yield TermsFault("martingale.levels", "martingale_levels", f"Use 1 to {MOST_LEVELS} levels.")
    elif steps.cap_usd > terms.total_investment or steps.cap_usd < LEAST_COPY_USD:
        words = f"Cap it between ${money(LEAST_COPY_USD)} and what you invest, ${money(terms.total_investment)}."
        yield TermsFault("martingale.cap_usd", "martingale_cap", words)
    else:
        together = ladder(advanced, terms=terms, slots=slots)[-1].together
        limit = min(steps.cap_usd, terms.max_loss)
        if together > limit:
            words = (
                f"Losing at every level would take ${money(together)}, above the ${money(limit)} that may go: "
                "use fewer levels, a smaller multiplier or a smaller amount."
            )
            yield TermsFault("martingale", "martingale_above_budget", words)
