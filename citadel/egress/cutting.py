"""What an answer may not bring back: what the vault put into its request, and fields that are named as secrets."""

from __future__ import annotations

import re
from collections.abc import Sequence

from obscura.core.wire import Answer, Settle

CUT = b"***"

_FIELD = re.compile(
    rb'("(?:client_?secret|api_?secret|secret_?key|private_?key|secret)"\s*:\s*")(?:[^"\\]|\\.)*(")', re.IGNORECASE
)
"""A text in JSON under such a name: exchanges that list keys may list what signs with them."""


def cutting(settle: Settle, hide: Sequence[bytes]) -> Settle:
    """`settle`, given answers without what is to be hidden."""

    def settled(answer: Answer) -> None:
        body, headers = answer.body, answer.headers
        if answer.status > 0:
            body = without(body, hide)
            headers = {name: without(value.encode(), hide).decode() for name, value in (headers or {}).items()}
        settle(answer._replace(body=body, headers=headers))

    return settled


def without(text: bytes, hide: Sequence[bytes]) -> bytes:
    """A text with all of that replaced."""
    for secret in sorted(hide, key=len, reverse=True):
        if secret:
            text = text.replace(secret, CUT)
    return _FIELD.sub(rb"\1" + CUT + rb"\2", text)
