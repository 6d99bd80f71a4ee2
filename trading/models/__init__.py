"""What trading keeps: what leads did, what followers' accounts were told to do, and what became of it."""

from trading.models.holding import Holding
from trading.models.notice import Notice
from trading.models.order import Denial, Fill, Order
from trading.models.source import AccountPosition, LeadFill, LeadPosition, PoolLane, Signal, Watermark

__all__ = [
    "AccountPosition",
    "Denial",
    "Fill",
    "Holding",
    "LeadFill",
    "LeadPosition",
    "Notice",
    "Order",
    "PoolLane",
    "Signal",
    "Watermark",
]
