"""Binance-type venues on the fast lane: what a request says, and what an answer means. Pure text in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from obscura.core import clock
from obscura.core.money import ZERO, plain
from trading.domain.market import Bracket
from trading.domain.order_state import Status
from trading.domain.waiting import Held
from trading.venues.quirks import Then, then

ORDER_PATH = {"spot": "/api/v3/order", "usdm": "/fapi/v1/order"}
POSITIONS_PATH, BALANCES_PATH = "/fapi/v3/positionRisk", "/api/v3/account"
OPEN_ORDERS_PATH = {"spot": "/api/v3/openOrders", "usdm": "/fapi/v1/openOrders"}
STOPS_PATH = "/fapi/v1/algoOrder"
BRACKETS_PATH = "/fapi/v1/leverageBracket"
TRADES_PATH = {"spot": "/api/v3/myTrades", "usdm": "/fapi/v1/userTrades"}

_STATUS = {
    "NEW": Status.WORKING,
    "PENDING_NEW": Status.WORKING,
    "PARTIALLY_FILLED": Status.PARTIAL,
    "FILLED": Status.FILLED,
    "CANCELED": Status.CANCELED,
    "PENDING_CANCEL": Status.WORKING,
    "EXPIRED": Status.EXPIRED,
    "EXPIRED_IN_MATCH": Status.EXPIRED,
    "REJECTED": Status.REJECTED,
}

UNKNOWN_ORDER = -2013
WRONG_MODE = "-4061"
"""The code of a refusal because the account keeps longs and shorts apart, or does not, unlike the order."""

# The vault's own refusals: such a request never left and never will. Any other reason for an order that did not leave
# (a process that is away, a time that has passed) lets it be asked after and sent again while it is fresh.
_VAULT_REFUSED = (
    "unknown_account", "request_not_allowed", "query_not_canonical", "field_", "stop_must_reduce", "mandate_",
    "account_", "mark_unknown",
)  # fmt: skip

VAULT_WORDS = {
    "mandate_unknown": "The vault has no terms of this subscription to sign under: save them again",
    "mandate_closed": "The vault opens nothing more for this subscription: it was stopped",
    "mandate_of_another": "The vault's terms of this subscription are of another account: save them again",
    "mandate_symbol": "The terms agreed with the vault leave this symbol out",
    "mandate_price_band": "The price lies further from the market than the vault accepts",
    "mandate_loss": "The vault has reckoned the agreed loss as reached and opens nothing more",
    "mandate_order_cap": "More than the vault signs in one order under the agreed terms",
    "mandate_minute_cap": "More than the vault signs in a minute under the agreed terms",
    "mandate_day_cap": "More than the vault signs on a day under the agreed terms",
    "mandate_leverage": "A higher leverage than was agreed with the vault: save the terms again to accept it",
    "account_order_cap": "More than the vault signs in one order on this account",
    "account_minute_cap": "More than the vault signs in a minute on this account",
    "account_day_cap": "More than the vault signs on a day on this account",
    "account_leverage": "A higher leverage than the vault sets on this account",
    "mark_unknown": "The vault has no fresh price to check this order against",
}
"""What a refusal of the vault means, for whoever's order was not sent."""

_WORDS = {
    -2010: "The exchange refused the order",
    -2014: "The exchange does not accept this API key",
    -2015: "The exchange does not accept this API key, its address or its permissions",
    -1022: "The exchange does not accept this key's signature",
    -2019: "Not enough margin at the exchange",
    -2022: "The exchange has no position to reduce",
    -1013: "Outside the exchange's limits for this symbol",
    -1111: "Finer than the exchange's precision",
    -1121: "The exchange does not know this symbol",
    -4061: "The account's position mode does not fit",
    -4164: "Below the exchange's minimum",
}


class Trade(NamedTuple):
    """One execution, as the venue wrote it."""

    trade_id: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    at: datetime


class Report(NamedTuple):
    """What the venue says of one order.

    `status` UNSURE: ask. PLANNED: it was refused unexecuted for the moment, and may be sent again. None: the venue does
    not know the order.
    """

    status: Status | None
    venue_id: str
    filled: Decimal
    average: Decimal | None
    worth: Decimal
    code: str
    words: str
    at: datetime | None
    trades: Sequence[Trade]


def order_head(
    *,
    market: str,
    symbol: str,
    side: str,
    type: str,
    time_in_force: str,
    limit_price: Decimal | None,
    reduce_only: bool,
    position_side: str,
    recv_window_ms: int,
) -> bytes:
    """The part of an order's form that all orders of one signal and shape share."""
    parts = [f"symbol={symbol}", f"side={side.upper()}"]
    if type == "limit":
        assert limit_price is not None
        parts += ["type=LIMIT", f"timeInForce={time_in_force}", f"price={plain(limit_price)}"]
    else:
        parts.append("type=MARKET")
    if market == "usdm":
        if position_side != "BOTH":
            parts.append(f"positionSide={position_side}")
        elif reduce_only:
            parts.append("reduceOnly=true")
        parts.append("newOrderRespType=RESULT")
    else:
        parts.append("newOrderRespType=FULL")
    parts.append(f"recvWindow={recv_window_ms}")
    return "&".join(parts).encode()


