"""Which addresses of an exchange are asked for what: reads, orders, cancels. Whatever is not listed is not asked.

The list is ccxt's own use of its addresses (citadel.matrix.calls), recorded in citadel/calls.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

from citadel.domain.request import Address

READ, CANCEL, ORDER, NEVER = "read", "cancel", "order", "never"

Calls = dict[str, str]
"""Kind by ``host method path``; a step of the path that varies is ``*``."""


@cache
def recorded() -> Mapping[str, Calls]:
    """What may be asked, by exchange."""
    found: dict[str, Calls] = json.loads(resources.files("citadel").joinpath("calls.json").read_text())
    return found


def kind_of(exchange: str, address: Address) -> str | None:
    """What a request to this address does; None: nobody asks there.

    An address that is listed as it stands goes before one that it is an instance of.
    """
    calls = recorded().get(exchange, {})
    place = f"{address.host} {address.method} "
    plain = calls.get(place + address.path)
    if plain is not None:
        return None if plain == NEVER else plain
    steps = address.path.split("/")
    for pattern, kind in _varying(exchange).get((place, len(steps)), ()):
        if all(one in ("*", step) for one, step in zip(pattern, steps, strict=True)):
            return None if kind == NEVER else kind
    return None


def hosts(exchange: str) -> frozenset[str]:
    """The hosts of an exchange, with the port where it is not 443."""
    return frozenset(place.split(" ", 1)[0] for place in recorded().get(exchange, {}))


@cache
def _varying(exchange: str) -> Mapping[tuple[str, int], list[tuple[list[str], str]]]:
    found: dict[tuple[str, int], list[tuple[list[str], str]]] = {}
    for place, kind in recorded().get(exchange, {}).items():
        host, method, path = place.split(" ", 2)
        steps = path.split("/")
        if "*" in steps:
            found.setdefault((f"{host} {method} ", len(steps)), []).append((steps, kind))
    # What is never asked comes first, then the pattern that says most.
    for patterns in found.values():
        patterns.sort(key=lambda one: (one[1] != NEVER, one[0].count("*")))
    return found
