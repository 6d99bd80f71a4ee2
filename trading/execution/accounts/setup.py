"""Set up accounts at the venue before their first open in a symbol: position mode, margin mode, leverage.

Each is set once and remembered. What the venue already has it says with a code of its own, which is as good as a yes.
What it refuses ends the order, with the reason; what it does not answer holds the order back, and the sweep sends it
while it is fresh. Nothing is set after the order's own fence has passed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import orjson
from django.conf import settings

from citadel.client import Chunk, Result
from obscura.core import clock
from obscura.core.money import ZERO
from obscura.core.ratelimit import Rate, take
from pools import followers
from trading.domain import setup
from trading.domain.intents import BOTH
from trading.domain.order_state import Status
from trading.domain.reasons import WORDS, Reason
from trading.domain.setup import ISOLATED, Lacks
from trading.execution import arrays, db, gate, limits
from trading.execution.accounts import known
from trading.execution.lane import lane
from trading.execution.store import Claimed, SignalRow
from trading.venues import binance
from trading.venues.binance import Report

MODE, MARGIN, LEVERAGE = "/fapi/v1/positionSide/dual", "/fapi/v1/marginType", "/fapi/v1/leverage"
ALREADY = (-4046, -4059)
OCCUPIED = (-4067, -4068)
"""The position mode cannot be changed while orders or positions are open."""

KEY_REFUSED = (-1022, -2014, -2015)

BUDGET = Rate(limit=1200, seconds=60)
"""Half of what the venue allows an address: orders must never find the door shut because of settings."""

AT_ONCE = 100

_WORDS = {
    MODE: "The exchange did not change your account's position mode",
    MARGIN: "Your account has this symbol in cross margin, and the exchange changes that only while nothing is open",
    LEVERAGE: "The exchange refused the leverage of this copy on your account",
}


# What other subscriptions hold of a symbol, or are about to.
_HELD = """select subscription_id, leverage, qty <> 0 from {s}.trading_holding
 where subscription_id = any(%s::bigint[]) and market = 'usdm' and symbol = %s and (qty <> 0 or opening > 0)"""


class Sorted(NamedTuple):
    """What became of orders whose accounts were set up: those that may be sent, and reports on the others."""

    ready: list[Claimed]
    others: list[tuple[Claimed, Report]]


def lacking(*, schema: str, signal: SignalRow, rows: Sequence[Claimed]) -> dict[int, Lacks]:
    """By order, what is not known to be as it needs it; orders whose accounts are right are left out."""
    if signal.market != "usdm" or signal.effect != "open":
        return {}
    states = known.states(schema=schema, accounts={row.account for row in rows}, symbol=signal.symbol)
    now, hedged = clock.now(), signal.position_side != BOTH
    found = {row.id: setup.lacks(states[row.account], hedged=hedged, leverage=row.leverage, now=now) for row in rows}
    return {order: lacks for order, lacks in found.items() if any(lacks)}


def sides(*, schema: str, signal: SignalRow, rows: Sequence[Claimed]) -> dict[int, str]:
    """By order, the side it goes by on its account, where that is not the signal's own."""
    if signal.market != "usdm" or signal.effect != "close":
        return {}
    states = known.states(schema=schema, accounts={row.account for row in rows}, symbol=signal.symbol)
    found = {
        row.id: setup.side_at_venue(
            position_side=signal.position_side, side=signal.side, hedged=states[row.account].hedged
        )
        for row in rows
    }
    return {order: side for order, side in found.items() if side != signal.position_side}


def unfit(*, schema: str, signal: SignalRow, accounts: Iterable[str]) -> dict[str, tuple[Reason, dict[str, str]]]:
    """By account, why nothing can be opened on it now as the signal wants it; those that are fit are left out."""
    if signal.market != "usdm" or signal.effect != "open":
        return {}
    states = known.states(schema=schema, accounts=set(accounts), symbol=signal.symbol)
    now, hedged = clock.now(), signal.position_side != BOTH
    found = {account: setup.refused(state, hedged=hedged, now=now) for account, state in states.items()}
    return {account: denied for account, denied in found.items() if denied is not None}


def set_up(
    *, schema: str, signal: SignalRow, rows: Sequence[Claimed], lacks: Mapping[int, Lacks], fence_ms: int
) -> Sorted:
    """Set at the venue what these orders lack, all of them at once, and remember it. Waits for the venue.

    :param fence_ms: how long after an order's claim something may still be set for it
    """
    done = Sorted([], [])
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        cost = sum(sum(lacks[row.id]) for row in part)
        bucket = f"setup:{signal.exchange}:{signal.market}"
        if take(bucket, rate=BUDGET, cost=cost).allowed:
            made = _Round(schema, signal, part, lacks, fence_ms).run()
            done.ready.extend(made.ready)
            done.others.extend(made.others)
        else:
            done.others.extend((row, _later("setup_waits")) for row in part)
    return done


