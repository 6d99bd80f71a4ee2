"""Who asks, and is it true and in time: keys, signatures, timestamps, exactly as Binance checks them."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

from . import refusals
from .ledger import Account, Ledger
from .refusals import Refused

MAX_WINDOW = 60_000_000  # microseconds


def parse(raw: bytes) -> dict[str, str]:
    """A query or form body as a dict. A name given twice is refused, as the exchange refuses it."""
    if not raw:
        return {}
    try:
        text = raw.decode("ascii")
        if "%" in text or "+" in text:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
        else:
            pairs = [(part[0], part[2]) for part in (one.partition("=") for one in text.split("&"))]
    except (UnicodeDecodeError, ValueError):
        raise Refused(-1100, "Illegal characters found in a parameter.") from None
    params = dict(pairs)
    if len(params) != len(pairs):
        raise Refused(-1101, "Duplicate values for a parameter detected.")
    return params


def split_signature(raw: bytes) -> tuple[bytes, bytes | None]:
    """The text without its `signature=` part, and the signature, wherever it stood."""
    if raw.startswith(b"signature="):
        signature, _, rest = raw[10:].partition(b"&")
        return rest, signature
    at = raw.rfind(b"&signature=")
    if at < 0:
        return raw, None
    end = raw.find(b"&", at + 11)
    return (raw[:at], raw[at + 11 :]) if end < 0 else (raw[:at] + raw[end:], raw[at + 11 : end])


def in_time(params: Mapping[str, str]) -> int:
    """The moment, in epoch microseconds, after which the request must not reach the engine any more.

    Timestamps in microseconds are understood; recvWindow is milliseconds with up to three decimals, 5000 when absent.
    :raises Refused: -1021 ahead or late, -1131 window too wide
    """
    text = params.get("timestamp", "")
    if not (text.isascii() and text.isdigit() and 10 <= len(text) <= 16):
        raise refusals.missing("timestamp") if not text else refusals.malformed("timestamp", "^[0-9]{1,20}$")
    sent = int(text) if len(text) > 14 else int(text) * 1000
    window = _window(params.get("recvWindow"))
    now = time.time_ns() // 1000
    if sent >= now + 1_000_000:
        raise refusals.ahead()
    if now - sent > window:
        raise refusals.late()
    return sent + window


def _window(text: str | None) -> int:
    if not text:
        return 5_000_000
    whole, _, part = text.partition(".")
    if not (whole + part).isdigit() or not text.isascii() or len(part) > 3 or len(whole) > 9:
        raise refusals.malformed("recvWindow")
    window = int(whole) * 1000 + int(part.ljust(3, "0"))
    if window > MAX_WINDOW:
        raise Refused(-1131, "recvWindow must be less than 60000")
    return window


def still_in_time(deadline: int) -> None:
    """Checked a second time right before the engine, as the exchange does.

    :raises Refused: -1021
    """
    if time.time_ns() // 1000 > deadline:
        raise refusals.late()


def keyed(ledger: Ledger, key: str) -> Account:
    """The account of an API key.

    :raises Refused: -2014 no key, -2015 unknown
    """
    if not key:
        raise refusals.bad_key_format()
    account = ledger.by_key.get(key)
    if account is None:
        raise refusals.bad_key()
    return account


def proven(account: Account, payload: bytes, signature: bytes | None) -> None:
    """The payload was signed with the account's secret (HMAC-SHA256, hex).

    :raises Refused: -1102 no signature, -1022 wrong
    """
    if not signature:
        raise refusals.missing("signature")
    wanted = hmac.digest(account.secret, payload, "sha256").hex().encode()
    if not hmac.compare_digest(wanted, signature.lower()):
        raise refusals.bad_signature()


def signed(ledger: Ledger, key: str, query: bytes, body: bytes) -> tuple[Account, dict[str, str], int]:
    """The account, the parameters and the deadline of a signed request.

    The signature covers query and body joined without anything between, the signature itself taken out.
    """
    account = keyed(ledger, key)
    if body:
        body, signature = split_signature(body)
        if query:
            query, of_query = split_signature(query)
            signature = signature or of_query
    else:
        query, signature = split_signature(query)
    proven(account, query + body if body else query, signature)
    params = parse(query)
    if body:
        more = parse(body)
        if params.keys() & more.keys():
            raise Refused(-1101, "Duplicate values for a parameter detected.")
        params |= more
    return account, params, in_time(params)


def signed_params(ledger: Ledger, params: Mapping[str, object]) -> tuple[Account, dict[str, str], int]:
    """The same for a WebSocket API request: parameters sorted by name, without the signature."""
    texts = {name: _text(value) for name, value in params.items()}
    account = keyed(ledger, texts.get("apiKey", ""))
    payload = "&".join(f"{name}={texts[name]}" for name in sorted(texts) if name != "signature")
    proven(account, payload.encode(), texts.get("signature", "").encode() or None)
    return account, texts, in_time(texts)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        raise refusals.malformed("params")
    return str(value)
