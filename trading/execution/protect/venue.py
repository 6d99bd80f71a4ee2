"""Speak to the venue about conditional orders, many accounts at once: place, withdraw, ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from django.conf import settings

from citadel.client import Chunk, Result
from obscura.core import clock
from trading.domain.setup import side_at_venue
from trading.domain.stops import Kind
from trading.execution import gate, limits
from trading.execution.accounts import known
from trading.execution.lane import lane
from trading.execution.limits import Place
from trading.execution.protect.rows import Stop
from trading.venues import binance
from trading.venues.binance import Conditional, Report

ORDER_WEIGHT, QUESTION_WEIGHT = 1, 1


def place(*, schema: str, stops: Sequence[Stop]) -> dict[int, Conditional]:
    """Send each once. What is not in the answer was held back by the limits and has not left."""
    states: dict[tuple[str, str], bool | None] = {}
    for symbol in {one.symbol for one in stops}:
        accounts = {one.account for one in stops if one.symbol == symbol}
        for account, state in known.states(schema=schema, accounts=accounts, symbol=symbol).items():
            states[account, symbol] = state.hedged

    def form(one: Stop) -> bytes:
        hedged = states.get((one.account, one.symbol))
        return binance.stop_form(
            symbol=one.symbol,
            side=one.order_side,
            takes=one.kind == Kind.TAKE,
            qty=one.qty,
            trigger=one.trigger,
            position_side=side_at_venue(position_side=one.side, side=one.order_side, hedged=hedged),
            client_id=one.client_id,
        )

    return _conditional(_ask(schema, "POST", binance.STOPS_PATH, stops, form, kind=limits.OPEN, orders=True))


def withdraw(*, schema: str, stops: Sequence[Stop]) -> dict[int, Conditional]:
    """Withdraw each; one that is there no longer is UNKNOWN."""
    return _conditional(_ask(schema, "DELETE", binance.STOPS_PATH, stops, _named, kind=limits.CLOSE))


def ask(*, schema: str, stops: Sequence[Stop]) -> dict[int, Conditional]:
    """What has become of each."""
    return _conditional(_ask(schema, "GET", binance.STOPS_PATH, stops, _named, kind=limits.ASK))


def ask_orders(*, schema: str, stops: Sequence[Stop]) -> dict[int, Report]:
    """What has become of the orders that fired, by stop."""

    def form(one: Stop) -> bytes:
        return f"symbol={one.symbol}&orderId={one.venue_order}".encode()

    heard = _ask(schema, "GET", binance.ORDER_PATH["usdm"], stops, form, kind=limits.ASK)
    return {one.row: binance.read_order(status=one.status, body=one.body) for one in heard}


def _named(one: Stop) -> bytes:
    return f"clientAlgoId={one.client_id}".encode()


def _conditional(heard: Sequence[Result]) -> dict[int, Conditional]:
    return {one.row: binance.read_conditional(status=one.status, body=one.body) for one in heard}


def _ask(
    schema: str,
    method: str,
    path: str,
    stops: Sequence[Stop],
    form: Callable[[Stop], bytes],
    *,
    kind: str,
    orders: bool = False,
) -> list[Result]:
    window = settings.COPY_RECV_WINDOW_MS
    groups = _admitted(schema, stops, kind, orders=orders)
    now = clock.millis(clock.now())
    chunks = [
        Chunk(
            venue=where.exchange,
            market=where.market,
            env=where.environment,
            method=method,
            path=path,
            head=f"recvWindow={window}".encode(),
            rows=[
                (one.id, UUID(one.account).bytes, b"&" + form(one) + f"&timestamp={now}".encode()) for one in members
            ],
            not_after_ms=now + window // 2,
            timeout_ms=settings.COPY_HTTP_TIMEOUT_MS,
            address=where.address,
        )
        for where, members in groups.items()
    ]
    heard: list[Result] = []
    if chunks:
        sent = lane().send(schema=schema, chunks=chunks, on_results=heard.extend)
        sent.result(timeout=(settings.COPY_HTTP_TIMEOUT_MS + window) / 1000 + 2)
    for where, members in groups.items():
        mine = {one.id for one in members}
        limits.heed(where, [answer for answer in heard if answer.row in mine])
    return heard


def _admitted(schema: str, stops: Sequence[Stop], kind: str, *, orders: bool) -> Mapping[Place, list[Stop]]:
    groups: dict[Place, list[Stop]] = defaultdict(list)
    addresses = gate.addresses_of(schema, [one.account for one in stops])
    for one in stops:
        groups[Place(one.environment, one.exchange, one.market, addresses[one.account])].append(one)
    for where, members in list(groups.items()):
        accounts = [one.account for one in members] if orders else []
        weight = ORDER_WEIGHT if orders else QUESTION_WEIGHT
        admitted = limits.admit(where, kind, count=len(members), accounts=accounts, weight=weight)
        groups[where] = [one for at, one in enumerate(members) if admitted.held(at) is None]
        if not groups[where]:
            del groups[where]
    return groups
