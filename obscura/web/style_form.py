"""The forms of advanced terms: how copies are sized, limited and ended, and what single pairs do differently.

They read what was typed; what goes together is for the services to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.forms import BaseFormSet, BoundField, formset_factory

from pools.types import (
    FIXED,
    RATIO,
    RISK,
    SIZING_WORDS,
    SLOTS,
    SMART,
    VOLATILITY,
    Advanced,
    Martingale,
    Pair,
)

MOST_ROWS = 50
TITLES = {
    SLOTS: ("Slots of the pool", ""),
    FIXED: ("A fixed amount", "USD"),
    RATIO: ("A multiple of the lead’s quantity", "times"),
    SMART: ("The lead’s share of its equity", "times"),
    RISK: ("What a stop may cost", "% of equity"),
    VOLATILITY: ("What a usual day may move", "% of equity"),
}
CLOSE, KEEP = "close", "keep"
RADIO = {"class": "radio radio-sm"}
# The names that people read, by the names of a style and of a pair.
FIELDS = {
    "sizing": "sizing", "value": "value", "reserve_pct": "reserve", "leverage_long": "leverage_long",
    "leverage_short": "leverage_short", "max_positions": "max_positions", "max_pair_usd": "max_pair",
    "max_exposure_usd": "max_exposure", "stop_loss_pct": "stop_loss", "take_profit_pct": "take_profit",
    "trailing_pct": "trailing", "max_slippage_bps": "slippage", "signal_ttl_s": "ttl", "allow": "allow", "deny": "deny",
    "burst_opens": "burst_opens", "burst_ms": "burst_seconds", "equity_stop_pct": "equity_stop",
    "martingale": "martingale", "martingale.multiplier": "multiplier", "martingale.levels": "levels",
    "martingale.cap_usd": "cap",
}  # fmt: skip
PAIR_FIELDS = {
    "sizing": "sizing", "value": "value", "leverage_long": "leverage_long", "leverage_short": "leverage_short",
    "max_usd": "most", "stop_loss_pct": "stop_loss", "take_profit_pct": "take_profit", "trailing_pct": "trailing",
    "max_slippage_bps": "slippage",
}  # fmt: skip
TWICE = "This pair stands in another row already."
NO_PAIR = "Say which pair these are for, or remove the row."
LOOK_FIRST = "Look at every step of it first: they are drawn here for these figures. Then send it once more."


class Sizing(NamedTuple):
    """One way of sizing, for the template."""

    option: Any
    title: str
    words: str


def _number(label: str, help_text: str = "", *, places: int = 2) -> forms.DecimalField:
    attrs = {"inputmode": "decimal", "autocomplete": "off"}
    return forms.DecimalField(
        label=label,
        help_text=help_text,
        required=False,
        max_digits=14,
        decimal_places=places,
        widget=forms.NumberInput(attrs=attrs),
    )


def _whole(label: str, help_text: str = "") -> forms.IntegerField:
    attrs = {"inputmode": "numeric", "autocomplete": "off"}
    return forms.IntegerField(
        label=label,
        help_text=help_text,
        required=False,
        min_value=0,
        max_value=1_000_000,
        widget=forms.NumberInput(attrs=attrs),
    )


def _pairs(label: str, help_text: str) -> forms.CharField:
    attrs = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
    return forms.CharField(
        label=label, help_text=help_text, required=False, max_length=2_000, widget=forms.TextInput(attrs=attrs)
    )


class StyleForm(forms.Form):
    """Everything beside the amounts, for all pairs. What is left empty is as the pool has it."""

    sizing = forms.ChoiceField(
        label="How large a copy is",
        choices=[(name, title) for name, (title, _) in TITLES.items()],
        initial=SLOTS,
        required=False,
        widget=forms.RadioSelect(attrs=RADIO),
    )
    value = _number("Its figure", "USD, times or percent, as the way of sizing says. Slots need none.", places=4)
    reserve = _number("Kept free", "Of the investment, for slippage and margin.")
    stop_loss = _number("Stop loss", "From the entry’s price.")
    take_profit = _number("Take profit", "From the entry’s price.")
    trailing = _number("Trailing stop", "Behind the best price since the entry.")
    max_positions = _whole("Pairs open at once")
    max_pair = _number("In one pair")
    max_exposure = _number("In all open copies")
    leverage_long = _whole("Leverage, long")
    leverage_short = _whole("Leverage, short")
    slippage = _number("Not opened when worse by", "Than the lead’s price.")
    ttl = _whole("Not opened after")
    allow = _pairs("Only these pairs", "Like BTCUSDT, with commas between. Empty is all.")
    deny = _pairs("Never these", "With commas between.")
    burst_opens = _whole("Of many entries at once, copy the first")
    burst_seconds = _number("Within", places=3)
    equity_stop = _number("End everything when this much is lost", "Of the investment, open copies included.")
    equity_trailing = forms.BooleanField(label="Count it from the highest result so far", required=False)
    at_limit = forms.ChoiceField(
        label="When a limit is reached",
        choices=[(CLOSE, "Close what is open"), (KEEP, "Keep it open until the lead closes it")],
        initial=CLOSE,
        required=False,
        widget=forms.RadioSelect(attrs=RADIO),
    )
    multiplier = _number("Multiply by", "After each copy that lost.")
    levels = _whole("At most so many times")
    cap = _number("Never more open than", "Usually what you invest.")
    martingale = forms.BooleanField(label="Switch the martingale on", required=False)

    def sizings(self) -> list[Sizing]:
        """The ways of sizing with their meaning."""
        return [
            Sizing(option, f"{title}{f' ({unit})' if unit else ''}", SIZING_WORDS[name])
            for option, (name, (title, unit)) in zip(self["sizing"], TITLES.items(), strict=True)
        ]

    def style(self, pairs: Mapping[str, Pair], *, investment: Decimal, climbing: bool | None = None) -> Advanced:
        """What was typed, of a form that is valid.

        :param climbing: with its martingale whether it is switched on or not; None is as it is switched
        """
        given = self.cleaned_data
        burst, slippage = given["burst_seconds"], given["slippage"]
        return Advanced(
            sizing=given["sizing"] or SLOTS,
            value=given["value"],
            reserve_pct=given["reserve"] or Decimal(0),
            leverage_long=given["leverage_long"],
            leverage_short=given["leverage_short"],
            max_positions=given["max_positions"],
            max_pair_usd=given["max_pair"],
            max_exposure_usd=given["max_exposure"],
            stop_loss_pct=given["stop_loss"],
            take_profit_pct=given["take_profit"],
            trailing_pct=given["trailing"],
            max_slippage_bps=None if slippage is None else int(slippage * 100),
            signal_ttl_s=given["ttl"],
            allow=_symbols(given["allow"]),
            deny=_symbols(given["deny"]),
            burst_opens=given["burst_opens"],
            burst_ms=None if burst is None else int(burst * 1000),
            equity_stop_pct=given["equity_stop"],
            equity_stop_trailing=given["equity_trailing"],
            keep_open=given["at_limit"] == KEEP,
            martingale=self._ladder(investment) if (self.switched_on() if climbing is None else climbing) else None,
            pairs=pairs,
        )

    def switched_on(self) -> bool:
        """Whether the martingale is; a form in which that is refused has it on."""
        return bool(self.cleaned_data.get("martingale", True))

    def has_ladder(self) -> bool:
        """Whether there are figures of which a ladder can be drawn, of a form that is valid."""
        multiplier, levels = self.cleaned_data["multiplier"], self.cleaned_data["levels"]
        return bool(multiplier and levels and 0 < multiplier <= 10 and levels <= 20)

    def _ladder(self, investment: Decimal) -> Martingale:
        given = self.cleaned_data
        return Martingale(given["multiplier"] or Decimal(0), min(given["levels"] or 0, 100), given["cap"] or investment)


class PairForm(forms.Form):
    """What one pair does differently; what is left empty is as everywhere."""

    symbol = _pairs("Pair", "")
    sizing = forms.ChoiceField(
        label="Size",
        choices=[("", "As everywhere"), *((name, title) for name, (title, _) in TITLES.items())],
        required=False,
        widget=forms.Select(attrs={"class": "select-sm h-9"}),
    )
    value = _number("Its figure", places=4)
    most = _number("Most in it")
    stop_loss = _number("Stop loss")
    take_profit = _number("Take profit")
    trailing = _number("Trailing stop")
    leverage_long = _whole("Leverage, long")
    leverage_short = _whole("Leverage, short")
    slippage = _number("Not when worse by")

    def figures(self) -> list[BoundField]:
        """The fields behind the pair's name, for the template."""
        return [self[name] for name in self.fields if name != "symbol"]

    def clean_symbol(self) -> str:
        """As exchanges write it."""
        return _symbol(self.cleaned_data["symbol"])

    def pair(self) -> Pair:
        """What was typed, of a form that is valid."""
        given = self.cleaned_data
        slippage = given.get("slippage")
        return Pair(
            sizing=given.get("sizing") or None,
            value=given.get("value"),
            leverage_long=given.get("leverage_long"),
            leverage_short=given.get("leverage_short"),
            max_usd=given.get("most"),
            stop_loss_pct=given.get("stop_loss"),
            take_profit_pct=given.get("take_profit"),
            trailing_pct=given.get("trailing"),
            max_slippage_bps=None if slippage is None else int(slippage * 100),
        )


