"""The SQL of the hot path: orders and denials in sets. Every statement names its schema; none reads the clock as now().

`now()` is the start of the transaction; a claim's time is signed and judged by the venue, so it is clock_timestamp().
"""

from __future__ import annotations

from typing import NamedTuple

from trading.domain.order_state import IN_FLIGHT, Status

LANE = "select last_seq from {s}.trading_poollane where pool_id = %s for update"

NEXT_SIGNAL = """select id, exchange, market, symbol, side, position_side, effect, fraction, weight, price, order_type,
   lead_at, test_only, trader_id, leg, priority, cursor, leaf, pool_id, qty, only_for, lead_equity, lead_leverage,
   stop_loss_pct, take_profit_pct
 from {s}.trading_signal where pool_id = %s and state in ('new', 'planning') order by seq limit 1"""

SIGNAL = """select id, exchange, market, symbol, side, position_side, effect, fraction, weight, price, order_type,
   lead_at, test_only, trader_id, leg, priority, cursor, leaf, pool_id, qty, only_for, lead_equity, lead_leverage,
   stop_loss_pct, take_profit_pct
 from {s}.trading_signal where id = %s"""

MOVE_CURSOR = """update {s}.trading_signal set cursor = %s, followers = followers + %s, state = %s,
   planned_at = case when %s = 'planned' then clock_timestamp() end where id = %s"""

HELD = """select subscription_id, qty, opening, closing, leverage, carry_close, carry_open, closed_by_owner
 from {s}.trading_holding
 where subscription_id = any(%s) and trader_id = %s and market = %s and symbol = %s and side = %s"""

OPEN_POSITIONS = """select subscription_id, market, symbol, qty, cost, leverage, pending, opening, carry_open,
   trader_id, side, closed_by_owner
 from {s}.trading_holding where subscription_id = any(%s)
   and (qty <> 0 or opening > 0 or carry_open > 0 or closed_by_owner)"""

RECENT_OPENS = """select s.id, (select count(*) from {s}.trading_order o where o.subscription_id = s.id
   and o.effect = 'open' and o.created_at > clock_timestamp() - s.ms * interval '1 ms')
 from unnest(%s::bigint[], %s::int[]) s(id, ms)"""

# What orders of one chunk and environment share is given once; what differs comes in arrays.
INSERT_ORDERS = """insert into {s}.trading_order (signal_id, subscription_id, leg, pool_id, user_id, account_id,
   trader_id, client_id, exchange, environment, market, symbol, side, position_side, effect, type, time_in_force,
   reduce_only, waits, qty, limit_price, lead_price, mark_price, leverage, reserved, priority, status, attempts,
   venue_order_id, filled, error_code, error, lead_at, created_at, sent_at, lease_until, leaf)
 select %(signal)s, u.sub, %(leg)s, %(pool)s, u.usr::uuid, u.acc::uuid, %(trader)s, u.cid, %(exchange)s, %(env)s,
   %(market)s, %(symbol)s, %(side)s, %(position_side)s, %(effect)s, %(type)s, %(tif)s, %(reduce_only)s, u.waits, u.qty,
   u.lim, %(lead_price)s, %(mark)s, u.leverage, u.reserved, %(priority)s,
   case when %(born)s and not u.waits then 2 else 1 end, case when %(born)s and not u.waits then 1 else 0 end,
   '', 0, '', '', %(lead_at)s, clock_timestamp(),
   case when %(born)s and not u.waits then clock_timestamp() end,
   case when %(born)s and not u.waits then clock_timestamp() + %(lease)s * interval '1 ms' end, u.leaf
 from unnest(%(subs)s::bigint[], %(users)s::text[], %(accounts)s::text[], %(cids)s::text[], %(qtys)s::numeric[],
   %(reserves)s::numeric[], %(waits)s::boolean[], %(leaves)s::bytea[], %(limits)s::numeric[], %(leverages)s::int[])
   u(sub, usr, acc, cid, qty, reserved, waits, leaf, lim, leverage)
 on conflict on constraint one_copy do nothing
 returning """

