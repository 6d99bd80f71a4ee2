"""Keep at the venue what protects a copy there: place what should rest, withdraw what should not, hear what has fired.

One round compares copies with the stops that rest for them. Each step is claimed in its row, committed, before anything
leaves, and a request is sent once: where no answer comes, the next round asks. A stop whose price was reached and that
has not fired is withdrawn, and the guard closes the copy itself; a close of the lead's, of a limit or of its owner's
waits for nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from obscura.core import clock, ids, log
from pools import followers
from pools.followers import Owner
from tenants.models import Tenant
from trading.domain import stops as domain
from trading.domain.guard import Held
from trading.domain.stops import State, Wanted
from trading.execution import db
from trading.execution.protect import fired, rows, venue
from trading.execution.protect.rows import Open, Stop
from trading.market import cache
from trading.venues.binance import AtVenue, Conditional

ASKED_AT_ONCE, PLACED_AT_ONCE = 100, 500
AGAIN_S, LOOKED_AT_EVERY_S = 2.0, 600.0
GRACE = timedelta(seconds=3)
"""So long after its price was reached a stop may still rest; prices are heard of at different moments."""
VENUES = frozenset({"binance"})

_logger = log.get("protect")


def keep(*, tenant: Tenant) -> dict[str, int]:
    """One round for a tenant. Returns counts."""
    schema, cursor = str(tenant.schema_name), db.session().cursor()
    counts = {"placed": 0, "withdrawn": 0, "fired": 0, "refused": 0}
    open_ones = rows.held(cursor, schema=schema) if settings.STOPS_AT_VENUE else {}
    resting = rows.live(cursor, schema=schema)
    if not open_ones and not resting:
        return counts
    wanted = _wanted(schema, open_ones)
    superfluous = {one.id: "" for one in resting if one.state == State.RESTING and _superfluous(one, open_ones, wanted)}
    _withdraw(schema, superfluous, counts)
    _ask(schema, rows.due(cursor, schema=schema, again_s=AGAIN_S, limit=ASKED_AT_ONCE), counts)
    there = {(one.holding, one.kind) for one in rows.live(cursor, schema=schema)}
    missing = {place: one for place, one in wanted.items() if place not in there}
    if missing:
        _place(tenant, open_ones, missing, counts)
    return counts


def _wanted(schema: str, open_ones: dict[int, Open]) -> dict[tuple[int, str], tuple[Wanted, Owner]]:
    """By holding and kind, what should rest. A holding of which something is on its way is left as it is."""
    cursor = db.session().cursor()
    owners = followers.owners(
        cursor, schema=schema, subscriptions=[one.held.subscription for one in open_ones.values()]
    )
    found: dict[tuple[int, str], tuple[Wanted, Owner]] = {}
    for holding, one in open_ones.items():
        owner = owners.get(one.held.subscription)
        if owner is None or owner.exchange not in VENUES or one.moving:
            continue
        where = {"environment": owner.environment, "exchange": owner.exchange}
        rules = cache.rules(**where, market=one.held.market, symbol=one.held.symbol)
        if rules is not None:
            for kind, stop in domain.wanted(one.held, rules).items():
                found[holding, kind.value] = (stop, owner)
    return found


def _superfluous(one: Stop, open_ones: dict[int, Open], wanted: dict[tuple[int, str], tuple[Wanted, Owner]]) -> bool:
    copy = open_ones.get(one.holding)
    if copy is not None and copy.moving:
        return False  # what is on its way decides, and is settled in a moment
    stop = wanted.get((one.holding, one.kind))
    return stop is None or (stop[0].trigger, stop[0].qty) != (one.trigger, one.qty)


def _withdraw(schema: str, codes: dict[int, str], counts: dict[str, int]) -> None:
    if not codes:
        return
    leaving = rows.leave(db.session().cursor(), schema=schema, codes=codes, due_s=AGAIN_S)
    _hear(schema, leaving, venue.withdraw(schema=schema, stops=leaving), counts)


def _ask(schema: str, due: Sequence[Stop], counts: dict[str, int]) -> None:
    """Ask after those whose fate is not known, whose price was reached, or that nobody has looked at for long."""
    known = [one for one in due if one.state != State.FIRED]
    answers = venue.ask(schema=schema, stops=known) if known else {}
    _hear(schema, known, answers, counts)
    now = clock.now()
    late = {
        one.id: "crossed"
        for one in known
        if one.crossed_at and now - one.crossed_at > GRACE and _rests(answers.get(one.id))
    }
    _withdraw(schema, late, counts)
    over = [one for one in due if one.state == State.FIRED and one.venue_order]
    if over:
        fired.settle(schema=schema, stops=over)


def _rests(answer: Conditional | None) -> bool:
    return answer is not None and answer.state is AtVenue.RESTING


def _hear(schema: str, stops: Sequence[Stop], answers: dict[int, Conditional], counts: dict[str, int]) -> None:
    """What answers make of stops. Silence changes nothing: it is asked again when it is due."""
    now = clock.now()
    for stop in stops:
        answer = answers.get(stop.id)
        if answer is None or answer.state is AtVenue.SILENT:
            continue
        if answer.state is AtVenue.FIRED:
            counts["fired"] += 1
            fired.write(schema=schema, stop=stop, order=answer.order_id, now=now)
            fired.settle(schema=schema, stops=[stop._replace(venue_order=answer.order_id)])
            continue
        moved = _after(stop, answer, now)
        if moved is None:
            continue
        to, code = moved
        cursor, since = db.session().cursor(), State(stop.state)
        due_s = LOOKED_AT_EVERY_S if to is State.RESTING and stop.crossed_at is None else AGAIN_S
        if rows.move(
            cursor, schema=schema, stop=stop.id, to=to, since=since, due_s=due_s, code=code, words=answer.words
        ):
            counts["withdrawn"] += to is State.GONE
            counts["refused"] += to is State.REFUSED
            if to is State.REFUSED:
                _logger.warning("protect.refused", schema=schema, stop=stop.id, code=answer.code, words=answer.words)


def _after(stop: Stop, answer: Conditional, now: datetime) -> tuple[State, str] | None:
    """The state that an answer brings a stop to, and why; None where it says nothing new."""
    state = State(stop.state)
    if answer.state is AtVenue.RESTING:
        # While it is being withdrawn, a question that was answered before says nothing.
        return None if state is State.LEAVING else (State.RESTING, stop.code)
    if answer.state is AtVenue.GONE:
        return State.GONE, stop.code if state is State.LEAVING else "taken"
    if answer.state is AtVenue.REFUSED:
        # A key that was taken back: what rests there is its owner's alone, and the drift check tells if it fires.
        return (State.REFUSED, answer.code) if state is State.SENDING else (State.GONE, "unreachable")
    # Unknown: it is believed when nothing of ours can be on its way any more.
    fence = timedelta(milliseconds=settings.COPY_RECV_WINDOW_MS + settings.COPY_HTTP_TIMEOUT_MS)
    if state is State.SENDING and now - stop.sent_at < fence:
        return None
    if state is State.LEAVING:
        return None  # it has fired, or is gone: the question after it says which
    return State.GONE, "taken" if state is State.RESTING else "never_arrived"


def _place(
    tenant: Tenant,
    open_ones: dict[int, Open],
    missing: dict[tuple[int, str], tuple[Wanted, Owner]],
    counts: dict[str, int],
) -> None:
    schema, cursor = str(tenant.schema_name), db.session().cursor()
    unwanted = rows.unwanted(cursor, schema=schema, holdings=[holding for holding, _ in missing])
    lease = timedelta(milliseconds=settings.COPY_RECV_WINDOW_MS + settings.COPY_HTTP_TIMEOUT_MS)
    claimed: list[Stop] = []
    for (holding, kind), (stop, owner) in missing.items():
        if (holding, kind) in unwanted or len(claimed) >= PLACED_AT_ONCE:
            continue
        held = open_ones[holding].held
        made = rows.insert(cursor, schema=schema, held=held, values=_values(tenant, held, stop, owner), due=lease)
        if made is not None:
            claimed.append(made)
    if not claimed:
        return
    answers = venue.place(schema=schema, stops=claimed)
    _hear(schema, claimed, answers, counts)
    counts["placed"] += sum(_rests(answer) for answer in answers.values())
    for one in claimed:
        if one.id not in answers:  # held back by the limits: it has not left
            rows.move(cursor, schema=schema, stop=one.id, to=State.GONE, since=State.SENDING, code="limited")


def _values(tenant: Tenant, held: Held, stop: Wanted, owner: Owner) -> list[object]:
    external_id = f"stop:{held.subscription}:{held.id}:{stop.kind}:{clock.micros(clock.now())}"
    signal = ids.signal_id(pool=owner.pool, external_id=external_id, leg=0)
    key = ids.id_key(settings.SECRET_KEY)
    legs = [(held.subscription, 0)]
    [client_id] = ids.client_order_ids(key=key, tenant=int(tenant.pk), signal=signal, legs=legs)
    side = "sell" if held.qty > 0 else "buy"
    return [
        owner.pool, owner.user, owner.account, owner.exchange, owner.environment, side, stop.kind.value,
        stop.cause.value, stop.qty, stop.trigger, external_id, client_id,
    ]  # fmt: skip
