"""What trading keeps: what leads did, what followers' accounts were told to do, and what became of it."""

from trading.models.account import PositionMode, SymbolSetting
from trading.models.drift import AccountCheck, Adjustment, Drift
from trading.models.holding import Holding
from trading.models.notice import Notice
from trading.models.order import Denial, Fill, Order
from trading.models.resting_stop import RestingStop
from trading.models.source import AccountPosition, DrawChain, LeadFill, LeadPosition, PoolLane, Signal, Watermark

__all__ = [
    "AccountCheck",
    "AccountPosition",
    "Adjustment",
    "Denial",
    "DrawChain",
    "Drift",
    "Fill",
    "Holding",
    "LeadFill",
    "LeadPosition",
    "Notice",
    "Order",
    "PoolLane",
    "PositionMode",
    "RestingStop",
    "Signal",
    "SymbolSetting",
    "Watermark",
]
