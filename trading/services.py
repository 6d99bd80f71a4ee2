"""The trading app's door: what followers' accounts were told to do, and what became of it."""

from trading.guard.closes import close_copies
from trading.guard.notices import standing_words
from trading.reads import (
    CopyCounts,
    CopyPage,
    OpenHolding,
    PageUnknown,
    copies_of,
    copies_page,
    copy_counts,
    open_holdings_of,
)
from trading.signals.intake import SignalReceipt, take_signal, take_signals
from trading.signals.request import SignalRequest
from trading.signals.status import SignalStatus, signal_status

__all__ = [
    "CopyCounts",
    "CopyPage",
    "OpenHolding",
    "PageUnknown",
    "SignalReceipt",
    "SignalRequest",
    "SignalStatus",
    "close_copies",
    "copies_of",
    "copies_page",
    "copy_counts",
    "open_holdings_of",
    "signal_status",
    "standing_words",
    "take_signal",
    "take_signals",
]
