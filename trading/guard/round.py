"""One look at a tenant: what is open, at which prices, under which limits; and what follows from it.

All that decides is read in sets and decided over plain values (`trading.domain.guard`). What follows is done for one
subscription at a time, each in a transaction of its own: pause, closes and notice together, so that a guard that is
killed has done all of it or nothing, and the next look does the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction

from obscura.core import log
from pools import guarded
from pools import services as pools
from pools.guarded import Guarded
from tenants.models import Tenant
from tenants.scope import current
from trading.domain import guard_words as words
from trading.domain import priorities
from trading.domain.guard import (
    Held,
    Prices,
    Told,
    Verdict,
    best_price,
    crossed,
    fresh,
    highest,
    judge,
    open_result,
    silent_since,
)
from trading.domain.people import Follower
from trading.domain.reasons import Reason
from trading.domain.stops import Kind
from trading.execution import db
from trading.execution.protect import rows as stop_rows
from trading.execution.protect.rows import Stop
from trading.guard import notices, store, together
from trading.guard.memory import Lead, Memory
from trading.guard.notices import News
from trading.market import cache
from trading.signals.own import Mine, Place, close_holdings, leave_until_next_entry
from trading.signals.record import GUARD

PRICE_PATIENCE = timedelta(seconds=15)
"""A price may be away that long before followers are told: one that starts anew is no news."""

UNANSWERED = timedelta(seconds=15)
"""So long a stop at the venue that should have fired is waited for."""

_logger = log.get("guard")


class One(NamedTuple):
    """A subscription with what it has open."""

    follower: Follower
    rest: Guarded
    held: Sequence[Held]
    stops: Sequence[Stop] = ()

    @property
    def place(self) -> Place:
        """Where its closes go."""
        return Place(self.rest.pool_id, self.follower.subscription, self.follower.exchange)


@dataclass(slots=True)
class Counts:
    """What one look found and did.

    :param watched: subscriptions looked after
    :param blind: holdings whose price is not known or too old
    :param closes: closes that were begun
    :param stopped: subscriptions that a limit paused
    :param failed: subscriptions for which it could not be done; the next look tries again
    """

    watched: int = 0
    blind: int = 0
    closes: int = 0
    stopped: int = 0
    resumed: int = 0
    silent: int = 0
    failed: int = 0
    told: int = 0

    @property
    def acted(self) -> bool:
        """Whether anything was done."""
        return bool(self.closes or self.stopped or self.resumed or self.told)

    def add(self, other: Counts) -> None:
        """Count what another look found as well."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_dict(self) -> dict[str, int]:
        """For a log line."""
        return {name: getattr(self, name) for name in self.__slots__}


def look(*, tenant: Tenant, memory: Memory, now: datetime) -> Counts:
    """Look after the present tenant once.

    :param memory: what one look tells the next; an empty one costs moments, never a close
    """
    watched = _read(tenant)
    counts = Counts(watched=len(watched))
    prices = _prices(watched, now)
    standing = notices.standing()
    halted = Tenant.Halt.CLOSE in (tenant.halt, tenant.platform_halt)
    news: list[News] = []
    peaks: dict[int, Decimal] = {}
    bests: list[tuple[int, Decimal, datetime | None]] = []
    begun = _close_together([one for one in watched if halted or one.rest.halt == Tenant.Halt.CLOSE], now, counts)
    for one in watched:
        known = prices[one.follower.environment, one.follower.exchange]
        unrealised = open_result(one.held, known)
        counts.blind += sum(held.place not in known for held in one.held)
        news += _blindness(one, known, memory, now)
        silence = _silence(one, memory, now)
        news += silence
        counts.silent += len(silence)
        peak = highest(one.follower, None if unrealised is None else one.follower.realised + unrealised)
        if peak > one.follower.peak and memory.peak_is_due(one.follower):
            peaks[one.follower.subscription] = peak
        bests += _bests(one.held, known)
        shut = halted or one.rest.halt == Tenant.Halt.CLOSE
        act = (
            partial(_close_halted, one, memory, now, counts, begun)
            if shut
            else partial(_act, one, known, memory, now, counts)
        )
        _safely(one, counts, act)
    guarded.raise_peaks(db.session().cursor(), schema=str(tenant.schema_name), peaks=peaks)
    if bests:
        columns = [list(column) for column in zip(*bests, strict=True)]
        db.session().execute(db.sql(store.BEST, str(tenant.schema_name)), [columns[0], *columns])
    counts.told += _tell_what_stands(watched, news, standing, now)
    return counts


