"""Numbers, prices, terms and followers, drawn at random the way the tables hold them; and how many are tried."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from pools.domain.style import SIZINGS, SLOTS, Advanced, Martingale, Pair
from trading.domain.fanout import Follower, Lead, Terms
from trading.domain.market import MarketFacts, Quote, Rules

D = Decimal
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY = date(2026, 11, 20)

law = settings(max_examples=40, deadline=None, database=None)
"""How hard a property is tried: hard enough to matter, short enough to be run at every save."""


def amounts(least: str, most: str, places: int) -> st.SearchStrategy[Decimal]:
    """Decimals between two bounds, on a grid of `places` decimals."""
    unit = D(1).scaleb(-places)
    low, high = int(D(least) / unit), int(D(most) / unit)
    return st.integers(low, high).map(lambda count: count * unit)


def ben(subscription: int = 1, **changed: Any) -> Follower:
    """Ben invests $1,000 and is ready to lose $200; nothing is open yet."""
    follower = Follower(
        subscription=subscription,
        user="ben",
        account="account-of-ben",
        exchange="binance",
        environment="live",
        account_active=True,
        status="active",
        total_investment=D(1000),
        max_loss=D(200),
        profit_target=None,
        daily_loss_limit=None,
        reserved=D(0),
        exposure=D(0),
        realised=D(0),
        day=None,
        day_realised=D(0),
    )
    return follower._replace(**changed)


def adas(**changed: Any) -> Lead:
    """Ada buys BTCUSDT on spot at 50,000, two seconds ago."""
    told: dict[str, Any] = {
        "exchange": "binance",
        "market": "spot",
        "symbol": "BTCUSDT",
        "side": "buy",
        "effect": "open",
        "fraction": D(1),
        "weight": D(1),
        "price": D(50_000),
        "order_type": "market",
        "at": NOON - timedelta(seconds=2),
    }
    return Lead(**{**told, **changed})


def terms(**changed: Any) -> Terms:
    """Ten slots, no leverage, half a per cent of slippage, half a minute."""
    told: dict[str, Any] = {
        "active": True,
        "slots": 10,
        "leverage": 1,
        "max_slippage_bps": 50,
        "signal_ttl": timedelta(seconds=30),
    }
    return Terms(**{**told, **changed})


def rules(**changed: Any) -> Rules:
    """BTCUSDT as Binance has it: cents, hundred-thousandths, five dollars at least."""
    told: dict[str, Any] = {
        "tick": D("0.01"),
        "step": D("0.00001"),
        "min_qty": D("0.00001"),
        "max_qty": D(9000),
        "market_max_qty": D(0),
        "min_notional": D(5),
        "base": "BTC",
        "quote": "USDT",
    }
    return Rules(**{**told, **changed})


def market(bid: str = "49999", ask: str = "50000", age: float = 1, **changed: Any) -> MarketFacts:
    """What the cache knows: a quote of a second ago, and the rules."""
    return MarketFacts(Quote(D(bid), D(ask), NOON - timedelta(seconds=age)), rules(**changed))


money = amounts("0.01", "1000000", 2)
results = amounts("-2000000", "2000000", 18)

followers = st.builds(
    Follower,
    subscription=st.integers(1, 2**40 - 1),
    user=st.just("ben"),
    account=st.just("account-of-ben"),
    exchange=st.sampled_from(["binance", "binance", "binance", "bybit"]),
    environment=st.sampled_from(["live", "live", "paper"]),
    account_active=st.sampled_from([True, True, True, False]),
    status=st.sampled_from(["active", "active", "active", "paused", "closing"]),
    total_investment=money,
    max_loss=money,
    profit_target=st.none() | money,
    daily_loss_limit=st.none() | money,
    reserved=st.just(D(0)) | amounts("0", "1000000", 18),
    exposure=st.just(D(0)) | amounts("0", "1000000", 18),
    realised=st.just(D(0)) | results,
    day=st.sampled_from([None, TODAY, TODAY - timedelta(days=1)]),
    day_realised=st.just(D(0)) | results,
    settings=st.none(),
    peak=st.just(D(0)) | results,
    loss_streak=st.integers(0, 3),
)

rulebooks = st.builds(
    Rules,
    tick=st.sampled_from([D(0), D("1e-8"), D("0.01"), D("0.25"), D("3")]),
    step=st.sampled_from([D(0), D("1e-8"), D("0.00001"), D("0.003"), D(1)]),
    min_qty=st.sampled_from([D(0), D("0.001"), D(1)]),
    max_qty=st.sampled_from([D(0), D("0.7777777"), D(9000)]),
    market_max_qty=st.sampled_from([D(0), D("107.57134166"), D("0.0333")]),
    min_notional=st.sampled_from([D(0), D(5), D(100)]),
    base=st.just("BTC"),
    quote=st.just("USDT"),
    reduce_exempt=st.booleans(),
)

prices = amounts("0.00000001", "200000", 8)

quotes = st.builds(
    lambda bid, gap, age: Quote(bid, bid + gap, NOON - timedelta(seconds=age)),
    prices,
    amounts("0", "5", 8),
    st.sampled_from([0, 1, 14, 16]),
)

markets = st.builds(MarketFacts, quote=st.none() | quotes, rules=st.none() | rulebooks)

poolterms = st.builds(
    Terms,
    active=st.sampled_from([True, True, True, False]),
    slots=st.integers(1, 100),
    leverage=st.integers(1, 20),
    max_slippage_bps=st.integers(1, 1000),
    signal_ttl=st.just(timedelta(seconds=30)),
    max_copy_usd=st.none() | money,
)

leads = st.builds(
    Lead,
    exchange=st.just("binance"),
    market=st.sampled_from(["spot", "usdm"]),
    symbol=st.just("BTCUSDT"),
    side=st.sampled_from(["buy", "sell"]),
    effect=st.just("open"),
    fraction=amounts("0.000001", "1", 18),
    weight=amounts("0.0001", "1", 4),
    price=st.none() | prices,
    order_type=st.sampled_from(["market", "market", "limit"]),
    at=st.sampled_from([NOON, NOON - timedelta(seconds=2), NOON - timedelta(minutes=1)]),
    test_only=st.sampled_from([False, False, False, True]),
)


# -- styles ----------------------------------------------------------------------------------------------------------

symbols = st.sampled_from(["BTCUSDT", "ETHUSDT", "SOLUSDT"])
percents = st.none() | amounts("0.1", "99", 4)
leverages = st.none() | st.integers(1, 20)
caps = st.none() | amounts("10", "100000", 2)

pairs = st.builds(
    Pair,
    sizing=st.none() | st.sampled_from(SIZINGS),
    value=st.none() | amounts("0.01", "1000", 4),
    leverage_long=leverages,
    leverage_short=leverages,
    max_usd=caps,
    stop_loss_pct=percents,
    take_profit_pct=percents,
    trailing_pct=percents,
    max_slippage_bps=st.none() | st.integers(1, 1000),
)

martingales = st.builds(
    Martingale, multiplier=amounts("1.1", "4", 2), levels=st.integers(1, 8), cap_usd=amounts("10", "100000", 2)
)

styles = st.builds(
    Advanced,
    sizing=st.sampled_from([SLOTS, *SIZINGS]),
    value=st.none() | amounts("0.01", "1000", 4),
    reserve_pct=st.just(D(0)) | amounts("0", "50", 2),
    leverage_long=leverages,
    leverage_short=leverages,
    max_positions=st.none() | st.integers(1, 5),
    max_pair_usd=caps,
    max_exposure_usd=caps,
    stop_loss_pct=percents,
    take_profit_pct=percents,
    trailing_pct=percents,
    max_slippage_bps=st.none() | st.integers(1, 1000),
    signal_ttl_s=st.none() | st.integers(1, 3600),
    allow=st.just(frozenset()) | st.frozensets(symbols),
    deny=st.just(frozenset()) | st.frozensets(symbols, max_size=1),
    burst_opens=st.none() | st.integers(1, 5),
    burst_ms=st.none() | st.integers(50, 600_000),
    equity_stop_pct=st.none() | amounts("5", "95", 2),
    equity_stop_trailing=st.booleans(),
    keep_open=st.booleans(),
    martingale=st.none() | martingales,
    pairs=st.dictionaries(symbols, pairs, max_size=2),
)
"""Any style that can be stored, whether it would be taken or not: the plan has to live with it."""
