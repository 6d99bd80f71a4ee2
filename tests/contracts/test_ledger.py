"""Whatever is traded: nothing is lost or made, nothing goes below zero, and the journal tells the same story."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trading.venues.paper import spot, usdm
from trading.venues.paper.amounts import ONE, NotANumber, full, short, units
from trading.venues.paper.exchange import Exchange
from trading.venues.paper.hub import Hub
from trading.venues.paper.ledger import Account
from trading.venues.paper.refusals import Refused
from trading.venues.paper.symbols import SPOT, USDM, load
from trading.venues.paper.tape import Tape

BTC = "BTCUSDT"


def opened(folder: Path) -> tuple[Exchange, Tape]:
    exchange = Exchange(symbols=load(None), folder=folder, enforced=False)
    return exchange, Tape(exchange, Hub())


def picture(exchange: Exchange) -> Any:
    """Everything that must survive, as plain values."""
    return [
        (
            account.key, account.label, account.balances, account.wallet,
            account.leverage, account.isolated, account.hedged,
            {key: (one.amount, one.cost, one.isolated) for key, one in account.positions.items() if one.updated_ms},
            [
                (order.id, order.client_id, order.status, order.filled, order.cost, order.locked, order.at_us,
                 [(trade.id, trade.price, trade.quantity, trade.fee, trade.realized) for trade in order.trades])
                for desk in (account.spot, account.usdm) for order in desk.orders.values()
            ],
            sorted(account.spot.open) + sorted(account.usdm.open),
        )
        for account in exchange.ledger.accounts.values()
    ]  # fmt: skip


def show(tape: Tape, price: int, size: int) -> None:
    """A book of three thin levels a side around a price in whole USDT."""
    for market in (SPOT, USDM):
        bids = [((price - step) * ONE, size * step * 1_000) for step in (1, 2, 3)]
        asks = [((price + step) * ONE, size * step * 1_000) for step in (0, 1, 2)]
        tape.snapshot((market, BTC), bids, asks)


def check(account: Account, given_usdt: int, given_btc: int) -> None:
    paid, got = given_usdt, given_btc
    for order in account.spot.orders.values():
        for trade in order.trades:
            sign = 1 if order.side == "BUY" else -1
            paid -= sign * trade.quote + (trade.fee if trade.fee_asset == "USDT" else 0)
            got += sign * trade.quantity - (trade.fee if trade.fee_asset == "BTC" else 0)
    assert sum(account.balance("USDT")) == paid
    assert sum(account.balance("BTC")) == got
    assert all(part >= 0 for held in account.balances.values() for part in held)
    for asset, side in (("USDT", "BUY"), ("BTC", "SELL")):
        locked = sum(order.locked for order in account.spot.open.values() if order.side == side)
        assert account.balance(asset)[1] == locked


ORDERS = st.fixed_dictionaries(
    {
        "do": st.just("order"),
        "market": st.sampled_from([SPOT, USDM]),
        "side": st.sampled_from(["BUY", "SELL"]),
        "type": st.sampled_from(["LIMIT", "LIMIT", "LIMIT", "MARKET", "LIMIT_MAKER"]),
        "timeInForce": st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK"]),
        "steps": st.integers(100, 400),
        "price": st.integers(59_990, 60_010),
        "reduceOnly": st.sampled_from([False, False, True]),
    }
)
MOVES = st.fixed_dictionaries(
    {"do": st.just("move"), "price": st.integers(59_990, 60_010), "size": st.integers(1, 200)}
)
CANCELS = st.fixed_dictionaries({"do": st.just("cancel"), "pick": st.integers(0, 50)})


def act(exchange: Exchange, tape: Tape, account: Account, step: dict[str, Any]) -> None:
    if step["do"] == "move":
        show(tape, step["price"], step["size"])
    elif step["do"] == "cancel":
        waiting = [*account.spot.open.values(), *account.usdm.open.values()]
        if waiting:
            spot.cancel(exchange, account, waiting[step["pick"] % len(waiting)], "cancel")
    else:
        place: Callable[..., Any] = spot.place if step["market"] == SPOT else usdm.place
        unit = 1_000 if step["market"] == SPOT else 100_000
        order = {"symbol": BTC, "side": step["side"], "type": step["type"], "quantity": full(step["steps"] * unit)}
        if step["type"] != "MARKET":
            order["price"] = str(step["price"])
        if step["type"] == "LIMIT":
            order["timeInForce"] = step["timeInForce"]
        if step["market"] == USDM and step["reduceOnly"]:
            order["reduceOnly"] = "true"
        try:
            place(exchange, account, order)
        except Refused:
            return  # a refusal changes nothing: the checks below see to that


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(ORDERS, ORDERS, MOVES, CANCELS), min_size=10, max_size=60))
def test_books_balance_and_the_journal_tells_the_same(steps: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        exchange, tape = opened(Path(folder))
        show(tape, 60_000, 50)
        start, coins, margin = 200 * ONE, ONE // 400, 100_000 * ONE
        account = exchange.open_account(
            key="ben", secret="s", label="ben", spot={"USDT": start, "BTC": coins}, usdm={"USDT": margin}
        )

        for step in steps:
            act(exchange, tape, account, step)
            check(account, start, coins)

        told = sum(trade.realized - trade.fee for order in account.usdm.orders.values() for trade in order.trades)
        assert account.wallet["USDT"] == margin + told
        before = picture(exchange)
        exchange.journal.close()
        again, _ = opened(Path(folder))
        assert picture(again) == before
        again.journal.close()


@given(st.integers(0, 2**63 - 1))
def test_amounts_survive_being_written_and_read(value: int) -> None:
    assert units(full(value)) == units(short(value)) == value


@given(st.text(max_size=12))
def test_what_is_not_a_plain_number_is_refused(text: str) -> None:
    try:
        value = units(text)
    except NotANumber:
        return
    assert text.isascii() and set(text) <= set("0123456789.") and value >= 0