def close_halted(*, tenant: Tenant, now: datetime) -> int:
    """Close what is open at the present tenant under a kill switch that says so. Returns how many closes were begun."""
    everywhere = Tenant.Halt.CLOSE in (tenant.halt, tenant.platform_halt)
    counts, memory = Counts(), Memory()
    shut = [one for one in _read(tenant) if everywhere or one.rest.halt == Tenant.Halt.CLOSE]
    begun = _close_together(shut, now, counts)
    for one in shut:
        _safely(one, counts, partial(_close_halted, one, memory, now, counts, begun))
    return counts.closes


def _read(tenant: Tenant) -> list[One]:
    schema, cursor = str(tenant.schema_name), db.session().cursor()
    rows = [(Follower._make(columns), rest) for columns, rest in guarded.watched(cursor, schema=schema)]
    held: dict[int, list[Held]] = defaultdict(list)
    if rows:
        ids = [follower.subscription for follower, _ in rows]
        for row in cursor.execute(db.sql(store.HELD, schema), [ids]).fetchall():
            held[row[1]].append(Held(*row))
    stops: dict[int, list[Stop]] = defaultdict(list)
    for stop in stop_rows.live(cursor, schema=schema):
        stops[stop.subscription].append(stop)
    return [
        One(follower, rest, held.get(follower.subscription, ()), stops.get(follower.subscription, ()))
        for follower, rest in rows
    ]


def _prices(watched: Iterable[One], now: datetime) -> dict[tuple[str, str], Prices]:
    """By environment and exchange, the prices of all that is held there which are young enough."""
    wanted: dict[tuple[str, str], dict[str, set[str]]] = {}
    for one in watched:
        markets = wanted.setdefault((one.follower.environment, one.follower.exchange), {})
        for held in one.held:
            markets.setdefault(held.market, set()).add(held.symbol)
    found: dict[tuple[str, str], Prices] = {}
    for (environment, exchange), markets in wanted.items():
        quotes = {
            (market, symbol): quote
            for market, symbols in markets.items()
            for symbol, quote in cache.quotes(
                environment=environment, exchange=exchange, market=market, symbols=sorted(symbols)
            ).items()
        }
        found[environment, exchange] = fresh(quotes, now)
    return found


def _bests(held: Iterable[Held], prices: Prices) -> list[tuple[int, Decimal, datetime | None]]:
    """Best prices that moved, of those that have a trailing stop."""
    moved = []
    for one in held:
        price = prices.get(one.place)
        if one.trailing_pct is not None and price is not None:
            best = best_price(one, price)
            if one.best is None or best != one.best:
                moved.append((one.id, best.quantize(Decimal("1e-18")), one.opened_at))
    return moved


def _safely(one: One, counts: Counts, act: Callable[[], None]) -> None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - one subscription must not keep the others without protection
        counts.failed += 1
        _logger.error("guard.failed", subscription=one.follower.subscription, exc_info=error)


# ------------------------------------------------------------------------------------------- limits, exits, switches


def _act(one: One, prices: Prices, memory: Memory, now: datetime, counts: Counts) -> None:
    rest = one.rest
    verdict = judge(
        follower=one.follower,
        unrealised=open_result(one.held, prices),
        stopped_by=rest.stopped_by,
        stopped_on=None if rest.stopped_at is None else rest.stopped_at.astimezone(UTC).date(),
        today=now.date(),
    )
    if verdict.resume:
        _resume(one, now, counts)
    if verdict.limit is not None or verdict.close:
        _stop(one, verdict, memory, now, counts)
    if verdict.close:
        return
    for held in one.held:
        cause = memory.crossed(held, None if (price := prices.get(held.place)) is None else crossed(held, price))
        # What is being closed already is looked at again when that is settled.
        if cause is not None and not held.closing and not _left_to_the_venue(one, held, cause, price, now):
            _exit(one, held, cause, memory, now, counts)
    _close_of_silent_leads(one, memory, now, counts)


