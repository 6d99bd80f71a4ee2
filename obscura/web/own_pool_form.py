"""The form of a person's own pool: its name, its risk, and a fixed number of rows for leads: it needs no script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.forms import BoundField

from obscura.core.errors import Problem
from obscura.web.templatetags.figures import share
from pools.types import LeadChoice, LeadChoices

ROWS = 5
OWN, OTHERS = "Your own trading", "Leads you can copy here"
RISKS = (
    ("low", "Low: small trades, seldom on borrowed money"),
    ("medium", "Medium"),
    ("high", "High: it may fall far, and fast"),
)
NO_LEAD = "Choose at least one lead: without one there is nothing to copy."
TWICE = "This lead stands in another row already. Give it one row and one weight."
NO_WEIGHT = "Give this lead a weight from 1 to 100, or leave the row empty."
NO_ONE = "Choose a lead for this weight, or empty it."
NOT_OFFERED = "This lead is not offered to you. Choose one from the list."
FOLLOWS = (
    "{} follows a pool, and an account that follows may not lead. Stop that copy first, or choose another account."
)


class LeadSelect(forms.Select):
    """A select in which accounts that follow are shown and cannot be chosen."""

    follows: frozenset[str] = frozenset()

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if str(value) in self.follows:
            option["attrs"]["disabled"] = True
        return option


class PoolWordsForm(forms.Form):
    """What a person's own pool is called, and how he sees it."""

    name = forms.CharField(label="Name", max_length=80, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    sentence = forms.CharField(
        label="In a sentence",
        max_length=200,
        required=False,
        help_text="What you want from it. Only you see this pool.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    risk = forms.ChoiceField(label="Risk, as you see it", choices=RISKS, initial="medium")

    def words(self) -> dict[str, str]:
        """What was typed, by the names of the services, of a form that is valid."""
        given = self.cleaned_data
        return {"name": given["name"], "description": given["sentence"], "risk_class": given["risk"]}

    def take(self, problem: Problem) -> None:
        """Show a service's refusal beside the fields it names, or above them all."""
        named: Any = problem.details.get("fields")
        if not isinstance(named, Mapping):
            self.add_error(None, f"{problem.message} {problem.remedy}")
            return
        for name, words in named.items():
            shown = {"description": "sentence", "risk_class": "risk"}.get(str(name), str(name))
            self.add_error(shown if shown in self.fields else None, str(words))


class OwnPoolForm(PoolWordsForm):
    """The same with leads and weights, for a new pool; who may be chosen is for the services to say."""

    def __init__(self, *args: Any, choices: LeadChoices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.leads = {one.key: one for one in choices.leads}
        follows = frozenset(one.key for one in choices.leads if one.follows)
        offered = list(_options(choices.leads))
        for number in range(1, ROWS + 1):
            lead: Any = forms.ChoiceField(
                label=f"Lead {number}",
                required=number == 1,
                choices=offered,
                widget=LeadSelect(attrs={"class": "appearance-none!"}),
            )
            lead.error_messages |= {"required": NO_LEAD, "invalid_choice": NOT_OFFERED}
            lead.widget.follows = follows
            self.fields[f"lead_{number}"] = lead
            self.fields[f"weight_{number}"] = forms.IntegerField(
                label=f"Weight of lead {number}",
                required=False,
                min_value=0,
                max_value=100,
                initial=100 if number == 1 else None,
                widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
            )

    def rows(self) -> list[tuple[BoundField, BoundField]]:
        """The leads with their weights, for the template."""
        return [(self[f"lead_{number}"], self[f"weight_{number}"]) for number in range(1, ROWS + 1)]

    def chosen(self) -> list[tuple[str, Decimal]]:
        """Keys of leads with weights between 0 and 1, of a form that is valid."""
        return [(key, Decimal(weight) / 100) for _, key, weight in self._entered()]

    def clean(self) -> dict[str, Any]:
        """Say beside each row what is wrong with it."""
        seen: set[str] = set()
        for number, key, weight in self._entered():
            if self.leads[key].follows:
                self.add_error(f"lead_{number}", FOLLOWS.format(self.leads[key].name))
            if key in seen:
                self.add_error(f"lead_{number}", TWICE)
            seen.add(key)
            if not weight and not self.has_error(f"weight_{number}"):
                self.add_error(f"weight_{number}", NO_WEIGHT)
        for number in range(2, ROWS + 1):
            if self.cleaned_data.get(f"lead_{number}") == "" and self.cleaned_data.get(f"weight_{number}"):
                self.add_error(f"lead_{number}", NO_ONE)
        return self.cleaned_data

    def _entered(self) -> Iterator[tuple[int, str, int]]:
        for number in range(1, ROWS + 1):
            key = self.cleaned_data.get(f"lead_{number}", "")
            if key:
                yield number, key, self.cleaned_data.get(f"weight_{number}") or 0


def _options(leads: Iterable[LeadChoice]) -> Iterator[tuple[str, Any]]:
    yield "", "No lead"
    own = [(one.key, _own_words(one)) for one in leads if one.own]
    others = [(one.key, _words(one)) for one in leads if not one.own]
    if own:
        yield OWN, own
    if others:
        yield OTHERS, others


def _own_words(one: LeadChoice) -> str:
    said = one.name if one.trader_id else f"Copy my own trading from {one.name}"
    notes = ["paper"] * (one.environment == "paper") + ["follows a pool"] * one.follows
    return f"{said} ({', '.join(notes)})" if notes else said


def _words(one: LeadChoice) -> str:
    paper = " (paper)" if one.environment == "paper" else ""
    return f"{one.name}{paper}, as in {one.pool_name}: {share(one.fee_percentage)} of profit"
