"""Decoys: what a process that runs ccxt holds in place of an exchange secret.

A decoy is a random text of the secret's shape. ccxt may do with it what it does with a secret; where it would compute
a signature, the replaced primitive finds the decoy in a table and asks the signer. A venue that signs neither path nor
method gets its requests from the egress alone: what ccxt is given is a placeholder, and `citadel.carry` has the
request signed and sent from there. A decoy that is missed anywhere signs like a wrong secret: the venue refuses, and
nothing was given away. Nothing here holds or ever sees a secret.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from citadel import bearing, replaced, uses
from citadel.bearing import BEARS, Bearing, Bearings
from citadel.client import SignerClient, SignerRefused
from citadel.derivations import forms, number
from citadel.domain.policy import query_fields
from citadel.domain.request import basic
from citadel.replaced import Primitive
from citadel.shapes import Shape, like


class Ref(NamedTuple):
    """What a derived decoy stands for: a form of a field of an account."""

    account: bytes
    field: str
    derivation: str
    exchange: str


class Facts(NamedTuple):
    """What the signer tells about an account: `Primitives.facts` answers with these as a map.

    :param public: fields of the credential that are no secret
    :param shapes: shapes of the fields that are
    :param addresses: Ethereum addresses of private keys, by field: ccxt would derive them from the decoy
    """

    public: Mapping[str, str]
    shapes: Mapping[str, Shape]
    addresses: Mapping[str, str]


class Promise(NamedTuple):
    """A payload that will be signed where its request is sent: the account (16 bytes) and what is to be signed."""

    account: bytes
    payload: bytes


CARRIED = frozenset({"binance"})
"""Exchanges whose requests `citadel.carry` sends."""

_MOST_PROMISES = 1_024


class _Decoy(NamedTuple):
    text: str
    exchange: str
    address: str | None


class Decoys:
    """The decoys of this process, and the primitives of ccxt that know them.

    Asking is a blocking round trip of some 15 microseconds inside ccxt's synchronous `sign()`. Give it a client with a
    short timeout: that long an event loop may stand still when the signer does.

    :param carried: exchanges whose requests bear promises in place of signatures
    """

    def __init__(self, client: SignerClient, *, carried: frozenset[str] = CARRIED) -> None:
        self._client: Any = client
        self._carried = carried
        self._promises: dict[str, Promise] = {}
        self.bearings = Bearings()
        self.promised = 0
        """Signatures that requests wait for instead of asking at once."""
        self._texts: dict[tuple[bytes, str], _Decoy] = {}
        self._table: dict[bytes, Ref] = {}
        self._numbers: dict[int, Ref] = {}
        self._suffixes: dict[int, int] = {}
        self._lock = threading.Lock()

    def of(
        self,
        account: bytes,
        *,
        exchange: str = "binance",
        field: str = "secret",
        shape: Shape | None = None,
        address: str | None = None,
    ) -> str:
        """The decoy of a field of an account, the same for as long as the process lives or until it is forgotten.

        :param shape: how the secret looks; without it, as the exchange's secrets usually do
        :param address: the Ethereum address of a private key
        :raises KeyError: no such exchange
        """
        with self._lock:
            decoy = self._texts.get((account, field))
            if decoy is None:
                profile = uses.PROFILES[exchange]
                if shape is None:
                    shape = uses.KINDS[
                        profile.kinds[0] if field == profile.field else uses.SECOND_KEYS.get(field, "text64")
                    ]
                decoy = self._texts[account, field] = _Decoy(like(shape), exchange, address)
                self._learn(account, field, decoy)
            return decoy.text

    def credentials(self, account: bytes, *, exchange: str = "binance", facts: Facts | None = None) -> dict[str, str]:
        """What ccxt's constructor wants: the real values of what is public, and decoys.

        :param facts: of the account; without them, an exchange of an API key and a secret is meant
        :raises SignerRefused: code ``unknown_account``: open it first
        """
        if facts is None:
            return {"apiKey": self._client.public(account), "secret": self.of(account, exchange=exchange)}
        found = dict(facts.public)
        for field, shape in facts.shapes.items():
            found[field] = self.of(
                account, exchange=exchange, field=field, shape=shape, address=facts.addresses.get(field)
            )
        return found

    def forget(self, account: bytes) -> None:
        """The decoys of an account stop standing for anything."""
        with self._lock:
            for place in [place for place in self._texts if place[0] == account]:
                decoy = self._texts.pop(place)
                for key in forms(decoy.text):
                    self._table.pop(key, None)
                self._numbers.pop(number(decoy.text) or -1, None)
                if uses.hashes(decoy.exchange, place[1]):
                    self._suffixes[len(decoy.text)] -= 1

    def address(self, account: bytes, field: str) -> str:
        """The address that came with a private key's decoy.

        :raises SignerRefused: code ``address_unknown``
        """
        decoy = self._texts.get((account, field))
        if decoy is None or decoy.address is None:
            raise SignerRefused(code="address_unknown")
        return decoy.address

    def find(self, key: Any) -> Ref | None:
        """What a key stands for, in whatever form ccxt has brought it; None for what is no decoy."""
        return self._table.get(replaced.as_bytes(key))

    def find_number(self, key: str | int) -> Ref | None:
        """The same for a Starknet key, which travels as a number."""
        return self._numbers.get(number(key) or -1)

    def find_suffix(self, request: bytes) -> tuple[Ref, bytes] | None:
        """The decoy a hash's input ends with, and what stands before it."""
        for length, count in list(self._suffixes.items()):  # another thread may be learning one
            ref = self._table.get(request[-length:]) if count else None
            if ref is not None and ref.derivation == "text" and uses.hashes(ref.exchange, ref.field):
                return ref, request[:-length]
        return None

    def ask(self, ref: Ref, op: str, *args: Any) -> Any:
        """The signer's answer to a use of a decoy.

        :raises SignerRefused: code ``algorithm_not_allowed``, before the signer is asked; any that it answers
        """
        if not uses.allowed(ref.exchange, uses.name(ref.field, op, ref.derivation, args)):
            raise SignerRefused(code="algorithm_not_allowed")
        uses_now = bearing.collecting()
        if uses_now is not None and bearing.bearable(ref.field, op, args):
            self.promised += 1
            return _signature(
                op, uses_now.promise(ref.account, field=ref.field, op=op, derivation=ref.derivation, args=args)
            )
        if ref.exchange in self._carried and op == "hmac":
            if not _is_stream(args[1]):
                return self._promised(ref.account, args[1])
            return self._client.hmac(account=ref.account, alg=args[0], payload=args[1])
        return self._client.sign(account=ref.account, field=ref.field, op=op, derivation=ref.derivation, args=args)

    def promise(self, placeholder: str) -> Promise | None:
        """What a placeholder stands for, once."""
        with self._lock:
            return self._promises.pop(placeholder, None)

    def bear(self, exchange: Any, *, account: bytes) -> None:
        """Have an instance of ccxt build requests that the vault completes and sends (citadel.carry).

        :param account: whose decoys the instance has
        """
        original, header = exchange.sign, uses.PROFILES[exchange.id].header

        def sign(*args: Any, **named: Any) -> Any:
            with bearing.collected() as found:
                made = original(*args, **named)
            decoy = self._in_header(made, exchange, account, header)
            if not found.found and not decoy:
                return made
            if found.mixed or found.account not in (None, account):
                raise SignerRefused(code="request_of_two_accounts")
            token = self.bearings.keep(Bearing(account, tuple(found.found), decoy))
            return {**made, "headers": {**(made.get("headers") or {}), BEARS: token}}

        exchange.sign = sign

    def _in_header(self, made: Any, exchange: Any, account: bytes, header: uses.Header | None) -> str:
        """The decoy that a request's headers have; empty: none."""
        held = self._texts.get((account, header.field)) if header is not None else None
        if held is None or header is None:
            return ""
        values = [str(value) for value in (made.get("headers") or {}).values()]
        user = str(getattr(exchange, header.user) or "") if header.user else ""
        forms = (held.text, basic(user, held.text))
        return held.text if any(form in value for value in values for form in forms) else ""

    def _promised(self, account: bytes, payload: bytes) -> bytes:
        """A placeholder. Whoever sends the request finds it and has it sent signed."""
        placeholder = secrets.token_bytes(32)
        with self._lock:
            self._promises[placeholder.hex()] = Promise(account, payload)
            while len(self._promises) > _MOST_PROMISES:
                self._promises.pop(next(iter(self._promises)))
        return placeholder

    def primitives(self, original: dict[str, Primitive]) -> dict[str, Primitive]:
        """Replacements for those of ccxt's primitives that take a secret, by name. What is no decoy goes to the
        original."""
        return {name: make(self, original) for name, make in replaced.PRIMITIVES.items()}

    def _learn(self, account: bytes, field: str, decoy: _Decoy) -> None:
        for key, name in forms(decoy.text).items():
            self._table[key] = Ref(account, field, name, decoy.exchange)
        value = number(decoy.text)
        if value is not None:
            self._numbers[value] = Ref(account, field, "text", decoy.exchange)
        if uses.hashes(decoy.exchange, field):
            self._suffixes[len(decoy.text)] = self._suffixes.get(len(decoy.text), 0) + 1

    def hyperliquid(self, kind: type) -> type:
        """A subclass of one of ccxt's hyperliquid classes that hands the signer the action instead of its digest.

        A digest cannot be judged, so the signer takes none for this exchange. ccxt's own hashing takes milliseconds.
        """
        return replaced.hyperliquid(self, kind)


