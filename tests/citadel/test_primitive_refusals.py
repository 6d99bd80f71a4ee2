"""What the signer's primitives refuse, and that nothing they say quotes a key."""

from __future__ import annotations

import base64
import pickle
import traceback
from typing import Any

import ccxt
import pytest
from ccxt.base.exchange import BaseExchange

from citadel import uses
from citadel.signer.primitives import PrimitiveRefused, Primitives
from tests.citadel.signing import ACCOUNT, KEY, opened, refused, signed


@pytest.mark.parametrize("exchange", sorted(set(uses.PROFILES) - {"cryptomus"}))
def test_no_other_exchange_hashes_a_secret(exchange: str) -> None:
    # SHA-512 of an Ed25519 seed is the signing scalar, and md5 of a secret is btcbox' key.
    fields = dict.fromkeys(uses.PROFILES[exchange].secret, base64.b64encode(bytes(32)).decode())
    primitives = opened(exchange, **fields)

    for field in fields:
        assert refused(primitives, f"{field} hash base64_32", "sha512", b"") == "use_not_allowed"
        assert refused(primitives, f"{field} hash text", "md5", b"") == "use_not_allowed"


def test_signatures_that_are_trading_keys_are_refused() -> None:
    paradex = ccxt.paradex({"privateKey": KEY, "walletAddress": "0x" + "1" * 40})
    dydx = ccxt.dydx({"privateKey": KEY})
    digests = {}

    class Seen(Exception):
        pass

    def seen(message: bytes, _: str) -> str:
        digests[len(digests)] = paradex.hash(message, "keccak", "hex").encode()
        raise Seen

    for chain in (1, 11_155_111):
        dydx.options["chainId"] = chain
        paradex.options["systemConfig"] = {"l1_chain_id": str(chain)}
        for stock, method in ((paradex, "retrieve_account"), (dydx, "sign_onboarding_action")):
            stock.sign_message = seen
            with pytest.raises(Seen):
                getattr(stock, method)()

    wallet = opened("derive", privateKey=KEY)
    assert len(set(digests.values())) == 4
    for digest in digests.values():
        assert refused(wallet, "privateKey ecdsa last64", "secp256k1", None, digest) == "derives_key"
        for exchange in ("paradex", "dydx"):
            primitives = opened(exchange, privateKey=KEY)
            assert refused(primitives, "privateKey ecdsa last64", "secp256k1", None, digest) == "use_not_allowed"
    assert signed(wallet, "privateKey ecdsa last64", "secp256k1", None, b"11" * 32)["v"] in (0, 1)


def test_hyperliquid_signs_actions_and_no_digests() -> None:
    primitives = opened("hyperliquid", privateKey=KEY)

    code = refused(primitives, "privateKey ecdsa last64", "secp256k1", None, b"11" * 32)

    assert code == "use_not_allowed"


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (b"\x82\xa4type\xa1a\xa4type\xa1b", "not_canonical"),  # one key twice
        (b"\x81\xa1n\xcd\x00\x01", "not_canonical"),  # a wider integer than needed
        (b"\x93\x01\x02\x03", "not_canonical"),  # no map
        (b"\x81\xa1", "primitive_failed"),
    ],
)
def test_an_action_that_can_be_read_in_two_ways_is_refused(packed: bytes, code: str) -> None:
    primitives = opened("hyperliquid", privateKey=KEY)

    assert refused(primitives, "privateKey hyperliquid last64", packed, 1, None, None, False) == code


def test_a_bare_number_signs_on_one_curve_only(anything: str) -> None:
    primitives = opened(anything, secret="11" * 32)

    assert refused(primitives, "secret ecdsa text", "p256", "sha256", b"x") == "key_malformed"
    assert signed(primitives, "secret ecdsa text", "secp256k1", "sha256", b"x")["v"] in (0, 1)


@pytest.mark.parametrize(
    ("use", "args", "code"),
    [
        ("secret hmac text", ("sha512", b"x"), "use_not_allowed"),
        ("secret hmac base64", ("sha256", b"x"), "use_not_allowed"),
        ("secret hmac nothing", ("sha256", b"x"), "use_not_allowed"),
        ("secret hmac text", ("sha256", ["secret", "text"]), "use_not_allowed"),
        ("secret hmac text", ("sha256", "text"), "bad_args"),
        ("secret hmac text", ("sha256",), "bad_args"),
        ("secret hmac text", ("sha256", bytes((1 << 20) + 1)), "bad_args"),
        ("secret sign text", ("sha256", b"x"), "unknown_op"),
        ("token hmac text", ("sha256", b"x"), "unknown_field"),
    ],
)
def test_what_is_not_in_the_exchange_s_row_is_refused(use: str, args: tuple[Any, ...], code: str) -> None:
    assert refused(opened("okx", secret="a test secret"), use, *args) == code


