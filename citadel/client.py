"""How the rest of the product talks to the vault's processes: questions to the signer, chunks of orders to venues."""

from __future__ import annotations

from citadel.chunks import SILENCE, UNSENT, CarriedRequest, Chunk, ChunkSender, OnResults, Result, Row
from citadel.questions import Entry, Generations, SignerClient, SignerRefused, SignerUnavailable, WrappedKey

__all__ = [
    "SILENCE",
    "UNSENT",
    "CarriedRequest",
    "Chunk",
    "ChunkSender",
    "Entry",
    "Generations",
    "OnResults",
    "Result",
    "Row",
    "SignerClient",
    "SignerRefused",
    "SignerUnavailable",
    "WrappedKey",
]
