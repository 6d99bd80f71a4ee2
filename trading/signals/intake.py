"""Signals that partners send: taken once, whatever is sent twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

import redis
from django.db import transaction

from obscura.core import clock, ids
from obscura.core.errors import Conflict, NotFound, Problem
from obscura.core.nudge.send import send
from pools import services as pools
from tenants.types import KeyHolder
from trading.domain import priorities
from trading.market import cache
from trading.models import Signal
from trading.signals import relay
from trading.signals.record import API, Recorded, Source, record
from trading.signals.request import SignalInvalid, SignalRequest

NO_TRADER = UUID(int=0)
AT_ONCE = 250
"""Signals in one transaction: the pool's lane is locked so long."""


class PoolClosed(Conflict):
    """The pool takes no signals."""

    code = "pool_not_active"
    remedy = "Activate the pool (POST /v2/pools/{id}/activate), then send the signal again."


class PoolRemote(Conflict):
    """The pool's signals come from the platform."""

    code = "pool_remote"
    remedy = "Send signals to a pool of your own."


class IdempotencyConflict(Conflict):
    """This external_trade_id was used for another signal."""

    code = "idempotency_conflict"
    remedy = "Use an external_trade_id for one signal alone, or repeat the first request unchanged."


@dataclass(frozen=True, slots=True)
class SignalReceipt:
    """What a partner is told. `repeated`: the signal was there already and nothing was changed."""

    signal_id: int
    pool_id: UUID
    queued_at: datetime
    priority: int
    estimated_subscribers: int
    idempotency_key: str
    status: str = "queued"
    repeated: bool = False


def take_signal(*, pool_id: UUID, request: SignalRequest, key: KeyHolder) -> SignalReceipt:
    """Record a partner's signal and begin to copy it. The same external trade id again changes nothing.

    :raises NotFound, PoolClosed, PoolRemote: the pool is not there, or takes no signals
    :raises SignalInvalid: code ``symbol_unknown`` or ``trader_unknown``
    :raises IdempotencyConflict: the id was used with another body
    """
    [taken] = take_signals(pool_id=pool_id, requests=[request], key=key)
    if isinstance(taken, Problem):
        raise taken
    return taken


def take_signals(
    *, pool_id: UUID, requests: Sequence[SignalRequest | Problem], key: KeyHolder, fail_fast: bool = False
) -> list[SignalReceipt | Problem]:
    """Record many, in their order: a receipt or a problem for each. With `fail_fast` nothing is taken from the first
    problem on, which is the last item then.

    :param requests: a problem among them (it could not be parsed) is answered with itself
    :raises NotFound, PoolClosed, PoolRemote: the pool is not there, or takes no signals
    """
    traders = _open_pool(pool_id)
    followers = pools.count_followers(pool_id)
    now = clock.now()
    answers: list[SignalReceipt | Problem] = []
    for start in range(0, len(requests), AT_ONCE):
        sources = [_tried(request, key, traders, now) for request in requests[start : start + AT_ONCE]]
        sources = _refuse_contradictions(pool_id, sources)
        stop = next((n for n, source in enumerate(sources) if isinstance(source, Problem)), None)
        if fail_fast and stop is not None:
            sources = sources[: stop + 1]
        found = _write(pool_id, sources)
        answers += [_answer(pool_id, *pair, followers) for pair in zip(sources, found, strict=True)]
        if fail_fast and any(isinstance(answer, Problem) for answer in answers):
            break
    return answers


def symbol_known(*, exchange: str, market: str, symbol: str, environment: str) -> bool:
    """False only where the market's rules are loaded and do not name the symbol."""
    where = {"environment": environment, "exchange": exchange, "market": market}
    try:
        return cache.rules(**where, symbol=symbol) is not None or not cache.rules_loaded(**where)
    except redis.RedisError:
        return True  # not known here; the plan denies what it has no rules for


Traders = Mapping[UUID, pools.Lead]


def _open_pool(pool_id: UUID) -> dict[UUID, pools.Lead]:
    """The traders of a pool that was ever active, heaviest first."""
    terms = pools.pool_terms(pool_id)
    # A paused or closed pool still hears its leads: opens are denied there, closes must reach whoever holds.
    if terms.status == "draft":
        raise PoolClosed(f"The pool is {terms.status}.")
    if terms.remote:
        raise PoolRemote
    return {lead.trader_id: lead for lead in terms.traders}


def _tried(request: SignalRequest | Problem, key: KeyHolder, traders: Traders, now: datetime) -> Source | Problem:
    if isinstance(request, Problem):
        return request
    try:
        return _source(request, key, traders, now)
    except Problem as problem:
        return problem


