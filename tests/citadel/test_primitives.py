"""The signer's primitives: published vectors, ccxt's own functions bit for bit, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
import traceback
from typing import Any

import ccxt
import pytest
from ccxt.base.exchange import BaseExchange
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from citadel import uses
from citadel.matrix.credentials import key
from citadel.signer import keccak
from citadel.signer.primitives import PrimitiveRefused, Primitives

ACCOUNT = bytes(15) + b"\7"
KEY = "0x" + "00" * 31 + "01"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def opened(exchange: str, **fields: str) -> Primitives:
    primitives = Primitives()
    primitives.put(ACCOUNT, exchange=exchange, fields=fields)
    return primitives


def signed(primitives: Primitives, use: str, *args: Any) -> Any:
    field, op, derivation = use.split()
    return primitives.sign(account=ACCOUNT, field=field, op=op, derivation=derivation, args=args)


def refused(primitives: Primitives, use: str, *args: Any) -> str:
    with pytest.raises(PrimitiveRefused) as refusal:
        signed(primitives, use, *args)
    return refusal.value.code


@pytest.fixture
def anything(monkeypatch: pytest.MonkeyPatch) -> str:
    """An exchange that uses secrets in ways none of ccxt's does."""
    profile = uses.PROFILES["okx"]._replace(
        uses=frozenset(
            ["secret hmac text md5", "secret rsa text sha512 pss", "secret rsa text sha384 pkcs1"]
            + [
                f"secret ecdsa text {curve} {hashed}"
                for curve in ("p256", "secp256k1")
                for hashed in ("keccak", "sha256")
            ]
        )
    )
    monkeypatch.setitem(uses.PROFILES, "anything", profile)
    return "anything"


# vectors
@pytest.mark.parametrize(
    ("exchange", "algorithm", "digest"),
    [
        ("okx", "sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "bitfinex",
            "sha384",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            "bit2c",
            "sha512",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
            "caeab1a34d4a6b4b636e070a38bce737",
        ),
    ],
)
def test_hmac_as_in_rfc_4231(exchange: str, algorithm: str, digest: str) -> None:
    primitives = opened(exchange, secret="Jefe")

    assert signed(primitives, "secret hmac text", algorithm, b"what do ya want for nothing?").hex() == digest


def test_hmac_sha1_of_a_two_factor_secret_as_in_rfc_4226() -> None:
    primitives = opened("deribit", twofa=base64.b32encode(b"12345678901234567890").decode())

    digest = signed(primitives, "twofa hmac base32", "sha1", bytes(8))

    assert digest.hex() == "cc93cf18508d94934c64b65d8ba7667fb7cde4b0"


def test_hmac_md5_as_in_rfc_2202(anything: str) -> None:
    digest = signed(opened(anything, secret="Jefe"), "secret hmac text", "md5", b"what do ya want for nothing?")

    assert digest.hex() == "750c783e6ab0b503eaa86e310a5db738"


def test_ed25519_as_in_rfc_8032() -> None:
    seed = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    primitives = opened("backpack", secret=base64.b64encode(seed).decode())

    signature = signed(primitives, "secret eddsa base64_32", b"\xaf\x82")

    assert signature.hex() == (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )


