"""Keys on three nodes: one may be away or lie, two may not; and nothing is opened without them."""

from __future__ import annotations

import copy
import json
import threading
from typing import Any

import pytest

from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.nildb import shares
from citadel.vaults.nildb.establishing import establish
from citadel.vaults.nildb.provider import KEPT, NilDbProvider
from citadel.vaults.nildb.state import FileStore, State, StateLost, Version
from citadel.vaults.provider import (
    KeyProvider,
    ProviderDenied,
    ProviderUnavailable,
    QuorumMissing,
    ShareTampered,
    WrapRefused,
    WrapUnknown,
)
from tests.citadel.vaults.conftest import ROOT, Stand, until
from tests.citadel.vaults.flips import AAD, KEY, flipped_bits, flipped_characters, foreign


def documents(stand: Stand, number: int) -> list[dict[str, Any]]:
    """What a node stores of ours, the oldest first."""
    return [one for kept in stand.cluster[number].documents.values() for one in kept.values()]


def flipped(document: dict[str, Any]) -> dict[str, Any]:
    share = document["share"]["%share"]
    return {**document, "share": {"%share": share[:50] + ("A" if share[50] != "A" else "B") + share[51:]}}


def opened(provider: NilDbProvider, wrapped: str) -> bool:
    return provider.unwrap(wrapped=wrapped, aad=AAD) == KEY


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


# -- nodes that are away ----------------------------------------------------------------------------------------------


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


# -- nodes that lie ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("liar", [1, 2, 3])
def test_a_flipped_share_is_recorded_and_the_other_two_suffice(stand: Stand, liar: int) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[liar].lie = flipped

    provider = stand.provider()
    assert opened(provider, wrapped)
    until(lambda: stand.told == [(liar, "share_tampered")])
    ((node, error),) = provider.faults
    assert isinstance(error, ShareTampered) and node == error.node == liar


def test_every_flipped_bit_of_a_share_is_a_lie(stand: Stand) -> None:
    stand.establish()
    true = documents(stand, 1)[0]["share"]["%share"]
    provider = stand.provider()
    entry = State.parse(stand.state.read_text()).versions[1]
    material = LocalProvider(root=ROOT).unwrap(
        wrapped=entry.material,
        aad=entry.aad(number=1, collection=State.parse(stand.state.read_text()).collection),
    )

    assert shares.is_sealed_under(material=material, share=true)
    for place in range(len(true)):
        told = true[:place] + chr(ord(true[place]) ^ 1) + true[place + 1 :]
        assert shares.fingerprint(told) != entry.shares[0]
    assert not shares.is_sealed_under(material=material, share=flipped(documents(stand, 1)[0])["share"]["%share"])
    provider.close()


def test_a_replayed_share_of_an_old_version_is_a_lie(stand: Stand) -> None:
    provider = stand.establish()
    old = documents(stand, 2)[0]["share"]
    provider.rotate()
    wrapped = provider.wrap(key=KEY, aad=AAD)
    stand.cluster[2].lie = lambda document: {**document, "share": old}

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(2, "share_tampered")])


def test_shares_swapped_between_versions_open_nothing(stand: Stand) -> None:
    provider = stand.establish()
    first = provider.wrap(key=KEY, aad=AAD)
    provider.rotate()
    second = provider.wrap(key=KEY, aad=AAD)
    for number in (1, 2):
        one, two = (copy.deepcopy(document["share"]) for document in documents(stand, number))
        for document, share in zip(documents(stand, number), (two, one), strict=True):
            document["share"] = share

    for wrapped in (first, second):
        with pytest.raises(ShareTampered):
            stand.provider().unwrap(wrapped=wrapped, aad=AAD)


def test_a_share_of_another_node_is_a_lie(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    share = documents(stand, 3)[0]["share"]
    stand.cluster[1].lie = lambda document: {**document, "share": share}

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(1, "share_tampered")])


@pytest.mark.parametrize("share", [None, 7, [], {}, {"%share": None}, {"%share": "x" * 100_000}, {"%share": "ø"}])
def test_whatever_else_stands_in_the_place_of_a_share_is_a_lie(stand: Stand, share: Any) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[1].lie = lambda document: {**document, "share": share}

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(1, "share_tampered")])


def test_a_liar_and_one_away_are_refused_by_the_liars_number(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[1].down = True
    stand.cluster[2].lie = flipped

    with pytest.raises(ShareTampered, match="node 2") as problem:
        stand.provider().unwrap(wrapped=wrapped, aad=AAD)
    assert problem.value.node == 2


def test_shares_that_are_no_key_under_the_material_are_refused(stand: Stand) -> None:
    """Nodes and state together, forged by someone who has the local key but not the shared one."""
    stand.establish()
    state = State.parse(stand.state.read_text())
    real = state.versions[1]

    def forge(**changes: Any) -> None:
        entry = Version(**{**vars(real), **changes, "material": ""})
        wrapped = LocalProvider(root=ROOT).wrap(
            key=changes.get("key", bytes(32)) if "material" in changes else material,
            aad=entry.aad(number=1, collection=state.collection),
        )
        forged = State(collection=state.collection, versions={1: Version(**{**vars(entry), "material": wrapped})})
        stand.state.write_text(forged.dump())

    material = LocalProvider(root=ROOT).unwrap(
        wrapped=real.material, aad=real.aad(number=1, collection=state.collection)
    )
    forge(kcv="00" * 8)
    with pytest.raises(WrapRefused, match="another key"):
        stand.provider().wrap(key=KEY, aad=AAD)
    forge(material="another")
    with pytest.raises(ShareTampered):
        stand.provider().wrap(key=KEY, aad=AAD)
    forge()
    assert stand.provider().wrap(key=KEY, aad=AAD).startswith("nildb:1:")


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


# -- state and the first start ----------------------------------------------------------------------------------------


def test_the_state_is_for_its_owner_alone_and_holds_no_key(stand: Stand) -> None:
    provider = stand.establish()

    assert stand.state.stat().st_mode & 0o777 == 0o600
    text = stand.state.read_text() + repr(provider) + repr(provider.__dict__["_nodes"])
    kek, _ = provider._keks[1] if 1 in provider._keks else (provider._kek(1, provider._state), 0)
    assert kek.hex() not in text and ROOT.hex() not in text
    assert list(stand.state.parent.glob(".nildb.json.*")) == []


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"format": 1}', '{"collection": "x", "versions": {"1": {}}}'])
def test_a_lost_or_broken_state_is_said_to_be_lost(stand: Stand, text: str | None) -> None:
    provider = stand.establish()
    wrapped = provider.wrap(key=KEY, aad=AAD)
    stand.state.unlink()
    if text is not None:
        stand.state.write_text(text)

    with pytest.raises(StateLost, match="backup"):
        stand.provider()
    with pytest.raises(StateLost):
        provider.wrap(key=KEY, aad=AAD)
    with pytest.raises(StateLost):
        provider.rotate()
    assert opened(provider, wrapped)


