"""Pools, their traders, and the subscriptions of those who follow them."""

from pools.models.pool import Pool, PoolTrader, Trader
from pools.models.record import Record, SubscriptionDay
from pools.models.subscription import Mandate, Subscription

__all__ = ["Mandate", "Pool", "PoolTrader", "Record", "Subscription", "SubscriptionDay", "Trader"]
