"""What an answer to an order says about how much of it the venue certainly did not execute."""

from __future__ import annotations

import json

from obscura.core.wire import SILENCE, UNSENT

_ENDED = frozenset({"EXPIRED", "EXPIRED_IN_MATCH", "CANCELED", "REJECTED"})
_UNKNOWN_CODES = frozenset({-1006, -1007})
"""Codes with which the venue itself does not know whether it has executed."""

_MAYBE = frozenset({408})


def executed(*, status: int, body: bytes) -> str | None:
    """The executed quantity of an order that has ended short of its own; None: all of it, or nothing certain is known.

    :param status: the venue's HTTP status, or how the request ended without one
    """
    if status == UNSENT:
        return "0"
    if status == SILENCE or status >= 500 or status in _MAYBE or b'"status":"FILLED"' in body:
        return None
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return "0" if status in (403, 418, 429) else None
    if status >= 400:
        return None if told.get("code") in _UNKNOWN_CODES else "0"
    quantity = told.get("executedQty")
    return quantity if told.get("status") in _ENDED and isinstance(quantity, str) else None
