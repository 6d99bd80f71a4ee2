"""JSON as we read it: numbers keep every digit, and nothing is guessed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import IO, Any, NoReturn

from rest_framework.parsers import BaseParser

from obscura.core.errors import Invalid
from obscura.core.http.errors import TooLarge

MOST_BYTES = 1024 * 1024
DEEPEST = 20
LARGEST_EXPONENT = 40


class BadJSON(Invalid):
    """The body is not JSON that can be taken literally."""

    code = "invalid_json"
    remedy = "Send one UTF-8 JSON document without NaN, repeated keys, NUL or nesting deeper than 20."


class ExactJSONParser(BaseParser):
    """Reads application/json; a number with a point or an exponent becomes a Decimal with exactly its digits."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        """The document.

        :raises TooLarge: more than 1 MiB
        :raises BadJSON: not JSON, or JSON that says something twice or nothing at all
        """
        body = stream.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise TooLarge
        return loads(body)


def loads(body: bytes) -> Any:
    """Parse one document as `ExactJSONParser` does."""
    try:
        value = json.loads(body.decode("utf-8"), parse_float=_number, parse_constant=_nothing, object_pairs_hook=_once)
        _check(value)
    except (ValueError, RecursionError) as error:
        raise BadJSON from error
    return value


def _number(text: str) -> Decimal:
    value = Decimal(text)
    if value and abs(value.adjusted()) > LARGEST_EXPONENT:
        raise BadJSON(f"A number is beyond 10 to the power of {LARGEST_EXPONENT}.")
    return value


def _nothing(text: str) -> NoReturn:
    raise BadJSON(f"{text} is not a number.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJSON("A key stands twice in one object.")
    return found


def _check(value: Any) -> None:
    """Walk without recursion: depth, and texts that no database or other program could keep."""
    level = [value]
    for _ in range(DEEPEST + 1):
        deeper: list[Any] = []
        for one in level:
            if isinstance(one, str):
                _check_text(one)
            elif isinstance(one, dict):
                deeper += one
                deeper += one.values()
            elif isinstance(one, list):
                deeper += one
        if not deeper:
            return
        level = deeper
    raise BadJSON(f"The document is nested deeper than {DEEPEST}.")


def _check_text(text: str) -> None:
    text.encode("utf-8")  # half of a surrogate pair raises UnicodeEncodeError, which is a ValueError
    if "\0" in text:
        raise BadJSON("A text contains NUL.")
