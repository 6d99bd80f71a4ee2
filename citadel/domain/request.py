"""A request that ccxt built without signature and secret, and the putting in of both.

Where a signature belongs, the request has a placeholder: random bytes of the signature's length, in whatever spelling
the exchange wants. Where a secret belongs, a header has its decoy. Method, host and path are read so strictly that the
exchange cannot read them differently.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

MAX_URL, MAX_BODY, MAX_HEADERS, MAX_HEADER = 8192, 256 << 10, 64, 8192

_PATH = re.compile(r"(/[A-Za-z0-9._~%:@!$&'()*+,;=-]*)+", re.ASCII)
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:[1-9][0-9]{0,4})?", re.ASCII)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_MIN_PLACEHOLDER = 16
_OTHER_METHOD = re.compile(rb"(?:^|[&\"'?{,\s])_method\b")

OURS = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Headers that are the connection's business and not the request's: whoever sends it writes them anew."""


class NotCarried(ValueError):
    """The request is not sent; `code` says why and quotes nothing."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Request(NamedTuple):
    """An HTTP request as ccxt hands it over."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Address(NamedTuple):
    """Where a request goes; `host` with its port where it is not 443."""

    host: str
    method: str
    path: str


def address_of(request: Request) -> Address:
    """Where it goes.

    :raises NotCarried: codes ``request_scheme``, ``request_method``, ``request_host``, ``request_path``
    """
    url = request.url
    if len(url) > MAX_URL or not url.startswith("https://") or not url.isascii() or not url.isprintable():
        raise NotCarried("request_scheme")
    if set(url) & set(' \\"<>^`#'):
        raise NotCarried("request_scheme")
    if request.method not in _METHODS:
        raise NotCarried("request_method")
    parts = urlsplit(url)
    # Some frameworks take this field for the method that was meant.
    if any(_OTHER_METHOD.search(unquote_to_bytes(text)) for text in (parts.query, request.body)):
        raise NotCarried("request_method")
    # The whole of it is compared: user info, another port, a trailing dot and capitals are other hosts.
    host = parts.netloc.removesuffix(":443")
    if not _HOST.fullmatch(host):
        raise NotCarried("request_host")
    path = parts.path
    steps = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").split("/")
    if not _PATH.fullmatch(path) or "." in steps or ".." in steps or "" in steps[1:-1]:
        raise NotCarried("request_path")
    return Address(host, request.method, path)


def with_signature(request: Request, *, placeholder: bytes, signature: bytes) -> Request:
    """The request with a signature wherever its placeholder was, spelt in the same way.

    :raises NotCarried: code ``placeholder_missing``: the placeholder is nowhere in query, headers and body
    """
    if len(placeholder) < _MIN_PLACEHOLDER:
        raise NotCarried("placeholder_missing")
    head, asked, query = request.url.partition("?")
    headers, body = list(request.headers), request.body
    before = (query, headers, body)
    for spell in _SPELLINGS:
        there, here = spell(placeholder), spell(signature)
        query = query.replace(there, here)
        headers = [(name, _replaced(value, there, here)) for name, value in headers]
        body = body.replace(there.encode(), here.encode())
    if (query, headers, body) == before:
        raise NotCarried("placeholder_missing")
    return Request(request.method, head + asked + query, tuple(headers), body)


def _replaced(value: str, there: str, here: str) -> str:
    """In the text of a header, and in the text that its last word is the base64 of."""
    value = value.replace(there, here)
    start, blank, word = value.rpartition(" ")
    try:
        inner = base64.b64decode(word, validate=True).decode("ascii")
    except (ValueError, UnicodeDecodeError):
        return value
    if there not in inner:
        return value
    return start + blank + _base64(inner.replace(there, here).encode())


def with_payload(payload: bytes, *, placeholder: bytes, signature: bytes) -> bytes:
    """What is to be signed, with an earlier signature that it contains."""
    for spell in _SPELLINGS:
        payload = payload.replace(spell(placeholder).encode(), spell(signature).encode())
    return payload


def spelt(value: bytes) -> list[bytes]:
    """Every spelling in which an answer may repeat a signature."""
    return [spell(value).encode() for spell in _SPELLINGS]


def with_secret(request: Request, *, decoy: str, secret: str, user: str = "") -> Request:
    """The request with a secret where one of its headers had the decoy.

    :param user: what stands before the secret in `Basic`, where the exchange wants that
    :raises NotCarried: codes ``header_decoy`` (not exactly one header has it, or something else does),
        ``header_secret`` (it cannot stand in a header)
    """
    if not decoy or not secret or not all(" " <= char <= "~" for char in secret + user) or ":" in user:
        raise NotCarried("header_secret")
    forms = {decoy: secret, basic(user, decoy): basic(user, secret)}
    if any(form in request.url or form.encode() in request.body for form in forms):
        # Where the secret would be read back from logs: an exchange that wants it there is not served.
        raise NotCarried("header_decoy")
    headers, placed = [], 0
    for name, value in request.headers:
        for form, real in forms.items():
            if _stands_alone(form, value):
                value, placed = value[: len(value) - len(form)] + real, placed + 1
        if any(form in value or form in name for form in forms):
            raise NotCarried("header_decoy")
        headers.append((name, value))
    if placed != 1:
        raise NotCarried("header_decoy")
    return request._replace(headers=tuple(headers))


def raw(request: Request) -> bytes:
    """The request as HTTP/1.1, with the headers of the connection written anew.

    :raises NotCarried: code ``request_headers``: one that could be read as two, or that is too long
    """
    address = address_of(request)
    _, _, target = request.url[len("https://") :].partition("/")
    lines = [f"{request.method} /{target} HTTP/1.1", f"Host: {address.host}"]
    if len(request.headers) > MAX_HEADERS or len(request.body) > MAX_BODY:
        raise NotCarried("request_headers")
    for name, value in request.headers:
        if not _TOKEN.fullmatch(name) or len(value) > MAX_HEADER or not all(" " <= char <= "~" for char in value):
            raise NotCarried("request_headers")
        if name.lower() not in OURS:
            lines.append(f"{name}: {value}")
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + request.body


def basic(user: str, secret: str) -> str:
    """The credentials of HTTP's `Basic`."""
    return base64.standard_b64encode(f"{user}:{secret}".encode()).decode()


def _stands_alone(form: str, text: str) -> bool:
    """The header is the form, or one word (Basic, Bearer) and the form."""
    return text == form or (text.endswith(" " + form) and text[: -len(form) - 1].isalpha())


def _hex(value: bytes) -> str:
    return value.hex()


def _base64(value: bytes) -> str:
    return base64.standard_b64encode(value).decode()


def _quoted(value: bytes) -> str:
    return quote(_base64(value), safe="")


def _url_safe(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _base64_of_hex(value: bytes) -> str:
    return _base64(value.hex().encode())


def _upper(value: bytes) -> str:
    return value.hex().upper()


_SPELLINGS: tuple[Callable[[bytes], str], ...] = (_hex, _upper, _base64, _quoted, _url_safe, _base64_of_hex)
