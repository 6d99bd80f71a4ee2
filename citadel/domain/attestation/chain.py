"""VCEK <- ASK <- ARK: whether a chip's certificate leads to a root of AMD's that is pinned here by its digest.

Every signature is RSA-PSS with SHA-384. Which product a chain is for follows from the root alone, never from a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.x509.oid import NameOID, ObjectIdentifier, SignatureAlgorithmOID

from citadel.domain.attestation.refusals import (
    ChainExpired,
    ChainUntrusted,
    RevocationUnknown,
    Revoked,
    VlekNotAccepted,
)
from citadel.domain.attestation.report import Tcb

AMD_PINS: Mapping[str, str] = MappingProxyType(
    {
        "Milan": "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
        "Genoa": "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
        "Turin": "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
    }
)
"""SHA-256 of each ARK's DER, from the certificates that AMD publishes; they lie in citadel/attestation_roots."""

AMD = "1.3.6.1.4.1.3704.1."
CHIP_ID = 64

_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)
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


class Endorsement(NamedTuple):
    """What AMD says of one chip at one state of its firmware. `chip_id` is padded to the 64 bytes of a report."""

    product: str
    tcb: Tcb
    chip_id: bytes
    key: ec.EllipticCurvePublicKey


def verify_chain(
    *,
    vcek: bytes,
    ask: bytes,
    ark: bytes,
    now: datetime,
    pins: Mapping[str, str] = AMD_PINS,
    crl: bytes | None = None,
) -> Endorsement:
    """What the VCEK vouches for. All certificates, and the ARK's revocation list where there is one, are DER.

    :raises ChainUntrusted: the root is not pinned, a signature is wrong, or a certificate is not what AMD issues
    :raises VlekNotAccepted: the key is a cloud's and not a chip's
    :raises ChainExpired: one of them is not valid at `now`
    :raises RevocationUnknown, Revoked: what the revocation list says
    """
    digest = hashlib.sha256(ark).hexdigest()
    product = next((name for name, pin in pins.items() if pin == digest), None)
    if product is None:
        raise ChainUntrusted(f"ARK {digest} is not pinned")
    try:
        root, middle, leaf = _load("ARK", ark), _load("ASK", ask), _load("VCEK", vcek)
        # From the root down: nothing but the signature is looked at in a certificate before it is known who wrote it.
        for one, by in ((root, root), (middle, root), (leaf, middle)):
            _issued(one, by=by)
        if any("VLEK" in _name(one.x509.subject) for one in (middle, leaf)):
            raise VlekNotAccepted
        for authority in (root, middle):
            _may_issue(authority)
        endorsement = _endorsement(leaf, product)
    except _UNREADABLE as unreadable:
        raise ChainUntrusted(f"a certificate cannot be read: {unreadable}") from None
    for one in (root, middle, leaf):
        if not one.x509.not_valid_before_utc <= now <= one.x509.not_valid_after_utc:
            raise ChainExpired(f"{_name(one.x509.subject)} until {one.x509.not_valid_after_utc:%Y-%m-%d}")
    if crl is not None:
        _not_revoked(crl, root=root, issued=middle, now=now)
    return endorsement


def _load(role: str, der: bytes) -> Certificate:
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


def _issued(one: Certificate, *, by: Certificate) -> None:
    # What stands between is signed by nobody: it has to repeat the algorithm within, and to begin 512 whole bytes.
    algorithm = one.between.removesuffix(_BITS)
    if one.x509.signature_algorithm_oid != SignatureAlgorithmOID.RSASSA_PSS or algorithm == one.between:
        raise ChainUntrusted(f"the {one.role} is not signed with RSA-PSS of 4096 bits")
    if not algorithm or algorithm not in one.signed:
        raise ChainUntrusted(f"the {one.role} names two signature algorithms")
    _signed(by, one.x509.signature, one.signed, ChainUntrusted(f"the signature on the {one.role} is wrong"))
    if one.x509.issuer != by.x509.subject:
        raise ChainUntrusted(f"the {one.role} was not issued by {_name(by.x509.subject)}")