def test_p256_as_in_rfc_6979_with_the_smaller_of_the_two_s() -> None:
    number = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    pem = ec.derive_private_key(number, ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    primitives = opened("coinbase", secret=pem.decode())

    signature = signed(primitives, "secret ecdsa text", "p256", "sha256", b"sample")

    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    assert signature["r"] == "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    assert signature["s"] == f"{P256_ORDER - s:064x}"


def test_secp256k1_as_bitcoin_signs() -> None:
    digest = hashlib.sha256(b"Satoshi Nakamoto").hexdigest().encode()

    signature = signed(opened("derive", privateKey=KEY), "privateKey ecdsa last64", "secp256k1", None, digest)

    assert signature["r"] == "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
    assert signature["s"] == "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"


@pytest.mark.parametrize("function", [keccak.plain, keccak.keccak256])
def test_keccak(function: Any) -> None:
    from ccxt.static_dependencies.keccak import SHA3

    assert function(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert function(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    for length in (1, 134, 135, 136, 137, 271, 272, 273, 1000):
        data = (bytes(range(256)) * 4)[:length]
        assert function(data) == bytes(SHA3(data))


# ccxt, bit for bit
@pytest.mark.parametrize("hashed", ["sha256", "keccak"])
def test_secp256k1_and_its_recovery_id_are_ccxt_s(anything: str, hashed: str) -> None:
    for number in range(1, 20):
        secret = f"{number:064x}"
        primitives = opened(anything, secret=secret)

        signature = signed(primitives, "secret ecdsa text", "secp256k1", hashed, b"message %d" % number)

        assert signature == BaseExchange.ecdsa(f"message {number}", secret, "secp256k1", hashed)


def test_p256_and_its_recovery_id_are_ccxt_s() -> None:
    pem = key("ec")
    primitives = opened("coinbase", secret=pem)

    for number in range(20):
        signature = signed(primitives, "secret ecdsa text", "p256", "sha256", b"message %d" % number)

        assert signature == BaseExchange.ecdsa(f"message {number}", pem, "p256", "sha256")


def test_rsa_is_ccxt_s(anything: str) -> None:
    pem = key("rsa")
    primitives = opened(anything, secret=pem)

    signature = signed(primitives, "secret rsa text", "sha384", "pkcs1", b"query=1")

    assert base64.b64encode(signature).decode() == BaseExchange.rsa("query=1", pem, "sha384")


def test_rsa_pss_verifies(anything: str) -> None:
    pem = key("rsa")

    signature = signed(opened(anything, secret=pem), "secret rsa text", "sha512", "pss", b"query=1")

    public: Any = load_pem_private_key(pem.encode(), None).public_key()
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), padding.PSS.DIGEST_LENGTH)
    public.verify(signature, b"query=1", pss, hashes.SHA512())  # raises where it is wrong


def test_starknet_is_ccxt_s() -> None:
    secret = "0x" + "5" * 61
    primitives = opened("extended", privateKey=secret)

    signature = signed(primitives, "privateKey stark text", hex(12345))

    assert signature == json.loads(BaseExchange.starknet_sign(12345, secret))


@pytest.mark.parametrize("vault", [None, "ab" * 20])
@pytest.mark.parametrize("expires", [None, 1_767_225_605_000])
@pytest.mark.parametrize("testnet", [False, True])
def test_hyperliquid_is_ccxt_s(vault: str | None, expires: int | None, testnet: bool) -> None:
    secret = "0x" + "4b" * 32
    stock = ccxt.hyperliquid({"privateKey": secret, "walletAddress": "0x" + "1" * 40})
    stock.options["sandboxMode"] = testnet
    action = {"type": "order", "orders": [{"a": 1, "b": True, "p": "65000", "s": "0.01", "r": False}], "grouping": "na"}
    nonce = 1_767_225_600_123

    signature = signed(
        opened("hyperliquid", privateKey=secret),
        "privateKey hyperliquid last64",
        stock.packb(action), nonce, vault, expires, testnet,
    )  # fmt: skip

    assert signature == stock.sign_l1_action(action, nonce, vault, expires)


def test_a_passphrase_is_signed_without_being_told() -> None:
    primitives = opened("kucoin", secret="Jefe", password="what do ya want for nothing?")

    digest = signed(primitives, "secret hmac text", "sha256", ["password", "text"])

    assert digest.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_a_secret_is_hashed_behind_a_body() -> None:
    digest = signed(opened("cryptomus", secret="a test secret"), "secret hash text", "md5", b"Ym9keQ==")

    assert digest == hashlib.md5(b"Ym9keQ==a test secret").digest()


# refusals
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


def test_facts_are_what_is_public() -> None:
    primitives = opened("hyperliquid", privateKey=KEY, walletAddress="0x" + "1" * 40)

    assert primitives.facts(ACCOUNT) == {
        "public": {"walletAddress": "0x" + "1" * 40},
        "shapes": {"privateKey": [["is", "0x"], ["hex", "64"]]},
        "addresses": {"privateKey": BaseExchange.eth_get_address_from_private_key(KEY)},
    }
