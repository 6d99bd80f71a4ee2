"""Turns a chunk of rows into signed HTTP requests, each looked at by its rule and, if it is an order, by the ledger."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from citadel.domain import orders, policy
from citadel.domain.policy import Fields, Kind, Rule
from citadel.signer.keys import Keyring, SigningKey
from citadel.signer.ledger import Ask, Ledger, Taken

_FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
_LEVERAGE = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_OWN = re.compile(rb"&quantity=([0-9.]{1,40})&newClientOrderId=([0-9a-f]{32})&timestamp=([0-9]{13})")
"""What orders of one shape differ in, as our workers write it. It cannot make a query too long."""

_MODES = frozenset({"ISOLATED", "CROSSED", "true", "false"})


@dataclass(slots=True)
class Signed:
    """Requests ready to send, accounts that are not open (their rows are not among them), rows that are refused.

    `parties` has (tenant, subscription) of each request, for the audit.
    """

    requests: list[tuple[int, bytes]] = field(default_factory=list)
    parties: list[tuple[int, int]] = field(default_factory=list)
    unknown: list[bytes] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    taken: dict[int, Taken] = field(default_factory=dict)


class Desk:
    """Looks at the rows of one chunk: what they share is read once."""

    def __init__(
        self, *, keys: Keyring, ledger: Ledger, venue: str, market: str, env: str, method: str, path: str, head: bytes,
        now_ms: int,
    ) -> None:  # fmt: skip
        self._keys, self._ledger, self._now_ms = keys, ledger, now_ms
        self._rule: Rule = policy.RULES[venue, market, method, path]
        self._market = (venue, market, env)
        self._head = head
        self._shared = policy.query_fields(head)
        self._shape: orders.Order | None = None
        self._at, self._expires = b"", 0
        self._in_body = method == "POST"
        host = policy.HOSTS[venue, market].encode("ascii")
        self._line = f"{method} {path}".encode("ascii")
        self._rest = b" HTTP/1.1\r\nHost: " + host + b"\r\n"
        self._start = self._line + self._rest + _FORM

    def sign(self, rows: list[Any]) -> Signed:
        """Each row [row, account, tail, subscription] becomes one HTTP/1.1 request over ``head + tail``.

        Binance's scheme: HMAC-SHA256 in hex over the query or form, appended as `signature`; the key in X-MBX-APIKEY.
        What orders take of the ledger is in ``taken``, to be committed or released.
        """
        signed = Signed()
        unknown: dict[bytes, None] = {}
        get, look, request = self._keys.get, self._look, self._request
        for row, account, tail, *named in rows:
            key = get(account)
            if key is None:
                unknown[account] = None
                continue
            subscription = named[0] if named else 0
            found = look(tail, key, account, subscription)
            if isinstance(found, str):
                signed.refused.append((row, found))
                continue
            if found is not None:
                signed.taken[row] = found
            signed.requests.append((row, request(key, self._head + tail)))
            signed.parties.append((key.tenant, subscription))
        signed.unknown = list(unknown)
        return signed

    def _look(self, tail: bytes, key: SigningKey, account: bytes, subscription: int) -> Taken | str | None:
        if self._shape is not None:
            own = _OWN.fullmatch(tail)
            if own is not None and own[3] == self._at:
                # Like a row before it, which was looked at whole: these three fields, each in its plain form.
                order = orders.like(self._shape, quantity=own[1].decode(), client_id=own[2].decode())
                return order if isinstance(order, str) else self._reserved(order, key, account, subscription)
        fields = self._fields(tail)
        if fields is None:
            return "query_not_canonical"
        rule = self._rule
        why = policy.refuse_fields(rule, fields, now_ms=self._now_ms)
        if why is not None:
            return why
        if rule.kind is Kind.ORDER:
            order = orders.read_order(fields)
            if isinstance(order, str):
                return order
            self._expires = int(fields["timestamp"]) + int(fields.get("recvWindow", policy.DEFAULT_WINDOW))
            if _OWN.fullmatch(tail):
                self._shape, self._at = order, fields["timestamp"].encode()
            return self._reserved(order, key, account, subscription)
        return self._refuse_other(rule.kind, fields, key, account, subscription)

    def _reserved(self, order: orders.Order, key: SigningKey, account: bytes, subscription: int) -> Taken | str:
        ask = Ask(order, self._market, account, (key.tenant, subscription), self._expires)
        return self._ledger.reserve(ask, now_ms=self._now_ms)

    def _refuse_other(
        self, kind: Kind, fields: Fields, key: SigningKey, account: bytes, subscription: int
    ) -> str | None:
        if kind is Kind.STOP:
            stop = orders.read_stop(fields)
            return stop if isinstance(stop, str) else None
        if kind is Kind.LEVERAGE:
            if not _LEVERAGE.fullmatch(fields["leverage"]):
                return "field_value"
            wanted = int(fields["leverage"])
            return self._ledger.refuse_leverage(wanted, account=account, key=(key.tenant, subscription))
        if kind is Kind.MODE and not {fields.get("marginType"), fields.get("dualSidePosition")} & _MODES:
            return "field_value"
        return None

    def _fields(self, tail: bytes) -> Fields | None:
        """The fields of ``head + tail``, none of them twice; both begin and end where a field does."""
        if self._shared is None:
            return None
        if not tail:
            return self._shared
        own = policy.query_fields(tail[1:]) if tail[:1] == b"&" else None
        if own is None or len(self._head) + len(tail) > policy.MAX_QUERY or not self._shared.keys().isdisjoint(own):
            return None
        own.update(self._shared)
        return own

    def _request(self, key: SigningKey, query: bytes) -> bytes:
        inner, outer = key.inner.copy(), key.outer.copy()
        inner.update(query)
        outer.update(inner.digest())
        query += b"&signature=" + outer.hexdigest().encode()
        if self._in_body:
            return b"%b%bContent-Length: %d\r\n\r\n%b" % (self._start, key.header, len(query), query)
        return b"%b?%b%b%b\r\n" % (self._line, query, self._rest, key.header)
