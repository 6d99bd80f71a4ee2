"""The trading app's door: what followers' accounts were told to do, and what became of it."""

from trading.draws import Commitment, Drawn, Draws, Place, draws_of
from trading.execution.outlook import Bucket, Outlook, outlook
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
from trading.guard.notices import standing_words
from trading.notices import AccountNotice, account_notices
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
from trading.signals.closes import close_copies
from trading.signals.intake import SignalReceipt, take_signal, take_signals
from trading.signals.request import SignalRequest
from trading.signals.status import SignalStatus, signal_status

__all__ = [
    "Bucket",
    "Commitment",
    "AccountNotice",
    "CopyCounts",
    "CopyPage",
    "Drawn",
    "Draws",
    "OpenHolding",
    "Outlook",
    "PageUnknown",
    "Place",
    "SignalReceipt",
    "SignalRequest",
    "SignalStatus",
    "account_notices",
    "Position",
    "SignalReceipt",
    "SignalRequest",
    "SignalStatus",
    "WayUnknown",
    "close_copies",
    "copies_of",
    "copies_page",
    "copy_counts",
    "draws_of",
    "open_holdings_of",
    "outlook",
    "signal_status",
    "standing_words",
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
