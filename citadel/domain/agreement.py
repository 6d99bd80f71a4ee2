"""What an account's owner has agreed with the vault for the account as a whole, and how it may be changed.

It is sealed beside the account's keys when they are connected, by the signer itself, so nobody else makes one. It is
widened only by an assertion of one of the passkeys named in it (WebAuthn Level 2, section 7.2), which the signer
verifies by itself: whoever holds the web server or the database can show a page, and cannot press the owner's key. An
account without a passkey keeps what it began with until it is connected again. Narrower it gets without any.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from fido2 import cbor
from fido2.cose import CoseKey

from citadel.domain.mandate import Caps

MAX_TEXT = 16 << 10
MAX_PASSKEYS = 16

USUAL_CAPS = "50000,250000,1000000,20"
"""Caps of accounts that have none of their own, where OBSCURA_ACCOUNT_CAPS names no others (`read_caps`)."""

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,2})?", re.ASCII)
_HOST = re.compile(r"[a-z0-9.-]{1,253}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9_-]{1,4096}", re.ASCII)
_LABEL = b"obscura/citadel/agreement/1"
_PRESENT, _VERIFIED = 0x01, 0x04


class CapsInvalid(ValueError):
    """OBSCURA_ACCOUNT_CAPS is not three amounts of dollars and a leverage. Set it to e.g. "50000,250000,1000000,20"."""

    code = "account_caps_invalid"


def read_caps(text: str) -> Caps:
    """Dollars in an order, a minute and a day, and the highest leverage, comma separated.

    :raises CapsInvalid: they are not that
    """
    try:
        order, minute, day, leverage = (part.strip() for part in text.split(","))
        caps = _caps([order, minute, day, int(leverage)])
    except (ValueError, ArithmeticError):
        raise CapsInvalid from None
    if not caps.order_usd:
        raise CapsInvalid
    return caps


class AgreementRefused(Exception):
    """The agreement is not changed."""

    code = "agreement"


class AgreementMalformed(AgreementRefused):
    """Not of the one form. It was not made by the page; load the page again."""

    code = "agreement_malformed"


class AgreementOutdated(AgreementRefused):
    """It has been changed meanwhile, or is one of an earlier day. Load the page again."""

    code = "agreement_outdated"


class PasskeyMissing(AgreementRefused):
    """The account knows no passkey, so it cannot be widened. Connect it again; passkeys you have then are taken up."""

    code = "passkey_missing"


class PasskeyRefused(AgreementRefused):
    """The passkey's answer does not confirm exactly this change. Try again, on the site it was made for."""

    code = "passkey_refused"


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of the owner's: its id, its public key in COSE, the site it is of (host, without a port)."""

    ident: bytes
    key: bytes
    site: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """A passkey's answer, as the browser gave it: which passkey, authenticator data, client data, signature."""

    ident: bytes
    authenticator: bytes
    client: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Agreement:
    """:param number: goes up by one with every change"""

    number: int
    caps: Caps
    passkeys: tuple[Passkey, ...] = field(default=())


def text_of(agreement: Agreement) -> str:
    """The one spelling of an agreement: JSON, keys in order, no blanks."""
    return json.dumps(
        {
            "caps": _caps_of(agreement.caps),
            "number": agreement.number,
            "passkeys": [[_b64(one.ident), _b64(one.key), one.site] for one in agreement.passkeys],
        },
        separators=(",", ":"),
        sort_keys=True,
    )


def read(text: str) -> Agreement:
    """The agreement in a text.

    :raises AgreementMalformed: not its one spelling
    """
    if len(text) > MAX_TEXT:
        raise AgreementMalformed
    try:
        told = json.loads(text)
        agreement = Agreement(int(told["number"]), _caps(told["caps"]), tuple(map(_passkey, told["passkeys"])))
    except (ValueError, TypeError, KeyError, ArithmeticError):
        raise AgreementMalformed from None
    if text_of(agreement) != text or agreement.number < 0 or len(agreement.passkeys) > MAX_PASSKEYS:
        raise AgreementMalformed
    return agreement