def _signature(op: str, placeholder: bytes) -> Any:
    """A placeholder in the form that a use's answer has."""
    return {"r": placeholder[:32].hex(), "s": placeholder[32:].hex(), "v": 0} if op == "ecdsa" else placeholder


def _is_stream(payload: bytes) -> bool:
    """The subscription to an account's own stream, which goes over a socket of this process and so is signed here."""
    fields = query_fields(payload)
    return fields is None or "apiKey" in fields


_original: dict[str, Primitive] = {}
_installed: Decoys | None = None


def install(client: SignerClient) -> Decoys:
    """Put the primitives into ccxt's base class, for every exchange of this process and this process alone.

    A second call returns what the first one installed.
    """
    return _installed or _put(Decoys(client))


def uninstall() -> None:
    """Give ccxt its own primitives back."""
    global _installed
    base = replaced.base()
    for name, primitive in _original.items():
        setattr(base, name, staticmethod(primitive))
    _original.clear()
    _installed = None


@contextmanager
def alone(client: SignerClient, *, carried: frozenset[str] = CARRIED) -> Iterator[Decoys]:
    """New decoys for the length of a block. What was installed before is put back after it."""
    before = _installed
    uninstall()
    try:
        yield _put(Decoys(client, carried=carried))
    finally:
        uninstall()
        if before is not None:
            _put(before)


def _put(decoys: Decoys) -> Decoys:
    global _installed
    base = replaced.base()
    _original.update({name: base.__dict__[name].__func__ for name in replaced.PRIMITIVES})
    for name, primitive in decoys.primitives(_original).items():
        setattr(base, name, staticmethod(primitive))
    _installed = decoys
    return decoys
