"""Why something was not copied: a code for machines, one sentence for the follower."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why an open or a close was denied. *Denied* is our refusal; *rejected* would be the venue's."""

    ACCOUNT_INACTIVE = "account_inactive"
    SUBSCRIPTION_PAUSED = "subscription_paused"
    POOL_PAUSED = "pool_paused"
    TEST_ONLY = "test_only"
    VENUE_NOT_OFFERED = "venue_not_offered"
    NO_PRICE = "no_price"
    STALE_PRICE = "stale_price"
    NO_RULES = "no_rules"
    STALE_SIGNAL = "stale_signal"
    OLDER_POSITION = "older_position"
    POSITION_MODE = "position_mode"
    LEVERAGE_IN_USE = "leverage_in_use"
    SLIPPAGE = "slippage"
    RESULT_UNKNOWN = "result_unknown"
    LOSS_LIMIT = "loss_limit"
    DAILY_LOSS = "daily_loss"
    PROFIT_TARGET = "profit_target"
    BUDGET_USED = "budget_used"
    NO_BRACKETS = "no_brackets"
    BRACKET_FULL = "bracket_full"
    BELOW_MIN_QTY = "below_min_qty"
    BELOW_MIN_NOTIONAL = "below_min_notional"
    NOTHING_TO_CLOSE = "nothing_to_close"
    CLOSED_BY_OWNER = "closed_by_owner"
    OVERTAKEN = "overtaken"
    HALTED = "halted"
    STYLE_UNREADABLE = "style_unreadable"
    PAIR_NOT_CHOSEN = "pair_not_chosen"
    BURST = "burst"
    MAX_POSITIONS = "max_positions"
    PAIR_LIMIT = "pair_limit"
    EXPOSURE_LIMIT = "exposure_limit"
    EQUITY_STOP = "equity_stop"
    LEAD_EQUITY_UNKNOWN = "lead_equity_unknown"
    NO_STOP = "no_stop"
    NO_VOLATILITY = "no_volatility"


Refusal = tuple[Reason, dict[str, str]]
"""A reason with the figures behind it."""


WORDS: Mapping[str, str] = {
    Reason.ACCOUNT_INACTIVE: "The exchange account is not active",
    Reason.SUBSCRIPTION_PAUSED: "Your subscription is paused",
    Reason.POOL_PAUSED: "The pool is paused",
    Reason.TEST_ONLY: "A test signal, for paper accounts alone",
    Reason.VENUE_NOT_OFFERED: "Your account is at another exchange",
    Reason.NO_PRICE: "No price is known",
    Reason.STALE_PRICE: "The last known price is too old",
    Reason.NO_RULES: "The exchange's rules for this symbol are not known",
    Reason.STALE_SIGNAL: "The lead's trade was already too old",
    Reason.OLDER_POSITION: "The lead held this before you followed; it is copied from its next entry on",
    Reason.LEVERAGE_IN_USE: (
        "Another copy on this account holds this symbol at another leverage, and the exchange keeps one for both: "
        "use another account, or the same leverage"
    ),
    Reason.POSITION_MODE: (
        "Your account's position mode is not the lead's, and the exchange changes it only while nothing is open: "
        "close your positions, or use another account"
    ),
    Reason.SLIPPAGE: "The price had moved too far from the lead's",
    Reason.RESULT_UNKNOWN: "The result of what is open is not known right now",
    Reason.LOSS_LIMIT: "What you were ready to lose is used up",
    Reason.DAILY_LOSS: "Your daily loss limit is reached",
    Reason.PROFIT_TARGET: "Your profit target is reached",
    Reason.BUDGET_USED: "Your budget is fully invested",
    Reason.NO_BRACKETS: "How much leverage the exchange gives in this symbol is not known yet",
    Reason.BRACKET_FULL: "The exchange allows no larger position at this leverage",
    Reason.BELOW_MIN_QTY: "Below the venue's smallest quantity",
    Reason.BELOW_MIN_NOTIONAL: "Below the venue's minimum",
    Reason.NOTHING_TO_CLOSE: "Nothing of it is open in your copy",
    Reason.CLOSED_BY_OWNER: "Closed here before the lead closed it; it is copied again from the lead's next entry on",
    Reason.HALTED: "Copying was stopped by the kill switch",
    Reason.STYLE_UNREADABLE: "Your settings could not be read; save them again",
    Reason.PAIR_NOT_CHOSEN: "You chose not to copy this pair",
    Reason.BURST: "Too many trades of the lead at once",
    Reason.MAX_POSITIONS: "As many pairs are open as you allow",
    Reason.PAIR_LIMIT: "As much is in this pair as you allow",
    Reason.EXPOSURE_LIMIT: "As much is open as you allow",
    Reason.EQUITY_STOP: "Your equity stop is reached",
    Reason.LEAD_EQUITY_UNKNOWN: "The lead's equity is not known, and your copies are sized by it",
    Reason.NO_STOP: "The trade has no stop, and your copies are sized by it",
    Reason.NO_VOLATILITY: "How much this pair moves is not known, and your copies are sized by it",
    Reason.OVERTAKEN: "An exit of the lead came first",
}


def in_words(reason: str, detail: Mapping[str, object] | None = None) -> str:
    """The sentence a follower reads, with the figure that matters where there is one."""
    sentence = WORDS.get(reason, reason)
    minimum = (detail or {}).get("minimum")
    if minimum and reason == Reason.BELOW_MIN_NOTIONAL:
        return f"{sentence} of ${minimum}"
    if minimum and reason == Reason.BELOW_MIN_QTY:
        return f"{sentence} of {minimum}"
    limit = (detail or {}).get("limit")
    if limit and reason in _WITH_LIMIT:
        return f"{sentence}: {_WITH_LIMIT[reason].format(limit)}"
    return sentence


_WITH_LIMIT: Mapping[str, str] = {
    Reason.BURST: "you copy {} of them",
    Reason.MAX_POSITIONS: "{}",
    Reason.PAIR_LIMIT: "${}",
    Reason.EXPOSURE_LIMIT: "${}",
}
"""How the limits of a follower's own style are told behind their sentence."""
