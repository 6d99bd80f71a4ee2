"""User stream events, field for field as the exchange sends them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from .amounts import full, short, times
from .ledger import LIVE, Account, Conditional, Order, Trade

REASONS = {
    "Account has insufficient balance for requested action.": "INSUFFICIENT_BALANCES",
    "Order would immediately match and take.": "WOULD_MATCH_IMMEDIATELY",
}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def execution_report(order: Order, kind: str, trade: Trade | None = None, **more: Any) -> dict[str, Any]:
    """`executionReport`: kind is NEW, TRADE, CANCELED, EXPIRED or REJECTED.

    Amounts are those after the event; `upto` (filled, cost, status) gives them for a trade that is not the last.
    """
    filled, cost, status = more.get("upto") or (order.filled, order.cost, order.status)
    placed, at = order.at_us // 1000, trade.at_ms if trade else order.updated_ms
    report = {
        "e": "executionReport",
        "E": now_ms(),
        "s": order.symbol.name,
        "c": more.get("client_id", order.client_id),
        "S": order.side,
        "o": order.type,
        "f": order.tif,
        "q": full(order.quantity),
        "p": full(order.price),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": order.client_id if "client_id" in more else "",
        "x": kind,
        "X": status,
        "r": more.get("reason", "NONE"),
        "i": order.id,
        "l": full(trade.quantity if trade else 0),
        "z": full(filled),
        "L": full(trade.price if trade else 0),
        "n": full(trade.fee) if trade else "0",
        "N": trade.fee_asset if trade else None,
        "T": at,
        "t": trade.id if trade else -1,
        "I": order.id * 2 + (1 if trade else 0),
        "w": status in LIVE and order.type != "MARKET" and kind != "TRADE" or status == "PARTIALLY_FILLED",
        "m": trade.maker if trade else False,
        "M": trade is not None,
        "O": placed,
        "Z": full(cost),
        "Y": full(trade.quote if trade else 0),
        "Q": full(order.quote_quantity),
        "V": "EXPIRE_MAKER",
    }
    if kind != "REJECTED":
        report["W"] = placed
    return report


def account_position(account: Account, assets: Iterable[str]) -> dict[str, Any]:
    """`outboundAccountPosition` of the assets that may have changed."""
    balances = []
    for asset in assets:
        free, locked = account.balance(asset)
        balances.append({"a": asset, "f": full(free), "l": full(locked)})
    return {"e": "outboundAccountPosition", "E": now_ms(), "u": account.updated_ms, "B": balances}


def balance_update(asset: str, delta: int) -> dict[str, Any]:
    at = now_ms()
    return {"e": "balanceUpdate", "E": at, "a": asset, "d": full(delta), "T": at}


def stream_terminated() -> dict[str, Any]:
    return {"e": "eventStreamTerminated", "E": now_ms()}


def order_trade_update(order: Order, kind: str, trade: Trade | None = None, **more: Any) -> dict[str, Any]:
    """`ORDER_TRADE_UPDATE`: kind is NEW, TRADE, CANCELED or EXPIRED."""
    filled, cost, status = more.get("upto") or (order.filled, order.cost, order.status)
    at = trade.at_ms if trade else order.updated_ms
    average = (2 * cost * 100_000_000 + filled) // (2 * filled) if filled else 0
    details: dict[str, Any] = {
        "s": order.symbol.name,
        "c": order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.tif,
        "q": short(order.quantity),
        "p": short(order.price),
        "ap": short(average),
        "sp": "0",
        "x": kind,
        "X": status,
        "i": order.id,
        "l": short(trade.quantity if trade else 0),
        "z": short(filled),
        "L": short(trade.price if trade else 0),
        "T": at,
        "t": trade.id if trade else 0,
        "b": "0",
        "a": "0",
        "m": trade.maker if trade else False,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": order.type,
        "ps": order.position_side,
        "cp": False,
        "rp": short(trade.realized if trade else 0),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
        "er": "0",
    }
    if trade:
        details |= {"N": trade.fee_asset, "n": short(trade.fee)}
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms(), "T": at, "o": details}


def algo_update(one: Conditional, status: str) -> dict[str, Any]:
    """`ALGO_UPDATE`: a conditional order was placed, given up or reached, or its order has ended."""
    order = one.order
    details: dict[str, Any] = {
        "caid": one.client_id,
        "aid": one.id,
        "at": "CONDITIONAL",
        "o": one.type,
        "s": one.symbol.name,
        "S": one.side,
        "ps": one.position_side,
        "f": one.tif,
        "q": short(one.quantity),
        "X": status,
        "ai": str(order.id) if order else "",
        "ap": short(order.average) if order else "0",
        "aq": short(order.filled) if order else "0",
        "act": order.type if order else "0",
        "tp": short(one.trigger),
        "p": short(one.price),
        "V": "EXPIRE_MAKER",
        "wt": one.working,
        "pm": "NONE",
        "cp": one.whole,
        "pP": False,
        "R": one.reduce_only,
        "tt": one.triggered_ms,
        "gtd": 0,
        "rm": one.reason,
    }
    return {"e": "ALGO_UPDATE", "E": now_ms(), "T": one.updated_ms, "o": details}


def trade_lite(order: Order, trade: Trade) -> dict[str, Any]:
    return {
        "e": "TRADE_LITE",
        "E": now_ms(),
        "T": trade.at_ms,
        "s": order.symbol.name,
        "q": short(order.quantity),
        "p": short(order.price),
        "m": trade.maker,
        "c": order.client_id,
        "S": order.side,
        "L": short(trade.price),
        "l": short(trade.quantity),
        "t": trade.id,
        "i": order.id,
    }


def account_update(
    account: Account, keys: Iterable[tuple[str, str]], marks: dict[str, int], reason: str, change: int = 0
) -> dict[str, Any]:
    """`ACCOUNT_UPDATE`: the USDT wallet and the positions named by (symbol, position side)."""
    at = now_ms()
    held = [(key, account.position(*key)) for key in keys]
    isolated = sum(position.isolated for position in account.positions.values())
    wallet = account.wallet.get("USDT", 0)
    return {
        "e": "ACCOUNT_UPDATE",
        "E": at,
        "T": at,
        "a": {
            "m": reason,
            "B": [{"a": "USDT", "wb": short(wallet), "cw": short(wallet - isolated), "bc": short(change)}],
            "P": [
                {
                    "s": symbol,
                    "pa": short(position.amount),
                    "ep": short(position.entry),
                    "bep": short(position.entry),
                    "cr": "0",
                    "up": short(position.pnl(marks.get(symbol, position.entry))),
                    "mt": "isolated" if symbol in account.isolated else "cross",
                    "iw": short(position.isolated),
                    "ps": side,
                    "ma": "USDT",
                }
                for (symbol, side), position in held
            ],
        },
    }


def leverage_changed(symbol: str, leverage: int) -> dict[str, Any]:
    at = now_ms()
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": at, "T": at, "ac": {"s": symbol, "l": leverage}}


def listen_key_expired(listen_key: str) -> dict[str, Any]:
    return {"e": "listenKeyExpired", "E": now_ms(), "listenKey": listen_key}


def partial_sums(order: Order, trades: list[Trade]) -> list[tuple[Trade, tuple[int, int, str]]]:
    """Each trade with what was filled, what it cost and the status right after it."""
    filled = order.filled - sum(trade.quantity for trade in trades)
    cost = order.cost - sum(trade.quote for trade in trades)
    steps = []
    for trade in trades:
        filled, cost = filled + trade.quantity, cost + times(trade.price, trade.quantity)
        steps.append((trade, (filled, cost, "FILLED" if filled == order.quantity else "PARTIALLY_FILLED")))
    return steps
