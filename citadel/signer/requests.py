"""Turns a chunk of rows into signed HTTP requests."""

from __future__ import annotations

from typing import Any, NamedTuple

from citadel.domain import policy
from citadel.signer.keys import Keyring

_FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


class Signed(NamedTuple):
    """Requests ready to send, accounts that are not open (their rows are not among them), rows that are refused."""

    requests: list[tuple[int, bytes]]
    unknown: list[bytes]
    refused: list[tuple[int, str]]


def sign_rows(*, keys: Keyring, host: str, method: str, path: str, head: bytes, rows: list[Any]) -> Signed:
    """Each row [row, account, tail] becomes one HTTP/1.1 request over ``head + tail`` with its signature.

    Binance's scheme: HMAC-SHA256 in hex over the query or form, appended as `signature`; the key in X-MBX-APIKEY.
    """
    requests: list[tuple[int, bytes]] = []
    unknown: dict[bytes, None] = {}
    refused: list[tuple[int, str]] = []
    get, refuse = keys.get, policy.refuse_query
    in_body = method == "POST"
    line = f"{method} {path}".encode("ascii")
    rest = b" HTTP/1.1\r\nHost: " + host.encode("ascii") + b"\r\n"
    start = line + rest + _FORM
    for row, account, tail in rows:
        key = get(account)
        if key is None:
            unknown[account] = None
            continue
        query = head + tail
        why = refuse(query)
        if why is not None:
            refused.append((row, why))
            continue
        inner, outer = key.inner.copy(), key.outer.copy()
        inner.update(query)
        outer.update(inner.digest())
        query += b"&signature=" + outer.hexdigest().encode()
        if in_body:
            request = b"%b%bContent-Length: %d\r\n\r\n%b" % (start, key.header, len(query), query)
        else:
            request = b"%b?%b%b%b\r\n" % (line, query, rest, key.header)
        requests.append((row, request))
    return Signed(requests, list(unknown), refused)
