"""How a follower wants to be copied beyond the amounts: sizing, limits, exits, and what single pairs do differently.

Kept as one JSON object beside the amounts of a subscription. Numbers are text in it, so that none is ever a float. An
empty object is the plain way: slots of the pool, the pool's leverage and slippage, no exits of one's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

SLOTS, FIXED, RATIO, SMART, RISK, VOLATILITY = "slots", "fixed", "ratio", "smart_ratio", "risk", "volatility"

SIZINGS = (SLOTS, FIXED, RATIO, SMART, RISK, VOLATILITY)
"""How large a copy is:

slots         the investment cut into the pool's slots, times the lead's weight
fixed         `value` USD of margin
ratio         `value` times the lead's quantity
smart_ratio   `value` times the lead's share: its margin over its equity, of the follower's equity
risk          `value` percent of the follower's equity is lost at the stop
volatility    the copy moves the follower's equity by `value` percent on a day of usual size
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """What one pair does differently; None is as everywhere. Percentages are of the entry's price.

    :param max_usd: the most of the follower's own money that may be in it at once
    """

    sizing: str | None = None
    value: Decimal | None = None
    leverage_long: int | None = None
    leverage_short: int | None = None
    max_usd: Decimal | None = None
    stop_loss_pct: Decimal | None = None
    take_profit_pct: Decimal | None = None
    trailing_pct: Decimal | None = None
    max_slippage_bps: int | None = None


@dataclass(frozen=True, slots=True)
class Martingale:
    """After each losing copy the next one is `multiplier` times as large, `levels` times at most.

    :param cap_usd: never more than this in open copies, whatever the level
    """

    multiplier: Decimal
    levels: int
    cap_usd: Decimal


@dataclass(frozen=True, slots=True)
class Advanced:
    """Everything a follower may set beside the amounts; the defaults are the plain way.

    :param reserve_pct: of the investment, kept free for slippage and margin
    :param max_positions: pairs that may be open at once
    :param max_exposure_usd: the most that may be in open copies at once
    :param allow: only these pairs; empty is all
    :param deny: never these
    :param burst_opens: of all opens within `burst_ms` only so many are copied; None is no such rule
    :param signal_ttl_s: after so many seconds nothing is opened for a signal; the pool's own limit stays
    :param equity_stop_pct: when so much of the investment is lost, open copies included, everything ends
    :param equity_stop_trailing: the loss is counted from the highest result so far
    :param keep_open: what is open when a limit is reached stays open; otherwise it is closed
    """

    sizing: str = SLOTS
    value: Decimal | None = None
    reserve_pct: Decimal = Decimal(0)
    leverage_long: int | None = None
    leverage_short: int | None = None
    max_positions: int | None = None
    max_pair_usd: Decimal | None = None
    max_exposure_usd: Decimal | None = None
    stop_loss_pct: Decimal | None = None
    take_profit_pct: Decimal | None = None
    trailing_pct: Decimal | None = None
    max_slippage_bps: int | None = None
    signal_ttl_s: int | None = None
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()
    burst_opens: int | None = None
    burst_ms: int | None = None
    equity_stop_pct: Decimal | None = None
    equity_stop_trailing: bool = False
    keep_open: bool = False
    martingale: Martingale | None = None
    pairs: Mapping[str, Pair] = field(default_factory=dict)


PLAIN = Advanced()


@dataclass(frozen=True, slots=True)
class Style:
    """All that decides about one copy in one pair and direction; what is None is the pool's."""

    sizing: str
    value: Decimal | None
    reserve: Decimal
    leverage: int | None
    max_positions: int | None
    max_pair_usd: Decimal | None
    max_exposure_usd: Decimal | None
    stop_loss_pct: Decimal | None
    take_profit_pct: Decimal | None
    trailing_pct: Decimal | None
    max_slippage_bps: int | None
    signal_ttl_s: int | None
    chosen: bool
    burst_opens: int | None
    burst_ms: int | None
    equity_stop_pct: Decimal | None
    equity_stop_trailing: bool
    martingale: Martingale | None

    @property
    def exits(self) -> bool:
        """Whether a copy has a stop loss, a take profit or a trailing stop of its own."""
        return self.stop_loss_pct is not None or self.take_profit_pct is not None or self.trailing_pct is not None


