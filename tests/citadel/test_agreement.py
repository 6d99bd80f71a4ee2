"""An account's caps: fixed when it was connected, widened by its owner's passkey alone, narrowed by anybody of ours."""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal as D

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256, RS256, EdDSA
from hypothesis import given
from hypothesis import strategies as st

from citadel import sealing
from citadel.client import SignerClient, SignerRefused
from citadel.domain import agreement
from citadel.domain.agreement import Agreement, AgreementMalformed, Passkey
from citadel.domain.mandate import Caps
from tests.citadel.support import BEN, CLEO, TENANT, Person, Vault, order_chunk, sealed_mandate

SMALL = Caps(D(50), D(200), D(1_000), 5)
LARGE = Caps(D(500), D(2_000), D(10_000), 10)
SITE = "zero.example"


@dataclass
class Key:
    """A passkey in software: what a browser and an authenticator do between them."""

    sign: Callable[[bytes], bytes]
    passkey: Passkey

    def answers(self, challenge: bytes, **changed: object) -> list[bytes]:
        said = {"origin": f"https://{SITE}", "type": "webauthn.get", "site": SITE, "flags": 0x05} | changed
        told = urlsafe_b64encode(challenge).rstrip(b"=").decode()
        client = json.dumps({"type": said["type"], "challenge": told, "origin": said["origin"]}).encode()
        data = hashlib.sha256(str(said["site"]).encode()).digest() + bytes([int(str(said["flags"]))]) + bytes(4)
        return [self.passkey.ident, data, client, self.sign(data + hashlib.sha256(client).digest())]


def elliptic() -> Key:
    key = ec.generate_private_key(ec.SECP256R1())
    cose = cbor.encode(dict(ES256.from_cryptography_key(key.public_key())))
    return Key(lambda message: key.sign(message, ec.ECDSA(SHA256())), Passkey(b"elliptic", cose, SITE))


def edwards() -> Key:
    key = ed25519.Ed25519PrivateKey.generate()
    return Key(key.sign, Passkey(b"edwards", cbor.encode(dict(EdDSA.from_cryptography_key(key.public_key()))), SITE))


def old() -> Key:
    key = rsa.generate_private_key(65_537, 2_048)
    cose = cbor.encode(dict(RS256.from_cryptography_key(key.public_key())))
    return Key(lambda message: key.sign(message, padding.PKCS1v15(), SHA256()), Passkey(b"old", cose, SITE))


@dataclass
class Desk:
    """Ben's account with small caps and a passkey, enrolled."""

    vault: Vault
    client: SignerClient
    envelopes: dict[str, str]
    key: Key

    def change(self, caps: Caps, *, number: int = 1, assertion: list[bytes] | None = None, **more: object) -> str:
        wanted = agreement.text_of(Agreement(number, caps, (self.key.passkey,)))
        said = assertion if assertion is not None else self.key.answers(self.challenge(wanted), **more)
        agreed = self.client.agree(
            tenant=TENANT, account=BEN.account, agreed=self.envelopes["agreed"], wanted=wanted, assertion=said
        )
        self.envelopes = self.envelopes | {"agreed": agreed}
        return agreed

    def challenge(self, wanted: str, *, tenant: int = TENANT, account: bytes = BEN.account) -> bytes:
        return agreement.challenge_of(tenant=tenant, account=account, wanted=wanted)

    def open(self, envelopes: dict[str, str] | None = None) -> list[tuple[bytes, str]]:
        entry = (TENANT, BEN.account, envelopes or self.envelopes, [sealed_mandate(BEN)])
        return self.client.open([entry])[1]

    def order(self) -> bytes:
        """An order of 73.80 dollars: signed, or why not."""

        async def run() -> bytes:
            sender = self.vault.sender()
            [result] = await sender.send(order_chunk([BEN], first=next(_rows)))
            await sender.close()
            return b"signed" if result.status == 200 else result.body

        return asyncio.run(run())


_rows = iter(range(10_000))


