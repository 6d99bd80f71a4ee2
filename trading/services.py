"""The trading app's door: what followers' accounts were told to do, and what became of it."""

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

__all__ = [
    "CopyCounts",
    "CopyPage",
    "OpenHolding",
    "PageUnknown",
    "copies_of",
    "copies_page",
    "copy_counts",
    "open_holdings_of",
]
