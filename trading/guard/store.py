"""The SQL of the guard: holdings and notices in sets, the schema named in each statement."""

from __future__ import annotations

HELD = """select id, subscription_id, trader_id, market, symbol, side, qty, cost, closing, stop_loss_pct,
   take_profit_pct, trailing_pct, best, opened_at
 from {s}.trading_holding where subscription_id = any(%s) and qty <> 0 order by id"""

# A holding that was opened anew meanwhile has no best price of the one before it. One whose results are just being
# written is left to the next look: who waits for nobody is in nobody's circle.
BEST = """with free as (
   select id from {s}.trading_holding where id = any(%s::bigint[]) order by id for no key update skip locked)
 update {s}.trading_holding h set best = u.best
 from unnest(%s::bigint[], %s::numeric[], %s::timestamptz[]) u(id, best, opened) join free on free.id = u.id
 where h.id = u.id and h.opened_at is not distinct from u.opened and h.qty <> 0"""

STANDING = """select id, subscription_id, code, place from {s}.trading_notice where over_at is null"""

TELL = """insert into {s}.trading_notice (subscription_id, user_id, pool_id, code, place, market, symbol, words, at,
   over_at)
 select * from unnest(%s::bigint[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
   %s::timestamptz[], %s::timestamptz[])
 on conflict do nothing returning id, subscription_id, code, place"""

OVER = "update {s}.trading_notice set over_at = %s where id = any(%s) and over_at is null returning id"
