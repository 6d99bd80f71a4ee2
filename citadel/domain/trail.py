"""The form of a signer's record: entries in sequence, the digest of each over the one before it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

GENESIS = "0" * 64
"""What the first entry of a chain follows."""


_MOVES = re.compile(r"withdraw|transfer|payout|capital", re.IGNORECASE)


class Told(NamedTuple):
    """An entry as the signer hands it out.

    :param at: milliseconds since the epoch, by the signer's clock
    :param previous: the digest of the entry before it
    """

    sequence: int
    at: int
    kind: str
    facts: Mapping[str, Any]
    previous: str
    digest: str


def digest(*, chain: str, sequence: int, at: int, kind: str, facts: Mapping[str, Any], previous: str) -> str:
    """SHA-256, in hex, over an entry and what it follows, as canonical JSON. `facts` has text and whole numbers."""
    entry = {"chain": chain, "sequence": sequence, "at": at, "kind": kind, "facts": facts, "previous": previous}
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def fits(told: Told, *, chain: str, previous: str) -> bool:
    """Whether an entry is what was written after `previous`."""
    made = digest(
        chain=chain, sequence=told.sequence, at=told.at, kind=told.kind, facts=told.facts, previous=previous
    )  # fmt: skip
    return told.previous == previous and told.digest == made


def moves_money(request: str) -> bool:
    """Whether a request, by its path, would take money out of an account."""
    return _MOVES.search(request) is not None
