"""JSON as we write it: fast, and Decimals as strings so that no digit is lost on the way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer

from obscura.core.money import plain


def as_json(value: Any) -> bytes:
    """JSON bytes. Moments are RFC 3339, ids and Decimals are strings; what has no honest form raises TypeError."""
    return orjson.dumps(value, default=_other, option=orjson.OPT_NON_STR_KEYS)


def _other(value: Any) -> Any:
    match value:
        case Decimal():
            return plain(value)
        case Promise():
            return str(value)
        case str():
            return str.__str__(value)
        case frozenset() | set():
            return sorted(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


class OrjsonRenderer(BaseRenderer):
    """DRF's JSON answers."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else as_json(data)
