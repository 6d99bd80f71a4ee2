"""Forms of the pages. They read what was typed; what it means is for the services to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms

from citadel.types import AccountRef
from obscura.core.errors import Problem
from pools.types import FixedAmount, SubscriptionRef

CENT = Decimal("0.01")
# The names that people read, by the names of FixedAmount.
FIELDS = {
    "total_investment": "investment",
    "max_loss": "ready_to_lose",
    "profit_target": "profit_target",
    "daily_loss_limit": "daily_loss",
}


def _dollars(label: str, help_text: str, *, required: bool = True) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        help_text=help_text,
        required=required,
        max_digits=14,
        decimal_places=2,
        min_value=CENT,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


class TermsForm(forms.Form):
    """How much may be invested and lost, and on which account."""

    investment = _dollars("Amount to invest", "The most that is invested at any moment.")
    ready_to_lose = _dollars("Ready to lose", "When this much is lost, what is open is closed and nothing is opened.")
    profit_target = _dollars("Stop when won", "Once this much is won, what is open is closed.", required=False)
    daily_loss = _dollars("Lose in a day, at most", "What is open is closed until the next day (UTC).", required=False)
    account = forms.ChoiceField(label="Exchange account")

    def __init__(self, *args: Any, accounts: Iterable[AccountRef], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.accounts = {str(one.id): one for one in accounts}
        field: Any = self.fields["account"]
        field.choices = [(key, _account_words(one)) for key, one in self.accounts.items()]

    @property
    def account_id(self) -> UUID:
        """The chosen account, of a form that is valid."""
        return UUID(self.cleaned_data["account"])

    def chosen(self) -> AccountRef | None:
        """The account that is chosen at present, also while the form is not valid."""
        return self.accounts.get(str(self["account"].value()))

    def terms(self) -> FixedAmount | None:
        """What was entered; None while an amount is missing or none."""
        given = getattr(self, "cleaned_data", {})
        if given.get("investment") is None or given.get("ready_to_lose") is None:
            return None
        if self.has_error("profit_target") or self.has_error("daily_loss"):
            return None
        return FixedAmount(**{name: given.get(shown) for name, shown in FIELDS.items()})

    def take(self, problem: Problem) -> None:
        """Show a service's refusal beside the fields it names, or above them all."""
        named: Any = problem.details.get("fields")
        if not isinstance(named, Mapping):
            self.add_error(None, f"{problem.message} {problem.remedy}")
            return
        for name, words in named.items():
            shown = FIELDS.get(str(name))
            self.add_error(shown if shown in self.fields else None, str(words))


def initial_of(one: SubscriptionRef) -> dict[str, Any]:
    """A subscription's terms as the form shows them."""
    return {shown: _shown(getattr(one.terms, name)) for name, shown in FIELDS.items()} | {
        "account": str(one.account_id)
    }


class NameForm(forms.Form):
    """What a person is called."""

    name = forms.CharField(
        label="Name",
        max_length=80,
        required=False,
        help_text="Only you and the people who run this service see it.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


def _shown(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(CENT)


def _account_words(one: AccountRef) -> str:
    return f"{one.label} (paper)" if one.environment == "paper" else one.label