INSERT_DENIALS = """insert into {s}.trading_denial (signal_id, subscription_id, leg, pool_id, user_id, reason, detail,
   symbol, market, side, effect, lead_price, lead_at, at, leaf)
 select %(signal)s, u.sub, %(leg)s, %(pool)s, u.usr::uuid, u.reason, u.detail, %(symbol)s, %(market)s, %(side)s,
   %(effect)s, %(lead_price)s, %(lead_at)s, %(at)s, u.leaf
 from unnest(%(subs)s::bigint[], %(users)s::text[], %(reasons)s::text[], %(details)s::jsonb[], %(leaves)s::bytea[])
   u(sub, usr, reason, detail, leaf)
 on conflict on constraint one_denial do nothing returning id, subscription_id"""

# Orders on their way are counted on the holding, so that a close knows what to wait for.
COUNT_OPENING = """insert into {s}.trading_holding as h (subscription_id, trader_id, market, symbol, side, qty, cost,
   leverage, opening, closing, pending, opened_at, updated_at)
 select u.sub, %(trader)s, %(market)s, %(symbol)s, %(hold_side)s, 0, 0, u.leverage, 1, 0, u.reserved,
   clock_timestamp(), clock_timestamp()
 from unnest(%(subs)s::bigint[], %(leverages)s::int[], %(reserves)s::numeric[]) u(sub, leverage, reserved)
 on conflict on constraint one_holding do update set opening = h.opening + 1, pending = h.pending + excluded.pending,
   closed_by_owner = false,
   opened_at = case when h.qty = 0 and h.opening = 0 then excluded.opened_at else h.opened_at end,
   leverage = case when h.qty = 0 and h.opening = 0 then excluded.leverage else h.leverage end,
   stop_loss_pct = case when h.qty = 0 and h.opening = 0 then null else h.stop_loss_pct end,
   take_profit_pct = case when h.qty = 0 and h.opening = 0 then null else h.take_profit_pct end,
   trailing_pct = case when h.qty = 0 and h.opening = 0 then null else h.trailing_pct end,
   updated_at = clock_timestamp()"""

COUNT_CLOSING = """update {s}.trading_holding set closing = closing + 1, updated_at = clock_timestamp()
 where subscription_id = any(%(subs)s::bigint[]) and trader_id = %(trader)s and market = %(market)s
   and symbol = %(symbol)s and side = %(hold_side)s"""

# A change of settings is for new positions alone: exits are set when a holding begins.
SET_EXITS = """update {s}.trading_holding h set stop_loss_pct = u.stop, take_profit_pct = u.take,
   trailing_pct = u.trail, best = null
 from unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[]) u(sub, stop, take, trail)
 where h.subscription_id = u.sub and h.trader_id = %s and h.market = %s and h.symbol = %s and h.side = %s
   and h.qty = 0 and h.opening = 1"""

# What is too small to be traded is carried on the holding, whether there is one already or not.
CARRY_OPEN = """insert into {s}.trading_holding as h (subscription_id, trader_id, market, symbol, side, qty, cost,
   leverage, opening, closing, carry_open, updated_at)
 select u.sub, %s, %s, %s, %s, 0, 0, 1, 0, 0, u.carried, clock_timestamp()
 from unnest(%s::bigint[], %s::numeric[]) u(sub, carried)
 on conflict on constraint one_holding do update set carry_open = excluded.carry_open"""

CARRY_CLOSE = """update {s}.trading_holding h set carry_close = u.carried, carry_open = 0,
   closed_by_owner = h.closed_by_owner and not %s
 from unnest(%s::bigint[], %s::numeric[]) u(sub, carried)
 where h.subscription_id = u.sub and h.trader_id = %s and h.market = %s and h.symbol = %s and h.side = %s"""

CLAIMED = """id, signal_id, subscription_id, account_id::text, user_id::text, environment, client_id, qty, limit_price,
   type, time_in_force, reduce_only, attempts, (extract(epoch from sent_at) * 1000)::bigint, leverage, lead_price,
   created_at"""

CLAIM_RANGE = (
    f"""update {{s}}.trading_order set status = {Status.SENDING:d}, attempts = attempts + 1,
   sent_at = clock_timestamp(), lease_until = clock_timestamp() + %s * interval '1 ms'
 where signal_id = %s and subscription_id between %s and %s and status = {Status.PLANNED:d} and not waits
 returning """
    + CLAIMED
)

