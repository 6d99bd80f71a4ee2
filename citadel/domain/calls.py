"""Which addresses of an exchange are asked for what (reads, orders, cancels), and with which headers.

Whatever is not listed is not asked. The list is what ccxt itself does (citadel.matrix.calls), recorded in
citadel/calls.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from citadel.domain.request import Address

READ, CANCEL, ORDER, NEVER = "read", "cancel", "order", "never"

_USUAL = frozenset({"accept", "content-type", "user-agent"})


class Calls(NamedTuple):
    """What may be asked of one exchange.

    :param addresses: kind by ``host method path``; a step of the path that varies is ``*``
    :param headers: names, in small letters
    """

    addresses: dict[str, str]
    headers: frozenset[str]


_NONE = Calls({}, frozenset())


@cache
def recorded() -> Mapping[str, Calls]:
    """What may be asked, by exchange."""
    found = json.loads(resources.files("citadel").joinpath("calls.json").read_text())
    return {name: Calls(one["addresses"], frozenset(one["headers"])) for name, one in found.items()}


def kind_of(exchange: str, address: Address) -> str | None:
    """What a request to this address does; None: nobody asks there.

    An address that is listed as it stands goes before one that it is an instance of.
    """
    calls = recorded().get(exchange, _NONE).addresses
    place = f"{address.host} {address.method} "
    plain = calls.get(place + address.path)
    if plain is not None:
        return None if plain == NEVER else plain
    steps = address.path.split("/")
    for pattern, kind in _varying(exchange).get((place, len(steps)), ()):
        if all(one in ("*", step) for one, step in zip(pattern, steps, strict=True)):
            return None if kind == NEVER else kind
    return None


def odd_headers(exchange: str, names: Iterable[str]) -> set[str]:
    """Those headers that ccxt does not send there: one that names another method or path is among them."""
    return {name.lower() for name in names} - recorded().get(exchange, _NONE).headers - _USUAL


def hosts(exchange: str) -> frozenset[str]:
    """The hosts of an exchange, with the port where it is not 443."""
    return frozenset(place.split(" ", 1)[0] for place in recorded().get(exchange, _NONE).addresses)


@cache
def _varying(exchange: str) -> Mapping[tuple[str, int], list[tuple[list[str], str]]]:
    found: dict[tuple[str, int], list[tuple[list[str], str]]] = {}
    for place, kind in recorded().get(exchange, _NONE).addresses.items():
        host, method, path = place.split(" ", 2)
        steps = path.split("/")
        if "*" in steps:
            found.setdefault((f"{host} {method} ", len(steps)), []).append((steps, kind))
    # What is never asked comes first, then the pattern that says most.
    for patterns in found.values():
        patterns.sort(key=lambda one: (one[1] != NEVER, one[0].count("*")))
    return found