class PairRows(BaseFormSet):  # type: ignore[type-arg]
    """The rows of pairs."""

    def clean(self) -> None:
        """Say beside each row what is wrong with it."""
        seen: set[str] = set()
        for row in self.forms:
            symbol = row.cleaned_data.get("symbol", "") if row.is_valid() else ""
            if not symbol and any(value not in (None, "") for value in getattr(row, "cleaned_data", {}).values()):
                row.add_error("symbol", NO_PAIR)
            elif symbol in seen:
                row.add_error("symbol", TWICE)
            seen.add(symbol)

    def pairs(self) -> dict[str, Pair]:
        """What was typed, of rows that are valid; empty rows are none."""
        return {symbol: row.pair() for row in self.forms if (symbol := row.cleaned_data.get("symbol", ""))}

    def row_of(self, symbol: str) -> PairForm | None:
        """The row of a pair."""
        return next((row for row in self.forms if row.cleaned_data.get("symbol") == symbol), None)


PairFormSet = formset_factory(PairForm, formset=PairRows, extra=0, max_num=MOST_ROWS, absolute_max=MOST_ROWS)


def style_initial(style: Advanced) -> dict[str, Any]:
    """A style as the form shows it."""
    slippage, burst, steps = style.max_slippage_bps, style.burst_ms, style.martingale
    shown: dict[str, Any] = {
        field: getattr(style, name) for name, field in FIELDS.items() if "." not in name and hasattr(style, name)
    }
    return shown | {
        "reserve": style.reserve_pct or None,
        "slippage": None if slippage is None else Decimal(slippage) / 100,
        "burst_seconds": None if burst is None else Decimal(burst) / 1000,
        "allow": ", ".join(sorted(style.allow)),
        "deny": ", ".join(sorted(style.deny)),
        "equity_trailing": style.equity_stop_trailing,
        "at_limit": KEEP if style.keep_open else CLOSE,
        "martingale": steps is not None,
        "multiplier": None if steps is None else steps.multiplier,
        "levels": None if steps is None else steps.levels,
        "cap": None if steps is None else steps.cap_usd,
    }