def order_tail(*, client_id: str, qty: Decimal, timestamp_ms: int) -> bytes:
    """The part that is one follower's own."""
    return f"&quantity={plain(qty)}&newClientOrderId={client_id}&timestamp={timestamp_ms}".encode()


def question(*, symbol: str, recv_window_ms: int) -> bytes:
    """The head of a question after one order by its client id."""
    return f"symbol={symbol}&recvWindow={recv_window_ms}".encode()


def read_order(*, status: int, body: bytes) -> Report:
    """What an answer to an order, or to a question after one, says. An answer that makes no sense means: ask."""
    if status == 0:
        return _ask("silence", "The exchange did not answer in time")
    if status < 0:
        return _unsent(body.decode(errors="replace")[:32])
    try:
        answer = orjson.loads(body)
        if not isinstance(answer, dict):
            return _ask("garbage", "The exchange's answer made no sense")
        if 200 <= status < 300:
            return _accepted(answer)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return _ask("garbage", "The exchange's answer made no sense")
    return _refused(status, answer)


def mode_changed() -> Report:
    """The report of an order that met another position mode at the venue than was known."""
    return _ask(
        "mode_changed", "The account's position mode had been changed at the exchange; the order is made to fit"
    )


class AtVenue(StrEnum):
    """What has become of a conditional order, or of a request about it."""

    RESTING = "resting"
    FIRED = "fired"
    GONE = "gone"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    SILENT = "silent"


class Conditional(NamedTuple):
    """What the venue says of a conditional order.

    :param order_id: of the order that it became, once it fired
    """

    state: AtVenue
    order_id: str = ""
    code: str = ""
    words: str = ""


_CONDITIONAL = {
    "NEW": AtVenue.RESTING,
    "TRIGGERING": AtVenue.RESTING,
    "TRIGGERED": AtVenue.FIRED,
    "FINISHED": AtVenue.FIRED,
    "CANCELED": AtVenue.GONE,
    "EXPIRED": AtVenue.GONE,
    "REJECTED": AtVenue.GONE,
}


def stop_form(
    *, symbol: str, side: str, takes: bool, qty: Decimal, trigger: Decimal, position_side: str, client_id: str
) -> bytes:
    """The form of a conditional order that closes at market when the last price reaches `trigger`.

    :param takes: it takes a profit, where otherwise it stops a loss
    """
    parts = [
        "algoType=CONDITIONAL",
        f"symbol={symbol}",
        f"side={side.upper()}",
        f"type={'TAKE_PROFIT_MARKET' if takes else 'STOP_MARKET'}",
        f"quantity={plain(qty)}",
        f"triggerPrice={plain(trigger)}",
        "workingType=CONTRACT_PRICE",
        "reduceOnly=true" if position_side == "BOTH" else f"positionSide={position_side}",
        f"clientAlgoId={client_id}",
    ]
    return "&".join(parts).encode()


def read_conditional(*, status: int, body: bytes) -> Conditional:
    """What an answer to a conditional order, to its withdrawal or to a question after it says."""
    if status <= 0:
        code = body.decode(errors="replace")[:32]
        refused = status < 0 and code.startswith(_VAULT_REFUSED)
        return Conditional(AtVenue.REFUSED if refused else AtVenue.SILENT, code=code)
    try:
        answer = orjson.loads(body)
        if 200 <= status < 300:
            if "algoStatus" not in answer:
                return Conditional(AtVenue.GONE if str(answer["code"]) == "200" else AtVenue.SILENT)
            return Conditional(_CONDITIONAL[answer["algoStatus"]], str(answer.get("actualOrderId") or ""))
        code, message = answer["code"], str(answer.get("msg", ""))[:120]
    except (KeyError, ValueError, TypeError, AttributeError):
        return Conditional(AtVenue.SILENT, code="garbage")
    if code in (UNKNOWN_ORDER, -2011):
        return Conditional(AtVenue.UNKNOWN, code=str(code))
    if not isinstance(code, int) or then(status=status, code=code, message=message) in (Then.WAIT, Then.ASK):
        return Conditional(AtVenue.SILENT, code=str(code)[:32])
    return Conditional(AtVenue.REFUSED, code=str(code), words="".join(one for one in message if one.isprintable()))


def read_trades(*, body: bytes) -> list[Trade]:
    """The executions in an answer to a question after an order's trades.

    :raises ValueError: the answer is not a list of trades
    """
    try:
        return _trades(orjson.loads(body))
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError("not a list of trades") from error


def read_positions(*, body: bytes) -> dict[tuple[str, str], Decimal]:
    """What an account holds on futures, signed, by symbol and side.

    :raises ValueError: the answer does not say
    """
    try:
        return {(row["symbol"], row["positionSide"]): _number(row["positionAmt"]) for row in _rows(body)}
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError("no positions") from error