def _close_together(shut: Sequence[One], now: datetime, counts: Counts) -> frozenset[int]:
    """Close at once what many of them hold of the same. Returns the holdings that are being closed so."""
    whose = {held.id: one for one in shut for held in one.held}
    found = together.places((one.place.pool_id, one.place.exchange, held) for one in shut for held in one.held)
    covered: set[int] = set()
    for place, members in found.items():
        covered |= {held.id for held in members}
        with transaction.atomic():
            if together.close(place=place, held=members, now=now):
                counts.closes += len(members)
                owners = {whose[held.id].follower.subscription: whose[held.id] for held in members}
                news = [_news(one, Told.HALT, words.HALTED) for one in owners.values()]
                counts.told += notices.tell(news, now=now)
    return frozenset(covered)


def _close_halted(one: One, memory: Memory, now: datetime, counts: Counts, begun_together: frozenset[int]) -> None:
    left = [held for held in one.held if held.id not in begun_together]
    if not left:
        return
    with transaction.atomic():
        begun = _close(one, left, "halt", memory, now)
        counts.closes += len(begun)
        if begun:
            counts.told += notices.tell([_news(one, Told.HALT, words.HALTED)], now=now)


def _stop(one: One, verdict: Verdict, memory: Memory, now: datetime, counts: Counts) -> None:
    code, detail = verdict.limit or (one.rest.stopped_by, {})
    with transaction.atomic():
        # The pool's lane first, as everywhere: nothing is planned between the closes and the pause.
        begun = _close(one, one.held, str(code), memory, now) if verdict.close else []
        counts.closes += len(begun)
        if verdict.limit is None:
            return
        said = words.limit_words(code, detail, closes=verdict.close)
        stopped = verdict.pause and pools.stop_subscription_by_limit(
            subscription_id=one.follower.subscription, limit=str(code), reason=said, now=now
        )
        counts.stopped += int(stopped)
        if stopped or begun:
            counts.told += notices.tell([_news(one, Told.LIMIT, said)], now=now)


def _resume(one: One, now: datetime, counts: Counts) -> None:
    with transaction.atomic():
        if pools.resume_subscription_by_limit(subscription_id=one.follower.subscription, limit=Reason.DAILY_LOSS.value):
            counts.resumed += 1
            counts.told += notices.tell([_news(one, Told.RESUMED, words.RESUMED)], now=now)


def _left_to_the_venue(one: One, held: Held, cause: Told, price: Decimal | None, now: datetime) -> bool:
    """Whether a stop of it rests at the venue and should be firing at this price; it is asked after at once.

    What does not fire is withdrawn, and is closed from here in the next look. Where nobody withdraws it for long, the
    copy is closed from here all the same: both orders can only reduce what is there.
    """
    kind = Kind.TAKE if cause is Told.TAKE_PROFIT else Kind.STOP
    stop = next((stop for stop in one.stops if (stop.holding, stop.kind) == (held.id, kind)), None)
    if stop is None or price is None or not stop.reached(price):
        return False
    if stop.crossed_at is not None:
        return now - stop.crossed_at < UNANSWERED
    stop_rows.crossed(db.session().cursor(), schema=current(), stops=[stop.id], now=now)
    return True


def _exit(one: One, held: Held, cause: Told, memory: Memory, now: datetime, counts: Counts) -> None:
    with transaction.atomic():
        begun = _close(one, [held], cause.value, memory, now)
        # A lead that goes on buying what the follower's own stop has ended would undo the stop.
        leave_until_next_entry(pool_id=one.place.pool_id, holdings=begun)
        counts.closes += len(begun)
        if begun:
            counts.told += notices.tell([_news(one, cause, words.exit_words(held, cause), held)], now=now)