WAITING = f"""select o.id, o.subscription_id, o.client_id, h.qty, o.qty from {{s}}.trading_order o
 join {{s}}.trading_holding h on h.subscription_id = o.subscription_id and h.trader_id = o.trader_id
   and h.market = o.market and h.symbol = o.symbol and h.side = %s
 where o.signal_id = %s and o.subscription_id between %s and %s and o.status = {Status.PLANNED:d} and o.waits
   and not exists (select 1 from {{s}}.trading_order e join {{s}}.trading_signal es on es.id = e.signal_id
     where es.pool_id = o.pool_id and es.state <> 'done' and e.subscription_id = o.subscription_id
       and e.trader_id = o.trader_id and e.market = o.market and e.symbol = o.symbol and e.id < o.id
       and e.status in ({", ".join(str(int(s)) for s in sorted(IN_FLIGHT))}))
 order by o.subscription_id for update of o, h"""

CLAIM_WAITING = (
    f"""update {{s}}.trading_order o set qty = u.qty, waits = false, leaf = u.leaf, status = {Status.SENDING:d},
   attempts = attempts + 1, sent_at = clock_timestamp(), lease_until = clock_timestamp() + %s * interval '1 ms'
 from unnest(%s::bigint[], %s::numeric[], %s::bytea[]) u(id, qty, leaf)
 where o.id = u.id and o.status = {Status.PLANNED:d} and o.waits
 returning """
    + ", ".join(f"o.{column.strip()}" if "(" not in column else column for column in CLAIMED.split(",")[:13])
    + ", (extract(epoch from o.sent_at) * 1000)::bigint, o.leverage, o.lead_price, o.created_at"
)

STILL_WAITING = f"""select exists (select 1 from {{s}}.trading_order where signal_id = %s
 and subscription_id between %s and %s and status = {Status.PLANNED:d})"""

EXPIRED_LEASES = """select o.id, o.signal_id, o.status from {s}.trading_signal g
 join {s}.trading_order o on o.signal_id = g.id
 where g.state <> 'done' and o.status in (2, 3, 4, 5) and o.lease_until < clock_timestamp()
 order by o.id limit %s for update of o skip locked"""

# The longer a venue has not told, the longer the pause before it is asked again: a key that was taken back must not
# cost everybody else the venue's patience.
TAKE_LEASE = (
    f"""update {{s}}.trading_order set
   status = case when status in ({Status.SENDING:d}, {Status.UNSURE:d}) then {Status.UNSURE:d} else status end,
   lease_until = clock_timestamp() + greatest(%s * interval '1 ms',
     least((clock_timestamp() - sent_at) / 4, interval '5 min'))
 where id = any(%s) returning """
    + CLAIMED
    + ", market, symbol, effect, lead_at, error_code, status, side, exchange, position_side"
)

SEND_AGAIN = (
    f"""update {{s}}.trading_order set status = {Status.SENDING:d}, attempts = attempts + 1,
   sent_at = clock_timestamp(), lease_until = clock_timestamp() + %s * interval '1 ms', error_code = ''
 where id = any(%s) and status = {Status.UNSURE:d} returning """
    + CLAIMED
)

ASKED_ONCE = f"""update {{s}}.trading_order set error_code = 'asked_once',
   lease_until = clock_timestamp() + interval '500 ms' where id = any(%s) and status = {Status.UNSURE:d}"""

# Results. `prev` is what the row was: the difference is what gets settled, so a result told twice changes nothing.
LOCK_ORDERS = """select id, subscription_id, user_id::text, account_id::text, status, attempts, qty, filled, average,
   reserved, leverage, lead_price, client_id, created_at, lead_at, sent_at, accepted_at, signal_id, environment
 from {s}.trading_order where id = any(%s) order by id for no key update"""