def challenge_of(*, tenant: int, account: bytes, wanted: str) -> bytes:
    """The 32 bytes that a passkey has to sign to confirm a change: the change itself, for this account alone."""
    body = struct.pack(">Q", tenant) + account + hashlib.sha256(wanted.encode()).digest()
    return hashlib.sha256(_LABEL + body).digest()


def widens(before: Caps, after: Caps) -> bool:
    """Whether anything is allowed that was not."""
    return (
        after.order_usd > before.order_usd
        or after.minute_usd > before.minute_usd
        or after.day_usd > before.day_usd
        or after.leverage > before.leverage
    )


def changed(
    before: Agreement, wanted: str, *, tenant: int, account: bytes, assertion: Assertion | None
) -> Agreement:  # fmt: skip
    """The agreement after a change, if its owner has made it.

    :raises AgreementMalformed, AgreementOutdated, PasskeyMissing, PasskeyRefused: it is not changed
    """
    after = read(wanted)
    if after.number != before.number + 1:
        raise AgreementOutdated
    if widens(before.caps, after.caps) or after.passkeys != before.passkeys:
        if not before.passkeys:
            raise PasskeyMissing
        challenge = challenge_of(tenant=tenant, account=account, wanted=wanted)
        _verify(before.passkeys, assertion, challenge=challenge)
    return after


def with_caps(agreement: Agreement, caps: Caps) -> str:
    """The text to sign for other caps and the same passkeys."""
    return text_of(replace(agreement, number=agreement.number + 1, caps=caps))


def _verify(passkeys: tuple[Passkey, ...], assertion: Assertion | None, *, challenge: bytes) -> None:
    passkey = next((one for one in passkeys if assertion is not None and one.ident == assertion.ident), None)
    if passkey is None or assertion is None:
        raise PasskeyRefused
    try:
        client = json.loads(assertion.client)
        told = client["type"], client["challenge"], client["origin"]
    except (ValueError, TypeError, KeyError):
        raise PasskeyRefused from None
    if told[0] != "webauthn.get" or told[1] != _b64(challenge) or not _is_of(told[2], passkey.site):
        raise PasskeyRefused
    data = assertion.authenticator
    if len(data) < 37 or data[:32] != hashlib.sha256(passkey.site.encode()).digest():
        raise PasskeyRefused
    # Pressed by somebody, and by the owner: presence alone would let whoever sits at the machine widen it.
    if data[32] & (_PRESENT | _VERIFIED) != _PRESENT | _VERIFIED:
        raise PasskeyRefused
    message = data + hashlib.sha256(assertion.client).digest()
    try:
        CoseKey.parse(cast("dict[int, Any]", cbor.decode(passkey.key))).verify(message, assertion.signature)
    except Exception:  # noqa: BLE001 - whatever a library finds wrong with a signature, it confirms nothing
        raise PasskeyRefused from None


def _is_of(origin: object, site: str) -> bool:
    """The page was of this site: https, or this machine's own names without."""
    scheme, _, host = str(origin).partition("://")
    host, _, port = host.partition(":")
    return host == site and (not port or port.isdigit()) and (
        scheme == "https" or (scheme == "http" and (site == "localhost" or site.endswith(".localhost")))
    )  # fmt: skip


def _caps_of(caps: Caps) -> list[Any]:
    return [f"{caps.order_usd:f}", f"{caps.minute_usd:f}", f"{caps.day_usd:f}", caps.leverage]


def _caps(parts: Any) -> Caps:
    order, minute, day, leverage = parts
    if not all(isinstance(one, str) and _AMOUNT.fullmatch(one) for one in (order, minute, day)):
        raise ValueError
    caps = Caps(Decimal(order), Decimal(minute), Decimal(day), leverage)
    if type(leverage) is not int or not 1 <= leverage <= 125 or not caps.order_usd <= caps.minute_usd <= caps.day_usd:
        raise ValueError
    return caps


def _passkey(parts: Any) -> Passkey:
    ident, key, site = parts
    if not all(isinstance(one, str) and _BASE64.fullmatch(one) for one in (ident, key)) or not _HOST.fullmatch(site):
        raise ValueError
    return Passkey(_unb64(ident), _unb64(key), site)


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
