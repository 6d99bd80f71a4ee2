"""The official TypeScript client of nilDB takes our nodes for real ones, and our tokens and documents for good ones."""

from __future__ import annotations

import time

import blindfold
import pytest

from citadel.vaults.nildb import nuc, shares
from citadel.vaults.nildb.state import State
from tests.citadel.vaults.conftest import Stand
from tests.support.nildb import official

COLLECTION, DOCUMENT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
NOTE = "the lead buys at noon"


@pytest.mark.timeout(300)
def test_the_official_client_agrees_with_us(stand: Stand) -> None:
    urls = [node.url for node in stand.cluster.nodes]
    shown: list[dict] = []
    for node in stand.cluster.nodes:
        node.lie = lambda document: shown.append(document) or document

    # It registers, makes a collection, and reads what it wrote.
    answer = official.ask("roundTrip", urls=urls, collection=COLLECTION, document=DOCUMENT, note=NOTE)
    assert answer == {
        "did": answer["did"],
        "created": [[DOCUMENT]] * 3,
        "found": [{"_id": DOCUMENT, "label": "one", "note": NOTE}],
        "collections": [COLLECTION],
        "deleted": [1, 1, 1],
        "left": 0,
    }
    assert all(set(node.builders) == {answer["did"]} for node in stand.cluster.nodes)

    # What it shared among the nodes, blindfold in Python puts together.
    key = blindfold.ClusterKey.generate({"nodes": [{}, {}, {}]}, {"store": True})
    assert blindfold.decrypt(key, [document["note"]["%share"] for document in shown]) == NOTE

    # What our provider shared among them, it reads by our key, share for share.
    stand.establish()
    state = State.parse(stand.state.read_text())
    answer = official.ask("read", urls=urls, secret=(b"\x07" * 32).hex(), collection=state.collection)
    assert answer["did"] == stand.signer.did
    told = [found[0]["share"]["%share"] for found in answer["documents"]]
    assert tuple(map(shares.fingerprint, told)) == state.versions[1].shares

    # Its validator takes a token of ours for the node it is for, and for no other.
    audience = stand.cluster[1].did
    token = nuc.invocation(signer=stand.signer, audience=audience, command=nuc.READ_DATA, now=time.time())
    facts = {"token": token, "issuer": stand.signer.did}
    answer = official.ask("token", audience=audience, **facts)
    assert answer == {"command": "/nil/db/data/read", "subject": stand.signer.did}
    with pytest.raises(official.OfficialClientFailed, match="refuses.*audience"):
        official.ask("token", audience=stand.cluster[2].did, **facts)

    # And it is refused where we would be: with a key that is not registered.
    with pytest.raises(official.OfficialClientFailed, match='"status":401'):
        official.ask("read", urls=urls, secret=(b"\x09" * 32).hex(), collection=state.collection)
