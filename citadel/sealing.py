"""The sealed box a credential travels in from the form to the signer: whose it is stands inside, under the seal.

The box is libsodium's (X25519, anonymous sender) around one msgpack map::

    {"v": 1, "tenant": tenant id, "account": 16 bytes of the account's UUID, "fields": {name: text}}

Whoever holds a box can neither read it nor give it to another account: the signer compares what is inside with what it
is asked. A box says nothing of who made it; anybody may seal keys of their own for any account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

VERSION = 1

_SHAPE: dict[str, type] = {"v": int, "tenant": int, "account": bytes, "fields": dict}


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


def seal(*, intake: bytes, tenant: int, account: bytes, fields: Mapping[str, str]) -> bytes:
    """The credentials of one account as only the signer can read them, and for this account alone.

    :param intake: the signer's X25519 public key, 32 bytes
    :param account: 16 bytes of the account's UUID
    :param fields: text by name of the field
    """
    inside = {"v": VERSION, "tenant": tenant, "account": account, "fields": dict(fields)}
    return bytes(SealedBox(PublicKey(intake)).encrypt(msgpack.packb(inside)))


def unseal(*, intake: PrivateKey, tenant: int, account: bytes, sealed: bytes) -> dict[Any, Any]:
    """The fields of a box that was sealed for this account of this tenant. What they hold is not looked at here.

    :raises SealedRefused: it does not open, or is not of the one shape
    :raises SealedVersionUnknown: it is not of version 1
    :raises SealedForAnother: it was sealed for another account or tenant
    """
    try:
        inside = msgpack.unpackb(SealedBox(intake).decrypt(sealed), raw=False)
    except (CryptoError, ValueError, TypeError):
        raise SealedRefused from None
    if type(inside) is not dict:
        raise SealedRefused
    version = inside.get("v")
    if type(version) is not int or version != VERSION:
        raise SealedVersionUnknown
    if inside.keys() != _SHAPE.keys() or any(type(inside[name]) is not kind for name, kind in _SHAPE.items()):
        raise SealedRefused
    if (inside["tenant"], inside["account"]) != (tenant, account):
        raise SealedForAnother
    fields: dict[Any, Any] = inside["fields"]
    return fields
