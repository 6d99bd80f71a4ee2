"""One X.509 certificate as AMD issues it: the bytes that were signed, and by whom.

Every signature is RSA-PSS with SHA-384.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from citadel.domain.attestation.refusals import AttestationRefused, ChainUntrusted

UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)
"""What the parser raises for bytes that are none of what they should be."""

_PSS = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=48)
_HEADER, _SERIAL = 4, 15
"""Bytes before what is signed and before the serial number's one byte, in a certificate whose lengths are spelt in two
bytes, as they are with RSA-4096."""
_BITS = bytes.fromhex("0382020100")
"""The head of a signature of 512 bytes."""


class Certificate(NamedTuple):
    """A parsed certificate by its role, the bytes its issuer signed, and those between them and the signature."""

    role: str
    x509: x509.Certificate
    signed: bytes
    between: bytes


def load(role: str, der: bytes) -> Certificate:
    """A certificate, not believed yet.

    :raises UNREADABLE: it is none
    """
    # Every VCEK has the serial number 0, which X.509 forbids: cryptography warns, and will refuse. The warning could
    # be silenced only for all threads at once, so it is given a copy with number 1, which is as long. The signature
    # is checked over the bytes as they came.
    if der[_SERIAL - 7 : _SERIAL + 1] == bytes.fromhex("a003020102020100"):
        one = x509.load_der_x509_certificate(der[:_SERIAL] + b"\x01" + der[_SERIAL + 1 :])
        signed = one.tbs_certificate_bytes
        signed = signed[: _SERIAL - _HEADER] + b"\0" + signed[_SERIAL - _HEADER + 1 :]
    else:
        one = x509.load_der_x509_certificate(der)
        signed = one.tbs_certificate_bytes
    return Certificate(role, one, signed, der[_HEADER + len(signed) : len(der) - len(one.signature)])


def check_issued(one: Certificate, *, by: Certificate) -> None:
    """:raises ChainUntrusted: `by` did not issue this"""
    if one.x509.signature_algorithm_oid != SignatureAlgorithmOID.RSASSA_PSS or not repeats(one.between, one.signed):
        raise ChainUntrusted(f"the {one.role} is not signed with RSA-PSS of 4096 bits, and with nothing else")
    check_signed(by, one.x509.signature, one.signed, ChainUntrusted(f"the signature on the {one.role} is wrong"))
    if one.x509.issuer != by.x509.subject:
        raise ChainUntrusted(f"the {one.role} was not issued by {name_of(by)}")


def repeats(between: bytes, signed: bytes) -> bool:
    """Whether what stands between a text and its signature, and is signed by nobody, says what the text says.

    It has to repeat the algorithm within, and to begin 512 whole bytes.
    """
    algorithm = between.removesuffix(_BITS)
    return algorithm not in (b"", between) and algorithm in signed


def check_signed(by: Certificate, signature: bytes, what: bytes, refusal: AttestationRefused) -> None:
    """Whether `by` signed this.

    :raises AttestationRefused: `refusal`: it did not
    :raises ChainUntrusted: it has no key that may
    """
    key = by.x509.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != 4096:
        raise ChainUntrusted(f"the {by.role} has no RSA-4096 key")
    try:
        key.verify(signature, what, _PSS, SHA384())
    except InvalidSignature:
        raise refusal from None


def name_of(one: Certificate) -> str:
    """The common name of whom it is for."""
    return ", ".join(str(part.value) for part in one.x509.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
