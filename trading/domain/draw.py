"""In which order the followers of a signal are served: drawn from a seed that was committed to before the fill.

Seeds hang together in chains of `LENGTH`: seed i is the SHA-256 of seed i + 1, and seed 0, the anchor, is published
before any of them is used. Signal number n of a pool uses the next one, which is shown when the signal is planned.
Whoever holds the anchor can tell that the seed was fixed before, and compute from it every follower's place.

Nothing but the standard library is needed to check it: ``python -m trading.domain.draw < draw.json``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from collections.abc import Sequence
from typing import NamedTuple

LENGTH = 1024
"""Seeds of one chain."""
FIRST_CHUNK, CHUNK = 50, 250
SEED = 32


class Link(NamedTuple):
    """Which seed a signal uses: seed `nth` (from 1) of the pool's chain `number` (from 0)."""

    number: int
    nth: int


def link(seq: int) -> Link:
    """The seed of the signal with this number in its pool's lane (from 1)."""
    return Link((seq - 1) // LENGTH, (seq - 1) % LENGTH + 1)


def chain(*, key: bytes, schema: str, pool: str, number: int) -> bytes:
    """All seeds of a chain, the anchor first, one behind the other."""
    seed = hmac.digest(key, f"{schema}|{pool}|{number}".encode(), "sha256")
    seeds = [seed]
    for _ in range(LENGTH):
        seed = hashlib.sha256(seed).digest()
        seeds.append(seed)
    return b"".join(reversed(seeds))


def leads_to(*, seed: bytes, index: int, anchor: bytes) -> bool:
    """Whether `seed` is the one that was committed to by `anchor` for this index."""
    for _ in range(index):
        seed = hashlib.sha256(seed).digest()
    return hmac.compare_digest(seed, anchor)


def lot(*, seed: bytes, signal: int) -> int:
    """The number drawn for a signal: 256 bits, of which the remainder by the count of followers is the start."""
    return int.from_bytes(hashlib.sha256(seed + b"start" + signal.to_bytes(8, "big")).digest(), "big")


def limit(walked: int, *, first: int = FIRST_CHUNK, chunk: int = CHUNK) -> int:
    """How many followers the next chunk may have when so many were walked: the first `first` go before all others."""
    return first - walked if walked < first else chunk


def order(*, seed: bytes, walked: int, count: int) -> list[int]:
    """The order within a chunk of `count` that begins behind `walked` followers: which of them is served first, …"""
    numbers = hashlib.shake_128(seed + b"chunk" + walked.to_bytes(4, "big")).digest(8 * count)
    drawn = [numbers[at : at + 8] for at in range(0, 8 * count, 8)]
    return sorted(range(count), key=drawn.__getitem__)


def chunks(followers: int, *, first: int = FIRST_CHUNK, chunk: int = CHUNK) -> list[tuple[int, int]]:
    """The chunks of a walk as (followers before it, followers in it).

    They do not depend on where the walk begins: else those at the end of the list would be served earlier on average.
    """
    found: list[tuple[int, int]] = []
    walked = 0
    while walked < followers:
        size = min(limit(walked, first=first, chunk=chunk), followers - walked)
        found.append((walked, size))
        walked += size
    return found


def place(*, seed: bytes, signal: int, followers: int, rank: int, first: int = FIRST_CHUNK, chunk: int = CHUNK) -> int:
    """When a follower is served, from 1. The walk begins with the drawn one, goes to the last and on from the lowest.

    :param rank: how many followers of the pool subscribed before him
    """
    at = (rank - lot(seed=seed, signal=signal) % followers) % followers
    walked, size = next(one for one in chunks(followers, first=first, chunk=chunk) if at < sum(one))
    return walked + order(seed=seed, walked=walked, count=size).index(at - walked) + 1


def value_of(*, seed: bytes, name: str) -> bytes:
    """What a tenant draws in the relay of a signal; the lowest is served first."""
    return hashlib.sha256(seed + b"tenant" + name.encode()).digest()[:8]


def of_tenants(*, seed: bytes, names: Sequence[str]) -> list[str]:
    """The order in which tenants get a relayed signal."""
    return sorted(names, key=lambda name: (value_of(seed=seed, name=name), name))


def faults(told: dict[str, object]) -> list[str]:
    """What is wrong with a draw as the API tells it, and with the place it tells, if it tells one; nothing is good."""
    seed, index = bytes.fromhex(str(told["seed"])), int(str(told["index"]))
    signal, followers = int(str(told["signal_id"]).removeprefix("sig_"), 16), int(str(told["followers"]))
    found = []
    if not leads_to(seed=seed, index=index, anchor=bytes.fromhex(str(told["commitment"]))):
        found.append("the seed is not the one that was committed to")
    if followers and lot(seed=seed, signal=signal) % followers != told["start"]:
        found.append("the walk did not begin where the seed says")
    if told.get("place") is not None:
        mine = place(seed=seed, signal=signal, followers=followers, rank=int(str(told["rank"])))
        if mine != told["place"]:
            found.append(f"the place should have been {mine}")
    return found


def main() -> int:
    """Read one draw as JSON and say what is wrong with it."""
    found = faults(json.load(sys.stdin))
    sys.stdout.write("\n".join(found or ["The draw is as it was committed to."]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
