"""Random credentials of every kind of key an exchange knows, complete enough for all of its requests."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from citadel import uses
from citadel.shapes import like

WITH_TOKEN = frozenset({"bullish", "coinbaseinternational"})
"""Exchanges that want to be logged in before they are asked: their requests have a session's token too."""

_PUBLIC = {
    "apiKey": "key-of-a-test-account",
    "uid": "1234567",
    "login": "ada",
    "accountId": "0x" + "ab" * 32,
    "walletAddress": "0x" + "cd" * 20,
    "password": "passphrase-of-a-test-account",
}
_API_KEYS = {
    "gemini": "account-key-of-a-test-account",  # others it refuses to sign with
    "coinbase": "organizations/0/apiKeys/1",
    "coinbaseinternational": "organizations/0/apiKeys/1",
}
_HAS_TWOFA = ("ndax", "deribit")
_BARE_RSA_BITS = 2104
"""A key whose text fills lbank's lines of 64 to the end: of any other ccxt drops the rest and cannot load it."""


def credential(exchange: str, kind: str) -> dict[str, str]:
    """A new credential of an exchange, by ccxt's names, whose signing field is of this kind.

    Second keys (``starkKey``, ``tradingKey``, ``proxyKey``) are among the fields; ccxt wants them in its options.
    """
    import ccxt

    profile = uses.PROFILES[exchange]
    required = [name for name, needed in getattr(ccxt, exchange)().requiredCredentials.items() if needed]
    found = {name: _PUBLIC[name] for name in required if name in _PUBLIC}
    if "apiKey" in found:
        found["apiKey"] = _API_KEYS.get(exchange, found["apiKey"])
        if exchange.startswith("coinbase") and kind.startswith("text"):
            found["apiKey"] = "deribit8" if kind == "text43" else _PUBLIC["apiKey"]
    if exchange == "dydx":
        found["walletAddress"] = "dydx1" + "q" * 38
    for name in {*required, *uses.SECOND_KEYS} & profile.secret - {"twofa"}:
        found[name] = key(uses.SECOND_KEYS.get(name, "text32"))
    if exchange in _HAS_TWOFA:
        found["twofa"] = key("seed")
    found[profile.field] = key(kind)
    return found


def key(kind: str) -> str:
    """A new secret of a kind."""
    if kind in ("rsa", "rsa_bare"):
        return _rsa(kind)
    if kind == "ed25519":
        return _pem(ed25519.Ed25519PrivateKey.generate(), PrivateFormat.PKCS8)
    if kind == "ec":
        return _pem(ec.generate_private_key(ec.SECP256R1()), PrivateFormat.TraditionalOpenSSL)
    return like(uses.KINDS[kind])


@cache
def _rsa(kind: str) -> str:
    # One for the run: making one takes longer than all that is signed with it.
    bits = _BARE_RSA_BITS if kind == "rsa_bare" else 2048
    pem = _pem(rsa.generate_private_key(public_exponent=65_537, key_size=bits), PrivateFormat.PKCS8)
    return "".join(pem.splitlines()[1:-1]) if kind == "rsa_bare" else pem


def _pem(private: Any, form: PrivateFormat) -> str:
    return str(private.private_bytes(Encoding.PEM, form, NoEncryption()).decode())
