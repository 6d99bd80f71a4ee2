"""A style in plain sentences: what it does, what single pairs do differently, and what it may cost at worst."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

from pools.domain.style import FIXED, PLAIN, RATIO, RISK, SLOTS, SMART, VOLATILITY, Advanced, Pair
from pools.domain.style_faults import Rung, ladder, pairs_alone, uses_slots
from pools.domain.terms import CENT, FixedAmount, Summary, money, per_copy, summary

GAPS = (
    "A gap in the price, a liquidation by the exchange, and fees can take more than any budget or stop set here: "
    "a stop is an order, and an order needs somebody on the other side."
)

SIZING_WORDS = {
    SLOTS: "Your investment is cut into the pool's slots, and each copy uses one, times the lead's weight.",
    FIXED: "Each copy uses the same amount of your own money.",
    RATIO: "Each copy is so many times the lead's quantity, whatever the lead's account is worth.",
    SMART: "Each copy takes the share of your equity that the lead takes of its own, so many times.",
    RISK: "Each copy is as large as it may be to lose so many percent of your equity at its stop.",
    VOLATILITY: "Each copy is as large as it may be to move your equity by so many percent on a usual day.",
}
"""What each way of sizing means, without its figure."""

STOPPED_WORDS = {
    "loss_limit": "What you were ready to lose is used up",
    "daily_loss": "Your daily loss limit was reached",
    "profit_target": "Your profit target was reached",
    "equity_stop": "Your equity stop was reached",
    "halt": "You stopped everything",
    "halt_close": "You stopped everything and closed it",
}
"""Which limit paused a subscription, for its owner."""


@dataclass(frozen=True, slots=True)
class PairWords:
    """What one pair does differently, in a sentence."""

    symbol: str
    words: str


@dataclass(frozen=True, slots=True)
class StyleSummary:
    """An advanced style in words.

    :param sentences: what it does, one rule each
    :param pairs: what single pairs do differently
    :param ladder: every step of the martingale; empty without one
    :param worst: what it may cost when everything goes wrong
    """

    sentences: tuple[str, ...]
    pairs: tuple[PairWords, ...]
    ladder: tuple[Rung, ...]
    worst: tuple[str, ...]


def advanced_summary(terms: FixedAmount, advanced: Advanced, *, slots: int, leverage: int = 1) -> Summary:
    """What terms and a style without faults come to; `pools.domain.terms.summary` where the style is plain."""
    plain = summary(terms, slots=slots, leverage=leverage)
    if advanced == PLAIN:
        return plain
    steps = ladder(advanced, terms=terms, slots=slots)
    largest = _largest(advanced, terms, slots, steps)
    many = advanced.max_positions
    if many is None and uses_slots(advanced) and advanced.sizing == SLOTS and not advanced.pairs:
        many = slots
    words = StyleSummary(
        sentences=tuple(sentences(advanced)),
        pairs=tuple(PairWords(symbol, pair_words(pair)) for symbol, pair in sorted(advanced.pairs.items())),
        ladder=tuple(steps),
        worst=tuple(_worst(terms, advanced, steps, _highest(advanced, leverage))),
    )
    return replace(plain, per_copy=largest, max_copies=many, leverage=_highest(advanced, leverage), style=words)


def sentences(advanced: Advanced) -> Iterator[str]:
    """What the style does, one rule a sentence; what is as in the plain way is left out."""
    yield _size(advanced.sizing, advanced.value)
    yield from _choice(advanced)
    yield from _limits(advanced)
    yield from (f"{one[0].upper()}{one[1:]}." for one in _exits(advanced))
    yield from _stop(advanced)
    steps = advanced.martingale
    if steps is not None:
        yield (
            f"After each copy that lost, the next is {_plain(steps.multiplier)} times as large, {steps.levels} "
            f"times at most and never with more than ${money(steps.cap_usd)} open."
        )


def in_short(advanced: Advanced) -> str:
    """The style in one line; empty in the plain way."""
    if advanced == PLAIN:
        return ""
    said = [_size(advanced.sizing, advanced.value).rstrip(".")] if advanced.sizing != SLOTS else []
    if advanced.allow:
        said.append(f"only {_listed(advanced.allow)}")
    said += _exits(advanced)
    if advanced.equity_stop_pct is not None:
        said.append(f"ends at {_plain(advanced.equity_stop_pct)}% lost")
    if advanced.martingale is not None:
        said.append(f"martingale {_plain(advanced.martingale.multiplier)}x, {advanced.martingale.levels} levels")
    if advanced.pairs:
        many = len(advanced.pairs)
        said.append(f"{many} pairs on terms of their own" if many > 1 else "1 pair on terms of its own")
    return "; ".join(said) or "Limits of your own"


def pair_words(pair: Pair) -> str:
    """What a pair does differently, in one sentence."""
    said = [_size(pair.sizing, pair.value).rstrip(".")] if pair.sizing is not None else []
    said += _leverage(pair)
    if pair.max_usd is not None:
        said.append(f"never more than ${money(pair.max_usd)} in it")
    said += _exits(pair)
    if pair.max_slippage_bps is not None:
        said.append(f"not opened when worse by {_plain(Decimal(pair.max_slippage_bps) / 100)}%")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}." if text else "As everywhere."


def _size(sizing: str | None, value: Decimal | None) -> str:
    number = _plain(value or Decimal(0))
    return {
        FIXED: f"Each copy uses ${money(value or Decimal(0))} of your money.",
        RATIO: f"Each copy is {number} times the lead's quantity.",
        SMART: f"Each copy takes {number} times the share of your equity that the lead takes of its own.",
        RISK: f"Each copy is sized to lose {number}% of your equity at its stop.",
        VOLATILITY: f"Each copy is sized to move your equity by {number}% on a usual day.",
    }.get(sizing or SLOTS, "Each copy uses one slot of your investment, times the lead's weight.")


def _choice(advanced: Advanced) -> Iterator[str]:
    if advanced.allow:
        yield f"Only {_listed(advanced.allow)} {'is' if len(advanced.allow) == 1 else 'are'} copied."
    if advanced.deny:
        yield f"{_listed(advanced.deny)} {'is' if len(advanced.deny) == 1 else 'are'} never copied."
    if advanced.burst_opens is not None:
        yield (
            f"Of the lead's entries within {_seconds(advanced.burst_ms or 0)}, the first {advanced.burst_opens} "
            f"{'is' if advanced.burst_opens == 1 else 'are'} copied."
        )


def _limits(advanced: Advanced) -> Iterator[str]:
    yield from (f"{one[0].upper()}{one[1:]}." for one in _leverage(advanced))
    if advanced.reserve_pct:
        yield f"{_plain(advanced.reserve_pct)}% of the investment stays free for slippage and margin."
    if advanced.max_positions is not None:
        yield f"{advanced.max_positions} pair{'s' if advanced.max_positions > 1 else ''} can be open at once."
    if advanced.max_pair_usd is not None:
        yield f"Never more than ${money(advanced.max_pair_usd)} in one pair."
    if advanced.max_exposure_usd is not None:
        yield f"Never more than ${money(advanced.max_exposure_usd)} in open copies."
    if advanced.max_slippage_bps is not None:
        yield f"Not opened when worse than the lead's price by {_plain(Decimal(advanced.max_slippage_bps) / 100)}%."
    if advanced.signal_ttl_s is not None:
        yield f"Not opened after {advanced.signal_ttl_s} s."


def _leverage(one: Advanced | Pair) -> list[str]:
    sides = (("long", one.leverage_long), ("short", one.leverage_short))
    return [f"{leverage}x leverage when {side}" for side, leverage in sides if leverage is not None]


def _exits(one: Advanced | Pair) -> list[str]:
    said = []
    if one.stop_loss_pct is not None:
        said.append(f"stop loss at {_plain(one.stop_loss_pct)}%")
    if one.take_profit_pct is not None:
        said.append(f"take profit at {_plain(one.take_profit_pct)}%")
    if one.trailing_pct is not None:
        said.append(f"trailing stop {_plain(one.trailing_pct)}% behind the best price")
    return said


def _stop(advanced: Advanced) -> Iterator[str]:
    if advanced.equity_stop_pct is not None:
        since = "from its highest result" if advanced.equity_stop_trailing else "of the investment"
        yield (
            f"Everything ends when {_plain(advanced.equity_stop_pct)}% of the investment is lost"
            f"{', counted ' + since if advanced.equity_stop_trailing else ''}, open copies included."
        )
    if advanced != PLAIN:
        yield (
            "When a limit is reached, what is open stays open and closes with the lead."
            if advanced.keep_open
            else "When a limit is reached, what is open is closed."
        )


def _worst(terms: FixedAmount, advanced: Advanced, steps: list[Rung], leverage: int) -> Iterator[str]:
    yield f"At worst you lose the ${money(terms.max_loss)} you are ready to lose. Then nothing more is opened."
    if steps:
        last = steps[-1]
        yield (
            f"{last.losses} losses in a row make the next copy ${money(last.amount)}, and losing that one too "
            f"takes ${money(last.together)} in all, if each copy loses all it uses."
        )
    if leverage > 1:
        yield (
            f"At {leverage}x, a move of about {100 // leverage}% against you takes all that a copy uses: "
            "the exchange closes it then."
        )
    if advanced.keep_open:
        yield "What stays open when a limit is reached goes on to win or lose."
    yield GAPS


def _largest(advanced: Advanced, terms: FixedAmount, slots: int, steps: list[Rung]) -> Decimal:
    """The most one copy can use."""
    everything = (terms.total_investment * (1 - advanced.reserve_pct / 100)).quantize(CENT, ROUND_FLOOR)
    asked = [_one(advanced.sizing, advanced.value, terms, slots, everything)]
    pairs = [_one(p.sizing, p.value, terms, slots, everything) for p in advanced.pairs.values() if p.sizing]
    if pairs_alone(advanced):
        asked = []
    largest = max([*asked, *pairs, *(rung.amount for rung in steps)])
    caps = [everything, terms.max_loss, advanced.max_exposure_usd]
    if not any(pair.max_usd for pair in advanced.pairs.values()):
        caps.append(advanced.max_pair_usd)
    return min([largest, *(cap for cap in caps if cap is not None)])


def _one(sizing: str | None, value: Decimal | None, terms: FixedAmount, slots: int, everything: Decimal) -> Decimal:
    if sizing == FIXED:
        return value or Decimal(0)
    return per_copy(total_investment=terms.total_investment, slots=slots) if sizing == SLOTS else everything


def _highest(advanced: Advanced, leverage: int) -> int:
    said = [advanced.leverage_long or leverage, advanced.leverage_short or leverage]
    said += [one for pair in advanced.pairs.values() for one in (pair.leverage_long, pair.leverage_short) if one]
    return max(said)


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _listed(symbols: frozenset[str]) -> str:
    names = sorted(symbols)
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:6])} and {len(names) - 6} more"


def _seconds(milliseconds: int) -> str:
    return f"{_plain(Decimal(milliseconds) / 1000)} s" if milliseconds >= 1000 else f"{milliseconds} ms"
