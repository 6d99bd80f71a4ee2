"""How each of ccxt's exchanges uses a secret: kinds of keys, the field that signs, and every use there is of it.

The signer refuses a use that is not in an exchange's row. `make matrix` runs all of them and compares with stock ccxt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from citadel.shapes import Shape


class Header(NamedTuple):
    """A secret that travels in a header: its field, and the field before it in `Basic user:secret`."""

    field: str
    user: str = ""


class Profile(NamedTuple):
    """One exchange.

    :param field: the credential's field that signs
    :param kinds: kinds of keys the field may hold, the usual one first; see `KINDS`
    :param secret: all fields that are kept from workers
    :param uses: names of what may be signed, as `name` gives them
    """

    field: str
    kinds: tuple[str, ...]
    secret: frozenset[str]
    uses: frozenset[str]
    header: Header | None


def allowed(exchange: str, use: str) -> bool:
    """Whether an exchange uses secrets this way."""
    profile = PROFILES.get(exchange)
    return profile is not None and use in profile.uses


def is_secret(exchange: str, field: str) -> bool:
    """Whether no worker may see a field of an exchange's credential. One that nobody has heard of is secret.

    :raises KeyError: no such exchange
    """
    return field in PROFILES[exchange].secret or field not in _PUBLIC


def hashes(exchange: str, field: str) -> bool:
    """Whether the exchange hashes a text that ends with the field."""
    return any(use.startswith(f"{field} hash ") for use in PROFILES[exchange].uses)


def signs_for_ethereum(exchange: str, field: str) -> bool:
    """Whether a field is the private key of an Ethereum address that ccxt asks for."""
    signing = [use.split() for use in PROFILES[exchange].uses]
    return any(words[0] == field and (words[1] == "hyperliquid" or "secp256k1" in words) for words in signing)


def name(field: str, op: str, derivation: str, args: Sequence[Any]) -> str:
    """What a signature is called in `Profile.uses`: everything about it but the message."""
    words = [field, op, derivation]
    if op in ("hmac", "hash"):
        words.append(args[0])
        if isinstance(args[1], list):
            words += ["of", *(str(word) for word in args[1])]
    elif op == "ecdsa":
        words += [args[0], args[1] or "digest"]
    elif op == "rsa":
        words += args[:2]
    return " ".join(words)


def _armoured(words: str, *, lines: int, rest: int = 0) -> Shape:
    body = [*[["base64", "64"], ["is", "\n"]] * lines, *([["base64", str(rest)], ["is", "\n"]] if rest else [])]
    return [["is", f"-----BEGIN {words}-----\n"], *body, ["is", f"-----END {words}-----\n"]]


KINDS: dict[str, Shape] = {
    "text32": [["alnum", "32"]],
    "text36": [["alnum", "36"]],
    "text43": [["alnum", "43"]],
    "text64": [["alnum", "64"]],
    "HEX32": [["HEX", "32"]],
    "uuid": [["hex", "8"], ["is", "-"], *[["hex", "4"], ["is", "-"]] * 3, ["hex", "12"]],
    "base64_44": [["base64", "43"], ["is", "="]],
    "base64_88": [["base64", "86"], ["is", "=="]],
    "base58_88": [["base58", "88"]],
    "orderly": [["is", "ed25519:"], ["base58", "44"]],
    "key66": [["is", "0x"], ["hex", "64"]],
    "key64": [["hex", "64"]],
    "stark": [["is", "0x"], ["hex", "62"]],
    "seed": [["base32", "32"]],
    "rsa_bare": [["base64", "1664"]],
    "rsa": _armoured("PRIVATE KEY", lines=25, rest=24),
    "ed25519": _armoured("PRIVATE KEY", lines=1),
    "ec": _armoured("EC PRIVATE KEY", lines=2, rest=36),
}
"""Kinds of keys and how they look."""

SECOND_KEYS = {"twofa": "seed", "starkKey": "stark", "tradingKey": "key66", "proxyKey": "key66"}
"""Fields beside the one that signs, and the kinds they usually hold."""

_ALWAYS = frozenset({"secret", "privateKey", "twofa", "token", "seeds"})
_PUBLIC = frozenset(
    {"apiKey", "uid", "login", "password", "accountId", "walletAddress", "accountIndex", "apiKeyIndex"}
)  # a passphrase goes out in a header with every request, and is worth nothing without the secret


_HMAC = ("secret hmac text sha256",)
_HMAC_RSA_ED25519 = (*_HMAC, "secret rsa text sha256 pkcs1", "secret eddsa text")
_WALLET = tuple(f"privateKey ecdsa {form} secp256k1 digest" for form in ("last64", "text"))  # with 0x and without


def _profile(
    *, field: str = "secret", kinds: str = "text64", also: str = "", header: str = "", uses: tuple[str, ...] = _HMAC
) -> Profile:
    return Profile(
        field=field,
        kinds=tuple(kinds.split()),
        secret=_ALWAYS | {field, *also.split()},
        uses=frozenset(uses),
        header=Header(*header.split()) if header else None,
    )


PROFILES: dict[str, Profile] = {
    "alpaca": _profile(header="secret", uses=()),
    "apex": _profile(uses=("secret hmac base64_text sha256",)),
    "aster": _profile(field="privateKey", kinds="key66 key64", uses=_WALLET),
    "backpack": _profile(kinds="base64_44", uses=("secret eddsa base64", "secret eddsa base64_32")),
    "bequant": _profile(),
    "bigone": _profile(),
    "binance": _profile(kinds="text64 rsa ed25519", uses=_HMAC_RSA_ED25519),
    "binancecoinm": _profile(kinds="text64 rsa ed25519", uses=_HMAC_RSA_ED25519),
    "binanceus": _profile(kinds="text64 rsa ed25519", uses=_HMAC_RSA_ED25519),
    "binanceusdm": _profile(kinds="text64 rsa ed25519", uses=_HMAC_RSA_ED25519),
    "bingx": _profile(),
    "bit2c": _profile(uses=("secret hmac text sha512",)),
    "bitbank": _profile(),
    "bitbns": _profile(uses=("secret hmac text sha512",)),
    "bitfinex": _profile(uses=("secret hmac text sha384",)),
    "bitflyer": _profile(),
    "bitget": _profile(),
    "bithumb": _profile(uses=(*_HMAC, "secret hmac text sha512")),
    "bitopro": _profile(uses=("secret hmac text sha384",)),
    "bitrue": _profile(),
    "bitso": _profile(),
    "bitstamp": _profile(),
    "bitteam": _profile(header="secret apiKey", uses=()),
    "bittrade": _profile(),
    "bitvavo": _profile(),
    "blockchaincom": _profile(header="secret", uses=()),
    "blofin": _profile(),
    "btcbox": _profile(uses=("secret hmac md5 sha256",)),
    "btcmarkets": _profile(kinds="base64_88", uses=("secret hmac base64 sha512",)),
    "btcturk": _profile(kinds="base64_44", uses=("secret hmac base64 sha256",)),
    "btse": _profile(uses=("secret hmac text sha384",)),
    "bullish": _profile(),
    "bybit": _profile(kinds="text36 rsa", uses=(*_HMAC, "secret rsa text sha256 pkcs1")),
    "bybiteu": _profile(kinds="text36 rsa", uses=(*_HMAC, "secret rsa text sha256 pkcs1")),
    "bybitid": _profile(kinds="text36 rsa", uses=(*_HMAC, "secret rsa text sha256 pkcs1")),
    "bydfi": _profile(),
    "cex": _profile(),
    "coinbase": _profile(
        kinds="ec base64_88 text32", uses=(*_HMAC, "secret ecdsa text p256 sha256", "secret eddsa base64_32")
    ),
    "coinbaseexchange": _profile(kinds="base64_88", uses=("secret hmac base64 sha256",)),
    "coinbaseinternational": _profile(
        kinds="ec base64_88 text43", uses=(*_HMAC, "secret ecdsa text p256 sha256", "secret eddsa base64_32")
    ),
    "coincheck": _profile(),
    "coinmate": _profile(),
    "coinone": _profile(kinds="uuid", uses=("secret hmac upper sha512",)),
    "coinsph": _profile(),
    "coinspot": _profile(uses=("secret hmac text sha512",)),
    "cryptocom": _profile(),
    "cryptomus": _profile(uses=("secret hash text md5",)),
    "deepcoin": _profile(),
    "delta": _profile(),
    "deribit": _profile(also="twofa", uses=(*_HMAC, "twofa hmac base32 sha1")),
    "derive": _profile(field="privateKey", kinds="key66 key64", uses=_WALLET),
    "digifinex": _profile(),
    "dydx": _profile(
        field="privateKey",
        kinds="key66 key64",
        also="tradingKey",
        uses=("tradingKey ecdsa last64 secp256k1 digest", "tradingKey ecdsa text secp256k1 digest"),
    ),
    "extended": _profile(field="privateKey", kinds="stark", uses=("privateKey stark text",)),
    "fmfwio": _profile(),
    "foxbit": _profile(),
    "gate": _profile(uses=("secret hmac text sha512",)),
    "gateeu": _profile(uses=("secret hmac text sha512",)),
    "gemini": _profile(uses=("secret hmac text sha384",)),
    "grvt": _profile(
        field="privateKey",
        kinds="key66 key64",
        also="secret",
        uses=(*_WALLET, "secret ecdsa last64 secp256k1 digest", "secret ecdsa text secp256k1 digest"),
    ),
    "hashkey": _profile(),
    "hibachi": _profile(
        field="privateKey", kinds="key66 key64 base64_44", uses=(*_WALLET, "privateKey hmac text sha256")
    ),
    "hitbtc": _profile(),
    "hollaex": _profile(),
    "htx": _profile(),
    "hyperliquid": _profile(
        field="privateKey", kinds="key66 key64", uses=("privateKey hyperliquid last64", "privateKey hyperliquid text")
    ),
    "independentreserve": _profile(),
    "indodax": _profile(uses=("secret hmac text sha512",)),
    "kraken": _profile(kinds="base64_88", uses=("secret hmac base64 sha512",)),
    "krakenfutures": _profile(kinds="base64_88", uses=("secret hmac base64 sha512",)),
    "kucoin": _profile(kinds="uuid", also="password", uses=(*_HMAC, "secret hmac text sha256 of password text")),
    "kucoinfutures": _profile(kinds="uuid", also="password", uses=(*_HMAC, "secret hmac text sha256 of password text")),
    "latoken": _profile(uses=("secret hmac text sha512",)),
    "lbank": _profile(kinds="text32 rsa_bare", uses=(*_HMAC, "secret rsa lbank_pem sha256 pkcs1")),
    "lighter": _profile(field="privateKey", kinds="key66 key64", uses=_WALLET),
    "luno": _profile(header="secret apiKey", uses=()),
    "mercado": _profile(uses=("secret hmac text sha512",)),
    "mexc": _profile(),
    "modetrade": _profile(kinds="orderly", uses=("secret eddsa base58",)),
    "mudrex": _profile(header="secret", uses=()),
    "myokx": _profile(kinds="HEX32"),
    "nado": _profile(field="privateKey", kinds="key66 key64", uses=_WALLET),
    "ndax": _profile(also="password twofa", header="password login", uses=(*_HMAC, "twofa hmac base32 sha1")),
    "okx": _profile(kinds="HEX32"),
    "okxus": _profile(kinds="HEX32"),
    "onetrading": _profile(field="apiKey", header="apiKey", uses=()),
    "p2b": _profile(uses=("secret hmac text sha512",)),
    "pacifica": _profile(
        field="privateKey", kinds="base58_88", uses=("privateKey eddsa base58", "privateKey eddsa base58_32")
    ),
    "paradex": _profile(field="privateKey", kinds="key66 key64", also="starkKey", uses=("starkKey stark text",)),
    "paymium": _profile(),
    "phemex": _profile(),
    "poloniex": _profile(),
    "polymarket": _profile(
        field="privateKey",
        kinds="key66 key64",
        also="proxyKey",
        uses=(*_WALLET, "proxyKey ecdsa last64 secp256k1 digest", "proxyKey ecdsa text secp256k1 digest"),
    ),
    "revolutx": _profile(field="privateKey", kinds="ed25519", uses=("privateKey eddsa text",)),
    "tokocrypto": _profile(),
    "toobit": _profile(),
    "upbit": _profile(),
    "weex": _profile(),
    "whitebit": _profile(uses=("secret hmac text sha512",)),
    "woo": _profile(),
    "woofipro": _profile(kinds="orderly", uses=("secret eddsa base58",)),
    "xt": _profile(),
    "zaif": _profile(uses=("secret hmac text sha512",)),
    "zebpay": _profile(),
}
"""By ccxt's id. Second keys (paradex' `starkKey`, dydx' `tradingKey`, polymarket's `proxyKey`) are fields of their own:
ccxt would derive them from the first, and what derives a key is not signed."""