def _refuse_contradictions(pool_id: UUID, sources: list[Source | Problem]) -> list[Source | Problem]:
    """Replace what reuses the id of another signal, stored or earlier in the list, with its conflict."""
    names = [source.external_id for source in sources if isinstance(source, Source)]
    stored = Signal.objects.filter(pool_id=pool_id, external_id__in=names, leg=0)
    digests = {signal.external_id: signal.body_digest for signal in stored}
    checked: list[Source | Problem] = []
    for source in sources:
        if isinstance(source, Source) and digests.setdefault(source.external_id, source.body_digest) != (
            source.body_digest
        ):
            checked.append(IdempotencyConflict())
        else:
            checked.append(source)
    return checked


def _source(request: SignalRequest, key: KeyHolder, traders: Traders, now: datetime) -> Source:
    test = key.environment == "test"
    environment = "paper" if test else "live"
    if not symbol_known(
        exchange=request.exchange, market=request.market, symbol=request.symbol, environment=environment
    ):
        raise SignalInvalid(
            f"{request.symbol} is not traded at {request.exchange} ({request.market}).",
            code="symbol_unknown",
            remedy="Use a symbol that the exchange trades in this market.",
        )
    trader = request.source_trader_id or next(iter(traders), NO_TRADER)
    if traders and trader not in traders or not traders and request.source_trader_id:
        raise SignalInvalid(
            "source_trader_id names no trader of this pool.",
            code="trader_unknown",
            remedy="Name a trader of the pool, or leave the field out.",
        )
    source = Source(
        external_id=_external_id(request.external_trade_id or f"gen_{ids.uuid7().hex}", test=test),
        source=API,
        trader_id=trader,
        exchange=request.exchange,
        market=request.market,
        symbol=request.symbol,
        side=request.side,
        qty=request.quantity,
        price=request.price,
        order_type=request.order_type,
        priority=request.priority,
        test_only=test,
        body_digest=request.digest,
        metadata=request.kept,
        lead_at=now,
        received_at=now,
        lead_leverage=request.leverage,
        stop_loss_pct=request.stop_loss_pct,
        take_profit_pct=request.take_profit_pct,
    )
    if trader not in traders:
        return source
    # What a lead on an account of its own has is not what stands behind this signal.
    return replace(source, weight=traders[trader].weight, lead_equity=traders[trader].capital)


def _external_id(trade_id: str, *, test: bool) -> str:
    # A namespace for each: no partner's id can be that of a lead's order, and a test never stands in for the real one.
    return f"{'test' if test else 'api'}:{trade_id}"


def _write(pool_id: UUID, sources: Sequence[Source | Problem]) -> list[Recorded | None]:
    good = [source for source in sources if isinstance(source, Source)]
    promises: list[relay.Relay] = []
    with transaction.atomic():
        held = bool(relay.targets_of(pool_id))
        written = iter(record(pool_id=pool_id, sources=good, held=held)) if good else iter(())
        found = [next(written) if isinstance(source, Source) else None for source in sources]
        for one in found:
            if held and one is not None and one.made:
                first = one.signals[0]
                promises.append(relay.promise(pool_id=pool_id, external_id=first.external_id, priority=first.priority))
        transaction.on_commit(partial(_send_all, promises))
    return found


def _send_all(promises: Sequence[relay.Relay]) -> None:
    for one in promises:
        send(one.message)


def _answer(pool_id: UUID, source: Source | Problem, found: Recorded | None, followers: int) -> SignalReceipt | Problem:
    if isinstance(source, Problem):
        return source
    assert found is not None
    first = found.signals[0]
    if not found.made and first.body_digest != source.body_digest:
        return IdempotencyConflict(details={"signal_id": public_id(first.id)})
    return SignalReceipt(
        signal_id=first.id,
        pool_id=pool_id,
        queued_at=first.received_at,
        priority=first.priority,
        estimated_subscribers=followers,
        idempotency_key=first.external_id.partition(":")[2],
        status="queued" if found.made else state_name(first),
        repeated=not found.made,
    )


def state_name(signal: Signal) -> str:
    """A signal's state in the words of the API, before anything is known of its copies."""
    return {"new": "queued", "planning": "processing", "planned": "processing", "done": "completed"}[signal.state]


def public_id(signal_id: int) -> str:
    """A signal's id as the API writes it."""
    return f"sig_{signal_id:012x}"


def from_public_id(text: str) -> int:
    """The id behind `sig_…`.

    :raises NotFound: the text is not one
    """
    head, _, digits = text.partition("_")
    if head != "sig" or len(digits) != 12 or not all(one in "0123456789abcdef" for one in digits):
        raise NotFound("There is no such signal.", code="signal_unknown")
    return int(digits, 16)


def priority_name(priority: int) -> str:
    """A priority in the words of the API."""
    return priorities.NAMES[priority]
