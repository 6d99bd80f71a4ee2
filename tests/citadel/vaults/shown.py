"""What the stories of the nilDB provider look at: documents on a node, a lie about one, a text that opens."""

from __future__ import annotations

from typing import Any

from citadel.vaults.provider import KeyProvider
from tests.citadel.vaults.conftest import Stand
from tests.citadel.vaults.flips import AAD, KEY


def documents(stand: Stand, number: int) -> list[dict[str, Any]]:
    """What a node stores of ours, the oldest first."""
    return [one for kept in stand.cluster[number].documents.values() for one in kept.values()]


def flipped(document: dict[str, Any]) -> dict[str, Any]:
    share = document["share"]["%share"]
    return {**document, "share": {"%share": share[:50] + ("A" if share[50] != "A" else "B") + share[51:]}}


def opened(provider: KeyProvider, wrapped: str) -> bool:
    return provider.unwrap(wrapped=wrapped, aad=AAD) == KEY
