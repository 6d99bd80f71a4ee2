"""Keys on three nodes: what they are for, how they are rotated, and how long they stay in memory."""

from __future__ import annotations

import json
import threading

import pytest

from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.nildb import shares
from citadel.vaults.nildb.provider import KEPT
from citadel.vaults.nildb.state import FileStore, State
from citadel.vaults.provider import (
    KeyProvider,
    ProviderUnavailable,
    QuorumMissing,
    ShareTampered,
    WrapRefused,
    WrapUnknown,
)
from tests.citadel.vaults.conftest import ROOT, Stand, until
from tests.citadel.vaults.flips import AAD, KEY, flipped_bits, flipped_characters, foreign
from tests.citadel.vaults.shown import documents, flipped, opened

# -- what it is for ---------------------------------------------------------------------------------------------------


def test_what_is_wrapped_is_unwrapped(stand: Stand) -> None:
    provider: KeyProvider = stand.establish()

    wrapped = provider.wrap(key=KEY, aad=AAD)

    assert wrapped.startswith("nildb:1:") and len(wrapped) == 88
    assert provider.unwrap(wrapped=wrapped, aad=AAD) == KEY
    assert opened(stand.provider(), wrapped)


def test_each_node_holds_one_document_of_a_version_and_no_two_the_same_share(stand: Stand) -> None:
    stand.establish()

    kept = [documents(stand, number) for number in (1, 2, 3)]
    assert [len(one) for one in kept] == [1, 1, 1]
    assert len({(one[0]["_id"], one[0]["kid"]) for one in kept}) == 1
    assert len({one[0]["share"]["%share"] for one in kept}) == 3
    assert set(kept[0][0]) == {"_id", "kid", "share", "_created", "_updated"}
    state = State.parse(stand.state.read_text())
    assert state.versions[1].shares == tuple(shares.fingerprint(one[0]["share"]["%share"]) for one in kept)


@pytest.mark.parametrize("aad", [b"", AAD + b"\0", b"tenant 8, version 3"])
def test_another_aad_is_refused(stand: Stand, aad: bytes) -> None:
    provider = stand.establish()
    wrapped = provider.wrap(key=KEY, aad=AAD)

    with pytest.raises(WrapRefused):
        provider.unwrap(wrapped=wrapped, aad=aad)


def test_every_flipped_bit_is_refused_and_every_changed_character_is_not_opened(stand: Stand) -> None:
    provider = stand.establish()
    wrapped = provider.wrap(key=KEY, aad=AAD)

    for changed in flipped_bits(wrapped):
        with pytest.raises(WrapRefused):
            provider.unwrap(wrapped=changed, aad=AAD)
    for changed in flipped_characters(wrapped):
        with pytest.raises((WrapRefused, WrapUnknown)):
            provider.unwrap(wrapped=changed, aad=AAD)
    for changed in (*foreign(wrapped, name="nildb"), LocalProvider(root=ROOT).wrap(key=KEY, aad=AAD)):
        with pytest.raises(WrapUnknown):
            provider.unwrap(wrapped=changed, aad=AAD)


def test_a_relabelled_version_is_refused_and_one_that_is_not_held_unknown(stand: Stand) -> None:
    provider = stand.establish()
    wrapped = provider.wrap(key=KEY, aad=AAD)
    provider.rotate()

    with pytest.raises(WrapRefused):
        provider.unwrap(wrapped=wrapped.replace("nildb:1:", "nildb:2:"), aad=AAD)
    with pytest.raises(WrapUnknown):
        provider.unwrap(wrapped=wrapped.replace("nildb:1:", "nildb:3:"), aad=AAD)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_only_keys_of_32_bytes_are_wrapped(stand: Stand, length: int) -> None:
    with pytest.raises(ValueError):
        stand.establish().wrap(key=bytes(length), aad=AAD)


# -- the local secret -------------------------------------------------------------------------------------------------