def test_a_lost_state_is_not_replaced_by_a_new_one(stand: Stand) -> None:
    stand.establish()
    stand.state.unlink()

    with pytest.raises(StateLost, match="restore it from a backup"):
        stand.establish()
    assert not stand.state.exists()
    assert [len(documents(stand, number)) for number in (1, 2, 3)] == [1, 1, 1]


def test_establishing_twice_changes_nothing(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    before = stand.state.read_text()

    assert opened(stand.establish(), wrapped)
    assert stand.state.read_text() == before
    assert [len(node.collections) for node in stand.cluster.nodes] == [1, 1, 1]


@pytest.mark.parametrize("away", [2, 3])
def test_a_first_start_that_broke_off_is_taken_up_again(stand: Stand, away: int) -> None:
    text = State(collection="5f3759df-0000-4000-8000-000000000001", versions={}).dump()
    assert FileStore(stand.state).replace(old=None, new=text)
    stand.cluster[away].down = True
    with pytest.raises(ProviderUnavailable):
        stand.establish()
    with pytest.raises(StateLost, match="establish"):
        stand.provider().wrap(key=KEY, aad=AAD)

    stand.cluster[away].down = False
    assert stand.establish().wrap(key=KEY, aad=AAD).startswith("nildb:1:")


def test_nothing_is_written_when_the_first_start_finds_a_node_away(stand: Stand) -> None:
    stand.cluster[3].down = True

    with pytest.raises(ProviderUnavailable):
        stand.establish()
    assert not stand.state.exists() and stand.cluster[1].builders == {}


def test_a_stale_writer_does_not_replace_the_state(stand: Stand) -> None:
    store = FileStore(stand.state)

    assert store.replace(old=None, new="one")
    assert not store.replace(old=None, new="two")
    assert not store.replace(old="two", new="three")
    assert store.load() == "one"


# -- what is told -----------------------------------------------------------------------------------------------------


def test_no_token_and_no_word_of_a_node_is_told(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    provider = NilDbProvider(
        nodes=stand.clients(), local=LocalProvider(root=ROOT), store=FileStore(stand.state), now=lambda: stand.now
    )
    stand.cluster[1].write = lambda connection: connection.sendall(b"HTTP/1.1 nildb-says-this\r\n\r\n")
    stand.cluster[2].status = 403

    with pytest.raises(QuorumMissing) as problem:
        provider.unwrap(wrapped=wrapped, aad=AAD)

    said = caplog.text + str(problem.value) + "".join(str(error) for _, error in provider.faults)
    assert "node=1 code=provider_unavailable" in said and "node=2 code=provider_denied" in said
    assert "nildb-says" not in said and "told to" not in said and "eyJ" not in said
    assert not any(token in said for node in stand.cluster.nodes for token in node.tokens)
    assert all(error.__cause__ is None for _, error in provider.faults)


def test_the_nodes_are_numbered_in_their_order(stand: Stand) -> None:
    stand.establish()
    nodes = stand.clients()

    for wrong in (nodes[:2], [nodes[1], nodes[0], nodes[2]], [*nodes, nodes[0]]):
        with pytest.raises(ValueError):
            NilDbProvider(nodes=wrong, local=LocalProvider(root=ROOT), store=FileStore(stand.state))


def test_a_node_of_another_machine_needs_tls(stand: Stand) -> None:
    with pytest.raises(ValueError, match="https"):
        stand.client(1, url="http://nildb.example")
    assert repr(stand.client(1, url="https://nildb.example")) == "NodeClient(1)"


def test_a_document_that_the_schema_forbids_is_denied(stand: Stand) -> None:
    stand.establish()
    collection = State.parse(stand.state.read_text()).collection

    with pytest.raises(ProviderDenied, match="400"):
        stand.client(1).create(collection=collection, document={"_id": "x", "kid": "y", "share": "z"})
    assert len(documents(stand, 1)) == 1


def test_establishing_is_a_door_of_its_own(stand: Stand) -> None:
    provider = establish(
        nodes=stand.clients(), local=LocalProvider(root=ROOT), store=FileStore(stand.state), name="ada"
    )

    assert provider.wrap(key=KEY, aad=AAD).startswith("nildb:1:")
    assert [node.builders[stand.signer.did]["name"] for node in stand.cluster.nodes] == ["ada"] * 3
