"""Tokens for nilDB nodes: in the one form that nodes take, for one node, one command and one minute."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from citadel.vaults.nildb import nuc
from citadel.vaults.provider import ProviderDenied
from tests.citadel.vaults.conftest import ROOT, Stand
from tests.support.nildb import tokens
from tests.support.nildb.tokens import BadToken, read_token

SIGNER = nuc.NucSigner(secret=b"\x07" * 32)
NODE = nuc.NucSigner(secret=b"\x08" * 32).did
NOW = 1_795_000_000.0
ORDER = nuc._ORDER


def parts(token: str) -> tuple[dict, dict, bytes]:
    header, payload, signature = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    return json.loads(header), json.loads(payload), signature


def made(**changes: object) -> str:
    usual = {"signer": SIGNER, "audience": NODE, "command": nuc.READ_DATA, "now": time.time()}
    return nuc.invocation(**{**usual, **changes})


def test_a_token_has_the_form_that_nodes_take() -> None:
    header, payload, signature = parts(made(now=NOW))

    nonce = payload.pop("nonce")
    assert header == {"typ": "nuc", "alg": "ES256K", "ver": "1.0.0"}
    assert payload == {
        "iss": SIGNER.did,
        "aud": NODE,
        "sub": SIGNER.did,
        "cmd": "/nil/db/data/read",
        "args": {},
        "exp": 1_795_000_060,
        "prf": [],
    }
    assert len(bytes.fromhex(nonce)) == 16 and len(signature) == 64
    assert "=" not in made()


def test_two_tokens_are_never_the_same() -> None:
    assert parts(made(now=NOW))[1]["nonce"] != parts(made(now=NOW))[1]["nonce"]


def test_s_is_always_the_lower_one() -> None:
    for number in range(64):
        s = int.from_bytes(SIGNER.sign(b"%d" % number)[32:], "big")
        assert 0 < s <= ORDER // 2


def test_the_higher_s_is_refused_by_a_node() -> None:
    token = made()
    head, signature = token.rsplit(".", 1)[0], parts(token)[2]
    higher = signature[:32] + (ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")

    assert read_token(token, audience=NODE) == tokens.Token(subject=SIGNER.did, command="/nil/db/data/read")
    with pytest.raises(BadToken, match="signature"):
        read_token(f"{head}.{urlsafe_b64encode(higher).rstrip(b'=').decode()}", audience=NODE)


def test_a_did_is_the_base58_of_the_compressed_key() -> None:
    # did:key of the generator point, whose private key is 1: a vector of the did:key method.
    one = nuc.NucSigner(secret=(1).to_bytes(32, "big"))

    assert one.public.hex() == "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    assert one.did == "did:key:zQ3shVc2UkAfJCdc1TR8E66J85h48P43r93q8jGPkPpjF9Ef9"
    assert one.did == tokens.did_of(one.public)
    assert nuc.public_key(one.did) == one.public


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:key:z",
        "did:key:z0",
        "did:nil:02aa",
        SIGNER.did + "1",
        SIGNER.did[:-1],
        "did:key:z1" + SIGNER.did[9:],
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    ],
)
def test_another_did_is_none(did: str) -> None:
    with pytest.raises(ValueError):
        nuc.public_key(did)


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\x01" * 31, b"\xff" * 32, ORDER.to_bytes(32, "big")])
def test_what_is_no_key_does_not_sign(secret: bytes) -> None:
    with pytest.raises(ValueError):
        nuc.NucSigner(secret=secret)


def test_a_signer_may_follow_from_the_root_key_and_shows_none_of_it() -> None:
    first, second = nuc.signer_from_root(root=ROOT), nuc.signer_from_root(root=ROOT)

    assert first.did == second.did != SIGNER.did
    assert repr(SIGNER) == f"NucSigner({SIGNER.did})"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"now": 1.0}, "expired"),
        ({"ttl": -1}, "expired"),
        ({"audience": nuc.NucSigner(secret=b"\x09" * 32).did}, "audience"),
    ],
)
def test_a_node_refuses_a_token_that_is_not_for_it_or_not_for_now(change: dict, why: str) -> None:
    with pytest.raises(BadToken, match=why):
        read_token(made(**change), audience=NODE)


def test_a_node_refuses_every_changed_byte_of_a_token() -> None:
    token = made()
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        # The last character carries four bits that no byte is made of: another spelling of the same signature.
        if parts_equal(changed, token):
            continue
        with pytest.raises(BadToken):
            read_token(changed, audience=NODE)


def parts_equal(one: str, other: str) -> bool:
    return one.rsplit(".", 1)[0] == other.rsplit(".", 1)[0] and parts(one)[2] == parts(other)[2]


def test_an_expired_token_is_refused_over_http(stand: Stand) -> None:
    late = stand.client(1, clock=lambda: time.time() - 120)

    with pytest.raises(ProviderDenied, match="^node 1 refuses /nil/db/builders/create with 401$"):
        late.register(name="obscura")
    assert stand.cluster[1].builders == {}


def test_a_token_of_node_2_is_worth_nothing_at_node_1(stand: Stand) -> None:
    for client in stand.clients():
        client.register(name="obscura")
    confused = stand.client(1, public_key=stand.cluster[2].public_key)

    assert confused.collections() is None
    with pytest.raises(ProviderDenied, match="401"):
        confused.find(collection="00000000-0000-4000-8000-000000000000", where={})
    assert stand.client(1).collections() == []


def test_a_token_for_one_command_does_not_do_another(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    client = stand.client(1)
    client.register(name="obscura")
    monkeypatch.setattr(nuc, "DELETE_DATA", nuc.READ_DATA)

    with pytest.raises(ProviderDenied, match="403"):
        client.delete(collection="00000000-0000-4000-8000-000000000000", where={"kid": "x"})


def test_who_is_not_registered_gets_nothing(stand: Stand) -> None:
    with pytest.raises(ProviderDenied, match="401"):
        stand.client(1).create_collection(
            collection="00000000-0000-4000-8000-000000000000", name="x", schema={"type": "array"}
        )
    assert stand.cluster[1].collections == {}


def test_another_builder_finds_no_collection_of_ours(stand: Stand) -> None:
    ours, theirs = stand.client(1), stand.client(1, signer=nuc.NucSigner(secret=b"\x0a" * 32))
    collection = "00000000-0000-4000-8000-000000000000"
    for client, name in ((ours, "obscura"), (theirs, "theirs")):
        client.register(name=name)
    ours.create_collection(collection=collection, name="kek", schema={"type": "array"})

    assert ours.find(collection=collection, where={}) == []
    with pytest.raises(ProviderDenied, match="404"):
        theirs.find(collection=collection, where={})
