"""The trading app's door: what followers' accounts were told to do, and what became of it."""

from trading.draws import Commitment, Drawn, Draws, Place, draws_of
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
    "Commitment",
    "CopyCounts",
    "CopyPage",
    "Drawn",
    "Draws",
    "OpenHolding",
    "PageUnknown",
    "Place",
    "SignalReceipt",
    "SignalRequest",
    "SignalStatus",
    "copies_of",
    "copies_page",
    "copy_counts",
    "draws_of",
    "open_holdings_of",
    "signal_status",
    "take_signal",
    "take_signals",
]
