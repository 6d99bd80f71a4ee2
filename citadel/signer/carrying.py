"""Requests of exchanges whose payloads no policy reads: judged by where they go, completed, handed to the egress.

A read of an account is signed for whoever may ask; what places or takes out orders, where the account's tenant has
permitted it; anything else never. The completed request goes to the egress and to nobody else, and what was put into it
is cut out of its answer.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from typing import Any
from urllib.parse import quote

from citadel import uses
from citadel.bearing import bearable, length
from citadel.domain import calls, policy
from citadel.domain.frames import FrameTooLarge, Message, pack
from citadel.domain.request import (
    OURS,
    Address,
    NotCarried,
    Request,
    address_of,
    basic,
    raw,
    spelt,
    with_payload,
    with_secret,
    with_signature,
)
from citadel.signer.forward import EgressLink
from citadel.signer.ledger import Ledger
from citadel.signer.measures import Measures
from citadel.signer.primitives import Primitives
from citadel.signer.trail import Trail

FIELDS: dict[str, type] = {
    "chunk": bytes, "reply": bytes, "account": bytes, "env": str, "method": str, "url": str, "headers": list,
    "body": bytes, "uses": list, "decoy": str, "not_after_ms": int, "timeout_ms": int, "address": str,
}  # fmt: skip
"""Of a question: the request as ccxt built it, what its placeholders stand for, and where the answer goes."""

MAX_USES = 4
_REMEMBERED = 4_096


class Carrying:
    """Completes requests, each once."""

    def __init__(
        self, *, primitives: Primitives, ledger: Ledger, egress: EgressLink, trail: Trail, measures: Measures
    ) -> None:
        self._primitives, self._ledger, self._egress, self._trail = primitives, ledger, egress, trail
        self._measures = measures
        self._chunks: OrderedDict[bytes, None] = OrderedDict()
        self.counts: Counter[str] = Counter()

    def carry(self, message: Message) -> Message:
        """Hand one request to the egress; the answer's form is that of a chunk of one row.

        :raises NotCarried: codes of `citadel.domain.request`, and ``environment_unknown``, ``request_not_allowed``,
            ``unchecked_not_permitted``, ``request_malformed``, ``chunk_repeated``
        :raises citadel.signer.primitives.PrimitiveRefused: also where the account is not open
        """
        tenant, exchange = self._primitives.owner(message["account"])
        message["venue"], message["market"] = exchange, "rest"  # for the record, should it be refused
        request = _read(message)
        address = address_of(request)
        message["path"] = address.path
        if calls.odd_headers(exchange, (name for name, _ in request.headers if name.lower() not in OURS)):
            raise NotCarried("request_headers")
        kind = self._allowed(message, tenant, exchange, address)
        whole, hide = completed(
            self._primitives,
            account=message["account"],
            request=request,
            asked=message["uses"],
            decoy=message["decoy"],
        )
        refused = self._handed_over(message, exchange, address, raw(whole), hide)
        facts = {"tenant": tenant, "account": message["account"].hex(), "exchange": exchange, "env": message["env"]}
        facts |= {"request": f"{address.method} {address.host} {address.path}"[:160], "kind": kind, "sent": not refused}
        self._trail.note("carried", facts, int(time.time() * 1000))
        self.counts["carried"] += not refused
        if not refused:
            self._measures.one(f"carried_{kind}", exchange)
        return {"taken": int(not refused), "unknown": [], "refused": [[0, refused]] if refused else []}

    def _allowed(self, message: Message, tenant: int, exchange: str, address: Address) -> str:
        if message["env"] not in policy.ENVIRONMENTS:
            raise NotCarried("environment_unknown")
        if message["chunk"] in self._chunks:
            raise NotCarried("chunk_repeated")
        kind = calls.kind_of(exchange, address)
        if kind is None:
            raise NotCarried("request_not_allowed")
        if kind != calls.READ and not self._ledger.permitted(tenant, exchange):
            raise NotCarried("unchecked_not_permitted")
        return kind

    def _handed_over(self, message: Message, exchange: str, address: Address, data: bytes, hide: list[bytes]) -> str:
        """Why it did not go out; empty: it did."""
        given = {name: message[name] for name in ("chunk", "reply", "env", "address", "not_after_ms", "timeout_ms")}
        try:
            frame = pack(
                {"op": "carry", **given, "exchange": exchange, "host": address.host, "request": data, "hide": hide}
            )
        except FrameTooLarge as error:
            return error.code
        if not self._egress.forward(frame):
            return "egress_unavailable"
        self._chunks[message["chunk"]] = None
        while len(self._chunks) > _REMEMBERED:
            self._chunks.popitem(last=False)
        return ""


def completed(
    primitives: Primitives, *, account: bytes, request: Request, asked: list[Any], decoy: str
) -> tuple[Request, list[bytes]]:
    """The request with what its placeholders and its decoy stand for, and what an answer may not repeat.

    :param asked: uses in the order ccxt made them: [placeholder, field, op, derivation, args]; one may sign what has an
        earlier one's placeholder in it
    :raises NotCarried: also codes ``nothing_to_place``, ``uses_count``, ``use_malformed``, ``header_none``
    :raises citadel.signer.primitives.PrimitiveRefused: a use is none of the account's
    """
    if not asked and not decoy:
        raise NotCarried("nothing_to_place")
    if len(asked) > MAX_USES:
        raise NotCarried("uses_count")
    hide: list[bytes] = []  # no secret that the request does not have: it would come to the egress for nothing
    if decoy:
        header = uses.PROFILES[primitives.owner(account)[1]].header
        if header is None:
            raise NotCarried("header_none")
        secret, user = primitives.for_header(account, header)
        request = with_secret(request, decoy=decoy, secret=secret, user=user)
        hide += [form.encode() for form in (secret, quote(secret, safe=""), basic(user, secret))]
    done: list[tuple[bytes, bytes]] = []
    for use in asked:
        placeholder, signature = _signed(primitives, account, use, done)
        request = with_signature(request, placeholder=placeholder, signature=signature)
        hide += spelt(signature)
        done.append((placeholder, signature))
    return request, hide


def _signed(primitives: Primitives, account: bytes, use: Any, done: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    if not isinstance(use, list) or [type(part) for part in use] != [bytes, str, str, str, list] or not use[4]:
        raise NotCarried("use_malformed")
    placeholder, field, op, derivation, args = use
    if not isinstance(args[0], str | bytes) or not bearable(field, op, args) or len(placeholder) != length(op, args):
        raise NotCarried("use_malformed")
    if isinstance(args[-1], bytes):
        payload = args[-1]
        for earlier, real in done:
            payload = with_payload(payload, placeholder=earlier, signature=real)
        args = [*args[:-1], payload]
    found = primitives.sign(account=account, field=field, op=op, derivation=derivation, args=args)
    if isinstance(found, dict):
        found = bytes.fromhex(str(found["r"]) + str(found["s"]))
    if not isinstance(found, bytes):
        raise NotCarried("use_malformed")
    return placeholder, found


def _read(message: Message) -> Request:
    if len(message["chunk"]) != 16 or len(message["reply"]) != 16:
        raise NotCarried("request_malformed")
    if not 0 < message["timeout_ms"] <= 60_000 or not 0 < message["not_after_ms"] < 1 << 62:
        raise NotCarried("request_malformed")
    headers = []
    for pair in message["headers"]:
        if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not str:
            raise NotCarried("request_malformed")
        headers.append((pair[0], pair[1]))
    return Request(message["method"], message["url"], tuple(headers), message["body"])
