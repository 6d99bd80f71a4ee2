"""The record on our side, the first start, the way to the nodes, and what is told of all that."""

from __future__ import annotations

import ssl

import pytest

from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.nildb.establishing import establish
from citadel.vaults.nildb.provider import NilDbProvider
from citadel.vaults.nildb.state import FileStore, State, StateLost
from citadel.vaults.provider import (
    ProviderDenied,
    ProviderUnavailable,
    QuorumMissing,
)
from tests.citadel.vaults.conftest import ROOT, Certificate, Stand
from tests.citadel.vaults.flips import AAD, KEY
from tests.citadel.vaults.shown import documents, opened
from tests.support.nildb.serve import ServedNode

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


def test_over_tls_only_the_certificate_that_is_trusted_is_spoken_to(stand: Stand, certificate: Certificate) -> None:
    node = ServedNode(tls=certificate.server)
    where = {"url": node.url, "public_key": node.public_key}
    trusting = stand.client(1, context=ssl.create_default_context(cafile=certificate.file), **where)

    trusting.register(name="obscura")
    assert trusting.collections() == []
    with pytest.raises(ProviderUnavailable, match="^node 1 is not reached$"):
        stand.client(1, **where).collections()
    assert node.requests == ["POST /v1/builders/register", "GET /v1/builders/me"]
    node.stop()


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
