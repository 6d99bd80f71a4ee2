"""The sealed box a credential travels in from the form to the signer: whose it is stands inside, under the seal.

The box is libsodium's (X25519, anonymous sender) around one map. Version 1, which the web makes, is msgpack::

    {"v": 1, "tenant": tenant id, "account": 16 bytes of the account's UUID, "fields": {name: text}}

Version 2, which a browser or a partner makes, is JSON in one spelling alone: UTF-8, no blanks, the names in this order,
nothing escaped that need not be::

    {"v":2,"tenant":7,"account":"32 hexadecimal digits of the UUID","fields":{"name":"text"}}

Whoever holds a box can neither read it nor give it to another account: the signer compares what is inside with what it
is asked. A box says nothing of who made it; anybody may seal keys of their own for any account.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgpack
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

VERSION, TEXT_VERSION = 1, 2
MAX_SEALED = 64 << 10
"""Bytes of a box; a larger one is not looked at."""

AGREED = "agreed"
"""The field that an account's agreement is sealed as, beside its keys."""

EXCHANGE = "exchange"
"""A field of a credential that nobody enters: whose it is. One that lacks it is Binance's."""

LEAST_SEALED = 48
"""Bytes that a box has around what is inside: a public key and a tag."""

_SHAPE: dict[str, type] = {"v": int, "tenant": int, "account": bytes, "fields": dict}
_TEXT_SHAPE = _SHAPE | {"account": str}
_ACCOUNT = re.compile(r"[0-9a-f]{32}", re.ASCII)


class SealedError(Exception):
    """A sealed box that is not taken."""

    code = "sealed"


class SealedRefused(SealedError):
    """Not sealed to this key, altered, cut short, or not of the one shape. Enter the credentials again."""

    code = "sealed_refused"


class SealedVersionUnknown(SealedError):
    """Sealed in a form this signer does not read: an older or a newer one. Enter the credentials again."""

    code = "sealed_version_unknown"


class SealedForAnother(SealedError):
    """Sealed for another account or tenant than the one it is offered for. Enter the credentials again."""

    code = "sealed_for_another"


def seal(*, intake: bytes, tenant: int, account: bytes, fields: Mapping[str, str], version: int = VERSION) -> bytes:
    """The credentials of one account as only the signer can read them, and for this account alone.

    :param intake: the signer's X25519 public key, 32 bytes
    :param account: 16 bytes of the account's UUID
    :param fields: text by name of the field
    :param version: 1, or 2 for the form that browsers make
    """
    inside = {"v": version, "tenant": tenant, "account": account, "fields": dict(fields)}
    plain = _spelt(inside | {"account": account.hex()}) if version == TEXT_VERSION else msgpack.packb(inside)
    return bytes(SealedBox(PublicKey(intake)).encrypt(plain))


def unseal(*, intake: PrivateKey, tenant: int, account: bytes, sealed: bytes) -> dict[Any, Any]:
    """The fields of a box that was sealed for this account of this tenant. What they hold is not looked at here.

    :raises SealedRefused: it does not open, or is not of the one shape
    :raises SealedVersionUnknown: it is neither of version 1 nor of version 2
    :raises SealedForAnother: it was sealed for another account or tenant
    """
    try:
        plain = SealedBox(intake).decrypt(sealed)
        # No map of msgpack begins with this byte, and no other JSON than an object does.
        is_text = plain[:1] == b"{"
        inside = json.loads(plain.decode()) if is_text else msgpack.unpackb(plain, raw=False)
    except (CryptoError, ValueError, TypeError, RecursionError):
        raise SealedRefused from None
    if type(inside) is not dict:
        raise SealedRefused
    shape, known, asked = (_TEXT_SHAPE, TEXT_VERSION, account.hex()) if is_text else (_SHAPE, VERSION, account)
    version = inside.get("v")
    if type(version) is not int or version != known:
        raise SealedVersionUnknown
    if inside.keys() != shape.keys() or any(type(inside[name]) is not kind for name, kind in shape.items()):
        raise SealedRefused
    if is_text and not _is_spelt(inside, plain):
        raise SealedRefused
    if (inside["tenant"], inside["account"]) != (tenant, asked):
        raise SealedForAnother
    fields: dict[Any, Any] = inside["fields"]
    return fields


def _spelt(inside: Mapping[str, Any]) -> bytes:
    return json.dumps(inside, ensure_ascii=False, separators=(",", ":")).encode()


def _is_spelt(inside: Mapping[str, Any], plain: bytes) -> bool:
    """Whether this is the one spelling: a name that comes twice, a blank or another order is not taken."""
    if not _ACCOUNT.fullmatch(inside["account"]):
        return False
    ordered = {name: inside[name] for name in _TEXT_SHAPE}
    try:
        return _spelt(ordered) == plain
    except ValueError:  # half of a pair of surrogates
        return False
