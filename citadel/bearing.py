"""ccxt's requests with placeholders for signatures: how one is made, and what is remembered of it until it is sent.

While ccxt's `sign()` runs, a primitive that is asked for a signature gives a placeholder, random bytes of the same
length, and writes down what it stands for. The request that comes of it bears a token; whoever sends requests finds by
it what the vault has to put in. Only `sign()` builds requests: a signature that is asked for elsewhere, for a socket's
log-in say, is another matter.
"""

from __future__ import annotations

import base64
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

BEARS = "X-Obscura-Bears"
"""The header that a request bears its token in, in this process alone."""

LENGTHS = {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}
_EDDSA, _RSA, _P256 = 64, 256, 64

_MOST = 1_024


class Use(NamedTuple):
    """A signature that a request waits for: its placeholder, and the signer's question (citadel.signer.primitives)."""

    placeholder: bytes
    field: str
    op: str
    derivation: str
    args: Sequence[Any]


class Bearing(NamedTuple):
    """What the vault puts into one request of an account (16 bytes).

    :param decoy: what a header has in place of the secret; empty: no header
    """

    account: bytes
    uses: tuple[Use, ...]
    decoy: str = ""


class Uses:
    """What one `sign()` asked for."""

    def __init__(self) -> None:
        self.account: bytes | None = None
        self.found: list[Use] = []
        self.mixed = False

    def promise(self, account: bytes, *, field: str, op: str, derivation: str, args: Sequence[Any]) -> bytes:
        """The placeholder of a use."""
        self.mixed |= self.account not in (None, account)
        self.account = account
        made = placeholder(length(op, args))
        self.found.append(Use(made, field, op, derivation, args))
        return made


_now: ContextVar[Uses | None] = ContextVar("citadel_bearing", default=None)


def collecting() -> Uses | None:
    """Where a use is written down; None while no request is being built."""
    return _now.get()


@contextmanager
def collected() -> Iterator[Uses]:
    """While the block runs, uses that can be borne are written down and not asked for."""
    uses = Uses()
    token = _now.set(uses)
    try:
        yield uses
    finally:
        _now.reset(token)


def bearable(field: str, op: str, args: Sequence[Any]) -> bool:
    """Whether a use's signature is bytes that stand in a request as they are.

    Not of a wallet, whose signatures come with a recovery id, and no one-time password, which is made of a few bits.
    """
    return field != "twofa" and (op in ("hmac", "hash", "eddsa", "rsa") or (op == "ecdsa" and args[0] == "p256"))


def length(op: str, args: Sequence[Any]) -> int:
    """Bytes of a use's signature; of RSA, those of the usual key."""
    if op in ("hmac", "hash"):
        return LENGTHS.get(args[0], 32)
    return {"eddsa": _EDDSA, "rsa": _RSA, "ecdsa": _P256}[op]


def placeholder(size: int) -> bytes:
    """Random bytes whose spellings cannot be taken for one another: both odd characters of base64 are in it."""
    while True:
        made = secrets.token_bytes(size)
        text = base64.standard_b64encode(made)
        if b"+" in text and b"/" in text and made.hex().upper() != made.hex():
            return made


class Bearings:
    """What requests bear, by token, until each is sent; the oldest are forgotten."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Bearing] = OrderedDict()

    def keep(self, bearing: Bearing) -> str:
        """The token."""
        token = secrets.token_hex(16)
        self._held[token] = bearing
        while len(self._held) > _MOST:
            self._held.popitem(last=False)
        return token

    def take(self, token: str) -> Bearing | None:
        """What a request bears, once."""
        return self._held.pop(token, None)