class _Round:
    """One set of accounts, set up side by side: the mode first, which belongs to the account, then the symbol."""

    def __init__(
        self, schema: str, signal: SignalRow, rows: Sequence[Claimed], lacks: Mapping[int, Lacks], fence_ms: int
    ) -> None:
        self.schema, self.signal, self.lacks, self.fence_ms = schema, signal, lacks, fence_ms
        self.left = {row.id: row for row in rows}
        self.others: list[tuple[Claimed, Report]] = []

    def run(self) -> Sorted:
        hedged = self.signal.position_side != BOTH
        wanted = f"dualSidePosition={'true' if hedged else 'false'}"
        asked = [row for row in self.left.values() if self.lacks[row.id].mode]
        heard = self._ask(MODE, {wanted: asked})
        occupied = {row.account: not hedged for row in asked if _code(heard.get(row.id)) in OCCUPIED}
        self._sort_out(MODE, heard)
        known.learn_modes(schema=self.schema, modes=occupied, refused=True)
        known.learn_modes(schema=self.schema, modes={row.account: hedged for row in asked if row.id in self.left})
        self._set_symbol()
        return Sorted(list(self.left.values()), self.others)

    def _set_symbol(self) -> None:
        self._leave_to_others()
        symbol = f"symbol={self.signal.symbol}"
        asked = [row for row in self.left.values() if self.lacks[row.id].margin]
        self._sort_out(MARGIN, self._ask(MARGIN, {f"{symbol}&marginType=ISOLATED": asked}))
        groups: dict[str, list[Claimed]] = defaultdict(list)
        for row in self.left.values():
            if self.lacks[row.id].leverage:
                groups[f"{symbol}&leverage={row.leverage}"].append(row)
        self._sort_out(LEVERAGE, self._ask(LEVERAGE, groups))
        changed = [row for row in self.left.values() if self.lacks[row.id].margin or self.lacks[row.id].leverage]
        leverages = {row.account: row.leverage for row in changed}
        known.learn_settings(schema=self.schema, symbol=self.signal.symbol, margin=ISOLATED, leverages=leverages)

    def _leave_to_others(self) -> None:
        """Take out whoever would change the leverage under another copy on the same account.

        Of two that are about to open, the subscription that is older goes first.
        """
        changing = [row for row in self.left.values() if self.lacks[row.id].leverage]
        if not changing:
            return
        cursor = db.session().cursor()
        accounts = sorted({row.account for row in changing})
        whose = followers.on_accounts(cursor, schema=self.schema, accounts=accounts)
        found = cursor.execute(db.sql(_HELD, self.schema), [arrays.tokens(whose), self.signal.symbol]).fetchall()
        for row in changing:
            others = [one for one in found if whose[one[0]] == row.account and one[0] != row.subscription]
            if any(leverage != row.leverage and (held or other < row.subscription) for other, leverage, held in others):
                reason = Reason.LEVERAGE_IN_USE
                report = Report(Status.MISSED, "", ZERO, None, ZERO, reason, WORDS[reason], None, ())
                self.others.append((self.left.pop(row.id), report))

    def _ask(self, path: str, groups: Mapping[str, Sequence[Claimed]]) -> dict[int, Result]:
        now, window = clock.millis(clock.now()), settings.COPY_RECV_WINDOW_MS
        heard: list[Result] = []
        parts = [
            (head, where, members)
            for head, rows in groups.items()
            for where, members in gate.places(schema=self.schema, signal=self.signal, rows=rows).items()
        ]
        chunks = [
            Chunk(
                venue=self.signal.exchange,
                market=self.signal.market,
                env=where.environment,
                method="POST",
                path=path,
                head=f"{head}&recvWindow={window}".encode(),
                rows=[
                    (row.id, UUID(row.account).bytes, f"&timestamp={now}".encode(), row.subscription) for row in members
                ],
                not_after_ms=min(row.sent_ms for row in members) + self.fence_ms,
                timeout_ms=settings.COPY_HTTP_TIMEOUT_MS,
                address=where.address,
            )
            for head, where, members in parts
        ]
        if not chunks:
            return {}
        sent = lane().send(schema=self.schema, chunks=chunks, on_results=heard.extend)
        sent.result(timeout=(settings.COPY_HTTP_TIMEOUT_MS + window) / 1000 + 2)
        for _, where, members in parts:
            mine = {row.id for row in members}
            limits.heed(where, [answer for answer in heard if answer.row in mine])
        return {result.row: result for result in heard}

    def _sort_out(self, path: str, heard: Mapping[int, Result]) -> None:
        """Take out whoever the venue did not say yes to."""
        for order, result in heard.items():
            report = _report(path, result)
            if report is not None:
                self.others.append((self.left.pop(order), report))


def _report(path: str, result: Result) -> Report | None:
    """What an answer to a setting makes of the order; None where the account is as it should be."""
    code = _code(result)
    if 200 <= result.status < 300 or code in ALREADY:
        return None
    if code in OCCUPIED:
        reason = Reason.POSITION_MODE
        return Report(Status.MISSED, "", ZERO, None, ZERO, reason, WORDS[reason], None, ())
    said = binance.read_order(status=result.status, body=result.body)
    if said.status is Status.REJECTED:
        return said._replace(status=Status.MISSED, words=said.words if code in KEY_REFUSED else _WORDS[path])
    return said if said.status is Status.MISSED else _later("setup")


def _later(code: str) -> Report:
    words = "Your account is being set up at the exchange; the copy follows while the trade is fresh"
    return Report(Status.UNSURE, "", ZERO, None, ZERO, code, words, None, ())


def _code(result: Result | None) -> int:
    """The venue's code in a refusal; 0 where there is none."""
    if result is None or result.status <= 0 or 200 <= result.status < 300:
        return 0
    try:
        answer = orjson.loads(result.body)
        code = answer.get("code") if isinstance(answer, dict) else 0
    except ValueError:
        return 0
    return code if isinstance(code, int) else 0