def _close(one: One, held: Sequence[Held], cause: str, memory: Memory, now: datetime) -> Sequence[Mine]:
    wanted = [each for each in held if not each.closing and not memory.rests(each, now)]
    mine = [
        Mine(each.id, each.trader, each.market, each.symbol, each.side, each.qty, each.opened_at) for each in wanted
    ]
    begun = close_holdings(
        place=one.place, holdings=mine, source=GUARD, cause=cause, priority=priorities.CRITICAL, now=now
    )
    ids = {each.id for each in begun}
    for each in wanted:
        if each.id not in ids:
            memory.rest(each, now)
    return begun


# --------------------------------------------------------------------------------------------------- what is not known


def _blindness(one: One, prices: Prices, memory: Memory, now: datetime) -> list[News]:
    """What is to be told of prices that have been away for a while."""
    found: dict[str, News] = {}
    where = one.follower.environment, one.follower.exchange
    for held in one.held:
        since = memory.blind((*where, *held.place), held.place in prices, now)
        if since is not None and now - since >= PRICE_PATIENCE:
            place = ":".join((*where, *held.place))
            found[place] = _news(one, Told.NO_PRICE, words.price_words(since), held, place=place)
    return list(found.values())


def _silence(one: One, memory: Memory, now: datetime) -> list[News]:
    """What is to be told of leads that cannot be heard while something of theirs is open."""
    found: dict[str, News] = {}
    for held in one.held:
        since = _silent(held, memory, now)
        if since is not None:
            place = f"{held.trader}:{held.market}"
            found[place] = _news(one, Told.LEAD_SILENT, words.silence_words(since), place=place)
    return list(found.values())


def _silent(held: Held, memory: Memory, now: datetime) -> datetime | None:
    lead: Lead | None = memory.leads.get(held.trader)
    if lead is None or held.market not in lead.markets:
        return None  # it trades by signals: there is no stream
    after = timedelta(seconds=settings.LEAD_SILENT_AFTER_S)
    since = silent_since(memory.heard(lead, held.market, now), now.timestamp(), after)
    return None if since is None else datetime.fromtimestamp(since, UTC)


def _close_of_silent_leads(one: One, memory: Memory, now: datetime, counts: Counts) -> None:
    if one.rest.when_silent != "close":
        return
    patience = timedelta(seconds=settings.LEAD_SILENT_AFTER_S + settings.LEAD_SILENT_CLOSE_S)
    gone = [(held, since) for held in one.held if (since := _silent(held, memory, now)) and now - since > patience]
    if not gone:
        return
    with transaction.atomic():
        begun = _close(one, [held for held, _ in gone], Told.LEAD_SILENT.value, memory, now)
        counts.closes += len(begun)
        if begun:
            said = words.silence_closes_words(gone[0][1])
            counts.told += notices.tell([_news(one, Told.LEAD_SILENT, said, place="closed")], now=now)


def _news(one: One, code: Told, said: str, held: Held | None = None, *, place: str = "") -> News:
    market, symbol = held.place if held is not None else ("", "")
    return News(
        subscription=one.follower.subscription,
        user=one.follower.user,
        pool=UUID(str(one.rest.pool_id)),
        code=code.value,
        words=said,
        place=place or (f"{market}:{symbol}" if held is not None else ""),
        market=market,
        symbol=symbol,
        stands=code in (Told.NO_PRICE, Told.LEAD_SILENT) and place != "closed",
    )


def _tell_what_stands(
    watched: Sequence[One], news: Sequence[News], standing: Mapping[notices.Key, int], now: datetime
) -> int:
    """Begin notices that are new, end those that are so no longer, and say when a lead is heard again."""
    present = {one.key for one in news}
    ended = {key: number for key, number in standing.items() if key not in present}
    by_id = {one.follower.subscription: one for one in watched}
    again = [
        _news(by_id[subscription], Told.LEAD_HEARD, words.HEARD, place=place)
        for subscription, code, place in ended
        if code == Told.LEAD_SILENT
        and subscription in by_id
        and any(place == f"{held.trader}:{held.market}" for held in by_id[subscription].held)
    ]
    fresh_news = [*(one for one in news if one.key not in standing), *again]
    if not ended and not fresh_news:
        return 0
    with transaction.atomic():
        if ended:
            notices.over(ended.values(), now=now)
        return notices.tell(fresh_news, now=now)