def read_balances(*, body: bytes) -> dict[str, Decimal]:
    """What an account holds on spot, by asset, what lies in orders included.

    :raises ValueError: the answer does not say
    """
    try:
        rows = orjson.loads(body)["balances"]
        return {row["asset"]: _number(row["free"]) + _number(row["locked"]) for row in rows}
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError("no balances") from error


def read_open_orders(*, body: bytes) -> dict[str, Decimal]:
    """What is left of an account's open orders, by client order id.

    :raises ValueError: the answer does not say
    """
    try:
        return {row["clientOrderId"]: _number(row["origQty"]) - _number(row["executedQty"]) for row in _rows(body)}
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError("no orders") from error


def _rows(body: bytes) -> list[Any]:
    rows = orjson.loads(body)
    if not isinstance(rows, list):
        raise TypeError("not a list")
    return rows


def read_brackets(*, body: bytes, symbol: str) -> list[Bracket]:
    """The leverage brackets of a symbol, the highest leverage first.

    :raises ValueError: the answer does not hold them
    """
    try:
        answer = orjson.loads(body)
        rows = answer if isinstance(answer, list) else [answer]
        [found] = [row for row in rows if row["symbol"] == symbol]
        # Whole numbers on the wire: nothing is lost by their being JSON numbers.
        read = [Bracket(int(row["initialLeverage"]), Decimal(int(row["notionalCap"]))) for row in found["brackets"]]
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError("no brackets") from error
    if not read or min(read)[0] < 1 or min(one.cap for one in read) <= 0:
        raise ValueError("no brackets")
    return sorted(read, reverse=True)


def _trades(rows: Any) -> list[Trade]:
    if not isinstance(rows, list):
        raise TypeError("not a list")
    return [
        Trade(
            str(row["id"]),
            _number(row["qty"]),
            _number(row["price"]),
            _number(row["commission"]),
            str(row["commissionAsset"]),
            clock.from_millis(int(row["time"])),
        )
        for row in rows
    ]


def _number(value: object) -> Decimal:
    """A finite number as venues write it: as text. A JSON number has been through a float and is not one."""
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where a number in text belongs")
    number = Decimal(value)
    if not number.is_finite():
        raise InvalidOperation(value)
    return number


def _accepted(answer: dict[str, Any]) -> Report:
    status = _STATUS.get(str(answer["status"]))
    if status is None:
        return _ask("garbage", "The exchange reported a state that is not known")
    filled = _number(answer["executedQty"])
    worth = _number(answer.get("cummulativeQuoteQty") or answer.get("cumQuote") or "0")
    if filled < 0 or worth < 0:  # an old order's worth is written as -1: not known
        return _ask("garbage", "The exchange's answer made no sense")
    average = worth / filled if filled else None
    millis = int(answer.get("transactTime") or answer.get("updateTime") or answer.get("time") or 0)
    at = clock.from_millis(millis) if millis else None
    trades = [
        Trade(
            str(row["tradeId"]),
            _number(row["qty"]),
            _number(row["price"]),
            _number(row["commission"]),
            str(row["commissionAsset"]),
            at or clock.now(),
        )
        for row in answer.get("fills") or ()
    ]
    words = ""
    if status is Status.EXPIRED and not filled:
        words = "The price had moved beyond your cap"
    elif status is Status.EXPIRED:
        words = "Filled in part; the rest was beyond your cap"
    return Report(status, str(answer["orderId"]), filled, average, worth, "", words, at, trades)


def _refused(status: int, answer: dict[str, Any]) -> Report:
    code = answer.get("code", 0)
    if not isinstance(code, int) or isinstance(code, bool):
        return _ask("garbage", "The exchange's answer made no sense")
    message = "".join(char for char in str(answer.get("msg", ""))[:120] if char.isprintable())
    if code == UNKNOWN_ORDER:
        return Report(None, "", ZERO, None, ZERO, str(code), message, None, ())
    what = then(status=status, code=code, message=message)
    if what is Then.WAIT:
        return Report(Status.PLANNED, "", ZERO, None, ZERO, str(code or status), Held.LIMITED.words, None, ())
    if what is Then.ASK:
        return _ask(str(code or status), "The exchange could not take the order at that moment")
    words = _WORDS.get(code, "The exchange refused the order")
    if code in (-2010, -1013) and message:
        words = f"{words}: {message}"
    return Report(Status.REJECTED, "", ZERO, None, ZERO, str(code), words, None, ())


def _unsent(code: str) -> Report:
    if code.startswith(_VAULT_REFUSED):
        words = VAULT_WORDS.get(code, "The vault did not sign for this account")
        return Report(Status.MISSED, "", ZERO, None, ZERO, code, words, None, ())
    return _ask(code, "The order has not left us yet")


def _ask(code: str, words: str) -> Report:
    return Report(Status.UNSURE, "", ZERO, None, ZERO, code, words, None, ())
