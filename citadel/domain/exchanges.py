"""Which exchanges there are and what each asks for: ccxt's record, completed by what ccxt does not say."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from citadel.domain.policy import HOSTS
from citadel.types import CredentialField, Exchange, FieldRule

COPIED = frozenset(venue for venue, _ in HOSTS)
"""Exchanges copies are placed at; keys of the others can be kept and checked, not yet traded with."""

LONGEST = 512
LONGEST_TEXT = 4096

_LABELS: dict[str, tuple[str, str, str]] = {
    "apiKey": ("API key", "text", "The public part of the key."),
    "secret": ("Secret", "password", "Shown once by the exchange, when the key is made."),
    "password": ("Passphrase", "password", "The passphrase you chose when you made the key."),
    "uid": ("User id", "text", "The number of your account at the exchange."),
    "accountId": ("Account id", "text", "The id of the account the key belongs to."),
    "login": ("Login", "text", "The name you sign in with at the exchange."),
    "twofa": ("Two-factor secret", "password", "The secret of the authenticator."),
    "token": ("Token", "password", "The access token."),
    "privateKey": ("Private key", "password", "Of a wallet that is used for trading alone."),
    "walletAddress": ("Wallet address", "text", "The public address of the wallet."),
}

_BINANCE = {
    "apiKey": ("API key", "text", "64 letters and digits. Allow trading; leave withdrawals and transfers off."),
    "secret": ("Secret key", "password", "64 letters and digits, of a key of the type HMAC (system generated)."),
}
_AGENT = {"privateKey": ("API wallet's private key", "password", "Of an API (agent) wallet: it cannot withdraw.")}

# What ccxt's declaration leaves out or calls by another name than the exchange does.
_ADDED: dict[str, tuple[str, ...]] = {
    "dydx": ("privateKey", "walletAddress"),
    "apex": ("seeds",),
    "lighter": ("accountIndex", "apiKeyIndex"),
}
_WORDS: dict[str, dict[str, tuple[str, str, str]]] = {
    "binance": _BINANCE,
    "binancecoinm": _BINANCE,
    "binanceusdm": _BINANCE,
    "hyperliquid": _AGENT | {"walletAddress": ("Account address", "text", "Of the account the API wallet trades for.")},
    "apex": {"seeds": ("Omni key seed", "password", "Orders are signed with it. It is shown beside the key.")},
    "lighter": {
        "accountIndex": ("Account index", "text", "The number of your account."),
        "apiKeyIndex": ("API key index", "text", "The number of the key within the account."),
    },
    "paradex": {
        "privateKey": ("Ethereum private key", "password", "Of the wallet the Paradex account was made with."),
        "walletAddress": ("Ethereum address", "text", "Of the same wallet."),
    },
    "coinbase": {
        "apiKey": ("API key name", "text", "organizations/…/apiKeys/…, as the CDP portal shows it."),
        "secret": ("Private key", "textarea", "The whole block, from BEGIN EC PRIVATE KEY to END."),
    },
    "ndax": {"password": ("Password", "password", "The one you sign in with at the exchange.")},
}

_KEY64 = ("[A-Za-z0-9]{64}", "64 letters and digits")
_HEX64 = ("(0x)?[0-9a-fA-F]{64}", "64 hexadecimal digits")
_ADDRESS = ("0x[0-9a-fA-F]{40}", "0x and 40 hexadecimal digits")
_NUMBER = ("[0-9]{1,10}", "a number")
_SHAPES: dict[str, dict[str, tuple[str, str]]] = {
    "binance": {"apiKey": _KEY64, "secret": _KEY64},
    "binancecoinm": {"apiKey": _KEY64, "secret": _KEY64},
    "binanceusdm": {"apiKey": _KEY64, "secret": _KEY64},
    "hyperliquid": {"privateKey": _HEX64, "walletAddress": _ADDRESS},
    "paradex": {"privateKey": _HEX64, "walletAddress": _ADDRESS},
    "dydx": {"privateKey": _HEX64, "walletAddress": ("dydx1[0-9a-z]{38}", "dydx1 and 38 more")},
    "lighter": {"accountIndex": _NUMBER, "apiKeyIndex": _NUMBER},
}


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field. The words never repeat what was entered."""

    field: str
    words: str


