"""Plan a pool's signals, the most urgent first, in chunks of followers: load and lock, decide, write, place the first.

The pool's lane is locked for each chunk, so that plans of one pool are serial and no two see the same room. A signal's
cursor says how far it is planned: a planner that dies, or that was interrupted by something more urgent, is continued
by whoever comes next, and nobody is decided twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.conf import settings

import tenants.feed
from obscura.core import clock, ids
from obscura.core.errors import Unavailable
from obscura.core.features import entitlements
from obscura.core.nudge import send as nudges
from pools import followers
from proofs.domain.receipts import Leaves
from tenants import directory
from tenants.models import Tenant
from trading import copies, metrics
from trading.conductor import carry, draws
from trading.conductor.books import open_books
from trading.domain import priorities
from trading.domain.draw import CHUNK, FIRST_CHUNK
from trading.domain.fanout import Book, Copy, Decision, Denied, Follower, Held, Lead, Terms, decide
from trading.domain.market import MarketFacts
from trading.domain.reasons import Reason
from trading.execution import arrays, db, overtaking, results, store
from trading.execution.accounts import setup
from trading.execution.execute import order_leaves
from trading.execution.store import Claimed, SignalRow
from trading.execution.submit import Flight, place
from trading.market import cache

PLACED_BY_PLANNER = FIRST_CHUNK + 2 * CHUNK
"""So many orders of a signal are claimed as they are planned and leave from here; those of more followers are nudged,
for other workers to share. To hand over costs more than to place, and what nobody has claimed an exit can overtake."""
LEAST_URGENT = 32_767
"""The largest number a priority may have."""
PATIENCE = timedelta(seconds=10)
"""While a trade is younger, it waits for what nobody knows of a whole market: Redis has just lost everything."""


class MarketUnknown(Unavailable):
    """The prices or rules of a whole market are not known at the moment."""

    code = "market_unknown"
    remedy = "Nothing is lost: the market process writes them again within seconds, and the trade is copied then."


class Planned(NamedTuple):
    """One planned chunk: what to place at once, what to nudge, what to tell; whether it was the last that waited."""

    signal: SignalRow
    born: list[Claimed]
    messages: list[nudges.Message]
    denied: list[dict[str, Any]]
    dropped: list[results.Written]
    decision: Decision
    last: bool


def plan(
    *,
    tenant: Tenant,
    pool_id: UUID,
    urgency: int = priorities.LOW,
    most: int | None = None,
    fly: Callable[[Flight], object] = Flight.landed,
) -> int:
    """Plan the pool's signals that wait, the most urgent first. Returns how many chunks were planned.

    :param urgency: leave what is less urgent than this to whoever was called for it
    :param most: stop after so many chunks
    :param fly: what to do in the end with what was placed: wait until it has landed, or `submit.let_fly`
    """
    schema, done = str(tenant.schema_name), 0
    urgency = urgency if urgency < priorities.LOW else LEAST_URGENT
    flights: list[Flight] = []
    facts = _Markets()
    while done != most:
        chunk = _plan_chunk(tenant=tenant, pool_id=pool_id, urgency=urgency, facts=facts)
        if chunk is None:
            break
        done += 1
        metrics.planned(
            copies=len(chunk.decision.copies),
            denied=Counter(denied.reason for denied in chunk.decision.denials),
        )
        for written in chunk.dropped:
            results.tell(schema=schema, written=written)
        if chunk.born:
            flights.append(place(schema=schema, signal=chunk.signal, rows=chunk.born))
        for message in chunk.messages:
            nudges.send(message)
        if chunk.denied:
            tenants.feed.publish(schema=schema, rows=chunk.denied)
        if chunk.last:
            break  # a signal that came meanwhile has brought a nudge of its own
    for flight in flights:
        fly(flight)
    return done


class _Markets:
    """Prices and rules for the signals of one run, read once for each signal and environment."""

    def __init__(self) -> None:
        self._facts: dict[tuple[int, str], MarketFacts] = {}
        self._marks: dict[tuple[int, str, str], dict[str, Decimal | None]] = {}

    def facts(self, signal: SignalRow, environment: str) -> MarketFacts:
        key = (signal.id, environment)
        if key not in self._facts:
            where = {"environment": environment, "exchange": signal.exchange, "market": signal.market}
            found = cache.facts(**where, symbol=signal.symbol)
            opens = signal.effect == "open"
            if (found.rules is None or (opens and found.quote is None)) and not cache.loaded(**where):
                _wait_for_market(signal)
            self._facts[key] = found
        return self._facts[key]

    def marks(
        self, signal: SignalRow, environment: str, market: str, symbols: Collection[str]
    ) -> Mapping[str, Decimal]:
        known = self._marks.setdefault((signal.id, environment, market), {})
        missing = [symbol for symbol in symbols if symbol not in known]
        if missing:
            known |= cache.middles(environment=environment, exchange=signal.exchange, market=market, symbols=missing)
            if not any(known.values()):
                _wait_for_market(signal)
        return {symbol: price for symbol in symbols if (price := known[symbol]) is not None}


def _wait_for_market(signal: SignalRow) -> None:
    if clock.now() - signal.lead_at < PATIENCE:  # type: ignore[operator]
        raise MarketUnknown


def _plan_chunk(*, tenant: Tenant, pool_id: UUID, urgency: int, facts: _Markets) -> Planned | None:
    schema = str(tenant.schema_name)
    session = db.session()
    with session.transaction():
        cursor = session.cursor()
        if cursor.execute(db.sql(store.LANE, schema), [pool_id]).fetchone() is None:
            return None
        turn = overtaking.next_signal(cursor, schema=schema, pool_id=pool_id, urgency=urgency)
        if turn is None:
            return None
        signal = turn.signal
        walk = draws.walk(cursor, schema=schema, signal=signal)
        limit = walk.limit(first=FIRST_CHUNK, chunk=CHUNK)
        loaded = walk.load(cursor, schema=schema, pool_id=pool_id, limit=limit)
        members = [Follower._make(columns) for columns in walk.in_order(loaded, first=FIRST_CHUNK, chunk=CHUNK)]
        places = {member.subscription: at for at, member in enumerate(members, walk.walked + 1)}
        now = clock.now()
        held, dropped = _held(cursor, schema=schema, signal=signal, members=members)
        decision = _decide(cursor, tenant=tenant, signal=signal, members=members, held=held, facts=facts, now=now)
        claim = walk.walked < PLACED_BY_PLANNER
        born = _insert_copies(cursor, tenant=tenant, signal=signal, decision=decision, places=places, claim=claim)
        denied = _insert_denials(cursor, schema=schema, signal=signal, denials=decision.denials, places=places, now=now)
        carry.keep(cursor, schema=schema, signal=signal, decision=decision)
        messages: list[nudges.Message] = []
        if decision.copies and len(born) < len(decision.copies):
            first, last = walk.span(loaded)
            span = {"signal_id": signal.id, "first": first, "last": last}
            queue = priorities.queue_of(signal.priority)
            messages.append(nudges.write(cursor, tenant=schema, task="trading.execute", queue=queue, ids=span))
        messages += _fetch_brackets(cursor, schema=schema, signal=signal, members=members, decision=decision)
        reached, wrapped, ended = walk.after(loaded, limit=limit)
        moved = {
            "signal": signal.id, "cursor": reached, "wrapped": wrapped, "count": len(loaded),
            "state": "planned" if ended else "planning", "chain": walk.chain, "followers": walk.followers,
            "start": walk.start, "first": walk.first, "last": walk.last, "seed": walk.seed if ended else None,
        }  # fmt: skip
        cursor.execute(db.sql(store.MOVE_CURSOR, schema), moved)
    draws.committed(schema=schema, signal=signal, chain=walk.chain)
    return Planned(signal, born, messages, denied, dropped, decision, ended and turn.alone)


def _held(
    cursor: Any, *, schema: str, signal: SignalRow, members: Sequence[Follower]
) -> tuple[Mapping[int, Held], list[results.Written]]:
    """What the members hold of the signal's symbol, and what became of orders that would be in an exit's way."""
    if signal.effect != "close" and signal.market != "usdm" and signal.position_since is None:
        return {}, []
    subscriptions = [member.subscription for member in members]
    where = [subscriptions, signal.trader_id, signal.market, signal.symbol, signal.position_side]
    rows = cursor.execute(db.sql(store.HELD, schema), where).fetchall()
    busy = [row[0] for row in rows if row[2] or row[3]]
    dropped = overtaking.drop_unsent(cursor, schema=schema, exit=signal, subscriptions=busy) if signal.whole else []
    if dropped:
        rows = cursor.execute(db.sql(store.HELD, schema), where).fetchall()
    return {row[0]: Held(*row[1:]) for row in rows}, dropped


def _decide(
    cursor: Any,
    *,
    tenant: Tenant,
    signal: SignalRow,
    members: Sequence[Follower],
    held: Mapping[int, Held],
    facts: _Markets,
    now: datetime,
) -> Decision:
    schema = str(tenant.schema_name)
    terms = followers.terms(cursor, schema=schema, pool_id=signal.pool_id)  # type: ignore[arg-type]
    assert terms is not None  # its signal is here
    result: dict[int, Decimal | None] = {}
    books: dict[int, Book] = {}
    if signal.effect == "open" and not signal.overtaken:
        result, books = open_books(cursor, schema=schema, signal=signal, members=members, marks=facts.marks)
    environments = {member.environment for member in members}
    unfit = setup.unfit(schema=schema, signal=signal, accounts=[member.account for member in members])
    return decide(
        lead=Lead(
            exchange=signal.exchange,
            market=signal.market,
            symbol=signal.symbol,
            side=signal.side,
            effect=signal.effect,
            fraction=Decimal(str(signal.fraction)),
            weight=Decimal(str(signal.weight)),
            price=signal.price,  # type: ignore[arg-type]
            order_type=signal.order_type,
            at=signal.lead_at,  # type: ignore[arg-type]
            test_only=signal.test_only,
            position_side=signal.position_side,
            qty=Decimal(str(signal.qty)),
            equity=signal.lead_equity,  # type: ignore[arg-type]
            leverage=signal.lead_leverage,
            stop_loss_pct=signal.stop_loss_pct,  # type: ignore[arg-type]
            take_profit_pct=signal.take_profit_pct,  # type: ignore[arg-type]
            since=signal.position_since,
            overtaken=signal.overtaken,
        ),
        terms=Terms(
            active=terms.active,
            slots=terms.slots,
            leverage=terms.leverage,
            max_slippage_bps=terms.max_slippage_bps,
            signal_ttl=terms.signal_ttl,
            max_copy_usd=entitlements(tenant.entitlements).max_copy_usd,
            halted=terms.halted or directory.halted(schema),
        ),
        followers=members,
        held=held,
        open_result=result,
        markets={environment: facts.facts(signal, environment) for environment in environments},
        now=now,
        books=books,
        unfit=unfit,
    )


def _fetch_brackets(
    cursor: Any, *, schema: str, signal: SignalRow, members: Sequence[Follower], decision: Decision
) -> list[nudges.Message]:
    """Promise that what an open was denied for is known the next time: asked through one account an environment."""
    wanting = {denied.subscription for denied in decision.denials if denied.reason is Reason.NO_BRACKETS}
    accounts = {member.environment: member.account for member in members if member.subscription in wanting}
    where = {"exchange": signal.exchange, "symbol": signal.symbol}
    return [
        nudges.write(
            cursor,
            tenant=schema,
            task="trading.fetch_brackets",
            queue="high",
            ids={**where, "environment": environment, "account_id": account},
        )
        for environment, account in accounts.items()
    ]


def _insert_copies(
    cursor: Any, *, tenant: Tenant, signal: SignalRow, decision: Decision, places: Mapping[int, int], claim: bool
) -> list[Claimed]:
    """Insert the orders, claimed from birth where `claim`; hold their budgets and count them as on their way."""
    if not decision.copies:
        return []
    schema = str(tenant.schema_name)
    key = ids.id_key(settings.SECRET_KEY)
    born: list[Claimed] = []
    by_environment: dict[str, list[Copy]] = {}
    for copy in decision.copies:
        by_environment.setdefault(copy.environment, []).append(copy)
    leaves = order_leaves(schema, signal)
    for environment, group in by_environment.items():
        legs = [(copy.subscription, signal.leg) for copy in group]
        names = ids.client_order_ids(key=key, tenant=int(tenant.pk), signal=signal.id, legs=legs)
        shape = decision.shapes[environment]
        values = {
            "signal": signal.id, "leg": signal.leg, "pool": signal.pool_id, "trader": signal.trader_id,
            "exchange": signal.exchange, "env": environment, "market": signal.market, "symbol": signal.symbol,
            "side": signal.side, "position_side": signal.position_side, "effect": signal.effect, "type": shape.type,
            "tif": shape.time_in_force, "reduce_only": shape.reduce_only,
            "limits": arrays.tokens(copy.limit_price for copy in group),
            "leverages": arrays.tokens(copy.leverage for copy in group),
            "lead_price": signal.price, "mark": shape.mark_price,
            "priority": signal.priority, "born": claim, "lead_at": signal.lead_at, "lease": settings.COPY_LEASE_MS,
            "subs": arrays.tokens(copy.subscription for copy in group),
            "users": arrays.tokens(copy.user for copy in group),
            "accounts": arrays.tokens(copy.account for copy in group), "cids": arrays.tokens(names),
            "qtys": arrays.tokens(copy.qty for copy in group),
            "reserves": arrays.tokens(copy.reserved for copy in group),
            "waits": arrays.flags(copy.waits for copy in group),
            "leaves": arrays.digests(
                leaves.leaf(name, copy.subscription, copy.qty) for name, copy in zip(names, group, strict=True)
            ),
            "hold_side": signal.position_side, "places": arrays.tokens(places[copy.subscription] for copy in group),
        }  # fmt: skip
        rows = cursor.execute(db.sql(store.INSERT_ORDERS + store.CLAIMED, schema), values).fetchall()
        count = store.COUNT_OPENING if signal.effect == "open" else store.COUNT_CLOSING
        cursor.execute(db.sql(count, schema), values)
        if claim:
            born += [claimed for row in rows if (claimed := Claimed(*row)).attempt]
    if signal.effect == "open":
        reserves = [(copy.subscription, copy.reserved) for copy in decision.copies]
        followers.reserve(cursor, schema=schema, amounts=reserves)
    return born


def _insert_denials(
    cursor: Any,
    *,
    schema: str,
    signal: SignalRow,
    denials: Sequence[Denied],
    places: Mapping[int, int],
    now: datetime,
) -> list[dict[str, Any]]:
    """Insert the denials; returns their rows for the feed."""
    if not denials:
        return []
    leaves = Leaves("denial", [schema, bytes(signal.leaf).hex()])
    values = {
        "signal": signal.id, "leg": signal.leg, "pool": signal.pool_id, "symbol": signal.symbol,
        "market": signal.market, "side": signal.side, "effect": signal.effect, "lead_price": signal.price,
        "lead_at": signal.lead_at, "at": now, "subs": [denied.subscription for denied in denials],
        "users": [denied.user for denied in denials], "reasons": [denied.reason.value for denied in denials],
        "details": [orjson.dumps(denied.detail).decode() for denied in denials],
        "leaves": [leaves.leaf(denied.subscription, denied.reason.value) for denied in denials],
        "places": [places[denied.subscription] for denied in denials],
    }  # fmt: skip
    rows = cursor.execute(db.sql(store.INSERT_DENIALS, schema), values).fetchall()
    by_subscription = {denied.subscription: denied for denied in denials}
    lead = signal.lead_trade()
    columns = lead.columns()
    told = [(denial_id, by_subscription[subscription]) for denial_id, subscription in rows]
    return [
        copies.denial_row(
            lead=lead,
            columns=columns,
            id=denial_id,
            user=denied.user,
            at=now,
            reason=denied.reason.value,
            detail=denied.detail,
        )
        for denial_id, denied in told
    ]
