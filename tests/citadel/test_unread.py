"""What no policy reads and no request carries: signed where a tenant has permitted it, by the exchange in the seal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ccxt
import coincurve
import pytest

from citadel import sealing
from citadel.client import SignerClient, SignerRefused
from citadel.domain.permit import Permit, PermitRefused, read, seal
from citadel.signer.keccak import keccak256
from tests.citadel.support import BEN, CLEO, MANDATE_KEY, TENANT, Person, Vault

KEY = bytes.fromhex(MANDATE_KEY)
ADDRESS = ccxt.derive().eth_get_address_from_private_key("0x" + "4" * 64)
SECRET = "0x" + "4" * 64
FIELDS = {"walletAddress": "0x" + "1" * 40, "privateKey": SECRET}
USE, DIGEST = "privateKey ecdsa last64", ("secp256k1", None, b"12" * 32)
PLAIN = {"apiKey": "9f6c1d9e-okx-key", "secret": "00112233445566778899AABBCCDDEEFF", "password": "passphrase"}


def permit(
    exchange: str = "derive", *, number: int = 1, on: bool = True, tenant: int = TENANT, key: bytes = KEY
) -> bytes:
    return seal(Permit(tenant, exchange, number, on), key=key)


def enrolled(client: SignerClient, exchange: str | None, fields: dict[str, str], one: Person = BEN) -> dict[str, str]:
    named = {} if exchange is None else {"exchange": exchange}
    box = sealing.seal(intake=client.intake_key()[0], tenant=TENANT, account=one.account, fields=fields | named)
    return client.enrol(tenant=TENANT, account=one.account, sealed=box)[0]


def opened(client: SignerClient, exchange: str | None, fields: dict[str, str], *permits: bytes) -> list[str]:
    """Open Ben's account; the codes of what was refused."""
    entry = (TENANT, BEN.account, enrolled(client, exchange, fields))
    return [code for _, code in client.open([entry], permits=permits)[1]]


def signed(client: SignerClient, use: str, *args: Any, account: bytes = BEN.account) -> Any:
    field, op, derivation = use.split()
    return client.sign(account=account, field=field, op=op, derivation=derivation, args=args)


def refused(client: SignerClient, use: str = USE, *args: Any, account: bytes = BEN.account) -> str:
    with pytest.raises(SignerRefused) as found:
        signed(client, use, *(args or DIGEST), account=account)
    return found.value.code


def wallet_of(client: SignerClient) -> str:
    """The address that a signature of the open account's wallet is of."""
    made = signed(client, USE, *DIGEST)
    signature = bytes.fromhex(made["r"] + made["s"]) + bytes([made["v"]])
    key = coincurve.PublicKey.from_signature_and_message(signature, bytes.fromhex(DIGEST[2].decode()), hasher=None)
    return "0x" + keccak256(key.format(compressed=False)[1:])[-20:].hex()


@pytest.fixture
def client(vault: Vault) -> Iterator[SignerClient]:
    one = vault.client()
    yield one
    one.close()


def test_nothing_is_signed_unread_until_the_tenant_has_permitted_it(client: SignerClient) -> None:
    assert opened(client, "derive", FIELDS) == []
    assert refused(client) == "unchecked_not_permitted"

    assert client.open([], permits=[permit()]) == (0, [])

    assert wallet_of(client) == ADDRESS
    assert client.stats()["unread_signed"] == 1


@pytest.mark.parametrize(
    ("sealed", "code"),
    [
        (permit(key=bytes(32)), "permit_refused"),
        (permit()[:-1] + bytes([permit()[-1] ^ 1]), "permit_refused"),
        (permit(on=False)[:-33] + b"\xc3" + permit(on=False)[-32:], "permit_refused"),
        (b"", "permit_refused"),
        (permit("aster"), None),
        (permit(tenant=TENANT + 1), None),
        (permit(on=False), None),
    ],
    ids=["forged", "altered", "switched", "empty", "other exchange", "other tenant", "off"],
)
def test_no_other_permit_is_one(client: SignerClient, sealed: bytes, code: str | None) -> None:
    assert opened(client, "derive", FIELDS, sealed) == ([code] if code else [])

    assert refused(client) == "unchecked_not_permitted"


