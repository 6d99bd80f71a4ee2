"""Readings of JSON that may have any shape: none of them raises, and what is not clear is never taken for a no."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from trading.venues.permissions.base import Json

_YES, _NO = (True, 1, "1", "true", "True"), (False, 0, "0", "false", "False")
_LEAST = 4
"""Fewer characters than this do not tell one key from another."""


def yes(value: Json) -> bool:
    """A clear yes. ccxt may hand numbers over as text."""
    return _among(value, _YES)


def no(value: Json) -> bool:
    """A clear no."""
    return _among(value, _NO)


def fields(value: Json, *path: str) -> dict[str, Any] | None:
    """The object at the end of a path of names, if there is one."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


def names(value: Json) -> list[str] | None:
    """A list of names, or one text with commas or blanks between them; None for anything else."""
    if isinstance(value, str):
        return [word for word in value.replace(",", " ").split() if word]
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return [word.strip() for word in value if word.strip()]
    return None


def limited(value: Json) -> bool | None:
    """Whether a list of addresses limits a key: empty and everything do not. None: not a list of addresses."""
    found = names(value)
    return None if found is None else bool(found) and not {"*", "0.0.0.0", "0.0.0.0/0", "::/0"} & set(found)


def moment(value: Json) -> datetime | None:
    """A time as ISO text or as seconds or milliseconds; None for none, which exchanges also write as 0 or 1970."""
    text = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    try:
        if text.lstrip("-").replace(".", "", 1).isdecimal():
            seconds = float(text)
            found = datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)
        else:
            found = datetime.fromisoformat(text)
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.year >= 2000 else None


def days_from(now: datetime, value: Json) -> datetime | None:
    """The time so many days from now; None for anything but a count of days up to a century."""
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        return None
    return now + timedelta(days=int(text))


def own(rows: Json, name: str, key: str) -> dict[str, Any] | None:
    """The one row of a list of keys that is about this key. None where that is not certain.

    :param name: of the field with the key, whole or with stars for what is hidden
    :param key: whole, or its last characters
    """
    listed = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    found = [row for row in listed if _same(row.get(name), key)]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Named:
    """What a list of named rights says.

    :param unknown: there is a name that is in no list and says nothing of money that leaves
    """

    spot: bool
    futures: bool
    withdraw: bool
    transfer: bool
    unknown: bool


def named(
    words: Iterable[str],
    *,
    spot: Iterable[str] = (),
    futures: Iterable[str] = (),
    withdraw: Iterable[str] = (),
    transfer: Iterable[str] = (),
    harmless: Iterable[str] = (),
) -> Named:
    """Sort named rights, whatever their case. What is in no list and has "withdraw" or "transfer" in it, is that."""
    found = {word.lower() for word in words}
    known = {word.lower() for group in (spot, futures, withdraw, transfer, harmless) for word in group}
    new = found - known
    return Named(
        spot=bool(found & {word.lower() for word in spot}),
        futures=bool(found & {word.lower() for word in futures}),
        withdraw=bool(found & {word.lower() for word in withdraw}) or any("withdraw" in word for word in new),
        transfer=bool(found & {word.lower() for word in transfer}) or any("transfer" in word for word in new),
        unknown=bool(new),
    )


def _among(value: Json, values: tuple[object, ...]) -> bool:
    return isinstance(value, (bool, int, str)) and value in values


def _same(listed: Json, key: str) -> bool:
    if not isinstance(listed, str) or len(key) < _LEAST:
        return False
    if "*" not in listed:
        return len(listed) >= _LEAST and listed.endswith(key)
    start, end = listed.split("*", 1)[0], listed.rsplit("*", 1)[1]
    whole = len(key) >= len(start) + len(end) and len(start) + len(end) >= _LEAST
    return whole and key.startswith(start) and key.endswith(end)
