"""The first start of a provider on nilDB: a builder, a collection and a first version on each of three nodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from uuid import uuid4

from citadel.vaults.nildb.client import NodeClient
from citadel.vaults.nildb.provider import NilDbProvider
from citadel.vaults.nildb.state import State, StateLost, StateStore
from citadel.vaults.provider import KeyProvider, ProviderError, ProviderUnavailable

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "shares of key-encryption keys",
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "_id": {"type": "string", "format": "uuid"},
            "kid": {"type": "string", "format": "uuid"},
            "share": {
                "type": "object",
                "properties": {"%share": {"type": "string", "maxLength": 4096}},
                "required": ["%share"],
                "additionalProperties": False,
            },
        },
        "required": ["_id", "kid", "share"],
        "additionalProperties": False,
    },
}


def establish(
    *,
    nodes: Sequence[NodeClient],
    local: KeyProvider,
    store: StateStore,
    name: str = "obscura",
    now: Callable[[], float] = time.monotonic,
    on_fault: Callable[[int, ProviderError], None] | None = None,
) -> NilDbProvider:
    """Once for each environment: make ourselves known to the nodes, make the collection, and version 1 in it.

    May be repeated after a failure, and changes nothing once it has succeeded.

    :raises StateLost: the nodes hold a collection of ours while the store holds nothing
    """
    text = store.load()
    if text is None:
        if any(node.collections() for node in nodes):
            raise StateLost("the nodes hold keys of ours and there is no state: restore it from a backup")
        text = State(collection=str(uuid4()), versions={}).dump()
        # Before the first request that changes a node: a run that breaks off is taken up where it was.
        if not store.replace(old=None, new=text):
            raise ProviderUnavailable("another process establishes the provider at the same time")
    collection = State.parse(text).collection
    for node in nodes:
        known = node.collections()
        if known is None:
            node.register(name=name)
        if collection not in (known or []):
            node.create_collection(collection=collection, name=f"{name}-kek", schema=SCHEMA)
    provider = NilDbProvider(nodes=nodes, local=local, store=store, now=now, on_fault=on_fault)
    if not State.parse(text).versions:
        provider.rotate()
    return provider
