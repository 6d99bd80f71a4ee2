"""Messages whose digest the signer computes or knows by heart: Hyperliquid's actions, and signatures that are keys."""

from __future__ import annotations

import re
from functools import cache

import coincurve
import msgpack

from citadel.signer.keccak import keccak256

_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}", re.ASCII)
_VAULT = re.compile(r"(0x)?[0-9a-fA-F]{40}", re.ASCII)

_MAINNETS_AND_TESTNETS = (1, 3, 4, 5, 17_000, 11_155_111)
"""Ethereum's chains. Under another chain id the same words derive a key that opens nothing."""


class Refused(Exception):
    """The message is not signed; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def address(text: str) -> str | None:
    """The Ethereum address of a private key in hexadecimal; None where it is no such key."""
    if not _KEY.fullmatch(text):
        return None
    try:
        key = coincurve.PrivateKey(bytes.fromhex(text[-64:]))
    except ValueError:  # zero, or not below the order
        return None
    return "0x" + keccak256(key.public_key.format(compressed=False)[1:])[-20:].hex()


def hyperliquid_digest(*, action: bytes, nonce: int, vault: str | None, expires: int | None, testnet: bool) -> bytes:
    """What an L1 action's signature is over: the action itself is given, so that it can be judged first.

    :raises Refused: code ``not_canonical``: the bytes are not the one way to write a map in msgpack, so what was judged
        and what the exchange reads might differ; ``bad_args``
    """
    if not 0 <= nonce < 1 << 64 or (expires is not None and not 0 <= expires < 1 << 64):
        raise Refused("bad_args")
    if vault is not None and not _VAULT.fullmatch(vault):
        raise Refused("bad_args")
    decoded = msgpack.unpackb(action, raw=False, strict_map_key=True)
    if not isinstance(decoded, dict) or msgpack.packb(decoded) != action:
        raise Refused("not_canonical")
    data = action + nonce.to_bytes(8, "big")
    data += b"\0" if vault is None else b"\1" + bytes.fromhex(vault[-40:])
    if expires is not None:
        data += b"\0" + expires.to_bytes(8, "big")
    agent = keccak256(b"Agent(string source,bytes32 connectionId)")
    source = keccak256(b"b" if testnet else b"a")
    return keccak256(b"\x19\x01" + _hyperliquid_domain() + keccak256(agent + source + keccak256(data)))


def check_no_key_derivation(digest: bytes) -> None:
    """Refuse a digest whose signature is itself a trading key: Paradex' "STARK Key", dYdX' onboarding.

    :raises Refused: code ``derives_key``
    """
    if digest in _key_derivations():
        raise Refused("derives_key")


@cache
def _hyperliquid_domain() -> bytes:
    kind = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    return keccak256(kind + keccak256(b"Exchange") + keccak256(b"1") + (1337).to_bytes(32, "big") + bytes(32))


@cache
def _key_derivations() -> frozenset[bytes]:
    paradex = keccak256(keccak256(b"Constant(string action)") + keccak256(b"STARK Key"))
    dydx = keccak256(keccak256(b"dYdX(string action)") + keccak256(b"dYdX Chain Onboarding"))
    versioned = keccak256(b"EIP712Domain(string name,string version,uint256 chainId)")
    plain = keccak256(b"EIP712Domain(string name,uint256 chainId)")
    digests = set()
    for chain in _MAINNETS_AND_TESTNETS:
        number = chain.to_bytes(32, "big")
        domain = keccak256(versioned + keccak256(b"Paradex") + keccak256(b"1") + number)
        digests.add(keccak256(b"\x19\x01" + domain + paradex))
        domain = keccak256(plain + keccak256(b"dYdX Chain") + number)
        digests.add(keccak256(b"\x19\x01" + domain + dydx))
    return frozenset(digests)
