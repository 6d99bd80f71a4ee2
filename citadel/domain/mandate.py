"""What a follower's subscription allows the vault to sign, sealed where the terms were agreed.

A mandate is made by the process that took the terms from their owner, under a key that only such processes and the
signer hold. A worker carries it and can neither make nor widen one; the number in it never goes back, so an older,
wider one is no use either. Amounts are in US dollars at the time of signing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import msgpack

KEY_BYTES, _MAC = 32, 32
_LABEL = b"obscura/citadel/mandate/1"
_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?", re.ASCII)


class MandateRefused(Exception):
    """Not sealed by a process that may agree terms, altered, or of another form. Save the terms again."""

    code = "mandate_refused"


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be opened, in US dollars of an order's worth: in one, in a minute and on a day (UTC).

    :param leverage: the highest that may be set
    """

    order_usd: Decimal
    minute_usd: Decimal
    day_usd: Decimal
    leverage: int


@dataclass(frozen=True, slots=True)
class Mandate:
    """What may be opened for one subscription. Closing needs no mandate.

    :param account: 16 bytes of the exchange account's UUID
    :param number: goes up with every change of the terms
    :param opens: whether anything may be opened at all
    :param band_bps: how far from the mark a limit may lie, in hundredths of a percent
    :param max_loss_usd: when this much is lost for good, as far as the vault can reckon it, nothing more is opened
    :param allow: these symbols alone; empty: all but those in `deny`
    """

    tenant: int
    subscription: int
    account: bytes
    number: int
    exchange: str
    environment: str
    opens: bool
    caps: Caps
    band_bps: int
    max_loss_usd: Decimal
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()


def seal(mandate: Mandate, *, key: bytes) -> bytes:
    """The mandate with its authentication: HMAC-SHA256 under the 32-byte `key`."""
    body = _packed(mandate)
    return body + _tag(body, key)


def read(sealed: bytes, *, key: bytes) -> Mandate:
    """The mandate that was sealed.

    :raises MandateRefused: it was not sealed under this key, or is not of the one form
    """
    body, tag = sealed[:-_MAC], sealed[-_MAC:]
    if len(sealed) <= _MAC or not hmac.compare_digest(_tag(body, key), tag):
        raise MandateRefused
    try:
        mandate = _unpacked(msgpack.unpackb(body, raw=False))
    except (ValueError, TypeError, InvalidOperation):
        raise MandateRefused from None
    if _packed(mandate) != body:
        raise MandateRefused
    return mandate


def _tag(body: bytes, key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError("a mandate's key has 32 bytes")
    return hmac.digest(key, _LABEL + body, hashlib.sha256)


def _packed(one: Mandate) -> bytes:
    caps = [_text(one.caps.order_usd), _text(one.caps.minute_usd), _text(one.caps.day_usd), one.caps.leverage]
    packed: bytes = msgpack.packb(
        [
            one.tenant, one.subscription, one.account, one.number, one.exchange, one.environment, one.opens, caps,
            one.band_bps, _text(one.max_loss_usd), sorted(one.allow), sorted(one.deny),
        ]
    )  # fmt: skip
    return packed


def _text(amount: Decimal) -> str:
    text = f"{amount:f}"
    if not _AMOUNT.fullmatch(text):
        raise ValueError("an amount of a mandate is plain and not negative")
    return text


_SHAPE = (int, int, bytes, int, str, str, bool, list, int, str, list, list)


def _unpacked(parts: Any) -> Mandate:
    if not isinstance(parts, list) or len(parts) != len(_SHAPE):
        raise ValueError
    if any(type(part) is not kind for part, kind in zip(parts, _SHAPE, strict=True)):
        raise TypeError
    tenant, subscription, account, number, exchange, environment, opens, caps, band, loss, allow, deny = parts
    order, minute, day, leverage = caps
    if len(account) != 16 or type(leverage) is not int or any(type(name) is not str for name in (*allow, *deny)):
        raise ValueError
    return Mandate(
        tenant=tenant,
        subscription=subscription,
        account=account,
        number=number,
        exchange=exchange,
        environment=environment,
        opens=opens,
        caps=Caps(Decimal(order), Decimal(minute), Decimal(day), leverage),
        band_bps=band,
        max_loss_usd=Decimal(loss),
        allow=frozenset(allow),
        deny=frozenset(deny),
    )
