"""The rows of resting stops, and what they are held against: copies with exits, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from trading.domain.guard import Held
from trading.domain.stops import TRANSITIONS, Kind, State
from trading.execution import db

COLUMNS = """id, holding_id, subscription_id, pool_id::text, trader_id::text, user_id::text, account_id::text, exchange,
   environment, market, symbol, side, order_side, kind, cause, qty, trigger_price, leverage, external_id, client_id,
   state, venue_order_id, code, sent_at, due_at, crossed_at"""

_LIVE = f"select {COLUMNS} from {{s}}.trading_restingstop where ended_at is null order by id"

_HELD = """select id, subscription_id, trader_id, market, symbol, side, qty, cost, closing, stop_loss_pct,
   take_profit_pct, trailing_pct, best, opened_at, opening
 from {s}.trading_holding where market = 'usdm' and qty <> 0
   and (stop_loss_pct is not null or take_profit_pct is not null or trailing_pct is not null) order by id"""

# What its owner took back stays away while the copy is open, and so does one whose price was reached without it.
_UNWANTED = f"""select r.holding_id, r.kind from {{s}}.trading_restingstop r join {{s}}.trading_holding h
   on h.id = r.holding_id
 where r.holding_id = any(%s) and r.ended_at is not null and (
   (r.state = {State.REFUSED:d} and r.ended_at > clock_timestamp() - interval '1 min')
   or (r.code in ('taken', 'crossed') and r.created_at >= h.opened_at))"""

_DUE = f"""update {{s}}.trading_restingstop set due_at = clock_timestamp() + %s * interval '1 s'
 where id = any(array(select id from {{s}}.trading_restingstop where ended_at is null and due_at <= clock_timestamp()
   order by due_at limit %s for update skip locked))
 returning {COLUMNS}"""

_MOVE = f"""update {{s}}.trading_restingstop set state = %s, code = %s, words = %s,
   venue_order_id = case when %s = '' then venue_order_id else %s end, due_at = clock_timestamp() + %s * interval '1 s',
   ended_at = case when %s >= {State.DONE:d} then clock_timestamp() end
 where id = %s and state = any(%s) and ended_at is null returning id"""

_LEAVE = f"""update {{s}}.trading_restingstop set state = {State.LEAVING:d}, code = %s,
   due_at = clock_timestamp() + %s * interval '1 s'
 where id = any(%s) and state = {State.RESTING:d} and ended_at is null returning {COLUMNS}"""

_CROSSED = """update {s}.trading_restingstop set crossed_at = coalesce(crossed_at, %s), due_at = clock_timestamp()
 where id = any(%s) and ended_at is null and crossed_at is null"""

# Of a copy that is still what it was when this was decided.
_INSERT = f"""insert into {{s}}.trading_restingstop (holding_id, subscription_id, pool_id, trader_id, user_id,
   account_id, exchange, environment, market, symbol, side, order_side, kind, cause, qty, trigger_price, leverage,
   external_id, client_id, state, venue_order_id, code, words, created_at, sent_at, due_at)
 select h.id, h.subscription_id, %s, h.trader_id, %s, %s, %s, %s, h.market, h.symbol, h.side, %s, %s, %s, %s, %s,
   h.leverage, %s, %s, {State.SENDING:d}, '', '', '', clock_timestamp(), clock_timestamp(),
   clock_timestamp() + %s * interval '1 s'
 from {{s}}.trading_holding h where h.id = %s and h.qty = %s and h.opening = 0 and h.closing = 0
 on conflict do nothing returning {COLUMNS}"""


class Stop(NamedTuple):
    """A row of trading.models.RestingStop."""

    id: int
    holding: int
    subscription: int
    pool: str
    trader: str
    user: str
    account: str
    exchange: str
    environment: str
    market: str
    symbol: str
    side: str
    order_side: str
    kind: str
    cause: str
    qty: Decimal
    trigger: Decimal
    leverage: int
    external_id: str
    client_id: str
    state: int
    venue_order: str
    code: str
    sent_at: datetime
    due_at: datetime
    crossed_at: datetime | None

    def reached(self, price: Decimal) -> bool:
        """Whether this price is beyond its trigger."""
        falls = (self.order_side == "sell") == (self.kind == Kind.STOP)
        return price <= self.trigger if falls else price >= self.trigger


class Open(NamedTuple):
    """A holding with exits; `moving`: orders of it are on their way."""

    held: Held
    moving: bool


def live(cursor: Any, *, schema: str) -> list[Stop]:
    """All that rest, or may."""
    return [Stop(*row) for row in cursor.execute(db.sql(_LIVE, schema)).fetchall()]


def held(cursor: Any, *, schema: str) -> dict[int, Open]:
    """The copies that have exits, by holding."""
    rows = cursor.execute(db.sql(_HELD, schema)).fetchall()
    return {row[0]: Open(Held(*row[:14]), bool(row[8] or row[14])) for row in rows}


def unwanted(cursor: Any, *, schema: str, holdings: Sequence[int]) -> set[tuple[int, str]]:
    """For which holdings and kinds none is to be placed now."""
    return {(row[0], row[1]) for row in cursor.execute(db.sql(_UNWANTED, schema), [list(holdings)]).fetchall()}


def due(cursor: Any, *, schema: str, again_s: float, limit: int) -> list[Stop]:
    """Those that are to be asked after, for this process alone."""
    return [Stop(*row) for row in cursor.execute(db.sql(_DUE, schema), [again_s, limit]).fetchall()]


def move(
    cursor: Any,
    *,
    schema: str,
    stop: int,
    to: State,
    since: State | None = None,
    due_s: float = 0,
    code: str = "",
    words: str = "",
    order: str = "",
) -> bool:
    """Bring one to another state, if it is in one from which that is reached. Returns whether it was.

    :param since: only from this state
    """
    sources = [state for state, after in TRANSITIONS.items() if to in after and since in (None, state)]
    given = [int(to), code[:32], words[:120], order, order, due_s, int(to), stop, [int(one) for one in sources]]
    return cursor.execute(db.sql(_MOVE, schema), given).fetchone() is not None


def leave(cursor: Any, *, schema: str, codes: Mapping[int, str], due_s: float) -> list[Stop]:
    """Claim the withdrawal of those that rest; `codes` says why, by stop."""
    found: list[Stop] = []
    for code in sorted(set(codes.values())):
        wanted = [stop for stop, why in codes.items() if why == code]
        rows = cursor.execute(db.sql(_LEAVE, schema), [code, due_s, wanted]).fetchall()
        found += [Stop(*row) for row in rows]
    return found


def crossed(cursor: Any, *, schema: str, stops: Sequence[int], now: datetime) -> None:
    """Their price is reached: they are asked after at once."""
    if stops:
        cursor.execute(db.sql(_CROSSED, schema), [now, list(stops)])


def insert(cursor: Any, *, schema: str, held: Held, values: Sequence[Any], due: timedelta) -> Stop | None:
    """A new one, claimed for sending; None where one of its kind rests for the holding, or where that has changed.

    :param values: pool, user, account, exchange, environment, order side, kind, cause, quantity, trigger, external id
        and client id
    """
    given = [*values, due.total_seconds(), held.id, held.qty]
    row = cursor.execute(db.sql(_INSERT, schema), given).fetchone()
    return None if row is None else Stop(*row)
