"""The terms of a fixed-amount subscription: which go together, and what they mean in plain figures. All in USD."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pools.domain.style_words import StyleSummary

CENT = Decimal("0.01")

LEAST_COPY_USD = Decimal(10)
"""What one copy must be able to reach. The usual minimum of a venue is 5 USD; twice that, because on spot markets a
copy whose value fell below the minimum could not be sold any more."""

MOST_USD = Decimal(1_000_000_000)


@dataclass(frozen=True, slots=True)
class FixedAmount:
    """What a follower puts in, what he is ready to lose, and where he wants it to stop.

    :param total_investment: the most that is invested at any moment
    :param max_loss: when this much is lost for good, nothing is opened any more
    :param profit_target: when this much is won, nothing is opened any more; None: no target
    :param daily_loss_limit: when this much is lost on a day (UTC), nothing is opened until the next; None: no limit
    """

    total_investment: Decimal
    max_loss: Decimal
    profit_target: Decimal | None = None
    daily_loss_limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TermsFault:
    """Why terms cannot be taken: the field of `FixedAmount`, a code, and what to change in words."""

    field: str
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What terms come to.

    :param keeps: what is left when everything that may be lost is lost
    :param per_copy: the margin one copy of a lead of full weight uses, at most
    :param max_copies: how many such copies can be open at once; None where nothing says it
    :param loses_at_once: true where all of the investment may be lost
    :param style: what an advanced style adds; None in the plain way
    """

    investment: Decimal
    ready_to_lose: Decimal
    keeps: Decimal
    per_copy: Decimal
    max_copies: int | None
    leverage: int
    profit_target: Decimal | None
    daily_loss: Decimal | None
    loses_at_once: bool
    style: StyleSummary | None = None


def per_copy(*, total_investment: Decimal, slots: int) -> Decimal:
    """The USD one copy may use: the investment cut into as many parts as the pool has slots, down to the cent."""
    return (total_investment / slots).quantize(CENT, rounding=ROUND_FLOOR)


def least_investment(*, slots: int, smallest_weight: Decimal = Decimal(1)) -> Decimal:
    """The smallest investment with which a copy of the pool's lightest lead reaches a venue's usual minimum."""
    return (LEAST_COPY_USD * slots / smallest_weight).quantize(CENT, rounding=ROUND_CEILING)


def faults(terms: FixedAmount, *, slots: int, smallest_weight: Decimal = Decimal(1)) -> list[TermsFault]:
    """Everything that does not go together in these terms; empty when they can be taken.

    :param slots: into how many copies the pool cuts a budget
    :param smallest_weight: of the pool's leads, above 0
    """
    found = _whole_cents(terms)
    if found:
        return found  # nothing else can be said about what is not an amount
    if terms.total_investment <= 0:
        found.append(TermsFault("total_investment", "investment_not_positive", "Invest more than $0."))
    elif terms.total_investment > MOST_USD:
        found.append(TermsFault("total_investment", "investment_too_large", "Invest $1,000,000,000 at most."))
    else:
        least = least_investment(slots=slots, smallest_weight=smallest_weight)
        if terms.total_investment < least:
            words = (
                f"Invest at least ${money(least)}: this pool cuts it into {slots} copies, and an exchange takes "
                f"none below about ${money(LEAST_COPY_USD)}."
            )
            found.append(TermsFault("total_investment", "investment_too_small", words))
    return [*found, *_losses(terms), *_target(terms)]


def summary(terms: FixedAmount, *, slots: int, leverage: int = 1) -> Summary:
    """What terms without faults come to."""
    return Summary(
        investment=terms.total_investment,
        ready_to_lose=terms.max_loss,
        keeps=terms.total_investment - terms.max_loss,
        per_copy=per_copy(total_investment=terms.total_investment, slots=slots),
        max_copies=slots,
        leverage=leverage,
        profit_target=terms.profit_target,
        daily_loss=terms.daily_loss_limit,
        loses_at_once=terms.max_loss == terms.total_investment,
    )


def money(value: Decimal) -> str:
    """Dollars for a sentence: thousands apart, cents only where there are any."""
    text = f"{value:,.2f}"
    return text.removesuffix(".00")


def _losses(terms: FixedAmount) -> list[TermsFault]:
    found = []
    if terms.max_loss <= 0:
        found.append(TermsFault("max_loss", "loss_not_positive", "Be ready to lose more than $0, or do not copy."))
    elif terms.total_investment > 0 and terms.max_loss > terms.total_investment:
        words = f"You cannot lose more than you invest: ${money(terms.total_investment)} is the most."
        found.append(TermsFault("max_loss", "loss_above_investment", words))
    limit = terms.daily_loss_limit
    if limit is None:
        return found
    if limit <= 0:
        found.append(
            TermsFault("daily_loss_limit", "daily_loss_not_positive", "Set a daily limit above $0, or leave it empty.")
        )
    elif 0 < terms.max_loss < limit:
        words = f"The daily limit cannot be above what you are ready to lose in all, ${money(terms.max_loss)}."
        found.append(TermsFault("daily_loss_limit", "daily_loss_above_loss", words))
    return found


def _target(terms: FixedAmount) -> list[TermsFault]:
    target = terms.profit_target
    if target is not None and target <= 0:
        words = "Set a profit target above $0, or leave it empty."
        return [TermsFault("profit_target", "target_not_positive", words)]
    if target is not None and target > MOST_USD:
        return [TermsFault("profit_target", "target_too_large", "Set a profit target of $1,000,000,000 at most.")]
    return []


def _whole_cents(terms: FixedAmount) -> list[TermsFault]:
    named = {
        "total_investment": terms.total_investment,
        "max_loss": terms.max_loss,
        "profit_target": terms.profit_target,
        "daily_loss_limit": terms.daily_loss_limit,
    }
    return [
        TermsFault(field, "not_whole_cents", "Give an amount in dollars and whole cents.")
        for field, value in named.items()
        if value is not None and not _in_cents(value)
    ]


def _in_cents(value: Decimal) -> bool:
    exponent = value.normalize().as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -2  # a text stands for infinity and for no number
