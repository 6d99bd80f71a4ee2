"""Values the pools app gives to its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pools.domain.performance import CLOSED_DOOR, PoolRecord
from pools.domain.style import (
    FIXED,
    PLAIN,
    PLAIN_STYLE,
    RATIO,
    RISK,
    SLOTS,
    SMART,
    VOLATILITY,
    Advanced,
    Martingale,
    NotAStyle,
    Pair,
    Style,
    dump,
    parsed,
    style_of,
)
from pools.domain.style_faults import Rung, ladder
from pools.domain.style_words import GAPS, SIZING_WORDS, STOPPED_WORDS, PairWords, StyleSummary, in_short
from pools.domain.terms import FixedAmount, Summary, TermsFault

__all__ = [
    "CLOSED_DOOR",
    "PoolRecord",
    "FIXED",
    "GAPS",
    "PLAIN",
    "PLAIN_STYLE",
    "RATIO",
    "RISK",
    "SIZING_WORDS",
    "SLOTS",
    "SMART",
    "STOPPED_WORDS",
    "VOLATILITY",
    "Advanced",
    "FixedAmount",
    "Lead",
    "LeadChoice",
    "LeadChoices",
    "Martingale",
    "NotAStyle",
    "Pair",
    "PairWords",
    "PoolRef",
    "PoolTerms",
    "Rung",
    "ShownTrader",
    "Style",
    "StyleSummary",
    "SubscriptionRef",
    "Summary",
    "TermsFault",
    "TraderRef",
    "WatchedLead",
    "dump",
    "in_short",
    "ladder",
    "parsed",
    "style_of",
]


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead's place in a pool; `weight` scales each copy, 1 is a whole slot.

    :param capital: what a lead without an account trades with, in USD, where `pool_terms` was asked
    """

    pool_id: UUID
    trader_id: UUID
    weight: Decimal
    capital: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """How a pool's trades are copied.

    :param status: ``draft``, ``active``, ``paused`` or ``closed``; only an active pool opens anything
    :param slots: copies a follower's budget is cut into
    :param leverage: on futures
    :param max_slippage_bps: how much worse than the lead's price an open may be, in basis points
    :param signal_ttl_s: seconds after which nothing is opened for a signal
    :param remote: its leads trade at Tenant Zero, signals come by relay
    """

    id: UUID
    kind: str
    name: str
    status: str
    slots: int
    leverage: int
    max_slippage_bps: int
    signal_ttl_s: int
    remote: bool
    traders: tuple[Lead, ...]


@dataclass(frozen=True, slots=True)
class ShownTrader:
    """A lead as followers may know it. `environment` is the lead account's, None for one that trades by signals."""

    id: UUID
    name: str
    weight: Decimal
    environment: str | None


@dataclass(frozen=True, slots=True)
class PoolRef:
    """A pool as people and partners see it."""

    id: UUID
    kind: str
    name: str
    description: str
    risk_class: str
    status: str
    owner_id: UUID | None
    fee_percentage: Decimal
    slots: int
    leverage: int
    max_slippage_bps: int
    signal_ttl_s: int
    remote: bool
    traders: tuple[ShownTrader, ...]
    followers: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TraderRef:
    """A lead trader."""

    id: UUID
    name: str
    user_id: UUID | None
    account_id: UUID | None
    reference_capital_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class LeadChoice:
    """A lead that a person may take into a pool of his own.

    :param key: what names it when it is chosen
    :param trader_id: None for an account that does not lead yet and becomes a lead when it is chosen
    :param own: it trades on one of the person's own accounts
    :param follows: the account follows a pool, so that it cannot lead as long as it does
    :param pool_name: where it is offered; empty for one's own
    :param fee_percentage: its share of profit there; 0 for one's own
    """

    key: str
    name: str
    trader_id: UUID | None
    account_id: UUID
    environment: str
    own: bool
    follows: bool
    pool_name: str
    fee_percentage: Decimal


@dataclass(frozen=True, slots=True)
class LeadChoices:
    """Whom a person's own pools may copy, and which kinds of leads there are beside them that they may not.

    :param remote: leads of pools that are run elsewhere
    :param by_signals: leads that send signals instead of trading on an account that is watched
    """

    leads: tuple[LeadChoice, ...]
    remote: bool
    by_signals: bool


@dataclass(frozen=True, slots=True)
class WatchedLead:
    """A lead account to be watched; `markets` are ``spot`` and ``usdm``."""

    account_id: UUID
    exchange: str
    environment: str
    trader_id: UUID
    markets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionRef:
    """A subscription: its terms beside where it stands, in USD.

    :param status: ``active``, ``paused``, ``closing`` (closes only) or ``ended``
    :param reason: why it is not active, empty when it is or when its owner paused it
    :param mode: ``fixed_amount`` or ``advanced``: amounts alone, or with a style that is not the plain way
    :param stopped_by: which limit paused it, empty where none did
    :param peak: the highest result so far, open copies included
    :param loss_streak: copies lost one after another
    :param invested: cost of what is open
    :param reserved: held for orders on their way
    :param realised: result of everything closed, below zero for a loss
    :param today_realised: the same of the present day (UTC) alone
    """

    id: int
    pool_id: UUID
    pool_name: str
    user_id: UUID
    account_id: UUID
    account_label: str
    environment: str
    status: str
    reason: str
    terms: FixedAmount
    mode: str
    style: Advanced
    stopped_by: str
    peak: Decimal
    loss_streak: int
    invested: Decimal
    reserved: Decimal
    realised: Decimal
    today_realised: Decimal
    created_at: datetime
    ended_at: datetime | None
