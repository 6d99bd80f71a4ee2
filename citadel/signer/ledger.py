"""What was signed and what may still be: mandates, sums, ids, and how far each subscription has lost.

An opening order needs a mandate and room under it and under its account's caps. What can only reduce needs neither: a
venue's reduce-only order, the closing side of a position side, and on spot the sale of what was bought through here.
Sums are taken when a signature is made, and given back when the egress tells that the venue did not execute.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from citadel.domain.agreement import Agreement, text_of
from citadel.domain.mandate import Caps, Mandate
from citadel.domain.orders import Order
from citadel.domain.permit import Permit
from citadel.signer.holdings import Holdings, Lot
from citadel.signer.journal import Journal
from citadel.signer.marks import Market, Marks
from citadel.signer.trail import KEPT, Trail

ZERO, _ONE, _BPS = Decimal(0), Decimal(1), Decimal(10_000)
MINUTE_MS, DAY_MS = 60_000, 86_400_000

KEPT_CHUNKS = 4_096
"""Chunks of which the egress may still tell that something was not executed."""

IDS_TURN_MS = 15_000
"""Milliseconds after which ids whose receive window has passed are dropped; longer than any window."""

SubKey = tuple[int, int]
"""(tenant, subscription)."""


class Ask(NamedTuple):
    """An order that is to be signed, and who asks.

    :param market: (venue, market, environment)
    :param account: 16 bytes of the account's UUID
    :param key: the subscription it is for; the mandate must be of the same account
    :param expires_ms: when the venue will not take it any more
    """

    order: Order
    market: Market
    account: bytes
    key: SubKey
    expires_ms: int


class Entry(NamedTuple):
    """What one signature took.

    :param worth: dollars it opens, 0 for what only reduces
    :param qty: signed, with the dollars one unit was reckoned at
    :param bought: what it changes of what was bought on spot
    """

    ident: bytes
    expires_ms: int
    key: SubKey
    account: bytes
    symbol: str
    worth: Decimal
    qty: Decimal
    price: Decimal
    reduces: bool
    bought: Decimal


class Taken(NamedTuple):
    """An entry as it was taken: the result of what it closed."""

    entry: Entry
    result: Decimal


class Spent:
    """Sums of a subscription or an account: dollars opened in the present minute and day."""

    __slots__ = ("day", "in_day", "in_minute", "minute")

    def __init__(self, minute: int = 0, in_minute: Decimal = ZERO, day: int = 0, in_day: Decimal = ZERO) -> None:
        self.minute, self.in_minute, self.day, self.in_day = minute, in_minute, day, in_day

    def over(self, worth: Decimal, caps: Caps, now_ms: int) -> str | None:
        """Which of the caps another `worth` would break."""
        if worth > caps.order_usd:
            return "order_cap"
        if (self.in_minute if now_ms // MINUTE_MS == self.minute else ZERO) + worth > caps.minute_usd:
            return "minute_cap"
        if (self.in_day if now_ms // DAY_MS == self.day else ZERO) + worth > caps.day_usd:
            return "day_cap"
        return None

    def add(self, worth: Decimal, now_ms: int) -> None:
        """Take, or (negative) give back to the same minute and day."""
        minute, day = now_ms // MINUTE_MS, now_ms // DAY_MS
        if minute != self.minute:
            self.minute, self.in_minute = minute, ZERO
        if day != self.day:
            self.day, self.in_day = day, ZERO
        self.in_minute = max(ZERO, self.in_minute + worth)
        self.in_day = max(ZERO, self.in_day + worth)


class Ledger:
    """The memory behind every signature of an order.

    :param caps: of accounts that have none of their own
    :param kept: entries of the audit that can still be fetched
    """

    def __init__(self, *, journal: Journal, marks: Marks, caps: Caps, now_ms: int, kept: int = KEPT) -> None:
        self._journal, self.marks, self._caps = journal, marks, caps
        self.trail = Trail(journal.record, kept=kept)
        self._holdings = Holdings()
        self._mandates: dict[SubKey, Mandate] = {}
        self._numbers: dict[SubKey, int] = {}
        self._account_caps: dict[bytes, Caps] = {}
        self._spent: dict[SubKey | bytes, Spent] = {}
        self._bought: dict[tuple[bytes, str], Decimal] = {}
        self._ids: dict[bytes, int] = {}
        self._old_ids: dict[bytes, int] = {}
        self._turned_ms = now_ms
        self._minimums: dict[int, int] = {}
        self._agreed: dict[bytes, tuple[int, bytes]] = {}
        self._permits: dict[tuple[int, str], tuple[int, bool]] = {}
        self._chunks: OrderedDict[bytes, dict[int, Taken]] = OrderedDict()
        self._unsaid: list[int] = []
        for record in journal.read():
            self._replay(record)
        self.trail.begin()
        journal.begin(self._snapshot())
        if self._unsaid:  # a death came between the signatures and their entries
            self.trail.note("unrecorded", {"chunks": len(self._unsaid), "rows": sum(self._unsaid)}, now_ms)
            self.settle(now_ms)

    def settle(self, now_ms: int, *, whole: bool = False) -> None:
        """Chain and journal what the audit has noted.

        :param whole: what is still being gathered as well
        :raises OSError: the journal cannot be written; it stays noted
        """
        self.trail.settle(now_ms, whole=whole)
        self._unsaid.clear()
        if self._journal.long:
            self._journal.begin(self._snapshot())

    # keys
    def minimum(self, tenant: int) -> int:
        """The lowest key version of a tenant that is still used. It never goes down."""
        return self._minimums.get(tenant, 1)

    def raise_minimum(self, tenant: int, version: int) -> None:
        """Use no key version of a tenant below this one any more."""
        if version > self.minimum(tenant):
            self._journal.record(["minimum", tenant, version])
            self._minimums[tenant] = version

    # permits
    def permit(self, permit: Permit) -> str | None:
        """Take a permit, or say why not. The same one again is fine; one that another one has followed is not.

        :raises OSError: it could not be written down, and does not hold
        """
        key, found = (permit.tenant, permit.exchange), (permit.number, permit.on)
        known = self._permits.get(key, (0, False))
        if permit.number < known[0] or (permit.number == known[0] and found != known):
            return "permit_outdated"
        if found != known:
            self._journal.record(["permit", *key, *found])
            self._permits[key] = found
        return None

    def permitted(self, tenant: int, exchange: str) -> bool:
        """Whether what cannot be read is signed for a tenant at an exchange. Where nobody has said so, it is not."""
        return self._permits.get((tenant, exchange), (0, False))[1]

    # mandates and caps
    def admit(self, mandate: Mandate) -> str | None:
        """Take a mandate, or say why not. The same one again is fine; one that another one has followed is not."""
        key = (mandate.tenant, mandate.subscription)
        known = self._numbers.get(key, 0)
        if mandate.number < known:
            return "mandate_outdated"
        if mandate.number > known:
            self._journal.record(["number", *key, mandate.number])
            self._numbers[key] = mandate.number
        self._mandates[key] = mandate
        return None

    def numbers(self, keys: Iterable[SubKey]) -> list[int]:
        """The numbers of the mandates that hold for these subscriptions; 0 where none is known."""
        known = self._numbers
        return [known.get(key, 0) for key in keys]

    def cap_account(self, account: bytes, caps: Caps | None) -> None:
        """An account's own caps, as its envelopes hold them; None: those of every account."""
        if caps is None:
            self._account_caps.pop(account, None)
        else:
            self._account_caps[account] = caps

    def admit_agreement(self, account: bytes, agreement: Agreement | None) -> str | None:
        """Take what an account's owner has agreed, or say why not: an earlier one, or none where there was one."""
        known, _ = self._agreed.get(account, _NEVER)
        number = _NEVER[0] if agreement is None else agreement.number
        if number < known:
            return "agreement_outdated"
        if agreement is not None and number > known:
            digest = _digest(text_of(agreement))
            self._journal.record(["agreed", account, number, digest])
            self._agreed[account] = number, digest
        self.cap_account(account, None if agreement is None else agreement.caps)
        return None

    def agreed_already(self, account: bytes, *, before: int, wanted: str) -> bool:
        """Whether this very change is the last that was made: who asked for it may have lost the answer.

        :param before: number of the agreement it changes
        """
        number, digest = self._agreed.get(account, _NEVER)
        return number == before + 1 and digest == _digest(wanted)

    @property
    def usual_caps(self) -> Caps:
        """The caps of accounts that have none of their own."""
        return self._caps

    def caps_of(self, account: bytes) -> Caps:
        """The caps that hold for an account."""
        return self._account_caps.get(account, self._caps)

    def refuse_leverage(self, leverage: int, *, account: bytes, key: SubKey) -> str | None:
        """Why this leverage is not set, or None."""
        mandate = self._mandates.get(key)
        if mandate is None:
            return "mandate_unknown"
        if mandate.account != account:
            return "mandate_of_another"
        if leverage > mandate.caps.leverage:
            return "mandate_leverage"
        return "account_leverage" if leverage > self.caps_of(account).leverage else None

    # orders
    def reserve(self, ask: Ask, *, now_ms: int) -> Taken | str:
        """Take what signing this order takes, or say why it is not signed. `commit` or `release` it."""
        ident = ask.account + ask.order.client_id.encode("ascii")
        if now_ms - self._turned_ms > IDS_TURN_MS:
            self._old_ids, self._ids, self._turned_ms = self._ids, {}, now_ms
        if self._ids.get(ident, 0) >= now_ms or self._old_ids.get(ident, 0) >= now_ms:
            return "signed_already"
        judged = self._judged(ask, ident, now_ms)
        return judged if isinstance(judged, str) else self._apply(judged, now_ms)

    def commit(self, chunk: bytes, taken: dict[int, Taken], now_ms: int) -> None:
        """Write down what the signatures of a chunk took, before it goes out.

        :raises OSError: it could not be written down: `release` it and send nothing
        """
        self._journal.record(["took", now_ms, [_flat(one.entry) for one in taken.values()]])
        self._unsaid.append(len(taken))
        self._chunks[chunk] = taken
        while len(self._chunks) > KEPT_CHUNKS:
            self._chunks.popitem(last=False)
        if self._journal.long:
            self._journal.begin(self._snapshot())

    def release(self, taken: Iterable[Taken], now_ms: int) -> None:
        """Give back what was reserved and not committed."""
        for one in taken:
            self._undo(one, _ONE, now_ms)

    def give_back(self, chunk: bytes, rows: Iterable[tuple[int, Decimal]], now_ms: int) -> None:
        """The venue did not execute these rows of a chunk but for a quantity: what they took comes back to that extent.

        The id of a row of which nothing was executed is free again.
        """
        known = self._chunks.get(chunk, {})
        back: list[tuple[Taken, Decimal]] = []
        for row, executed in rows:
            one = known.pop(row, None)
            if one is not None:
                whole = abs(one.entry.qty)
                back.append((one, max(ZERO, _ONE - executed / whole) if executed > 0 and whole else _ONE))
        if back:
            self._journal.record(
                ["back", now_ms, [[*_flat(one.entry), str(one.result), str(share)] for one, share in back]]
            )
            for one, share in back:
                self._undo(one, share, now_ms)

    def lost(self, key: SubKey) -> Decimal:
        """The dollars a subscription has lost for good, as reckoned here; negative: won."""
        return -self._holdings.result(key)

    def counts(self) -> dict[str, int]:
        """For `stats`."""
        ids = len(self._ids) + len(self._old_ids)
        return {"mandates": len(self._mandates), "ids": ids, "marks": self.marks.count()}

    # judging
    def _judged(self, ask: Ask, ident: bytes, now_ms: int) -> Entry | str:
        order, market, account, key, expires_ms = ask
        mark = self.marks.of(market, order.symbol)
        dollars = self.marks.dollars(market, order.symbol)
        spot = market[1] == "spot"
        sold = spot and not order.buys
        if order.reduces or (sold and order.qty <= self._bought.get((account, order.symbol), ZERO)):
            price = order.price or mark
            reckoned = ZERO if price is None or dollars is None else price * dollars
            return _entry(ident, expires_ms, key, account, order, ZERO, reckoned, spot=spot, reduces=True)
        if mark is None or dollars is None:
            # A mandate is told about first: without one, no price would help.
            return self._refuse_open(ask, mark, ZERO, now_ms) or "mark_unknown"
        price = mark if order.price is None or order.price < mark else order.price
        worth = order.qty * price * dollars
        # What was bought before the ledger began can be sold under the account's caps alone.
        why = None if sold else self._refuse_open(ask, mark, worth, now_ms)
        if why is not None:
            return why
        over = self._spent_of(account).over(worth, self.caps_of(account), now_ms)
        if over is not None:
            return f"account_{over}"
        reckoned = (order.price or mark) * dollars
        return _entry(ident, expires_ms, key, account, order, worth, reckoned, spot=spot, reduces=sold)

    def _refuse_open(self, ask: Ask, mark: Decimal | None, worth: Decimal, now_ms: int) -> str | None:
        order, market, account, key, _ = ask
        mandate = self._mandates.get(key)
        if mandate is None:
            return "mandate_unknown"
        if mandate.account != account or (mandate.exchange, mandate.environment) != (market[0], market[2]):
            return "mandate_of_another"
        if not mandate.opens:
            return "mandate_closed"
        if order.symbol in mandate.deny or (mandate.allow and order.symbol not in mandate.allow):
            return "mandate_symbol"
        if mark is None:
            return None
        if order.price is not None:
            away = order.price - mark if order.buys else mark - order.price
            if away * _BPS > mark * mandate.band_bps:
                return "mandate_price_band"
        if self.lost(key) >= mandate.max_loss_usd:
            return "mandate_loss"
        over = self._spent_of(key).over(worth, mandate.caps, now_ms)
        return f"mandate_{over}" if over is not None else None

    def _spent_of(self, key: SubKey | bytes) -> Spent:
        found = self._spent.get(key)
        if found is None:
            found = self._spent[key] = Spent()
        return found

    # what was taken
    def _apply(self, entry: Entry, now_ms: int) -> Taken:
        self._ids[entry.ident] = entry.expires_ms
        if entry.worth:
            self._spent_of(entry.key).add(entry.worth, now_ms)
            self._spent_of(entry.account).add(entry.worth, now_ms)
        self._buy(entry, entry.bought)
        where = (*entry.key, entry.symbol)
        if not entry.price:
            return Taken(entry, ZERO)
        return Taken(
            entry, self._holdings.move(where, qty=entry.qty, price=entry.price, reduces=entry.reduces)
        )  # fmt: skip

    def _undo(self, one: Taken, share: Decimal, now_ms: int) -> None:
        entry = one.entry
        if share == 1:
            self._ids.pop(entry.ident, None)
            self._old_ids.pop(entry.ident, None)
        if entry.worth:
            self._spent_of(entry.key).add(-entry.worth * share, now_ms)
            self._spent_of(entry.account).add(-entry.worth * share, now_ms)
        self._buy(entry, -entry.bought * share)
        if entry.price:
            opened = ZERO if entry.reduces else entry.qty * share
            result = one.result * share
            if entry.reduces and not result:
                return  # nothing of it is known here, or it came out even: there is nothing to put back
            self._holdings.undo(
                (*entry.key, entry.symbol), qty=entry.qty * share, price=entry.price, result=result, opened=opened
            )

    def _buy(self, entry: Entry, change: Decimal) -> None:
        if not change:
            return
        place = (entry.account, entry.symbol)
        left = self._bought.get(place, ZERO) + change
        if left > 0:
            self._bought[place] = left
        else:
            self._bought.pop(place, None)

    # the journal
    def _replay(self, record: list[Any]) -> None:
        kind, *rest = record
        if kind == "took":
            now_ms, rows = rest
            if self.trail.chain:  # a journal of a release before there was a record misses none of it
                self._unsaid.append(len(rows))
            for row in rows:
                self._apply(_read(row), now_ms)
        elif kind == "back":
            now_ms, rows = rest
            for *row, result, share in rows:
                self._undo(Taken(_read(row), Decimal(result)), Decimal(share), now_ms)
        elif kind == "number":
            self._numbers[rest[0], rest[1]] = rest[2]
        elif kind == "spent":
            key, minute, in_minute, day, in_day = rest
            named = key if isinstance(key, bytes) else (key[0], key[1])
            self._spent[named] = Spent(minute, Decimal(in_minute), day, Decimal(in_day))
        elif kind == "result":
            self._holdings.replay_result((rest[0], rest[1]), Decimal(rest[2]))
        elif kind == "lot":
            self._holdings.replay_lot((rest[0], rest[1], rest[2]), Lot(Decimal(rest[3]), Decimal(rest[4])))
        elif kind == "bought":
            self._bought[rest[0], rest[1]] = Decimal(rest[2])
        elif kind == "id":
            self._ids[rest[0]] = rest[1]
        elif kind == "minimum":
            self._minimums[rest[0]] = rest[1]
        elif kind == "agreed":
            self._agreed[rest[0]] = rest[1], rest[2] if len(rest) > 2 else b""
        elif kind == "unsaid":
            self._unsaid += rest
        elif kind == "audit":
            self.trail.replay(*rest)
            self._unsaid.clear()
        elif kind == "permit":
            self._permits[rest[0], rest[1]] = (rest[2], rest[3])

    def _snapshot(self) -> Iterator[list[Any]]:
        yield self.trail.snapshot()
        if self._unsaid:
            yield ["unsaid", *self._unsaid]
        for tenant, version in self._minimums.items():
            yield ["minimum", tenant, version]
        for account, (number, digest) in self._agreed.items():
            yield ["agreed", account, number, digest]
        for (tenant, exchange), (number, on) in self._permits.items():
            yield ["permit", tenant, exchange, number, on]
        for key, number in self._numbers.items():
            yield ["number", *key, number]
        for named, one in self._spent.items():
            name = named if isinstance(named, bytes) else list(named)
            yield ["spent", name, one.minute, str(one.in_minute), one.day, str(one.in_day)]
        for key, result in self._holdings.results():
            yield ["result", *key, str(result)]
        for where, lot in self._holdings.lots():
            yield ["lot", *where, str(lot.qty), str(lot.price)]
        for (account, symbol), qty in self._bought.items():
            yield ["bought", account, symbol, str(qty)]
        for ids in (self._old_ids, self._ids):
            for ident, expires_ms in ids.items():
                yield ["id", ident, expires_ms]


_NEVER = (-1, b"")
"""The number of an account for which nothing was ever agreed: the first agreement has 0."""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _entry(
    ident: bytes, expires_ms: int, key: SubKey, account: bytes, order: Order, worth: Decimal, price: Decimal, *,
    spot: bool, reduces: bool,
) -> Entry:  # fmt: skip
    qty = order.qty if order.buys else -order.qty
    return Entry(ident, expires_ms, key, account, order.symbol, worth, qty, price, reduces, qty if spot else ZERO)


def _flat(entry: Entry) -> list[Any]:
    ident, expires_ms, key, account, symbol, worth, qty, price, reduces, bought = entry
    return [ident, expires_ms, key, account, symbol, str(worth), str(qty), str(price), reduces, str(bought)]


def _read(row: list[Any]) -> Entry:
    ident, expires_ms, key, account, symbol, worth, qty, price, reduces, bought = row
    return Entry(
        ident, expires_ms, (key[0], key[1]), account, symbol, Decimal(worth), Decimal(qty), Decimal(price), reduces,
        Decimal(bought),
    )  # fmt: skip