def enrol(vault: Vault, one: Person, passkeys: tuple[Passkey, ...]) -> dict[str, str]:
    client = vault.client()
    intake, _ = client.intake_key()
    agreed = agreement.text_of(Agreement(0, SMALL, passkeys))
    fields = {"apiKey": one.api_key, "secret": one.secret, "agreed": agreed}
    box = sealing.seal(intake=intake, tenant=TENANT, account=one.account, fields=fields)
    envelopes, _ = client.enrol(tenant=TENANT, account=one.account, sealed=box)
    client.close()
    return envelopes


@pytest.fixture
def desk(vault: Vault) -> Desk:
    key = elliptic()
    made = Desk(vault, vault.client(), enrol(vault, BEN, (key.passkey,)), key)
    assert made.open() == []
    vault.wait_for_prices()
    yield made
    made.client.close()


def test_an_account_has_the_caps_it_was_connected_with(desk: Desk) -> None:
    assert desk.order() == b"account_order_cap"


@pytest.mark.parametrize("kind", [elliptic, edwards, old])
def test_its_owners_passkey_widens_them_and_they_stay_so(desk: Desk, kind: Callable[[], Key]) -> None:
    desk.key = kind()
    desk.envelopes = enrol(desk.vault, BEN, (desk.key.passkey,))
    before = dict(desk.envelopes)
    desk.change(LARGE)

    assert desk.order() == b"signed"
    desk.vault.signer.kill()
    desk.vault.signer.wait()
    desk.vault.start_signer()
    desk.vault.wait_for_prices()
    assert desk.open(before) == [(BEN.account, "agreement_outdated")]
    assert desk.open({name: text for name, text in before.items() if name != "agreed"}) == [
        (BEN.account, "agreement_outdated")
    ]
    assert desk.open() == []
    assert desk.order() == b"signed"


def test_narrower_they_get_without_a_passkey(desk: Desk) -> None:
    desk.change(LARGE)
    desk.change(SMALL, number=2, assertion=[])

    assert desk.order() == b"account_order_cap"


def test_a_change_whose_answer_was_lost_is_made_again_and_no_other_in_its_place(desk: Desk) -> None:
    before = dict(desk.envelopes)
    wanted = agreement.text_of(Agreement(1, LARGE, (desk.key.passkey,)))
    right = desk.key.answers(desk.challenge(wanted))
    desk.change(LARGE, assertion=right)
    desk.vault.signer.kill()
    desk.vault.signer.wait()
    desk.vault.start_signer()
    desk.vault.wait_for_prices()

    desk.envelopes = dict(before)
    with pytest.raises(SignerRefused) as refusal:
        desk.change(LARGE, assertion=[])
    assert refusal.value.code == "passkey_refused"
    with pytest.raises(SignerRefused) as refusal:
        desk.change(SMALL, assertion=[])
    assert refusal.value.code == "agreement_outdated"
    desk.change(LARGE, assertion=right)

    assert desk.open() == []
    assert desk.order() == b"signed"


REFUSED: list[tuple[str, dict[str, object]]] = [
    ("nobody pressed", {"flags": 0x04}),
    ("somebody else pressed", {"flags": 0x01}),
    ("a page of another site", {"origin": "https://evil.example"}),
    ("a page that only begins like it", {"origin": f"https://{SITE}.evil.example"}),
    ("a page without TLS", {"origin": f"http://{SITE}"}),
    ("a passkey's answer for another site", {"site": "evil.example"}),
    ("a registration", {"type": "webauthn.create"}),
]


@pytest.mark.parametrize(("what", "changed"), REFUSED, ids=[one[0] for one in REFUSED])
def test_an_answer_that_is_not_quite_right_confirms_nothing(desk: Desk, what: str, changed: dict[str, object]) -> None:
    with pytest.raises(SignerRefused) as refusal:
        desk.change(LARGE, **changed)

    assert refusal.value.code == "passkey_refused"
    assert desk.order() == b"account_order_cap"