def test_a_mandate_is_no_permit() -> None:
    from tests.citadel.support import sealed_mandate

    with pytest.raises(PermitRefused):
        read(sealed_mandate(BEN), key=KEY)


def test_a_permit_that_was_withdrawn_does_not_come_back(vault: Vault, client: SignerClient) -> None:
    assert opened(client, "derive", FIELDS, permit(number=1)) == []
    assert client.open([], permits=[permit(number=2, on=False)])[1] == []

    assert client.open([], permits=[permit(number=1)])[1] == [(b"", "permit_outdated")]
    assert client.open([], permits=[permit(number=2, on=True)])[1] == [(b"", "permit_outdated")]
    assert refused(client) == "unchecked_not_permitted"

    assert vault.signer is not None
    vault.signer.kill()
    vault.signer.wait()
    vault.start_signer()
    assert opened(client, "derive", FIELDS, permit(number=1)) == ["permit_outdated"]
    assert refused(client) == "unchecked_not_permitted"
    assert client.open([], permits=[permit(number=3)])[1] == []
    assert wallet_of(client) == ADDRESS


def test_a_permit_outlives_the_signer(vault: Vault, client: SignerClient) -> None:
    assert opened(client, "derive", FIELDS, permit()) == []
    assert vault.signer is not None
    vault.signer.kill()
    vault.signer.wait()
    vault.start_signer()

    assert opened(client, "derive", FIELDS) == []

    assert wallet_of(client) == ADDRESS


@pytest.mark.parametrize("name", [None, "binance", "binanceusdm", "binancecoinm"])
def test_a_key_of_binance_is_never_used_unread(client: SignerClient, name: str | None) -> None:
    keys = {"apiKey": BEN.api_key, "secret": BEN.secret}
    permits = [permit(one) for one in ("binance", "binanceusdm", "binancecoinm", "derive")]

    assert opened(client, name, keys, *permits) == []

    assert refused(client) == "unknown_account"
    assert client.public(BEN.account) == BEN.api_key
    with pytest.raises(SignerRefused) as found:
        client.facts(BEN.account)
    assert found.value.code == "unknown_account"


def test_a_key_of_binance_cannot_be_opened_beside_the_name_of_another_exchange(client: SignerClient) -> None:
    bens = enrolled(client, None, {"apiKey": BEN.api_key, "secret": BEN.secret})
    mine = enrolled(client, "okx", {"apiKey": "mine", "secret": "of mine"})

    mixed = [
        bens | {"exchange": mine["exchange"]},
        mine | {"secret": bens["secret"]},
        bens | {"apiKey": mine["apiKey"]},
    ]
    for envelopes in mixed:
        entry = (TENANT, BEN.account, envelopes)
        assert client.open([entry], permits=[permit("okx")])[1] == [(BEN.account, "envelope_refused")]

    assert refused(client) == "unknown_account"


def test_the_name_of_the_exchange_cannot_be_left_out_either(client: SignerClient) -> None:
    envelopes = enrolled(client, "okx", PLAIN)
    del envelopes["exchange"]

    answer = client.open([(TENANT, BEN.account, envelopes)], permits=[permit()])

    assert answer == (0, [(BEN.account, "envelope_refused")])


def test_an_exchange_nobody_knows_is_not_enrolled(client: SignerClient) -> None:
    with pytest.raises(SignerRefused) as found:
        enrolled(client, "bitmart", FIELDS)

    assert found.value.code == "credential_malformed"


def test_facts_tell_what_is_no_secret(client: SignerClient) -> None:
    assert opened(client, "derive", FIELDS) == []

    facts = client.facts(BEN.account)

    assert facts["public"] == {"walletAddress": FIELDS["walletAddress"]}
    assert list(facts["shapes"]) == ["privateKey"]
    assert facts["addresses"] == {"privateKey": ADDRESS}
    assert SECRET not in repr(facts)


