"""Spot orders: filters, balance, the walk through the book."""

from __future__ import annotations

from collections.abc import Mapping

from . import refusals
from .amounts import times
from .book import Book, Level
from .exchange import Exchange
from .ledger import Account, Order
from .refusals import Refused
from .symbols import SPOT
from .wanted import Wanted, read


def place(exchange: Exchange, account: Account, params: Mapping[str, str], *, test: bool = False) -> Order | None:
    """Place an order, or only say whether it would be taken (`test`).

    :raises Refused: nothing happened; -2010 refusals of the engine are also told on the user stream
    """
    if not account.may_trade:
        raise refusals.bad_key()
    wanted = read(params, exchange.symbols[SPOT], usdm=False)
    key = (SPOT, wanted.symbol.name)
    book = exchange.book(key)
    _filter(wanted, exchange.price(key), account)
    if test:
        return None
    try:
        first = account.spot.by_client.get(wanted.client_id)
        if first is not None and first.id in account.spot.open:
            raise refusals.duplicate_spot()
        fills, end = match(wanted, book)
        _afford(account, wanted, fills)
    except Refused as no:
        exchange.reject(account, wanted, no.msg)
        raise
    return exchange.commit(account, wanted, fills, end)


def match(wanted: Wanted, book: Book) -> tuple[list[Level], str]:
    """The fills an order gets at once, and how it ends when they do not complete it (empty: it rests)."""
    side = book.against(wanted.side)
    if wanted.quote_quantity:
        fills = side.spend(wanted.quote_quantity, wanted.symbol.market_step or wanted.symbol.step)
        wanted.quantity = sum(part for _, part in fills)
        if not wanted.quantity:
            raise refusals.filtered("LOT_SIZE")
        return fills, ""
    if wanted.type == "MARKET":
        fills = side.take(wanted.quantity, None)
        return fills, "" if sum(part for _, part in fills) == wanted.quantity else "EXPIRED"
    if wanted.type == "LIMIT_MAKER" or wanted.tif == "GTX":
        if side.reaches(wanted.price):
            raise refusals.would_take()
        return [], ""
    fills = side.take(wanted.quantity, wanted.price)
    whole = sum(part for _, part in fills) == wanted.quantity
    if wanted.tif == "FOK" and not whole:
        return [], "EXPIRED"
    return fills, "EXPIRED" if wanted.tif == "IOC" and not whole else ""


def _filter(wanted: Wanted, reference: int | None, account: Account) -> None:
    rule, quantity, price = wanted.symbol, wanted.quantity, wanted.price
    if price:
        if price < rule.min_price or rule.max_price and price > rule.max_price or price % rule.tick:
            raise refusals.filtered("PRICE_FILTER")
        if reference is not None:
            (up, up_of), (down, down_of) = rule.up, rule.down
            if price * up_of > reference * up or price * down_of < reference * down:
                raise refusals.filtered("PERCENT_PRICE_BY_SIDE")
    if quantity:
        if quantity < rule.min_qty or quantity > rule.max_qty or quantity % rule.step:
            raise refusals.filtered("LOT_SIZE")
        if wanted.type == "MARKET" and (
            quantity < rule.market_min
            or rule.market_max
            and quantity > rule.market_max
            or rule.market_step
            and quantity % rule.market_step
        ):
            raise refusals.filtered("MARKET_LOT_SIZE")
    if wanted.type != "MARKET" or rule.notional_on_market:
        worth = wanted.quote_quantity or times(price or reference or 0, quantity)
        if worth < rule.min_notional:
            raise refusals.filtered("NOTIONAL")
    if wanted.type != "MARKET":
        waiting = sum(1 for order in account.spot.open.values() if order.symbol is rule)
        if waiting >= rule.max_orders:
            raise refusals.filtered("MAX_NUM_ORDERS")


def _afford(account: Account, wanted: Wanted, fills: list[Level]) -> None:
    if wanted.side == "BUY":
        needed = sum(times(price, part) for price, part in fills)
        if wanted.price and wanted.tif == "GTC":
            needed += times(wanted.price, wanted.quantity - sum(part for _, part in fills))
        asset = wanted.symbol.quote
    else:
        needed, asset = wanted.quantity, wanted.symbol.base
    held = account.balances.get(asset)
    if held is None or held[0] < needed:
        raise refusals.insufficient_balance()


def find(account: Account, params: Mapping[str, str], market: str = SPOT) -> Order | None:
    """The order named by `orderId` or `origClientOrderId`; with both, both must fit."""
    desk = account.desk(market)
    by_id, by_client = params.get("orderId"), params.get("origClientOrderId")
    if not by_id and not by_client:
        raise Refused(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    if by_id:
        if not (by_id.isascii() and by_id.isdigit()):
            raise refusals.malformed("orderId", "^[0-9]{1,20}$")
        order = desk.orders.get(int(by_id))
    else:
        order = desk.by_client.get(by_client or "")
    if order is None or order.symbol.name != params.get("symbol") or by_client and order.client_id != by_client:
        return None
    return order


def cancel(exchange: Exchange, account: Account, order: Order | None, cancel_id: str) -> Order:
    """Take a resting order out of the book.

    :raises Refused: -2011, it is not there (any more)
    """
    if order is None or order.id not in account.desk(order.symbol.market).open:
        raise refusals.unknown_order()
    exchange.end(order, "CANCELED", cancel_id=cancel_id)
    return order