def test_an_answer_confirms_one_change_of_one_account_once(desk: Desk) -> None:
    wanted = agreement.text_of(Agreement(1, LARGE, (desk.key.passkey,)))
    others = [
        desk.key.answers(desk.challenge(wanted, account=CLEO.account)),
        desk.key.answers(desk.challenge(wanted, tenant=TENANT + 1)),
        desk.key.answers(desk.challenge(agreement.text_of(Agreement(1, SMALL, (desk.key.passkey,))))),
        desk.key.answers(bytes(32)),
        [b"another", *desk.key.answers(desk.challenge(wanted))[1:]],
        [*desk.key.answers(desk.challenge(wanted))[:3], bytes(64)],
        [b"", b"", b"", b""],
        [],
    ]
    for answer in others:
        with pytest.raises(SignerRefused) as refusal:
            desk.change(LARGE, assertion=answer)
        assert refusal.value.code == "passkey_refused"

    right = desk.key.answers(desk.challenge(wanted))
    desk.change(LARGE, assertion=right)
    with pytest.raises(SignerRefused) as refusal:
        desk.change(LARGE, assertion=right)
    assert refusal.value.code == "agreement_outdated"


def test_a_stolen_web_server_adds_no_passkey_of_its_own(desk: Desk) -> None:
    thief = elliptic()
    wanted = agreement.text_of(Agreement(1, LARGE, (desk.key.passkey, thief.passkey)))
    with pytest.raises(SignerRefused) as refusal:
        desk.client.agree(
            tenant=TENANT, account=BEN.account, agreed=desk.envelopes["agreed"], wanted=wanted,
            assertion=thief.answers(desk.challenge(wanted)),
        )  # fmt: skip

    assert refusal.value.code == "passkey_refused"


def test_an_account_without_a_passkey_is_not_widened(vault: Vault) -> None:
    envelopes = enrol(vault, CLEO, ())
    client = vault.client()
    wanted = agreement.text_of(Agreement(1, LARGE))

    for agreed, code in ((envelopes["agreed"], "passkey_missing"), ("", "agreement_outdated")):
        wide = wanted if agreed else agreement.text_of(Agreement(1, Caps(D(10**6), D(10**7), D(10**8), 50)))
        with pytest.raises(SignerRefused) as refusal:
            client.agree(tenant=TENANT, account=CLEO.account, agreed=agreed, wanted=wide, assertion=[])
        assert refusal.value.code == code
    client.close()


def test_caps_of_another_account_are_none_of_this_one(desk: Desk) -> None:
    theirs = enrol(desk.vault, CLEO, ())

    assert desk.open(desk.envelopes | {"agreed": theirs["agreed"]}) == [(BEN.account, "envelope_refused")]


@given(st.text(max_size=200))
def test_no_noise_is_an_agreement(noise: str) -> None:
    with pytest.raises(AgreementMalformed):
        agreement.read(noise)


@pytest.mark.parametrize(
    "text",
    [
        '{"caps":["50","200","1000",5],"number":1,"passkeys":[] }',
        '{"number":1,"caps":["50","200","1000",5],"passkeys":[]}',
        '{"caps":["50","200","1000",5],"number":1,"number":2,"passkeys":[]}',
        '{"caps":["50","200","1000","5"],"number":1,"passkeys":[]}',
        '{"caps":["1e9","1e9","1e9",5],"number":1,"passkeys":[]}',
        '{"caps":["500","200","1000",5],"number":1,"passkeys":[]}',
        '{"caps":["50","200","1000",126],"number":1,"passkeys":[]}',
        '{"caps":["50","200","1000",5],"number":-1,"passkeys":[]}',
        '{"caps":["50","200","1000",5],"number":1,"passkeys":[["a","b","EVIL"]]}',
    ],
)
def test_an_agreement_has_one_spelling(text: str) -> None:
    with pytest.raises(AgreementMalformed):
        agreement.read(text)


def test_the_usual_caps_are_read_as_operators_write_them() -> None:
    assert agreement.read_caps("50000, 250000.50,1000000,20") == Caps(D(50_000), D("250000.50"), D(1_000_000), 20)
    assert agreement.read_caps(agreement.USUAL_CAPS) == Caps(D(50_000), D(250_000), D(1_000_000), 20)


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "1,2,3,4,5", "0,2,3,4", "3,2,1,4", "1,2,3,0", "1,2,3,126", "1,2,3,4.5", "1e3,1e4,1e5,4"]
    + ["1.001,2,3,4", "-1,2,3,4", "a,2,3,4"],
)
def test_usual_caps_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(agreement.CapsInvalid):
        agreement.read_caps(text)
