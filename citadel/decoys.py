"""Decoys: what a process that runs ccxt holds in place of an exchange secret.

A decoy is a random text of the secret's shape. ccxt may do with it what it does with a secret; where it would compute a
signature, the replaced primitive finds the decoy in a table. A venue that signs neither path nor method gets its
requests from the egress alone: what ccxt is given is a mark, and `citadel.carry` has the request signed and sent from
there. A decoy that is missed anywhere signs like a wrong secret: the venue refuses, and nothing was given away. Nothing
here holds or ever sees a secret.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from citadel.client import SignerClient, SignerRefused
from citadel.domain.policy import query_fields

Primitive = Callable[..., Any]

_ALNUM = string.ascii_letters + string.digits

SHAPES: dict[str, Callable[[], str]] = {
    "binance": lambda: "".join(secrets.choice(_ALNUM) for _ in range(64)),
}
"""How a secret of an exchange looks. ccxt tells key types apart by shape, so a decoy has to have the right one."""

DERIVATIONS: dict[str, Callable[[str], bytes]] = {
    "text": str.encode,
}
"""What ccxt does to a secret before it hands it to a primitive. A table entry is made for each that gives 16 bytes or
more; the signer applies the same to the real secret, so it has to know the name."""

_MIN_DERIVED = 16
_MOST_PROMISES = 1_024

_ALGORITHMS = {hashlib.sha256: "sha256"}


class Ref(NamedTuple):
    """What a derived decoy stands for: the account (16 bytes) and the derivation."""

    account: bytes
    derivation: str


class Promise(NamedTuple):
    """A payload that will be signed where its request is sent: the account (16 bytes) and what is to be signed."""

    account: bytes
    payload: bytes


class Decoys:
    """The decoys of this process, and the primitives of ccxt that know them.

    Asking is a blocking round trip of some 15 microseconds inside ccxt's synchronous `sign()`. Give it a client with a
    short timeout: that long an event loop may stand still when the signer does.
    """

    def __init__(self, client: SignerClient) -> None:
        self._client = client
        self._texts: dict[bytes, str] = {}
        self._table: dict[bytes, Ref] = {}
        self._promises: dict[str, Promise] = {}
        self._lock = threading.Lock()

    def of(self, account: bytes, *, exchange: str = "binance") -> str:
        """The decoy of an account, the same for as long as the process lives or until it is forgotten.

        :raises KeyError: no shape is known for this exchange
        """
        with self._lock:
            text = self._texts.get(account)
            if text is None:
                text = self._texts[account] = SHAPES[exchange]()
                self._table |= {key: Ref(account, name) for name, key in _derived(text)}
            return text

    def credentials(self, account: bytes, *, exchange: str = "binance") -> dict[str, str]:
        """What ccxt's constructor wants: the real (public) API key and the decoy.

        :raises SignerRefused: code ``unknown_account``: open it first
        """
        return {"apiKey": self._client.public(account), "secret": self.of(account, exchange=exchange)}

    def forget(self, account: bytes) -> None:
        """The decoy of an account stops standing for anything."""
        with self._lock:
            text = self._texts.pop(account, None)
            for _, key in _derived(text) if text is not None else ():
                self._table.pop(key, None)

    def primitives(self, original: dict[str, Primitive]) -> dict[str, Primitive]:
        """Replacements for those of ccxt's primitives that take a secret, by name. What is no decoy goes to the
        original."""

        def hmac(request: Any, secret: Any, algorithm: Any = hashlib.sha256, digest: str = "hex") -> Any:
            ref = self._table.get(_bytes(secret))
            if ref is None:
                return original["hmac"](request, secret, algorithm, digest)
            name = _ALGORITHMS.get(algorithm)
            if name is None or ref.derivation != "text":
                raise SignerRefused(code="algorithm_not_allowed")
            payload = _bytes(request)
            if digest == "hex" and not _is_stream(payload):
                return self._promised(ref.account, payload)
            return _formatted(self._client.hmac(account=ref.account, alg=name, payload=payload), digest)

        return {"hmac": hmac}

    def _promised(self, account: bytes, payload: bytes) -> str:
        """In place of a signature: a mark of its shape. Whoever sends the request finds it and has it sent signed."""
        mark = secrets.token_hex(32)
        with self._lock:
            self._promises[mark] = Promise(account, payload)
            while len(self._promises) > _MOST_PROMISES:
                self._promises.pop(next(iter(self._promises)))
        return mark

    def promise(self, mark: str) -> Promise | None:
        """What a mark stands for, once."""
        with self._lock:
            return self._promises.pop(mark, None)


_original: dict[str, Primitive] = {}
_installed: Decoys | None = None


def install(client: SignerClient) -> Decoys:
    """Put the primitives into ccxt's base class, for every exchange of this process and this process alone.

    A second call returns what the first one installed.
    """
    global _installed
    if _installed is None:
        base = _base()
        decoys = Decoys(client)
        _original.update({name: base.__dict__[name].__func__ for name in decoys.primitives({})})
        for name, primitive in decoys.primitives(_original).items():
            setattr(base, name, staticmethod(primitive))
        _installed = decoys
    return _installed


def uninstall() -> None:
    """Give ccxt its own primitives back."""
    global _installed
    base = _base()
    for name, primitive in _original.items():
        setattr(base, name, staticmethod(primitive))
    _original.clear()
    _installed = None


def _base() -> Any:
    # Importing ccxt takes seconds; only processes that install decoys pay for it. All exchanges, asynchronous and
    # streaming ones too, inherit their primitives from this class, and some name it when they call them.
    from ccxt.base import exchange

    return exchange.BaseExchange


def _is_stream(payload: bytes) -> bool:
    """The subscription to an account's own stream, which goes over a socket of this process and so is signed here."""
    fields = query_fields(payload)
    return fields is None or "apiKey" in fields


def _derived(text: str) -> list[tuple[str, bytes]]:
    pairs = [(name, derive(text)) for name, derive in DERIVATIONS.items()]
    return [(name, key) for name, key in pairs if len(key) >= _MIN_DERIVED]


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _formatted(digest: bytes, form: str) -> Any:
    if form == "hex":
        return digest.hex()
    if form == "base64":
        return _base().binary_to_base64(digest)
    return digest
