"""What every provider's text has to stand: each of its bits turned, and other texts in its place."""

from __future__ import annotations

import base64
from collections.abc import Iterator

KEY = bytes(range(100, 132))
AAD = b"tenant 7, version 3"


def flipped_bits(wrapped: str) -> Iterator[str]:
    """`wrapped` with one bit of its bytes turned, once for each bit: base64 behind the last colon."""
    head, _, tail = wrapped.rpartition(":")
    urlsafe = "+" not in tail and "/" not in tail and not head.startswith("transit")
    raw = base64.b64decode(tail, altchars=b"-_" if urlsafe else None)
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        yield f"{head}:{base64.b64encode(bytes(changed), altchars=b'-_' if urlsafe else None).decode()}"


def flipped_characters(wrapped: str) -> Iterator[str]:
    """`wrapped` with the lowest bit of one character turned, once for each character."""
    for place, character in enumerate(wrapped):
        yield wrapped[:place] + chr(ord(character) ^ 1) + wrapped[place + 1 :]


def foreign(wrapped: str, *, name: str) -> list[str]:
    """Texts that are not of the provider `name`, made from one that is."""
    _, _, rest = wrapped.partition(":")
    return [
        "",
        name,
        f"other:{rest}",
        f" {wrapped}",
        f"{wrapped}\n",
        f"{wrapped}=",
        f"{wrapped}A",
        wrapped[:-1],
        wrapped[:-4],
        wrapped.replace(f"{name}:", f"{name}:0", 1),
        wrapped.replace(f"{name}:", f"{name.upper()}:", 1),
        f"{name}:1:",
        f"{name}:1:{'A' * 100_000}",
    ]