def style_of(advanced: Advanced, *, symbol: str, short: bool) -> Style:
    """The rules for one pair: its own where it has some, else those of the whole subscription."""
    pair = advanced.pairs.get(symbol, _AS_EVERYWHERE)
    own, everywhere = (
        (pair.leverage_short, advanced.leverage_short) if short else (pair.leverage_long, advanced.leverage_long)
    )
    sized = pair if pair.sizing is not None else advanced
    return Style(
        sizing=sized.sizing or SLOTS,
        value=sized.value,
        reserve=advanced.reserve_pct / 100,
        leverage=_first(own, everywhere),
        max_positions=advanced.max_positions,
        max_pair_usd=_first(pair.max_usd, advanced.max_pair_usd),
        max_exposure_usd=advanced.max_exposure_usd,
        stop_loss_pct=_first(pair.stop_loss_pct, advanced.stop_loss_pct),
        take_profit_pct=_first(pair.take_profit_pct, advanced.take_profit_pct),
        trailing_pct=_first(pair.trailing_pct, advanced.trailing_pct),
        max_slippage_bps=_first(pair.max_slippage_bps, advanced.max_slippage_bps),
        signal_ttl_s=advanced.signal_ttl_s,
        chosen=(not advanced.allow or symbol in advanced.allow) and symbol not in advanced.deny,
        burst_opens=advanced.burst_opens,
        burst_ms=advanced.burst_ms,
        equity_stop_pct=advanced.equity_stop_pct,
        equity_stop_trailing=advanced.equity_stop_trailing,
        martingale=advanced.martingale,
    )


def _first(own: Any, everywhere: Any) -> Any:
    return everywhere if own is None else own


_AS_EVERYWHERE = Pair()

PLAIN_STYLE = style_of(PLAIN, symbol="", short=False)


# ------------------------------------------------------------------------------------------------- as JSON, and back


class NotAStyle(ValueError):
    """The object is none that `dump` wrote."""


def dump(advanced: Advanced) -> dict[str, Any]:
    """The JSON object that is stored: only what differs from the plain way."""
    said = _said(advanced, PLAIN)
    if advanced.pairs:
        said["pairs"] = {symbol: _said(pair, _AS_EVERYWHERE) for symbol, pair in sorted(advanced.pairs.items())}
    if advanced.martingale is not None:
        said["martingale"] = {one.name: _wire(getattr(advanced.martingale, one.name)) for one in fields(Martingale)}
    return said


def load(stored: Mapping[str, Any]) -> Advanced:
    """What `dump` wrote.

    :raises NotAStyle: it is something else
    """
    try:
        pairs = {symbol: _made(Pair, said) for symbol, said in stored.get("pairs", {}).items()}
        ladder = stored.get("martingale")
        rest = {name: value for name, value in stored.items() if name not in ("pairs", "martingale")}
        plain: Advanced = _made(Advanced, rest)
        return replace(plain, pairs=pairs, martingale=None if ladder is None else _made(Martingale, ladder))
    except (TypeError, ValueError, ArithmeticError, AttributeError, KeyError) as error:
        raise NotAStyle(str(error)) from error


@lru_cache(maxsize=4096)
def parsed(text: str) -> Advanced:
    """`load` of a JSON text; thousands of followers share a few texts.

    :raises NotAStyle: it is not what `dump` wrote
    """
    try:
        return load(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise NotAStyle(str(error)) from error


def _said(one: Any, plain: Any) -> dict[str, Any]:
    return {
        each.name: _wire(getattr(one, each.name))
        for each in fields(one)
        if each.name not in ("pairs", "martingale") and getattr(one, each.name) != getattr(plain, each.name)
    }


def _wire(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    return sorted(value) if isinstance(value, frozenset) else value


_DECIMALS = {
    "value", "reserve_pct", "max_usd", "max_pair_usd", "max_exposure_usd", "stop_loss_pct", "take_profit_pct",
    "trailing_pct", "equity_stop_pct", "multiplier", "cap_usd",
}  # fmt: skip
_SETS = {"allow", "deny"}
_FLAGS = {"equity_stop_trailing", "keep_open"}


def _made(kind: Any, said: Mapping[str, Any]) -> Any:
    return kind(**{name: _value(name, value) for name, value in said.items()})


def _value(name: str, value: Any) -> Any:
    """The value as the plan can reckon with it: one text of another kind must not stop everybody's plan."""
    if name in _DECIMALS:
        if not isinstance(value, str):
            raise TypeError(f"{name} is not written as text")
        number = Decimal(value)
        if not number.is_finite():
            raise ValueError(f"{name} is no number")
        return number
    if name in _SETS:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise TypeError(f"{name} is no list of pairs")
        return frozenset(value)
    if name == "sizing":
        if value not in SIZINGS:
            raise ValueError(f"there is no sizing {value!r}")
    elif not isinstance(value, bool if name in _FLAGS else int) or (isinstance(value, bool) and name not in _FLAGS):
        raise TypeError(f"{name} is of another kind")
    return value