def test_an_account_that_is_not_open_signs_nothing() -> None:
    primitives = opened("okx", secret="a test secret")
    primitives.forget(ACCOUNT)

    assert refused(primitives, "secret hmac text", "sha256", b"x") == "unknown_account"
    with pytest.raises(PrimitiveRefused, match="unknown_exchange"):
        primitives.put(ACCOUNT, exchange="nowhere", fields={})


def test_the_least_recently_used_account_is_dropped() -> None:
    primitives = Primitives(size=2)
    for number in (1, 2):
        primitives.put(bytes([number]), exchange="okx", fields={"secret": "s"})
    primitives.facts(b"\1")

    primitives.put(b"\3", exchange="okx", fields={"secret": "s"})

    with pytest.raises(PrimitiveRefused, match="unknown_account"):
        primitives.facts(b"\2")
    assert len(primitives) == 2 and primitives.facts(b"\1")["public"] == {}


@pytest.mark.parametrize(
    ("exchange", "use", "args", "secret"),
    [
        ("coinbase", "secret ecdsa text", ("p256", "sha256", b"x"), "-----BEGIN EC PRIVATE KEY-----\nMARKER\n"),
        ("binance", "secret rsa text", ("sha256", "pkcs1", b"x"), "-----BEGIN PRIVATE KEY-----\nMARKER\n"),
        ("binance", "secret eddsa text", (b"x",), "MARKER"),
        ("derive", "privateKey ecdsa last64", ("secp256k1", None, b"11" * 32), "MARKER"),
        ("extended", "privateKey stark text", ("0x1",), "MARKER"),
        ("kraken", "secret hmac base64", ("sha512", b"x"), "MARKER\n="),
        ("woofipro", "secret eddsa base58", (b"x",), "MARKER0OIl"),
    ],
)
def test_a_malformed_key_is_never_quoted(exchange: str, use: str, args: tuple[Any, ...], secret: str) -> None:
    primitives = opened(exchange, **{use.split()[0]: secret})

    with pytest.raises(PrimitiveRefused) as refusal:
        signed(primitives, use, *args)

    assert refusal.value.code in ("key_malformed", "primitive_failed")
    assert refusal.value.__cause__ is None and refusal.value.__context__ is None
    # Only the values count: the lines of this test that a traceback shows do not have the marker in them.
    assert "MARKER" not in "".join(traceback.format_exception(refusal.value)) + repr(primitives)


def test_a_malformed_request_is_never_quoted() -> None:
    with pytest.raises(PrimitiveRefused) as refusal:
        signed(opened("derive", privateKey=KEY), "privateKey ecdsa last64", "secp256k1", None, b"no digest")

    assert refusal.value.code == "primitive_failed" and refusal.value.__context__ is None


def test_secrets_are_neither_printed_nor_pickled() -> None:
    primitives = opened("okx", secret="a test secret")

    assert repr(primitives) == "Primitives(1 accounts)"
    with pytest.raises(TypeError):
        pickle.dumps(primitives)


def test_a_field_nobody_has_heard_of_is_secret() -> None:
    facts = opened("okx", apiKey="a key", secret="A" * 32, password="pass", backup="0" * 40).facts(ACCOUNT)

    assert facts["public"] == {"apiKey": "a key", "password": "pass"}
    assert facts["shapes"] == {"secret": [["HEX", "32"]], "backup": [["hex", "40"]]}


def test_facts_are_what_is_public() -> None:
    primitives = opened("hyperliquid", privateKey=KEY, walletAddress="0x" + "1" * 40)

    primitives_of_no_key = opened("hyperliquid", privateKey="0" * 64)

    assert primitives_of_no_key.facts(ACCOUNT)["addresses"] == {}
    assert primitives.facts(ACCOUNT) == {
        "public": {"walletAddress": "0x" + "1" * 40},
        "shapes": {"privateKey": [["is", "0x"], ["hex", "64"]]},
        "addresses": {"privateKey": BaseExchange.eth_get_address_from_private_key(KEY)},
    }