def pairs_initial(style: Advanced) -> list[dict[str, Any]]:
    """A style's pairs as the rows show them."""
    return [
        {field: getattr(pair, name) for name, field in PAIR_FIELDS.items()}
        | {"symbol": symbol, "sizing": pair.sizing or ""}
        | {"slippage": None if pair.max_slippage_bps is None else Decimal(pair.max_slippage_bps) / 100}
        for symbol, pair in sorted(style.pairs.items())
    ]


def with_rows(data: Mapping[str, Any], *, add: bool = False, remove: int | None = None) -> dict[str, Any]:
    """What was typed, with one more row for a pair or one less."""
    kept = {name: data[name] for name in data if not name.startswith("pair-")}
    rows = [row for number, row in enumerate(_rows(data)) if number != remove]
    if add and len(rows) < MOST_ROWS:
        rows.append({})
    for number, row in enumerate(rows):
        kept |= {f"pair-{number}-{name}": value for name, value in row.items()}
    return kept | {"pair-TOTAL_FORMS": str(len(rows)), "pair-INITIAL_FORMS": "0"}


def _rows(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    told = str(data.get("pair-TOTAL_FORMS", "0"))
    for number in range(min(int(told), MOST_ROWS) if told.isdecimal() else 0):
        head = f"pair-{number}-"
        yield {name.removeprefix(head): data[name] for name in data if name.startswith(head)}


def _symbols(text: str) -> frozenset[str]:
    return frozenset(symbol for one in text.replace(";", ",").replace(" ", ",").split(",") if (symbol := _symbol(one)))


def _symbol(text: str) -> str:
    return text.strip().upper().replace("/", "")
