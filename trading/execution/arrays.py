"""PostgreSQL array literals, written by hand: the driver looks at every element twice, and a chunk has thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

_QUOTED = re.compile(r'[\\"]')


def tokens(values: Iterable[object]) -> str:
    """An array of what needs no quotes: numbers, uuids, hexadecimal ids. None becomes NULL.

    Never give it free text.
    """
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def texts(values: Iterable[str]) -> str:
    """An array of any texts."""
    given = list(values)
    if not given:
        return "{}"
    plain = '","'.join(given)
    if "\\" in plain or plain.count('"') != 2 * len(given) - 2:
        return "{" + ",".join(['"' + _QUOTED.sub(r"\\\g<0>", value) + '"' for value in given]) + "}"
    return '{"' + plain + '"}'


def moments(values: Iterable[datetime | None]) -> str:
    """An array of moments; None becomes NULL."""
    # Many are the same moment: the end of one set of results, or one millisecond of a venue's clock.
    written: dict[datetime | None, str] = {None: "NULL"}
    found = []
    for value in values:
        text = written.get(value)
        if text is None:
            text = written[value] = f'"{value.isoformat()}"'  # type: ignore[union-attr]
        found.append(text)
    return "{" + ",".join(found) + "}"


def digests(values: Iterable[bytes]) -> str:
    """An array of byte strings, in hexadecimal."""
    return "{" + ",".join(['"\\\\x' + value.hex() + '"' for value in values]) + "}"


def flags(values: Iterable[bool]) -> str:
    """An array of booleans."""
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"