WRITE_RESULTS = """update {s}.trading_order o set status = u.status, venue_order_id = u.venue_id, filled = u.filled,
   average = u.average, error_code = u.code, error = u.words,
   accepted_at = coalesce(o.accepted_at, u.accepted), done_at = u.done,
   lease_until = case when u.done is null then greatest(o.lease_until, clock_timestamp() + interval '1 s') end
 from unnest(%s::bigint[], %s::smallint[], %s::text[], %s::numeric[], %s::numeric[], %s::text[], %s::text[],
   %s::timestamptz[], %s::timestamptz[]) u(id, status, venue_id, filled, average, code, words, accepted, done)
 where o.id = u.id"""

INSERT_FILLS = """insert into {s}.trading_fill (order_id, account_id, market, symbol, trade_id, qty, price, fee,
   fee_asset, at, leaf)
 select u.ord, u.acc::uuid, %s, %s, u.trade, u.qty, u.price, u.fee, u.asset, u.at, u.leaf
 from unnest(%s::bigint[], %s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::text[],
   %s::timestamptz[], %s::bytea[]) u(ord, acc, trade, qty, price, fee, asset, at, leaf)
 on conflict on constraint one_fill do nothing returning order_id, qty, price, fee, fee_asset"""

HOLDINGS = """select id, subscription_id, qty, cost, leverage, opening, closing, result from {s}.trading_holding
 where subscription_id = any(%s::bigint[]) and trader_id = %s and market = %s and symbol = %s and side = %s
 for update"""

WRITE_HOLDINGS = """update {s}.trading_holding h set qty = u.qty, cost = u.cost,
   opening = greatest(h.opening - u.opened, 0), closing = greatest(h.closing - u.closed, 0),
   pending = greatest(h.pending - u.released, 0), result = u.result, updated_at = clock_timestamp()
 from unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::int[], %s::int[], %s::numeric[], %s::numeric[])
   u(id, qty, cost, opened, closed, released, result)
 where h.id = u.id"""

WAITING_SIGNALS = f"""select distinct o.signal_id from {{s}}.trading_signal g
 join {{s}}.trading_order o on o.signal_id = g.id
 where g.pool_id = %s and g.state <> 'done' and o.subscription_id = any(%s)
   and o.status = {Status.PLANNED:d} and o.waits"""

FINISH_SIGNALS = f"""update {{s}}.trading_signal g set state = 'done', done_at = clock_timestamp()
 where g.state = 'planned' and g.planned_at < clock_timestamp() - interval '300 ms' and not exists (
   select 1 from {{s}}.trading_order o where o.signal_id = g.id
     and o.status in ({", ".join(str(int(s)) for s in sorted(IN_FLIGHT))}))
 returning g.id"""

STUCK_RANGES = f"""select g.id, min(o.subscription_id), max(o.subscription_id) from {{s}}.trading_signal g
 join {{s}}.trading_order o on o.signal_id = g.id
 where g.state <> 'done' and o.status = {Status.PLANNED:d}
   and o.created_at < clock_timestamp() - interval '1 s'
   and (g.swept_at is null or g.swept_at < clock_timestamp() - interval '1 s')
 group by g.id"""

MARK_SWEPT = "update {s}.trading_signal set swept_at = clock_timestamp() where id = any(%s)"

STILL_HELD = """select distinct subscription_id from {s}.trading_holding
 where subscription_id = any(%s) and (qty <> 0 or opening > 0 or closing > 0)"""


class SignalRow(NamedTuple):
    """A signal as the hot path reads it (the columns of NEXT_SIGNAL)."""

    id: int
    exchange: str
    market: str
    symbol: str
    side: str
    position_side: str
    effect: str
    fraction: object
    weight: object
    price: object
    order_type: str
    lead_at: object
    test_only: bool
    trader_id: object
    leg: int
    priority: int
    cursor: int
    leaf: bytes
    pool_id: object
    qty: object
    only_for: int | None
    lead_equity: object
    lead_leverage: int | None
    stop_loss_pct: object
    take_profit_pct: object


class Claimed(NamedTuple):
    """An order this process alone may send: the columns of CLAIMED. `sent_ms` is the time that gets signed."""

    id: int
    signal: int
    subscription: int
    account: str
    user: str
    environment: str
    client_id: str
    qty: object
    limit_price: object
    type: str
    time_in_force: str
    reduce_only: bool
    attempt: int
    sent_ms: int
    leverage: int
    lead_price: object
    created_at: object
