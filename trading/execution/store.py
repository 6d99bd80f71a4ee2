"""The SQL of the hot path: orders and denials in sets. Every statement names its schema; none reads the clock as now().

`now()` is the start of the transaction; a claim's time is signed and judged by the venue, so it is clock_timestamp().
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from trading.copies import LeadTrade
from trading.domain.order_state import IN_FLIGHT, Status

STUCK_AT_ONCE = 50

LANE = "select last_seq from {s}.trading_poollane where pool_id = %s for update"

_SIGNAL = """g.id, g.exchange, g.market, g.symbol, g.side, g.position_side, g.effect, g.fraction, g.weight, g.price,
   g.order_type, g.lead_at, g.test_only, g.trader_id, g.leg, g.priority, g.cursor, g.leaf, g.pool_id, g.seq,
   g.overtaken_by is not null, g.qty, g.only_for, g.lead_equity, g.lead_leverage, g.stop_loss_pct, g.take_profit_pct,
   g.position_since, g.followers, g.draw_chain, g.draw_followers, g.draw_start, g.walk_first, g.walk_last,
   g.wrapped, g.source = 'guard'"""

_WAITS = "g.pool_id = t.pool_id and g.state in ('new', 'planning')"
_SAME_PLACE = """g.symbol = t.symbol and g.trader_id = t.trader_id and g.market = t.market
   and g.position_side = t.position_side and g.test_only = t.test_only"""

# The most urgent signal that waits; whether something earlier of its symbol waits too: then the order may matter; and
# whether nothing else waits at all.
NEXT_SIGNAL = (
    "select "
    + _SIGNAL
    + """, g.seq > (select min(e.seq) from {s}.trading_signal e where e.pool_id = g.pool_id
     and e.state in ('new', 'planning') and e.symbol = g.symbol),
   not exists (select 1 from {s}.trading_signal o where o.pool_id = g.pool_id and o.state in ('new', 'planning')
     and o.id <> g.id)
 from {s}.trading_signal g where g.pool_id = %s and g.state in ('new', 'planning') order by g.priority, g.seq limit 1"""
)

# Within one place (trader, market, symbol, side) signals keep their order: the urgent lends its turn to the earliest.
# An open that was overtaken is denied whenever its turn comes, so nobody has to wait for that.
EARLIEST = (
    "select "
    + _SIGNAL
    + """ from {s}.trading_signal g where g.pool_id = %s and g.state in ('new', 'planning') and g.symbol = %s
   and g.trader_id = %s and g.market = %s and g.position_side = %s and g.test_only = %s and g.seq <= %s
   and (g.overtaken_by is null or g.effect = 'close' or g.seq = %s) order by g.seq limit 1"""
)

# A close of the whole lends its turn to nobody: it overtakes what is earlier, which is all less urgent than it. One
# for a single follower marks nothing: what the lead opened before it is everybody else's still.
OVERTAKE = (
    """update {s}.trading_signal g set overtaken_by = t.id from {s}.trading_signal t
 where t.id = %s and t.only_for is null and """
    + f"{_WAITS} and {_SAME_PLACE} and g.seq < t.seq and g.priority > t.priority and g.overtaken_by is null"
)

SIGNAL = "select " + _SIGNAL + " from {s}.trading_signal g where g.id = %s"

# Orders of earlier, less urgent signals of the same place that nobody has claimed yet.
UNSENT = (
    """select o.signal_id, o.id, o.attempts from {s}.trading_signal t join {s}.trading_signal g on g.pool_id = t.pool_id
   and g.state <> 'done' and g.seq < t.seq and g.priority > t.priority and """
    + _SAME_PLACE
    + f"""
 join {{s}}.trading_order o on o.signal_id = g.id
 where t.id = %s and o.subscription_id = any(%s) and o.status = {Status.PLANNED:d} order by o.id"""
)

MOVE_CURSOR = """update {s}.trading_signal set cursor = %(cursor)s, wrapped = %(wrapped)s,
   followers = followers + %(count)s, state = %(state)s::text, draw_chain = nullif(%(chain)s, 0),
   draw_followers = %(followers)s, draw_start = %(start)s, walk_first = %(first)s, walk_last = %(last)s,
   seed = %(seed)s::bytea, planned_at = case when %(state)s::text = 'planned' then clock_timestamp() end
 where id = %(signal)s"""

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
   venue_order_id, filled, error_code, error, lead_at, created_at, sent_at, lease_until, leaf, place)
 select %(signal)s, u.sub, %(leg)s, %(pool)s, u.usr::uuid, u.acc::uuid, %(trader)s, u.cid, %(exchange)s, %(env)s,
   %(market)s, %(symbol)s, %(side)s, %(position_side)s, %(effect)s, %(type)s, %(tif)s, %(reduce_only)s, u.waits, u.qty,
   u.lim, %(lead_price)s, %(mark)s, u.leverage, u.reserved, %(priority)s,
   case when %(born)s and not u.waits then 2 else 1 end, case when %(born)s and not u.waits then 1 else 0 end,
   '', 0, '', '', %(lead_at)s, clock_timestamp(),
   case when %(born)s and not u.waits then clock_timestamp() end,
   case when %(born)s and not u.waits then clock_timestamp() + %(lease)s * interval '1 ms' end, u.leaf,
   u.place
 from unnest(%(subs)s::bigint[], %(users)s::text[], %(accounts)s::text[], %(cids)s::text[], %(qtys)s::numeric[],
   %(reserves)s::numeric[], %(waits)s::boolean[], %(leaves)s::bytea[], %(limits)s::numeric[], %(leverages)s::int[],
   %(places)s::int[]) u(sub, usr, acc, cid, qty, reserved, waits, leaf, lim, leverage, place)
 on conflict on constraint one_copy do nothing
 returning """

