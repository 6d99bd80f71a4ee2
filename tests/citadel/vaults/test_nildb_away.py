"""Nodes that are away, late, or beside themselves: one of them stops nothing, two stop everything."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from citadel.vaults.provider import (
    ProviderUnavailable,
    QuorumMissing,
)
from tests.citadel.vaults.conftest import Stand, until
from tests.citadel.vaults.flips import AAD, KEY
from tests.citadel.vaults.shown import opened


@pytest.mark.parametrize("away", [1, 2, 3])
def test_one_node_away_stops_nothing(stand: Stand, away: int) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[away].down = True

    provider = stand.provider()
    assert opened(provider, wrapped)
    assert opened(provider, provider.wrap(key=KEY, aad=AAD))
    until(lambda: len(stand.told) == 1)
    assert stand.told == [(away, "provider_unavailable")]


@pytest.mark.parametrize("left", [1, 2, 3])
def test_two_nodes_away_are_too_many(stand: Stand, left: int) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    away = [number for number in (1, 2, 3) if number != left]
    for number in away:
        stand.cluster[number].down = True

    provider = stand.provider()
    with pytest.raises(QuorumMissing, match="^1 of 3 nodes gave their share, 2 are needed$"):
        provider.unwrap(wrapped=wrapped, aad=AAD)
    with pytest.raises(QuorumMissing):
        provider.wrap(key=KEY, aad=AAD)

    stand.cluster[away[0]].down = False
    assert opened(provider, wrapped)


def test_a_node_that_is_off_the_network_is_away(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[2].stop()

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(2, "provider_unavailable")])


def test_a_slow_node_is_not_waited_for_when_two_have_answered(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[3].awake.clear()

    assert opened(stand.provider(timeout=60), wrapped)
    assert stand.told == []
    stand.cluster[3].awake.set()


def test_a_slow_node_is_in_time_within_the_timeout_and_away_after_it(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[1].down = True
    slow = stand.cluster[2]
    slow.awake.clear()

    with pytest.raises(QuorumMissing):
        stand.provider(timeout=0.2).unwrap(wrapped=wrapped, aad=AAD)
    before = len(slow.requests)
    waker = threading.Thread(target=lambda: (until(lambda: len(slow.requests) > before), slow.awake.set()))
    waker.start()
    assert opened(stand.provider(timeout=30), wrapped)
    waker.join()


def test_a_node_that_sends_a_byte_now_and_then_is_as_late_as_one_that_sends_none(stand: Stand) -> None:
    stopped = threading.Event()

    def drip(connection: Any) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Slow: ")
        while not stopped.wait(0.05):
            connection.sendall(b"x")

    stand.establish()
    stand.cluster[1].write = drip
    with pytest.raises(ProviderUnavailable, match="^node 1 is not reached$"):
        stand.client(1, timeout=0.4).collections()
    stopped.set()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data": 1}', b'{"data": [1]}', b"\xff\xfe", b"[" * 100_000])
def test_a_node_that_answers_nonsense_counts_as_away(stand: Stand, body: bytes) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[1].body = body

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(1, "node_confused")])
    stand.cluster[2].body = body
    with pytest.raises(QuorumMissing):
        stand.provider().unwrap(wrapped=wrapped, aad=AAD)


def test_an_answer_without_end_is_not_read_to_its_end(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[1].body = b'{"data": [' + b" " * (1 << 20) + b"]}"

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(1, "node_confused")])


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "provider_denied"), (402, "provider_denied"), (404, "provider_denied")]
    + [(429, "provider_unavailable"), (500, "provider_unavailable"), (503, "provider_unavailable")],
)
def test_a_node_that_refuses_counts_as_away(stand: Stand, status: int, code: str) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[2].status = status

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(2, code)])


def test_a_node_that_lost_its_share_counts_as_away(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    for kept in stand.cluster[3].documents.values():
        kept.clear()

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(3, "share_lost")])
