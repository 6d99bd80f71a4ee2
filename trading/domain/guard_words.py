"""What the guard says to followers, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from trading.domain.guard import Held, Told
from trading.domain.reasons import Reason

_LIMITS: Mapping[str, str] = {
    Reason.LOSS_LIMIT: "What you were ready to lose, ${limit}, is used up",
    Reason.DAILY_LOSS: "Your daily loss limit of ${limit} is reached; copying goes on tomorrow (UTC)",
    Reason.PROFIT_TARGET: "Your profit target of ${limit} is reached",
    Reason.EQUITY_STOP: "Your equity stop of ${limit} is reached",
}


def limit_words(reason: str, detail: Mapping[str, str], *, closes: bool) -> str:
    """Why a subscription is paused, and what happens with what is open."""
    said = _LIMITS[reason].replace("{limit}", f"{Decimal(detail['limit']):,.2f}")
    return f"{said}. {'Everything open is being closed.' if closes else 'What is open stays open, as you chose.'}"


def exit_words(held: Held, told: Told) -> str:
    """Which exit a copy has reached."""
    if told is Told.STOP_LOSS:
        return f"Your stop loss at {_pct(held.stop_loss_pct)} is reached; the copy is being closed."
    if told is Told.TAKE_PROFIT:
        return f"Your take profit at {_pct(held.take_profit_pct)} is reached; the copy is being closed."
    return f"Your trailing stop of {_pct(held.trailing_pct)} is reached; the copy is being closed."


def fired_words(held: Held, told: Told, price: Decimal) -> str:
    """Which exit a copy has reached, where it was closed by a stop that rested at the exchange."""
    return exit_words(held, told).replace(
        "the copy is being closed", f"your order at the exchange ({price.normalize():f}) closes it"
    )


def silence_words(since: datetime) -> str:
    """A lead cannot be heard."""
    return f"The lead's account cannot be heard since {since:%H:%M} UTC; your stops still work."


def silence_closes_words(since: datetime) -> str:
    """It could not be heard for so long that the pool has what is open closed."""
    return f"The lead's account cannot be heard since {since:%H:%M} UTC; what you hold of it is being closed."


def price_words(since: datetime) -> str:
    """A price is not known, and what depends on it waits."""
    return f"Its price is not known since {since:%H:%M} UTC; your stops and limits wait for one."


HEARD = "The lead's account is heard again."
RESUMED = "The day of your daily loss is over; copying goes on."
HALTED = "Copying was stopped by the kill switch; everything open is being closed."


def _pct(value: Decimal | None) -> str:
    return f"{(value or Decimal(0)).normalize():f} %"
