"""The whole form of a copy: amounts and account, and behind a switch the advanced terms with their rows of pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from citadel.types import AccountRef
from obscura.core.errors import Problem
from obscura.core.money import plain
from obscura.web.forms import FIELDS as AMOUNTS
from obscura.web.forms import TermsForm, initial_of
from obscura.web.style_form import FIELDS, LOOK_FIRST, PAIR_FIELDS, PairFormSet, StyleForm, pairs_initial, style_initial
from pools.types import PLAIN, Advanced, FixedAmount, SubscriptionRef, ladder

SIMPLE, ADVANCED = "fixed_amount", "advanced"
NEW_TRADES, OPEN_TOO = "new", "open"
FIRST_INVESTMENT, FIRST_LOSS = Decimal(1_000), Decimal(200)


class CopyForm:
    """Its parts, read and judged together.

    :param data: what was sent; None shows what is there
    """

    def __init__(
        self, data: Mapping[str, Any] | None, *, accounts: Iterable[AccountRef], changed: SubscriptionRef | None
    ) -> None:
        style = changed.style if changed else PLAIN
        initial = initial_of(changed) if changed else {"investment": FIRST_INVESTMENT, "ready_to_lose": FIRST_LOSS}
        if data is not None and "pair-TOTAL_FORMS" not in data:
            data = {**{name: data[name] for name in data}, "pair-TOTAL_FORMS": "0", "pair-INITIAL_FORMS": "0"}
        self.data = data
        self.shown_mode = changed.mode if changed else SIMPLE
        self.terms_form = TermsForm(data, accounts=accounts, initial=initial)
        self.style_form = StyleForm(data, initial=style_initial(style))
        self.rows: Any = PairFormSet(data, prefix="pair", initial=pairs_initial(style) if data is None else None)
        self._stored = changed

    @property
    def mode(self) -> str:
        """``fixed_amount`` or ``advanced``, as it is chosen."""
        chosen = self.shown_mode if self.data is None else self.data.get("mode", self.shown_mode)
        return ADVANCED if chosen == ADVANCED else SIMPLE

    @property
    def begin(self) -> str:
        """``new`` for new trades alone, ``open`` for what is open as well."""
        return OPEN_TOO if self.data is not None and self.data.get("begin") == OPEN_TOO else NEW_TRADES

    @property
    def failed(self) -> bool:
        """Whether something was sent that could not be taken."""
        own = bool(self.style_form.errors) or any(self.rows.errors)
        return bool(self.terms_form.errors) or (self.mode == ADVANCED and own)

    def is_valid(self) -> bool:
        """Whether everything that counts could be read, and the martingale's ladder was seen."""
        terms = self.terms_form.is_valid()
        if self.mode == SIMPLE or self.data is None:
            return terms
        style = self.style_form.is_valid() and self.rows.is_valid()
        if terms and style and self.style_form.switched_on() and self.style_form.has_ladder():
            said, amounts = self.style(), self.terms_form.terms()
            if said and amounts and self.data.get("ladder_seen") != _fingerprint(said, amounts):
                self.style_form.add_error("martingale", LOOK_FIRST)
                return False
        return terms and style

    def terms(self) -> FixedAmount | None:
        """The amounts; None while one is missing or none."""
        if self.data is None:
            return self._stored.terms if self._stored else FixedAmount(FIRST_INVESTMENT, FIRST_LOSS)
        self.terms_form.is_valid()
        return self.terms_form.terms()

    def style(self, *, climbing: bool | None = None) -> Advanced | None:
        """The style; None while it cannot be read. `climbing` as in `StyleForm.style`."""
        if self.mode == SIMPLE:
            return PLAIN
        if self.data is None:
            return self._stored.style if self._stored else PLAIN
        if not (self.style_form.is_valid() or self._only_martingale()) or not self.rows.is_valid():
            return None
        investment = self.terms_form.cleaned_data.get("investment") or Decimal(0)
        if climbing and not self.style_form.has_ladder():
            climbing = None
        return self.style_form.style(self.rows.pairs(), investment=investment, climbing=climbing)

    def ladder(self, terms: FixedAmount, *, slots: int) -> dict[str, Any] | None:
        """The martingale's ladder for the template, switched on or not, with the sign that it was seen."""
        style = self.style(climbing=True)
        if style is None or style.martingale is None or (self.data is not None and not self.style_form.has_ladder()):
            return None
        on = style.martingale is not None if self.data is None else self.style_form.switched_on()
        rungs = ladder(style, terms=terms, slots=slots)
        limit = min(terms.max_loss, style.martingale.cap_usd)
        return {"rungs": rungs, "seen": _fingerprint(style, terms), "on": on, "limit": limit}

    def problems(self) -> list[str]:
        """Why nothing can be said yet, each a sentence with the field's name."""
        found = [_said(self.terms_form, name) for name in self.terms_form.errors if name in AMOUNTS.values()]
        if self.mode == ADVANCED:
            found += [_said(self.style_form, name) for name in self.style_form.errors]
            found += [_said(row, name) for row in self.rows.forms for name in row.errors]
        return found

    def take(self, problem: Problem) -> None:
        """Show a service's refusal beside the fields it names, or above them all."""
        named: Any = problem.details.get("fields")
        if not isinstance(named, Mapping):
            self.terms_form.take(problem)
            return
        for name, words in named.items():
            self._place(str(name), str(words))

    def _place(self, name: str, words: str) -> None:
        if name.startswith("pairs.") and name.count(".") >= 2:
            symbol, _, field = name.removeprefix("pairs.").rpartition(".")
            row = self.rows.row_of(symbol)
            if row is not None:
                row.add_error(PAIR_FIELDS.get(field, "symbol"), words)
                return
        if name in AMOUNTS:
            self.terms_form.add_error(AMOUNTS[name], words)
        elif name in FIELDS:
            self.style_form.add_error(FIELDS[name], words)
        else:
            self.terms_form.add_error(None, words)

    def _only_martingale(self) -> bool:
        return set(self.style_form.errors) == {"martingale"}


def _fingerprint(style: Advanced, terms: FixedAmount) -> str:
    """What a ladder is drawn of: another figure, and it has to be looked at again."""
    pairs = [(symbol, pair.sizing, _plain(pair.value)) for symbol, pair in sorted(style.pairs.items())]
    steps = style.martingale
    climb = [] if steps is None else [_plain(steps.multiplier), steps.levels, _plain(steps.cap_usd)]
    amounts = [_plain(terms.total_investment), _plain(terms.max_loss)]
    said = [style.sizing, _plain(style.value), sorted(style.allow), pairs, climb, amounts]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()[:16]


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _said(form: Any, name: str) -> str:
    label = form[name].label if name in form.fields else ""
    words = " ".join(form.errors[name])
    return f"{label}: {words}" if label else words