@cache
def exchanges() -> dict[str, Exchange]:
    """Every exchange by its code, in the order of the codes."""
    rows: dict[str, dict[str, Any]] = json.loads(resources.files("citadel").joinpath("exchanges.json").read_text())
    return {
        code: Exchange(code=code, copying=code in COPIED, **{**row, "required": tuple(row["required"])})
        for code, row in rows.items()
    }


def fields_of(code: str) -> list[CredentialField]:
    """The credential fields of an exchange, in the order a person fills them in.

    :raises KeyError: no such exchange
    """
    return list(_fields(code))


@cache
def _fields(code: str) -> tuple[CredentialField, ...]:
    names = (*exchanges()[code].required, *_ADDED.get(code, ()))
    words = _WORDS.get(code, {})
    return tuple(_field(code, name, *(words.get(name) or _LABELS[name])) for name in names)


def _field(code: str, name: str, label: str, kind: str, more: str) -> CredentialField:
    return CredentialField(name, label, kind, more, tuple(_rules(code, name, label, kind)))


def _rules(code: str, name: str, label: str, kind: str) -> Iterator[FieldRule]:
    many_lines = kind == "textarea"
    most = LONGEST_TEXT if many_lines else LONGEST
    yield FieldRule(r"[\s\S]+", f"{label} is missing.")
    yield FieldRule(rf"[\s\S]{{0,{most}}}", f"{label} has {{length}} characters; {most} is the most there can be.")
    if not many_lines:
        yield FieldRule(
            r"(?![\s\S]*PRIVATE KEY)[\s\S]*",
            f"{label} is a key file. Make a key with a plain secret (HMAC, system generated) and enter that.",
        )
    yield FieldRule(r"[\r\n -~]*" if many_lines else "[ -~]*", f"{label} has characters no key has. Copy it again.")
    if not many_lines:
        yield FieldRule("[^ ]*", f"{label} has a blank inside. Copy it again, whole and alone.")
    if shape := _SHAPES.get(code, {}).get(name):
        gives = f"{exchanges()[code].name} gives out: {shape[1]}."
        yield FieldRule(shape[0], f"{label} has {{length}} characters and is not what {gives}")


def cleaned(credentials: Mapping[str, object]) -> dict[str, object]:
    """The credentials without the blanks that come along when they are copied."""
    return {name: value.strip() if isinstance(value, str) else value for name, value in credentials.items()}


def faults(code: str, credentials: Mapping[str, object]) -> list[FieldFault]:
    """What is wrong with these (cleaned) credentials of an exchange; empty when nothing is.

    :raises KeyError: no such exchange
    """
    fields = {field.name: field for field in fields_of(code)}
    name = exchanges()[code].name
    found = [FieldFault(extra, f"{name} has no such field.") for extra in sorted(credentials.keys() - fields.keys())]
    for field in fields.values():
        words = _fault(field, credentials.get(field.name))
        if words:
            found.append(FieldFault(field.name, words))
    return found


def _fault(field: CredentialField, value: object) -> str:
    value = "" if value is None else value
    if not isinstance(value, str):
        return f"{field.label} must be a text."
    for rule in field.rules:
        if not re.fullmatch(rule.pattern, value, re.ASCII):
            return rule.words.replace("{length}", str(len(value)))
    return ""


def misnamed(code: str, names: Collection[str]) -> str:
    """What is wrong with the names of the fields that were sealed, in words; empty when nothing is.

    Names that are not the exchange's are not repeated: what was sealed elsewhere may have the wrong thing for a name.

    :raises KeyError: no such exchange
    """
    fields = fields_of(code)
    missing = [field.label for field in fields if field.name not in names]
    if missing:
        return (
            f"{exchanges()[code].name} asks for more: {', '.join(missing)}. Connect the account again with all of it."
        )
    if len(names) > len(fields):
        wanted = ", ".join(field.label for field in fields)
        return f"{exchanges()[code].name} asks for less: {wanted}. Connect the account again with nothing else."
    return ""