def test_what_is_forgotten_or_opened_anew_signs_no_more(client: SignerClient) -> None:
    assert opened(client, "derive", FIELDS, permit()) == []
    assert client.stats()["unread"] == 1
    assert client.forget([BEN.account, CLEO.account]) == 1
    assert refused(client) == "unknown_account"

    assert opened(client, "derive", FIELDS) == []
    assert opened(client, None, {"apiKey": BEN.api_key, "secret": BEN.secret}) == []
    assert refused(client) == "unknown_account"
    assert opened(client, "derive", FIELDS) == []
    with pytest.raises(SignerRefused):
        client.public(BEN.account)
    assert (client.stats()["accounts"], client.stats()["unread"]) == (0, 1)


def test_envelopes_are_wrapped_anew_with_their_exchange(client: SignerClient) -> None:
    envelopes = enrolled(client, "derive", FIELDS)
    keys = [(TENANT, 2, client.new_key(tenant=TENANT, version=2))]

    done, refusals = client.rewrap([(TENANT, BEN.account, envelopes)], version=2, keys=keys)

    assert refusals == []
    assert {text[:7] for text in done[BEN.account].values()} == {"nil:v2:"}
    assert client.open([(TENANT, BEN.account, done[BEN.account])], keys, [permit()]) == (1, [])
    assert wallet_of(client) == ADDRESS


def test_a_use_the_exchange_does_not_have_is_refused(client: SignerClient) -> None:
    assert opened(client, "derive", FIELDS, permit()) == []

    assert refused(client, "privateKey ecdsa last64", "secp256k1", "keccak", b"") == "use_not_allowed"
    assert refused(client, "privateKey stark text", "0x1") == "use_not_allowed"
    assert refused(client, "other ecdsa last64", "secp256k1", None, b"") == "unknown_field"
    assert refused(client, USE, "secp256k1", None, 1) == "bad_args"
    assert refused(client, account=CLEO.account) == "unknown_account"


def test_what_stands_in_a_request_is_not_signed_without_it(client: SignerClient) -> None:
    """Whatever the tenant has permitted: such a signature is put into the request where it leaves."""
    assert opened(client, "okx", PLAIN, permit("okx")) == []

    for use, args in (
        ("secret hmac text", ("sha256", b"2026-11-20T10:00:00.000ZGET/api/v5/account/config")),
        ("secret rsa text", ("sha256", "pkcs1", b"x")),
        ("secret eddsa text", (b"x",)),
        ("secret hash text", ("md5", b"x")),
        ("secret ecdsa text", ("p256", "sha256", b"x")),
    ):
        assert refused(client, use, *args) == "request_leaves_from_vault"
    assert refused(client, "secret hmac text", "sha256") == "request_leaves_from_vault"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"account": b"short"}, "bad_account"),
        ({"args": "text"}, "bad_fields"),
        ({"field": b"secret"}, "bad_fields"),
        ({"more": 1}, "bad_fields"),
    ],
)
def test_a_frame_that_is_none_is_refused(client: SignerClient, message: dict[str, Any], code: str) -> None:
    whole = {"account": BEN.account, "field": "secret", "primitive": "hmac", "derivation": "text", "args": []}

    with pytest.raises(SignerRefused) as found:
        client._ask("sign", **(whole | message))

    assert found.value.code == code


def test_wallets_sign_behind_the_closed_sandbox(client: SignerClient) -> None:
    """Nothing may be loaded late: the signer that is asked here cannot open a file any more."""
    action = (b"\x81\xa4type\xa1a", 1, None, None, False)
    assert opened(client, "hyperliquid", FIELDS, permit("hyperliquid")) == []

    assert set(signed(client, "privateKey hyperliquid last64", *action)) == {"r", "s", "v"}


def test_starknet_is_not_loaded_where_it_is_not_asked_for(client: SignerClient) -> None:
    assert opened(client, "extended", {"apiKey": "k", "privateKey": "0x" + "1" * 62}, permit("extended")) == []

    assert refused(client, "privateKey stark text", "0x1234") == "algorithm_not_loaded"


def test_a_signer_that_was_told_to_signs_for_starknet(vault: Vault, client: SignerClient) -> None:
    assert vault.signer is not None
    vault.signer.terminate()
    vault.signer.wait()
    vault.start_signer(OBSCURA_SIGNER_STARKNET="1")
    assert opened(client, "extended", {"apiKey": "k", "privateKey": "0x" + "1" * 62}, permit("extended")) == []

    assert len(signed(client, "privateKey stark text", "0x1234")) == 2