def test_all_nodes_together_open_nothing_without_the_local_secret(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    seen = len(stand.cluster[1].requests)

    with pytest.raises(WrapRefused):
        stand.provider(root=bytes(32)).unwrap(wrapped=wrapped, aad=AAD)
    assert len(stand.cluster[1].requests) == seen


def test_the_local_secret_opens_nothing_without_the_nodes(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    for node in stand.cluster.nodes:
        node.down = True

    provider = stand.provider()
    with pytest.raises(QuorumMissing, match="^0 of 3"):
        provider.unwrap(wrapped=wrapped, aad=AAD)
    with pytest.raises(QuorumMissing, match="^0 of 3"):
        provider.wrap(key=KEY, aad=AAD)


@pytest.mark.parametrize("field", ["kid", "document", "shares", "kcv", "material"])
def test_an_edited_state_opens_nothing(stand: Stand, field: str) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.provider().rotate()
    raw = json.loads(stand.state.read_text())
    raw["versions"]["1"][field] = raw["versions"]["2"][field]
    stand.state.write_text(json.dumps(raw, indent=1) + "\n")

    with pytest.raises(WrapRefused):
        stand.provider().unwrap(wrapped=wrapped, aad=AAD)


# -- rotation ---------------------------------------------------------------------------------------------------------


def test_old_versions_unwrap_after_rotations_and_a_restart(stand: Stand) -> None:
    provider = stand.establish()
    texts = [provider.wrap(key=KEY, aad=AAD)]
    for number in (2, 3):
        assert provider.rotate() == number
        texts.append(provider.wrap(key=KEY, aad=AAD))

    assert [text.split(":")[1] for text in texts] == ["1", "2", "3"]
    for one in (provider, stand.provider()):
        assert all(opened(one, text) for text in texts)
    assert len(documents(stand, 1)) == 3
    assert "2" in texts[1].split(":")


def test_another_process_sees_a_rotation_at_once(stand: Stand) -> None:
    first = stand.establish()
    second = stand.provider()
    second.rotate()

    assert first.wrap(key=KEY, aad=AAD).startswith("nildb:2:")
    third = stand.provider()
    second.rotate()
    assert opened(third, second.wrap(key=KEY, aad=AAD))


@pytest.mark.parametrize("away", [1, 2, 3])
def test_there_is_no_rotation_with_a_node_away_and_nothing_is_left_of_it(stand: Stand, away: int) -> None:
    provider = stand.establish()
    before = stand.state.read_text()
    stand.cluster[away].down = True

    with pytest.raises(ProviderUnavailable, match=f"^node {away} "):
        provider.rotate()

    stand.cluster[away].down = False
    assert stand.state.read_text() == before
    assert [len(documents(stand, number)) for number in (1, 2, 3)] == [1, 1, 1]
    assert provider.wrap(key=KEY, aad=AAD).startswith("nildb:1:")
    assert provider.rotate() == 2


def test_a_node_that_stores_something_else_stops_a_rotation(stand: Stand) -> None:
    provider = stand.establish()
    stand.cluster[3].lie = flipped

    with pytest.raises(ShareTampered, match="node 3"):
        provider.rotate()
    assert list(State.parse(stand.state.read_text()).versions) == [1]
    assert [len(documents(stand, number)) for number in (1, 2, 3)] == [1, 1, 1]


def test_of_two_rotations_at_the_same_time_one_is_made(stand: Stand) -> None:
    provider = stand.establish()

    class Overtaken(FileStore):
        def replace(self, *, old: str | None, new: str) -> bool:
            provider.rotate()
            return super().replace(old=old, new=new)

    with pytest.raises(ProviderUnavailable, match="at the same time"):
        stand.provider(store=Overtaken(stand.state)).rotate()

    assert list(State.parse(stand.state.read_text()).versions) == [1, 2]
    assert [len(documents(stand, number)) for number in (1, 2, 3)] == [2, 2, 2]


def test_a_version_that_may_stand_in_the_state_keeps_its_shares(stand: Stand) -> None:
    stand.establish()

    class Failing(FileStore):
        def replace(self, *, old: str | None, new: str) -> bool:
            super().replace(old=old, new=new)
            raise ProviderUnavailable("the state file cannot be written")

    with pytest.raises(ProviderUnavailable, match="state file"):
        stand.provider(store=Failing(stand.state)).rotate()

    provider = stand.provider()
    wrapped = provider.wrap(key=KEY, aad=AAD)
    assert wrapped.startswith("nildb:2:") and opened(stand.provider(), wrapped)


def test_a_state_that_cannot_be_written_is_said_to_be_so(stand: Stand) -> None:
    store = FileStore(stand.state.parent / "none" / "nildb.json")

    with pytest.raises(ProviderUnavailable, match="^the state file cannot be written$"):
        store.replace(old=None, new="one")


# -- memory -----------------------------------------------------------------------------------------------------------


def test_a_key_stays_in_memory_for_a_quarter_of_an_hour_and_no_longer(stand: Stand) -> None:
    provider = stand.establish()
    wrapped = provider.wrap(key=KEY, aad=AAD)
    for node in stand.cluster.nodes:
        node.down = True

    stand.now += KEPT - 1
    assert opened(provider, wrapped)
    stand.now += 1
    with pytest.raises(QuorumMissing):
        provider.unwrap(wrapped=wrapped, aad=AAD)
    assert KEPT == 900


def test_a_crowd_asks_the_nodes_once(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    provider = stand.provider()
    before = [len(node.requests) for node in stand.cluster.nodes]
    results: list[bool] = []
    crowd = [threading.Thread(target=lambda: results.append(opened(provider, wrapped))) for _ in range(8)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()

    assert results == [True] * 8
    until(lambda: [len(node.requests) for node in stand.cluster.nodes] == [one + 1 for one in before])


def test_a_closed_provider_is_away(stand: Stand) -> None:
    provider = stand.establish()
    wrapped = provider.wrap(key=KEY, aad=AAD)
    provider.close()

    for ask in (
        lambda: provider.unwrap(wrapped=wrapped, aad=AAD),
        lambda: provider.wrap(key=KEY, aad=AAD),
        provider.rotate,
    ):
        with pytest.raises(ProviderUnavailable, match="closed"):
            ask()
