"""All requests of an exchange, built at a frozen clock: what is compared."""

from __future__ import annotations

import random
import re
import time
import types
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

NOW_MS = 1_767_225_600_123
"""The instant at which every request is built."""

_PLACE = re.compile(r"\{(\w+)\}", re.ASCII)
_PARAMS = {"symbol": "BTCUSDT", "amount": "1.5", "note": "a b&c=ü"}


class Endpoint(NamedTuple):
    """One entry of ccxt's implicit API."""

    path: str
    api: tuple[str, ...]
    method: str


class Outcome(NamedTuple):
    """What building a request came to: the request, or the kind of error it raised."""

    request: Any
    raised: str = ""


def endpoints(kind: type) -> list[Endpoint]:
    """The implicit API of a ccxt class, in its order."""
    from ccxt.base.types import Entry

    found: dict[Endpoint, None] = {}
    for base in kind.__mro__:
        for entry in vars(base).values():
            if isinstance(entry, Entry):
                api = (entry.api,) if isinstance(entry.api, str) else tuple(entry.api)
                found[Endpoint(entry.path, api, entry.method)] = None
    return list(found)


def built(exchange: Any, endpoint: Endpoint, *, seed: int) -> Outcome:
    """The request of one endpoint, all of its placeholders filled."""
    params = {**_PARAMS, **{name: f"x{n}" for n, name in enumerate(_PLACE.findall(endpoint.path))}}

    def build() -> Any:
        api: Any = list(endpoint.api)
        made = exchange.sign(endpoint.path, api, endpoint.method, params)
        return {name: made[name] or None for name in ("url", "method", "headers", "body")}

    return outcome(build, seed=seed)


def outcome(build: Callable[[], Any], *, seed: int) -> Outcome:
    """What a call comes to when the clock stands still and chance repeats itself."""
    try:
        with frozen(seed):
            return Outcome(build())
    except Exception as error:  # noqa: BLE001 - ccxt raises what it likes where a parameter is missing; both sides must
        return Outcome(None, getattr(error, "code", "") or type(error).__name__)


@contextmanager
def frozen(seed: int) -> Iterator[None]:
    """ccxt's clock stands at `NOW_MS`, and its random numbers start from `seed`."""
    from ccxt.base import exchange as module

    chance = random.Random(seed)
    still = {
        "time": _like(time, time=lambda: NOW_MS / 1000, time_ns=lambda: NOW_MS * 1_000_000),
        "random": _like(random, getrandbits=chance.getrandbits, randint=chance.randint, random=chance.random),
        "uuid": _like(uuid, uuid4=lambda: uuid.UUID(int=chance.getrandbits(128), version=4)),
    }
    before = {name: getattr(module, name) for name in still}
    for name, value in still.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def _like(module: types.ModuleType, **changed: Any) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{**vars(module), **changed})
