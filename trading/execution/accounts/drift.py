"""Hold accounts against the venue: write down where they differ, and mend by rule what was seen twice.

What we believe is read before the venue is asked and again before anything is changed. A difference is one only while
nothing of the account is under way, and is mended only when it was seen just like that a second time, seconds later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from obscura.core import clock, log
from obscura.core.ratelimit import Rate, take
from trading.domain import drift
from trading.domain.drift import LARGER, ORDER_GONE, ORDER_OPEN, SMALLER, Difference, Place
from trading.execution import db
from trading.execution.accounts import belief, checks, look, mend
from trading.execution.accounts.belief import Belief
from trading.execution.accounts.checks import Account

AT_ONCE = 50
BUDGET = Rate(limit=600, seconds=60)
"""Of what a venue allows an address in a minute: a tenth on spot, a quarter on futures."""

WITHOUT_BUDGET_S = 30.0
WHILE_BUSY_S = 10.0
STEADY = timedelta(seconds=3)
"""How long a difference must have stood unchanged before it is mended."""

POSITIONS = frozenset({SMALLER, LARGER})

_logger = log.get("drift")

_OPEN = """select id, kind, market, symbol, side, ours, theirs, sightings, steady_since from {s}.trading_drift
 where account_id = %s and resolved_at is null order by id for update"""

_NEW = """insert into {s}.trading_drift (account_id, user_id, kind, market, symbol, side, ours, theirs, sightings,
   first_seen, steady_since, last_seen, done)
 values (%s, %s, %s, %s, %s, %s, %s, %s, 1, %s, %s, %s, '') on conflict do nothing"""

_SEEN = """update {s}.trading_drift set ours = %s, theirs = %s, sightings = %s, steady_since = %s, last_seen = %s
 where id = %s"""

_GONE = """update {s}.trading_drift set resolved_at = %s, done = case when done = '' then %s else done end
 where id = any(%s)"""


class Seen(NamedTuple):
    """What the venue told of one account; of a market that is not in `markets` it told nothing."""

    theirs: dict[Place, Decimal]
    markets: set[str]
    orders: dict[tuple[str, str], dict[str, Decimal]]
    complete: bool


class Ripe(NamedTuple):
    """A difference that may be mended, and the row that tells of it."""

    row: int
    difference: Difference


def check(*, schema: str) -> dict[str, int]:
    """Check the accounts of a tenant that are due. Returns counts."""
    counts = {"checked": 0, "different": 0, "mended": 0}
    accounts = checks.claim(schema=schema, limit=AT_ONCE)
    if not accounts:
        return counts
    beliefs = belief.of(schema=schema, accounts=accounts, now=clock.now())
    idle = [one for one in accounts if beliefs[one.id].empty]
    _settle_idle(schema, idle)
    moving = [one for one in accounts if beliefs[one.id].busy]
    checks.later(schema=schema, accounts=[one.id for one in moving], after_s=WHILE_BUSY_S)
    accounts = [one for one in accounts if not (beliefs[one.id].empty or beliefs[one.id].busy)]
    seen = _look(schema, accounts, beliefs)
    told = [one for one in accounts if one.id in seen]
    checks.answered(schema=schema, accounts=[one.id for one in told if seen[one.id].complete])
    for account in told:
        found, ripe = _compare(schema, account, beliefs[account.id], seen[account.id])
        counts["checked"] += 1
        counts["different"] += len(found)
        for one in ripe:
            counts["mended"] += _mend(schema, account, beliefs[account.id], one)
    return counts


def _settle_idle(schema: str, accounts: Sequence[Account]) -> None:
    """Nothing of ours is on these any more, so nothing differs."""
    now = clock.now()
    for account in accounts:
        _note(schema, account, [], now, covers=lambda kind, place: True)
    checks.leave(schema=schema, accounts=[one.id for one in accounts])


def _look(schema: str, accounts: Sequence[Account], beliefs: Mapping[str, Belief]) -> dict[str, Seen]:
    """Ask for what can be compared, within the budget; those that must wait are due again a little later."""
    asked: list[Account] = []
    waiting: list[Account] = []
    for account in accounts:
        one = beliefs[account.id]
        cost = sum(look.WEIGHT[market] for market in one.markets())
        cost += sum(look.ORDERS_WEIGHT[market] for market, _ in one.asked())
        bucket = f"check:{account.exchange}:{account.environment}"
        (asked if take(bucket, rate=BUDGET, cost=cost).allowed else waiting).append(account)
    checks.later(schema=schema, accounts=[one.id for one in waiting], after_s=WITHOUT_BUDGET_S)
    found = {one.id: Seen({}, set(), {}, complete=True) for one in asked}
    for market in look.WEIGHT:
        there = [one for one in asked if market in beliefs[one.id].markets()]
        told = look.holdings(schema=schema, market=market, accounts=there)
        for account in there:
            if account.id in told:
                found[account.id].theirs.update(told[account.id])
                found[account.id].markets.add(market)
            else:
                found[account.id] = found[account.id]._replace(complete=False)
    by_symbol: dict[tuple[str, str], list[Account]] = defaultdict(list)
    for account in asked:
        for place in sorted(beliefs[account.id].asked()):
            by_symbol[place].append(account)
    for (market, symbol), there in by_symbol.items():
        opened = look.open_orders(schema=schema, market=market, symbol=symbol, accounts=there)
        for account in there:
            if account.id in opened:
                found[account.id].orders[market, symbol] = opened[account.id]
            else:
                found[account.id] = found[account.id]._replace(complete=False)
    return found


def _compare(schema: str, account: Account, ours: Belief, seen: Seen) -> tuple[list[Difference], list[Ripe]]:
    """Write down how the two differ. Returns all differences, and those that may be mended."""
    now = clock.now()
    after = belief.of(schema=schema, accounts=[account], now=now)[account.id]
    if after.busy or ours.held != after.held:
        checks.again(schema=schema, accounts=[account.id])
        return [], []
    unsteady = ours.unsteady | after.unsteady
    fees_unknown = ours.fees_unknown or after.fees_unknown

    def steady(place: Place) -> bool:
        return place[:2] not in unsteady and not (fees_unknown and place[0] == "spot")

    compared = [one for one in ours.held if one.place[0] in seen.markets and steady(one.place)]
    held = drift.placed(compared, seen.theirs)
    found = drift.positions(held, seen.theirs, least=ours.least)
    for (market, symbol), there in seen.orders.items():
        live = {name: one.left for name, one in ours.live.items() if (one.market, one.symbol) == (market, symbol)}
        over = {name: one.left for name, one in ours.over.items() if (one.market, one.symbol) == (market, symbol)}
        found += drift.orders(live=live, over=over, there=there, market=market)
    answered = ours.asked() <= set(seen.orders)

    def covers(kind: str, place: Place) -> bool:
        if kind not in POSITIONS:
            return answered
        return steady(place) and (place[0] in seen.markets or place[0] not in ours.markets())

    ripe = _note(schema, account, found, now, covers=covers)
    pending = [one for one in found if one.kind != LARGER]
    if len(pending) > len(ripe):
        checks.again(schema=schema, accounts=[account.id])
    return found, ripe


def _note(
    schema: str, account: Account, found: Sequence[Difference], now: datetime, *, covers: Callable[[str, Place], bool]
) -> list[Ripe]:
    """Bring the account's rows up to date. Returns what was seen at least twice, unchanged, over some seconds."""
    session, ripe = db.session(), []
    with session.transaction():
        cursor = session.cursor()
        rows = cursor.execute(db.sql(_OPEN, schema), [account.id]).fetchall()
        known = {(row[1], (row[2], row[3], row[4])): row for row in rows}
        for one in found:
            row = known.pop((one.kind, one.place), None)
            if row is None:
                values = [account.id, account.user, one.kind, *one.place, one.ours, one.theirs, now, now, now]
                cursor.execute(db.sql(_NEW, schema), values)
                _logger.info("drift.found", schema=schema, account=account.id, kind=one.kind, symbol=one.place[1])
                continue
            same = (row[5], row[6]) == (one.ours, one.theirs)
            sightings, since = (row[7] + 1, row[8]) if same else (1, now)
            cursor.execute(db.sql(_SEEN, schema), [one.ours, one.theirs, sightings, since, now, row[0]])
            if sightings > 1 and now - since >= STEADY and one.kind != LARGER:
                ripe.append(Ripe(row[0], one))
        gone = [row[0] for (kind, place), row in known.items() if covers(kind, place)]
        if gone:
            cursor.execute(db.sql(_GONE, schema), [now, "Gone by itself", gone])
    return ripe


def _mend(schema: str, account: Account, ours: Belief, one: Ripe) -> bool:
    difference = one.difference
    name = difference.place[1]
    if difference.kind == SMALLER:
        done = mend.cut(schema=schema, account=account, row=one.row, difference=difference)
    elif difference.kind == ORDER_OPEN:
        done = mend.adopt(schema=schema, row=one.row, order=ours.over[name].id)
    else:
        assert difference.kind == ORDER_GONE
        done = mend.ask(schema=schema, row=one.row, order=ours.live[name].id)
    if done:
        _logger.warning("drift.mended", schema=schema, account=account.id, kind=difference.kind, symbol=name)
    return done
