"""Whatever is decided and however it fills: no budget and no cap of a style is exceeded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from pools.domain.style import Advanced, dump, style_of
from tests.domain import drawn
from tests.domain.drawn import NOON, D, adas, amounts, followers, law, martingales, money, poolterms, rules, styles
from tests.domain.test_fanout import CLOSE_MAY_SAY
from trading.domain.fanout import Book, Copy, Decision, Follower, Held, decide
from trading.domain.market import MarketFacts, Quote
from trading.domain.settlement import Position, Progress, settle

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
UNIT = D("1e-18")

plain_or_styled = st.none() | styles
parts = st.sampled_from([D(0), D("0.001"), D("0.37"), D(1)])
"""How much of an order is filled: nothing, a little, a part, all."""

steps = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(SYMBOLS),
        "side": st.sampled_from(["buy", "sell"]),
        "qty": amounts("0.001", "5", 3),
        "price": amounts("90", "110", 2),
        "fraction": amounts("0.1", "1", 2),
        "order_type": st.sampled_from(["market", "market", "limit"]),
        "filled": parts,
        "where": amounts("0", "1", 2),
        "at_once": st.booleans(),
        "effect": st.sampled_from(["open", "open", "open", "close"]),
    }
)


@dataclass
class Pair:
    """What a follower has in one pair."""

    position: Position = field(default_factory=lambda: Position(D(0), D(0), 1))
    pending: list[tuple[Copy, str, Decimal]] = field(default_factory=list)
    carry_open: Decimal = D(0)
    carry_close: Decimal = D(0)

    @property
    def money(self) -> Decimal:
        return self.position.cost / self.position.leverage + sum((one.reserved for one, *_ in self.pending), D(0))

    @property
    def open(self) -> bool:
        return bool(self.position.qty or self.pending)


class Account:
    """One follower of one lead, kept as the tables keep it, by hand."""

    def __init__(self, member: Follower, advanced: Advanced | None, market: str) -> None:
        self.advanced, self.market = advanced, market
        settings = None if advanced is None else orjson.dumps(dump(advanced)).decode()
        self.member = member._replace(settings=settings, environment="live", exchange="binance", subscription=1)
        self.pairs = {symbol: Pair() for symbol in SYMBOLS}

    def decide(self, lead: Any, terms: Any, facts: MarketFacts) -> Decision:
        pair = self.pairs[lead.symbol]
        number = self.member.subscription
        opening = sum(effect == "open" for _, effect, _ in pair.pending)
        book = Book(
            pairs=sum(one.open for one in self.pairs.values()),
            pair_money=pair.money,
            in_pair=pair.open,
            carried=pair.carry_open,
        )
        held = Held(
            pair.position.qty, opening, len(pair.pending) - opening, pair.position.leverage, pair.carry_close,
            pair.carry_open,
        )  # fmt: skip
        return decide(
            lead=lead, terms=terms, followers=[self.member], held={number: held}, open_result={number: D(0)},
            markets={"live": facts}, now=NOON, books={number: book},
        )  # fmt: skip

    def plan(self, lead: Any, decision: Decision, price: Decimal) -> None:
        """What the planning transaction writes; `price` is where it will fill."""
        pair = self.pairs[lead.symbol]
        for denial in decision.denials:
            if denial.carried is not None:
                if lead.effect == "open":
                    pair.carry_open = denial.carried
                else:
                    pair.carry_close = denial.carried
        for copy in decision.copies:
            if lead.effect == "open":
                pair.carry_open = D(0) if copy.settles else pair.carry_open
                if not pair.open:
                    pair.position = pair.position._replace(leverage=copy.leverage)
                self.member = self.member._replace(reserved=self.member.reserved + copy.reserved)
            elif not copy.waits:
                pair.carry_close = D(0)
            pair.pending.append((copy, lead.effect, price))

    def settle(self, symbol: str, part: Decimal, side: str) -> None:
        """The first order of a pair ends, filled in this part."""
        pair = self.pairs[symbol]
        if not pair.pending:
            return
        copy, effect, price = pair.pending.pop(0)
        # A close that waited takes what is really held.
        whole = abs(pair.position.qty) if copy.waits and effect == "close" else copy.qty
        qty = (whole * part).quantize(D("1e-8"), ROUND_DOWN)
        after = settle(
            position=pair.position, effect=effect, side=side, progress=Progress(qty, qty * price, D(0), D(0))
        )
        pair.position = after.position
        self.member = self.member._replace(
            reserved=max(self.member.reserved - copy.reserved, D(0)),
            exposure=max(self.member.exposure + after.exposure, D(0)),
            realised=self.member.realised + after.realised,
        )


def worst(lead: Any, copy: Copy, quote: Quote, slippage: int) -> tuple[Decimal, Decimal]:
    """Between which prices an open may fill: never beyond its limit; a sale at what the market had or little more."""
    assert copy.limit_price is not None
    if lead.side == "buy":
        return copy.limit_price / 2, copy.limit_price
    above = 1 + D(slippage) / 10_000
    if lead.order_type == "limit":
        return copy.limit_price, max(copy.limit_price, quote.bid * above)
    return copy.limit_price, max(lead.price, quote.bid) * above


def slippage_of(advanced: Advanced | None, terms: Any, symbol: str, short: bool) -> int:
    if advanced is None:
        return int(terms.max_slippage_bps)
    own = style_of(advanced, symbol=symbol, short=short).max_slippage_bps
    return int(terms.max_slippage_bps if own is None else own)


@law
@given(
    member=followers.map(
        lambda one: one._replace(
            status="active", account_active=True, exposure=D(0), reserved=D(0), realised=D(0), profit_target=None,
            daily_loss_limit=None,
        )
    ),
    investment=amounts("10", "100000", 2),
    advanced=plain_or_styled,
    terms=poolterms,
    market=st.sampled_from(["spot", "usdm"]),
    short=st.booleans(),
    story=st.lists(steps, min_size=1, max_size=6),
)  # fmt: skip
def test_no_story_of_orders_and_fills_exceeds_a_budget_or_a_cap(
    member, investment, advanced, terms, market, short, story
):
    ben = Account(member._replace(total_investment=investment, max_loss=investment), advanced, market)
    direction = "sell" if short and market == "usdm" else "buy"
    back = "buy" if direction == "sell" else "sell"
    for step in story:
        side = direction if step["effect"] == "open" else back
        lead = adas(
            market=market, symbol=step["symbol"], side=side, effect=step["effect"], qty=step["qty"],
            price=step["price"], order_type=step["order_type"], fraction=step["fraction"], equity=D(1_000),
            leverage=3, at=NOON, stop_loss_pct=D(3),
        )  # fmt: skip
        quote = Quote(step["price"] - D("0.01"), step["price"], NOON)
        facts = MarketFacts(quote, rules(step=D("0.001"), min_qty=D("0.001")), D("0.03"))
        decision = ben.decide(lead, terms, facts)

        assert len(decision.copies) + len(decision.denials) == 1
        price = step["price"]
        with localcontext(prec=60):
            for copy in decision.copies:
                if lead.effect == "open":
                    slippage = slippage_of(advanced, terms, lead.symbol, lead.short)
                    low, high = worst(lead, copy, quote, slippage)
                    price = low + (high - low) * step["where"]
                    assert copy.qty * high / copy.leverage <= copy.reserved + UNIT
            ben.plan(lead, decision, price)
            check(ben, decision, lead)
            if step["at_once"]:
                # Otherwise it is still on its way when the next signal is planned.
                ben.settle(step["symbol"], step["filled"], side)
                check(ben, decision, lead)
    with localcontext(prec=60):
        for symbol, pair in ben.pairs.items():
            while pair.pending:
                ben.settle(symbol, D(1), direction if pair.pending[0][1] == "open" else back)
                check_totals(ben)


def check(ben: Account, decision: Decision, lead: Any) -> None:
    check_totals(ben)
    if ben.advanced is None or lead.effect != "open" or not decision.copies:
        return
    member, style = ben.member, style_of(ben.advanced, symbol=lead.symbol, short=lead.short)
    used = member.exposure + member.reserved
    assert used <= member.total_investment * (1 - style.reserve) + 10 * UNIT
    for cap in (style.max_exposure_usd, style.martingale and style.martingale.cap_usd):
        assert cap is None or used <= cap + 10 * UNIT
    assert style.max_pair_usd is None or ben.pairs[lead.symbol].money <= style.max_pair_usd + 10 * UNIT
    assert style.max_positions is None or sum(one.open for one in ben.pairs.values()) <= style.max_positions
    assert style.chosen


def check_totals(ben: Account) -> None:
    member = ben.member
    assert member.exposure + member.reserved <= member.total_investment + 10 * UNIT


@law
@given(
    advanced=st.lists(plain_or_styled, min_size=1, max_size=6),
    members=st.lists(followers, min_size=6, max_size=6),
    terms=poolterms,
    effect=st.sampled_from(["open", "close"]),
    market=st.sampled_from(["spot", "usdm"]),
    side=st.sampled_from(["buy", "sell"]),
    carried=amounts("0", "2", 18),
    qty=amounts("-3", "3", 18),
    move=st.none() | amounts("0", "0.2", 8),
    equity=st.none() | money,
)
def test_every_style_leads_to_one_outcome_and_no_opening_rule_denies_a_close(
    advanced, members, terms, effect, market, side, carried, qty, move, equity
):
    members = [
        member._replace(subscription=number, settings=None if one is None else orjson.dumps(dump(one)).decode())
        for number, (member, one) in enumerate(zip(members, advanced, strict=False), 1)
    ]
    numbers = [member.subscription for member in members]
    decision = decide(
        lead=adas(effect=effect, market=market, side=side, price=D(100), qty=D(2), equity=equity, fraction=D("0.3")),
        terms=terms,
        followers=members,
        held={number: Held(qty, 0, 0, 2, min(carried, abs(qty)), carried) for number in numbers},
        open_result={},
        markets={"live": MarketFacts(Quote(D(99), D(100), NOON), rules(), move)},
        now=NOON + timedelta(seconds=1),
        books=dict.fromkeys(numbers, Book(1, D(50), True, carried, False, 2)),
    )

    assert sorted(one.subscription for one in [*decision.copies, *decision.denials]) == numbers
    for denial in decision.denials:
        assert effect == "open" or denial.reason in CLOSE_MAY_SAY
        assert denial.carried is None or denial.carried >= 0
    for copy in decision.copies:
        assert copy.qty > 0
        if effect == "close":
            assert copy.qty <= abs(qty)
            assert copy.reserved == 0


@law
@given(ladder=martingales, losses=st.integers(0, 40), usd=amounts("10", "500", 2))
def test_a_martingale_never_climbs_beyond_its_last_level(ladder, losses, usd):
    style = Advanced(sizing="fixed", value=usd, martingale=ladder)
    rich = drawn.ben(loss_streak=losses, total_investment=D(1_000_000), max_loss=D(1_000_000))
    member = Account(rich, style, "spot").member
    decision = decide(
        lead=adas(price=D(100)), terms=drawn.terms(), followers=[member], held={}, open_result={},
        markets={"live": MarketFacts(Quote(D(100), D(100), NOON), rules())}, now=NOON,
    )  # fmt: skip

    most = min(usd * ladder.multiplier ** min(losses, ladder.levels), ladder.cap_usd)
    for copy in decision.copies:
        assert copy.reserved <= most