def _signed(by: Certificate, signature: bytes, what: bytes, refusal: ChainUntrusted | RevocationUnknown) -> None:
    key = by.x509.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != 4096:
        raise ChainUntrusted(f"the {by.role} has no RSA-4096 key")
    try:
        key.verify(signature, what, _PSS, SHA384())
    except InvalidSignature:
        raise refusal from None


def _may_issue(authority: Certificate) -> None:
    extensions = authority.x509.extensions
    try:
        may = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        may = may and extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        may = False
    if not may:
        raise ChainUntrusted(f"the {authority.role} may not issue certificates")


def _endorsement(leaf: Certificate, product: str) -> Endorsement:
    key = leaf.x509.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise ChainUntrusted("the VCEK has no P-384 key")
    # A product may be followed by a stepping: "Milan-B0".
    if _text(_extension(leaf, "2")).partition("-")[0] != product:
        raise ChainUntrusted(f"the VCEK is not for {product}")
    levels = {"bootloader": "3.1", "tee": "3.2", "snp": "3.3", "microcode": "3.8"}
    if product == "Turin":
        levels["fmc"] = "3.9"
    tcb = Tcb(**{name: _level(_extension(leaf, oid)) for name, oid in levels.items()})
    return Endorsement(product, tcb, _chip_id(_extension(leaf, "4"), product), key)


def _extension(leaf: Certificate, oid: str) -> bytes:
    try:
        found = leaf.x509.extensions.get_extension_for_oid(ObjectIdentifier(AMD + oid)).value
    except x509.ExtensionNotFound:
        raise ChainUntrusted(f"the VCEK lacks {AMD}{oid}") from None
    if not isinstance(found, x509.UnrecognizedExtension):
        raise ChainUntrusted(f"{AMD}{oid} cannot be read")
    return found.value


def _text(der: bytes) -> str:
    if der[:1] != b"\x16" or der[1:2] != bytes([len(der) - 2]):
        raise ChainUntrusted("the product's name is no IA5String")
    return der[2:].decode("ascii")


def _level(der: bytes) -> int:
    """A DER INTEGER from 0 to 255; those above 127 have a leading zero byte."""
    value = int.from_bytes(der[2:], "big")
    if value > 255 or der != (bytes([2, 1, value]) if value < 128 else bytes([2, 2, 0, value])):
        raise ChainUntrusted(f"security version {der.hex()}")
    return value


def _chip_id(value: bytes, product: str) -> bytes:
    # AMD puts the raw bytes there, some issues an OCTET STRING around them.
    if len(value) in (10, CHIP_ID + 2) and value[:2] == bytes([4, len(value) - 2]):
        value = value[2:]
    if len(value) != CHIP_ID and not (product == "Turin" and len(value) == 8):
        raise ChainUntrusted(f"a chip id of {len(value)} bytes")
    return value.ljust(CHIP_ID, b"\0")


def _not_revoked(der: bytes, *, root: Certificate, issued: Certificate, now: datetime) -> None:
    try:
        crl = x509.load_der_x509_crl(der)
        if crl.issuer != root.x509.subject or crl.signature_algorithm_oid != SignatureAlgorithmOID.RSASSA_PSS:
            raise RevocationUnknown("of another issuer")
        _signed(root, crl.signature, crl.tbs_certlist_bytes, RevocationUnknown("its signature is wrong"))
        if crl.next_update_utc is None or not crl.last_update_utc <= now <= crl.next_update_utc:
            raise RevocationUnknown(f"it was to be renewed {crl.next_update_utc}")
        # The list speaks of what the root issued: of the ASK. VCEKs share one serial number and cannot be listed;
        # AMD withdraws them by raising the TCB, which the policy's minimum answers.
        listed = crl.get_revoked_certificate_by_serial_number
        revoked = [one for one in (root, issued) if listed(one.x509.serial_number) is not None]
    except _UNREADABLE as unreadable:
        raise RevocationUnknown(f"it cannot be read: {unreadable}") from None
    if revoked:
        raise Revoked(_name(revoked[0].x509.subject))


def _name(name: x509.Name) -> str:
    return ", ".join(str(one.value) for one in name.get_attributes_for_oid(NameOID.COMMON_NAME))
