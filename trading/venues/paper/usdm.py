"""USD-M orders and settings: filters, margin, reduce-only, hedge mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import refusals, reports
from .amounts import short, times, units
from .book import Level
from .exchange import Exchange
from .ledger import USDM_FEE, Account, Order
from .refusals import Refused
from .spot import match
from .symbols import USDM, Symbol
from .wanted import Wanted, read


@dataclass(slots=True)
class Margins:
    """An account's margin figures in USDT, units of 1e-8; `maintenance` by the symbol's brackets."""

    wallet: int = 0
    pnl: int = 0
    positions: int = 0
    orders: int = 0
    maintenance: int = 0

    @property
    def available(self) -> int:
        return max(0, self.wallet + self.pnl - self.positions - self.orders)


def maintenance(symbol: Symbol, notional: int) -> int:
    """Binance's formula: notional x ratio - cumulative amount of its bracket."""
    bracket = next((one for one in symbol.brackets if notional <= one.cap * 100_000_000), symbol.brackets[-1])
    return max(0, times(notional, units(bracket.ratio)) - units(bracket.cum))


def margins(exchange: Exchange, account: Account) -> Margins:
    """Cross: initial margin of positions at mark and of resting orders that open. Isolated: what was set apart."""
    sums = Margins(wallet=account.wallet.get("USDT", 0))
    for (name, _), position in account.positions.items():
        if not position.amount:
            continue
        mark = exchange.price((USDM, name)) or position.entry
        notional = times(mark, abs(position.amount))
        sums.maintenance += maintenance(exchange.symbols[USDM][name], notional)
        if name in account.isolated:
            sums.positions += position.isolated
            continue
        sums.pnl += position.pnl(mark)
        sums.positions += notional // account.leverage_of(name)
    for order in account.usdm.open.values():
        opening = order.left - min(order.left, _closable(account, order.symbol.name, order.side, order.position_side))
        if not order.closes:
            sums.orders += times(order.price, opening) // account.leverage_of(order.symbol.name)
    return sums


def _closable(account: Account, name: str, side: str, position_side: str) -> int:
    position = account.positions.get((name, position_side))
    if position is None:
        return 0
    return max(0, -position.amount if side == "BUY" else position.amount)


def place(exchange: Exchange, account: Account, params: Mapping[str, str], *, test: bool = False) -> Order | None:
    """Place an order, or only say whether it would be taken (`test`).

    A reduce-only order larger than the position is cut to it, as the exchange cuts it.
    :raises Refused: nothing happened
    """
    if not account.may_trade:
        raise refusals.bad_key()
    wanted = read(params, exchange.symbols[USDM], usdm=True)
    name, key = wanted.symbol.name, (USDM, wanted.symbol.name)
    if account.hedged != (wanted.position_side != "BOTH"):
        raise Refused(-4061, "Order's position side does not match user's setting.")
    closing_side = account.hedged and (wanted.side == "SELL") == (wanted.position_side == "LONG")
    if account.hedged and "reduceOnly" in params:
        raise refusals.not_required("reduceonly")
    _filter(wanted, exchange.price(key), exempt=wanted.reduce_only or closing_side)
    closable = _closable(account, name, wanted.side, wanted.position_side)
    if closing_side and wanted.quantity > closable or wanted.reduce_only and not closable:
        raise refusals.reduce_only()
    if wanted.reduce_only:
        wanted.quantity = min(wanted.quantity, closable)
    first = account.usdm.by_client.get(wanted.client_id)
    if first is not None and first.id in account.usdm.open:
        raise refusals.duplicate_usdm()
    try:
        fills, end = match(wanted, exchange.book(key))
    except Refused as no:
        if no.code != -2010:
            raise
        text = "Due to the order could not be executed as maker, the Post Only order will be rejected."
        raise Refused(-5022, text) from None
    if wanted.quantity > closable:
        _afford(exchange, account, wanted, fills, closable)
    return None if test else exchange.commit(account, wanted, fills, end)


