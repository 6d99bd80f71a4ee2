"""The signer's primitives: published vectors, and ccxt's own functions bit for bit."""

from __future__ import annotations

import base64
import hashlib
import json
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

from citadel.matrix.credentials import key
from citadel.signer import keccak
from tests.citadel.signing import KEY, opened, signed

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


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
