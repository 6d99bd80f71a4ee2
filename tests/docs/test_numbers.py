"""The numbers that docs/flows/copy_trade.md gives as examples are what the code makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings

from trading.domain.brackets import fitted
from trading.domain.fanout import Decision, Follower, Lead, Terms, decide
from trading.domain.intents import Delta, Piece, Wait, delta, intents
from trading.domain.market import Bracket, MarketFacts, Quote, Rules
from trading.domain.settlement import Position, cut
from trading.execution import limits
from trading.execution.submit import FENCE
from trading.venues.quirks import BINANCE_SPOT, BINANCE_USDM

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
BEN = Follower(
    subscription=7,
    user="ben",
    account="bens",
    exchange="binance",
    environment="paper",
    account_active=True,
    status="active",
    total_investment=Decimal(2500),
    max_loss=Decimal(1250),
    profit_target=None,
    daily_loss_limit=None,
    reserved=Decimal(0),
    exposure=Decimal(0),
    realised=Decimal(0),
    day=None,
    day_realised=Decimal(0),
)
RULES = Rules(
    tick=Decimal("0.1"),
    step=Decimal("0.001"),
    min_qty=Decimal("0.001"),
    max_qty=Decimal(1000),
    market_max_qty=Decimal(120),
    min_notional=Decimal(100),
    base="BTC",
    quote="USDT",
    reduce_exempt=True,
)


def ada_buys(ben: Follower, *, ask: str = "64000.1") -> Decision:
    return decide(
        lead=Lead(
            exchange="binance",
            market="usdm",
            symbol="BTCUSDT",
            side="buy",
            effect="open",
            fraction=Decimal(1),
            weight=Decimal(1),
            price=Decimal(64_000),
            order_type="market",
            at=NOW,
        ),
        terms=Terms(active=True, slots=10, leverage=3, max_slippage_bps=50, signal_ttl=timedelta(seconds=30)),
        followers=[ben],
        held={},
        open_result={},
        markets={"paper": MarketFacts(Quote(Decimal(ask) - Decimal("0.2"), Decimal(ask), NOW), RULES)},
        now=NOW,
    )


def test_bens_copy_has_the_size_that_is_written_down():
    decision = ada_buys(BEN)

    [copy] = decision.copies
    assert (copy.qty, copy.reserved) == (Decimal("0.011"), Decimal("235.84"))
    shape = decision.shapes["paper"]
    assert (shape.type, shape.time_in_force, shape.limit_price) == ("limit", "IOC", Decimal("64320.0"))


@pytest.mark.parametrize(
    ("changes", "qty"), [({"exposure": Decimal(2400)}, "0.004"), ({"realised": Decimal(-1100)}, "0.006")]
)
def test_room_and_loss_cut_it(changes, qty):
    [copy] = ada_buys(BEN._replace(**changes)).copies

    assert copy.qty == Decimal(qty)


def test_what_is_too_small_or_too_dear_is_denied():
    small = ada_buys(BEN._replace(total_investment=Decimal(100), max_loss=Decimal(50)))
    dear = ada_buys(BEN, ask="64400.1")

    assert (small.copies, small.denials[0].reason) == ([], "below_min_qty")
    assert (dear.copies, dear.denials[0].reason) == ([], "slippage")
    assert dear.denials[0].detail == {"moved_bps": "62.5"}


def test_a_partly_filled_order_becomes_two_signals_of_half_each():
    def piece(number: int, qty: str, at_ms: int, done: bool = False) -> Piece:
        at = NOW + timedelta(milliseconds=at_ms)
        return Piece(str(number), Decimal(qty), Decimal(64_000), Decimal(0), done, at, at)

    def grown(*pieces: Piece, consumed: str, at_ms: int) -> Delta | Wait | None:
        return delta(
            market="usdm",
            symbol="BTCUSDT",
            order_id="41",
            consumed=Decimal(consumed),
            pieces=pieces,
            now=NOW + timedelta(milliseconds=at_ms),
            window=timedelta(milliseconds=settings.COPY_PARTIAL_WINDOW_MS),
        )

    early = [piece(1, "0.3", 0), piece(2, "0.2", 40)]

    assert isinstance(grown(*early, consumed="0", at_ms=40), Wait)
    first = grown(*early, consumed="0", at_ms=100)
    second = grown(piece(3, "0.5", 900, done=True), consumed="0.5", at_ms=900)
    assert (first.external_id, first.qty) == ("usdm:BTCUSDT:41:0.5", Decimal("0.5"))
    assert (second.external_id, second.qty) == ("usdm:BTCUSDT:41:1", Decimal("0.5"))


def test_a_lead_who_sells_a_quarter_closes_a_quarter():
    [close] = intents(position=Decimal(2), side="sell", qty=Decimal("0.5"), market="usdm")

    assert (close.effect, close.fraction) == ("close", Decimal("0.25"))


def test_the_lease_outlives_all_that_can_still_happen():
    window, timeout, lease = settings.COPY_RECV_WINDOW_MS, settings.COPY_HTTP_TIMEOUT_MS, settings.COPY_LEASE_MS

    assert (window, timeout, lease, FENCE) == (5_000, 4_000, 8_000, 0.6)
    assert FENCE * window + timeout < lease
    assert window < lease


def test_the_limits_are_those_of_the_venues():
    page = (settings.BASE_DIR / "docs" / "flows" / "copy_trade.md").read_text()
    spans = {10: "in 10 s", 60: "a minute", 86_400: "a day"}

    for name, venue in (("spot", BINANCE_SPOT), ("USD-M", BINANCE_USDM)):
        orders = ", ".join(f"{window.limit:,} {spans[window.seconds]}" for window in venue.orders)
        weights = f"{venue.order_weight} | {venue.question_weight} | {venue.trades_weight}"
        assert f"| {name} | {venue.weight.limit:,} {spans[venue.weight.seconds]} | {orders} | {weights} |" in page


def test_the_breaker_and_the_shares_are_those_of_the_code():
    page = (settings.BASE_DIR / "docs" / "flows" / "copy_trade.md").read_text()

    assert (limits.SHARES["close"], limits.SHARES["critical"]) == (1.0, 1.0)
    assert (limits.SHARES["open"], limits.SHARES["ask"], limits.SHARES["trades"]) == (0.8, 0.8, 0.4)
    assert "| all of it | four fifths | two fifths |" in page
    assert f"after {limits.FAILURES} silences or 5xx in a row within {limits.WITHIN_MS // 1000} s." in page
    rest = f"open, for {limits.REST_MS // 1000} s, then twice as long after each probe that fails"
    assert f"| {rest}, up to {limits.LONGEST_REST_MS // 1000} s | wait | " in page
    assert page.count(f"{limits.PROBES} every {limits.PACE_MS // 1000} s |") == 3


def test_a_copy_that_was_closed_by_hand_is_cut_as_written_down():
    after = cut(position=Position(Decimal("0.012"), Decimal(720), 1), qty=Decimal("0.004"))

    assert (after.position.qty, after.position.cost) == (Decimal("0.008"), Decimal(480))
    assert (after.exposure, after.realised) == (Decimal(-240), 0)


@pytest.mark.parametrize(("amount", "leverage", "worth"), [(400, 20, 8_000), (800, 5, 4_000)])
def test_brackets_cut_as_written_down(amount, leverage, worth):
    brackets = (Bracket(20, Decimal(10_000)), Bracket(5, Decimal(1_000_000)))

    (found, most), denied = fitted(brackets, wanted=20, margin=Decimal(amount), held=Decimal(0))

    assert (found, amount * found, denied) == (leverage, worth, None)
    assert most is not None
    assert most >= worth