def _filter(wanted: Wanted, mark: int | None, *, exempt: bool) -> None:
    rule, quantity, price = wanted.symbol, wanted.quantity, wanted.price
    if quantity % rule.step:
        raise Refused(-1111, "Precision is over the maximum defined for this asset.")
    if quantity < rule.min_qty:
        raise Refused(-4004, "Quantity less than min quantity.")
    if quantity > (rule.market_max if wanted.type == "MARKET" else rule.max_qty):
        raise Refused(-4005, "Quantity greater than max quantity.")
    if price:
        if price % rule.tick:
            raise Refused(-4014, "Price not increased by tick size.")
        if mark is not None:
            highest, lowest = mark * rule.up[0] // rule.up[1], mark * rule.down[0] // rule.down[1]
            if wanted.side == "BUY" and price > highest:
                raise Refused(-4016, f"Limit price can't be higher than {short(highest)}.")
            if wanted.side == "SELL" and price < lowest:
                raise Refused(-4024, f"Limit price can't be lower than {short(lowest)}.")
    if not exempt and times(price or mark or 0, quantity) < rule.min_notional:
        least = short(rule.min_notional)
        raise Refused(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")


def _afford(exchange: Exchange, account: Account, wanted: Wanted, fills: list[Level], closable: int) -> None:
    name = wanted.symbol.name
    leverage = account.leverage_of(name)
    opening = wanted.quantity - closable
    price = wanted.price or max((price for price, _ in fills), default=0)
    notional = times(price, opening)
    held = account.positions.get((name, wanted.position_side))
    grown = notional + (times(price, abs(held.amount)) if held and not closable else 0)
    if grown > most_notional(wanted.symbol, leverage) * 100_000_000:
        raise Refused(-2027, "Exceeded the maximum allowable position at current leverage.")
    freed = times(price, closable) // leverage
    if notional // leverage + notional // USDM_FEE > margins(exchange, account).available + freed:
        raise refusals.margin_insufficient()


def most_notional(symbol: Symbol, leverage: int) -> int:
    """The largest notional, in whole USDT, that the symbol's brackets allow at a leverage."""
    return max((one.cap for one in symbol.brackets if one.leverage >= leverage), default=0)


def set_leverage(exchange: Exchange, account: Account, symbol: Symbol, leverage: int) -> dict[str, object]:
    if not 1 <= leverage <= symbol.brackets[0].leverage:
        raise Refused(-4028, f"Leverage {leverage} is not valid")
    if leverage != account.leverage_of(symbol.name):
        exchange.settle(account, "leverage", symbol.name, leverage)
        exchange.tell(account, USDM, reports.leverage_changed(symbol.name, leverage))
    return {
        "symbol": symbol.name,
        "leverage": leverage,
        "maxNotionalValue": str(most_notional(symbol, leverage)),
    }


def set_margin_type(exchange: Exchange, account: Account, symbol: Symbol, kind: str) -> None:
    if kind not in ("ISOLATED", "CROSSED"):
        raise refusals.missing("marginType")
    if (kind == "ISOLATED") == (symbol.name in account.isolated):
        raise Refused(-4046, "No need to change margin type.")
    if any(order.symbol is symbol for order in account.usdm.open.values()):
        raise Refused(-4047, "Margin type cannot be changed if there exists open orders.")
    if any(held.amount for (name, _), held in account.positions.items() if name == symbol.name):
        raise Refused(-4048, "Margin type cannot be changed if there exists position.")
    exchange.settle(account, "isolated", symbol.name, kind == "ISOLATED")


def set_hedged(exchange: Exchange, account: Account, hedged: bool) -> None:
    if hedged == account.hedged:
        raise Refused(-4059, "No need to change position side.")
    if account.usdm.open:
        raise Refused(-4067, "Position side cannot be changed if there exists open orders.")
    if any(position.amount for position in account.positions.values()):
        raise Refused(-4068, "Position side cannot be changed if there exists position.")
    exchange.settle(account, "hedged", "", hedged)
