"""Secrets that travel in a header: the worker's request carries a decoy, the egress puts the secret in its place."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

_PATH = re.compile(r"(/[A-Za-z0-9._~%:@!$&'()*+,;=-]*)+", re.ASCII)
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:[1-9][0-9]{0,4})?", re.ASCII)


class NotSubstituted(ValueError):
    """The request may not carry the secret; `code` says why and quotes nothing."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def substitute(
    request: Mapping[str, Any],
    *,
    decoy: str,
    secret: str,
    user: str = "",
    hosts: Collection[str],
    paths: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """The request with the secret where its headers had the decoy. Address and method are judged first.

    :param request: what ccxt's `sign()` returns: url, method, headers, body
    :param user: what stands before the secret in `Basic`, where the exchange wants that
    :param hosts: exact names the secret may be sent to over https, with the port where it is not 443
    :param paths: (method, pattern of the whole path) of everything the secret may be used for
    :raises NotSubstituted: codes ``header_scheme``, ``header_host``, ``header_path``, ``header_decoy`` (none of the
        headers has it, or something else does), ``header_secret`` (it cannot stand in a header)
    """
    _check_address(str(request["url"]), str(request["method"]), hosts, paths)
    if not decoy or not secret or not all(" " <= char <= "~" for char in secret + user) or ":" in user:
        raise NotSubstituted("header_secret")
    forms = {decoy: secret, _basic(user, decoy): _basic(user, secret)}
    if any(form in str(request[part] or "") for form in forms for part in ("url", "body")):
        # Where the secret would be read back from logs: an exchange that wants it there is not served.
        raise NotSubstituted("header_decoy")
    headers, placed = {}, 0
    for name, value in (request["headers"] or {}).items():
        text = str(value)
        for form, real in forms.items():
            if _stands_alone(form, text):
                text, placed = text[: len(text) - len(form)] + real, placed + 1
        if any(form in text for form in forms) or any(form in str(name) for form in forms):
            raise NotSubstituted("header_decoy")
        headers[name] = text if text != str(value) else value
    if placed != 1:
        raise NotSubstituted("header_decoy")
    return {**request, "headers": headers}


def _check_address(url: str, method: str, hosts: Collection[str], paths: Sequence[tuple[str, str]]) -> None:
    if not url.startswith("https://") or not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>^`#'):
        raise NotSubstituted("header_scheme")
    parts = urlsplit(url)
    # The whole of it is compared: user info, another port, a trailing dot and capitals are other hosts.
    place = parts.netloc.removesuffix(":443")
    if not _HOST.fullmatch(place) or place not in hosts:
        raise NotSubstituted("header_host")
    path = parts.path
    steps = path.lower().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").split("/")
    if not _PATH.fullmatch(path) or "." in steps or ".." in steps or "" in steps[1:-1]:
        raise NotSubstituted("header_path")
    if not any(method == wanted and re.fullmatch(pattern, path, re.ASCII) for wanted, pattern in paths):
        raise NotSubstituted("header_path")


def _stands_alone(form: str, text: str) -> bool:
    """The header is the form, or one word (Basic, Bearer) and the form."""
    return text == form or (text.endswith(" " + form) and text[: -len(form) - 1].isalpha())


def _basic(user: str, secret: str) -> str:
    return base64.standard_b64encode(f"{user}:{secret}".encode()).decode()