INSERT_DENIALS = """insert into {s}.trading_denial (signal_id, subscription_id, leg, pool_id, user_id, reason, detail,
   symbol, market, side, effect, lead_price, lead_at, at, leaf, place)
 select %(signal)s, u.sub, %(leg)s, %(pool)s, u.usr::uuid, u.reason, u.detail, %(symbol)s, %(market)s, %(side)s,
   %(effect)s, %(lead_price)s, %(lead_at)s, %(at)s, u.leaf, u.place
 from unnest(%(subs)s::bigint[], %(users)s::text[], %(reasons)s::text[], %(details)s::jsonb[], %(leaves)s::bytea[],
   %(places)s::int[]) u(sub, usr, reason, detail, leaf, place)
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

CARRY_CLOSE = """update {s}.trading_holding h set carry_close = coalesce(u.carried, h.carry_close),
   carry_open = trunc(h.carry_open * greatest(1 - %s::numeric, 0), 18),
   closed_by_owner = h.closed_by_owner and %s::numeric < 1
 from unnest(%s::bigint[], %s::numeric[]) u(sub, carried)
 where h.subscription_id = u.sub and h.trader_id = %s and h.market = %s and h.symbol = %s and h.side = %s"""

CLAIMED = """id, signal_id, subscription_id, account_id::text, user_id::text, environment, client_id, qty, limit_price,
   type, time_in_force, reduce_only, attempts, (extract(epoch from sent_at) * 1000)::bigint, leverage, lead_price,
   created_at, place"""

CLAIM_RANGE = (
    f"""update {{s}}.trading_order set status = {Status.SENDING:d}, attempts = attempts + 1,
   sent_at = clock_timestamp(), lease_until = clock_timestamp() + %s * interval '1 ms'
 where signal_id = %s and subscription_id between %s and %s and status = {Status.PLANNED:d} and not waits
   and (lease_until is null or lease_until <= clock_timestamp())
 returning """
    + CLAIMED
)

_NOTHING_BEFORE = f"""not exists (
     select 1 from {{s}}.trading_order e join {{s}}.trading_signal es on es.id = e.signal_id
     where es.pool_id = o.pool_id and es.state <> 'done' and e.subscription_id = o.subscription_id
       and e.trader_id = o.trader_id and e.market = o.market and e.symbol = o.symbol and e.id < o.id
       and e.status in ({", ".join(str(int(s)) for s in sorted(IN_FLIGHT))}))"""

WAITING = f"""select o.id, o.subscription_id, o.client_id, h.qty, o.qty, h.carry_close from {{s}}.trading_order o
 join {{s}}.trading_holding h on h.subscription_id = o.subscription_id and h.trader_id = o.trader_id
   and h.market = o.market and h.symbol = o.symbol and h.side = %s
 where o.signal_id = %s and o.subscription_id between %s and %s and o.status = {Status.PLANNED:d} and o.waits
   and {_NOTHING_BEFORE}
 order by o.subscription_id for update of o, h"""

CLAIM_WAITING = (
    f"""update {{s}}.trading_order o set qty = u.qty, waits = false, leaf = u.leaf, status = {Status.SENDING:d},
   attempts = attempts + 1, sent_at = clock_timestamp(), lease_until = clock_timestamp() + %s * interval '1 ms'
 from unnest(%s::bigint[], %s::numeric[], %s::bytea[]) u(id, qty, leaf)
 where o.id = u.id and o.status = {Status.PLANNED:d} and o.waits
 returning """
    + ", ".join(f"o.{column.strip()}" if "(" not in column else column for column in CLAIMED.split(",")[:13])
    + ", (extract(epoch from o.sent_at) * 1000)::bigint, o.leverage, o.lead_price, o.created_at, o.place"
)

# What was given back has a nudge of its own, due when `lease_until` is over.
GIVE_BACK = f"""update {{s}}.trading_order o set status = {Status.PLANNED:d}, sent_at = null, error_code = u.code,
   error = u.words, lease_until = clock_timestamp() + %s * interval '1 ms'
 from unnest(%s::bigint[], %s::smallint[], %s::text[], %s::text[]) u(id, attempt, code, words)
 where o.id = u.id and o.status = {Status.SENDING:d} and o.attempts = u.attempt returning o.subscription_id"""

# Opens that went back for want of room, and behind which a close of this signal waits.
OVERTAKEN = f"""select o.signal_id, o.id, o.attempts from {{s}}.trading_order c
 join {{s}}.trading_order o on o.subscription_id = c.subscription_id and o.trader_id = c.trader_id
   and o.market = c.market and o.symbol = c.symbol and o.id < c.id
 where c.signal_id = %s and c.subscription_id between %s and %s and c.status = {Status.PLANNED:d} and c.waits
   and o.effect = 'open' and o.status = {Status.PLANNED:d} and not o.waits and o.lease_until is not null
 order by o.id"""


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

WHOSE = "select distinct subscription_id from {s}.trading_order where id = any(%s)"

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

# Of a long queue of orders that wait for each other only the first may go: to wake them all would wake each of them as
# often as there are others.
NEXT_WAITING = f"""select distinct signal_id, priority from (
   select distinct on (o.subscription_id) o.signal_id, g.priority from {{s}}.trading_signal g
   join {{s}}.trading_order o on o.signal_id = g.id
   where g.pool_id = %s and g.state <> 'done' and o.subscription_id = any(%s) and o.trader_id = %s and o.market = %s
     and o.symbol = %s and o.status = {Status.PLANNED:d} and o.waits
   order by o.subscription_id, o.id) first"""

FINISH_SIGNALS = f"""update {{s}}.trading_signal g set state = 'done', done_at = clock_timestamp()
 where g.state = 'planned' and g.planned_at < clock_timestamp() - interval '300 ms' and not exists (
   select 1 from {{s}}.trading_order o where o.signal_id = g.id
     and o.status in ({", ".join(str(int(s)) for s in sorted(IN_FLIGHT))}))
 returning g.id"""

# An order that came back to life is looked after again.
GO_ON = "update {s}.trading_signal set state = 'planned', done_at = null where id = %s and state = 'done'"

# What waits for an earlier order is not stuck. The longest unswept come first, so that a round stays short.
STUCK_RANGES = f"""select g.id, min(o.subscription_id), max(o.subscription_id) from {{s}}.trading_signal g
 join {{s}}.trading_order o on o.signal_id = g.id
 where g.state <> 'done' and o.status = {Status.PLANNED:d}
   and o.created_at < clock_timestamp() - interval '1 s'
   and (o.lease_until is null or o.lease_until <= clock_timestamp())
   and (g.swept_at is null or g.swept_at < clock_timestamp() - interval '1 s')
   and (not o.waits or {_NOTHING_BEFORE})
 group by g.id order by g.swept_at nulls first, g.id limit {STUCK_AT_ONCE}"""

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
    seq: int
    overtaken: bool
    qty: object
    only_for: int | None
    lead_equity: object
    lead_leverage: int | None
    stop_loss_pct: object
    take_profit_pct: object
    position_since: datetime | None
    walked: int
    draw_chain: int | None
    draw_followers: int
    draw_start: int
    walk_first: int
    walk_last: int | None
    wrapped: bool
    ours: bool = False
    """The guard asks for it: it says nothing of the lead."""

    @property
    def whole(self) -> bool:
        """Whether it closes all that the lead held."""
        return self.effect == "close" and Decimal(str(self.fraction)) >= 1

    def lead_trade(self) -> LeadTrade:
        """What the outcomes of its copies have in common."""
        where = (str(self.pool_id), self.symbol, self.market, self.side, self.effect)
        return LeadTrade(*where, self.price, self.lead_at)  # type: ignore[arg-type]


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
    place: int
