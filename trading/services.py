"""The trading app's door: what followers' accounts were told to do, and what became of it."""

from trading.following import (
    Position,
    WayUnknown,
    copy_open,
    estimated,
    follow,
    resync,
    resync_preview,
    start_preview,
    unfollow,
)
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
from trading.signals.own import close_copies
from trading.signals.request import SignalRequest
from trading.signals.status import SignalStatus, signal_status

__all__ = [
    "CopyCounts",
    "CopyPage",
    "OpenHolding",
    "PageUnknown",
    "Position",
    "SignalReceipt",
    "SignalRequest",
    "SignalStatus",
    "WayUnknown",
    "close_copies",
    "copies_of",
    "copies_page",
    "copy_counts",
    "copy_open",
    "estimated",
    "follow",
    "open_holdings_of",
    "resync",
    "resync_preview",
    "signal_status",
    "start_preview",
    "take_signal",
    "take_signals",
    "unfollow",
]
