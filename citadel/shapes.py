"""How a secret looks, without what it says: lengths and alphabets. From a shape a decoy is made.

ccxt tells kinds of keys apart by their looks (length, PEM armour, padding), so a decoy has to answer like the secret.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Sequence

from citadel.derivations import Underivable, derive

Shape = list[list[str]]
"""Parts in order: ``["is", "0x"]`` stands as it is, ``["hex", "64"]`` is that many characters of an alphabet."""

_ALPHABETS = {
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "base32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "base58": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "alnum": string.ascii_letters + string.digits,
    "base64": string.ascii_letters + string.digits + "+/",
    "url64": string.ascii_letters + string.digits + "-_",
    "print": string.ascii_letters + string.digits + string.punctuation.replace("=", ""),  # that would be padding
}
_AFFIXED = re.compile(r"(0x|ed25519:)?(.*?)(={0,6})", re.DOTALL)
_ARMOUR = re.compile(r"(-----(?:BEGIN|END) (?:EC |RSA |ENCRYPTED )?PRIVATE KEY-----|[\r\n]+|=+)", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_SHORTEST = 32
"""Characters a decoy has at least: below, it could be met by chance or by guessing."""


def shape_of(text: str) -> Shape:
    """The shape of a secret. Of a text that is neither PEM nor UUID it tells length, alphabet and padding."""
    if "-----BEGIN" in text:
        return _pem(text)
    if _UUID.fullmatch(text):
        return [part for group in text.split("-") for part in ([*_run(group, shortest=0)], ["is", "-"])][:-1]
    prefix, body, padding = _affixed(text)
    parts = [["is", prefix]] if prefix else []
    parts.append(_run(body, shortest=_SHORTEST))
    return [*parts, ["is", padding]] if padding else parts


def like(shape: Sequence[Sequence[str]]) -> str:
    """A random text of this shape.

    :raises ValueError: it is no shape
    """
    while True:
        text = "".join(value if kind == "is" else _random(kind, int(value)) for kind, value in shape)
        if text.startswith("0x") and shape[0][0] != "is":
            continue  # by chance, and ccxt would cut it off
        # As many bytes as base58 keys of this length have most often: a key that is never looked up must still load.
        if all(kind != "base58" for kind, _ in shape) or _even(text):
            return text


def _affixed(text: str) -> tuple[str, str, str]:
    match = _AFFIXED.fullmatch(text)
    if match is None:
        return "", text, ""
    return match[1] or "", match[2], match[3]


def _pem(text: str) -> Shape:
    # Whatever is not exactly armour is key, however it was pasted: a key in one line with its armour, too.
    pieces = [piece for piece in _ARMOUR.split(text) if piece]
    return [
        ["is", piece] if _ARMOUR.fullmatch(piece) else _run(piece, shortest=0, wide="base64") for piece in pieces
    ]  # fmt: skip


def _run(text: str, *, shortest: int, wide: str = "hex") -> list[str]:
    names = list(_ALPHABETS)
    found = "print"
    for name in names[names.index(wide) :]:
        if all(char in _ALPHABETS[name] for char in text):
            found = name
            break
    return [found, str(max(len(text), shortest))]


def _random(kind: str, length: int) -> str:
    alphabet = _ALPHABETS.get(kind)
    if alphabet is None or not 0 <= length <= 65_536:
        raise ValueError("no shape")
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _even(text: str) -> bool:
    try:
        return len(derive("base58", text)) % 32 == 0 or len(text.rpartition(":")[2]) not in (43, 44, 87, 88)
    except Underivable:
        return True
