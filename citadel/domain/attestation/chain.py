"""VCEK <- ASK <- ARK: whether a chip's certificate leads to a root of AMD's that is pinned here by its digest.

Which product a chain is for follows from the root alone, never from a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ObjectIdentifier

from citadel.domain.attestation.certificates import UNREADABLE, Certificate, check_issued, load, name_of
from citadel.domain.attestation.refusals import ChainExpired, ChainUntrusted, Revoked, VlekNotAccepted
from citadel.domain.attestation.report import Tcb
from citadel.domain.attestation.revocation import ListDates, RevocationList, read_list

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


class Endorsement(NamedTuple):
    """What AMD says of one chip at one state of its firmware. `chip_id` is padded to the 64 bytes of a report.

    :param listed: the dates of the revocation list that names none of the chain; None where there was no list
    """

    product: str
    tcb: Tcb
    chip_id: bytes
    key: ec.EllipticCurvePublicKey
    listed: ListDates | None = None


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
    product = _product(ark, pins)
    try:
        root, middle, leaf = load("ARK", ark), load("ASK", ask), load("VCEK", vcek)
        # From the root down: nothing but the signature is looked at in a certificate before it is known who wrote it.
        for one, by in ((root, root), (middle, root), (leaf, middle)):
            check_issued(one, by=by)
        if any("VLEK" in name_of(one) for one in (middle, leaf)):
            raise VlekNotAccepted
        for authority in (root, middle):
            _may_issue(authority)
        endorsement = _endorsement(leaf, product)
    except UNREADABLE as unreadable:
        raise ChainUntrusted(f"a certificate cannot be read: {unreadable}") from None
    for one in (root, middle, leaf):
        if not one.x509.not_valid_before_utc <= now <= one.x509.not_valid_after_utc:
            raise ChainExpired(f"{name_of(one)} until {one.x509.not_valid_after_utc:%Y-%m-%d}")
    if crl is None:
        return endorsement
    listed = read_list(crl, root=root)
    _not_named(listed, root, middle)
    listed.check_dates(now)
    return endorsement._replace(listed=listed.dates)


def read_crl(crl: bytes, *, ark: bytes, pins: Mapping[str, str] = AMD_PINS) -> RevocationList:
    """The revocation list of a pinned root, all DER, whether or not it is in date.

    :raises ChainUntrusted: the root is not pinned, or cannot be read
    :raises RevocationUnknown: the list is not the root's, or not all of it
    """
    _product(ark, pins)
    try:
        root = load("ARK", ark)
    except UNREADABLE as unreadable:
        raise ChainUntrusted(f"a certificate cannot be read: {unreadable}") from None
    return read_list(crl, root=root)


def check_not_named(listed: RevocationList, *, ask: bytes, ark: bytes) -> None:
    """Whether a list names a root or what it issued. Also one that is out of date: what was revoked stays revoked.

    :raises Revoked: it does
    :raises ChainUntrusted: a certificate cannot be read
    """
    try:
        chain = load("ARK", ark), load("ASK", ask)
    except UNREADABLE as unreadable:
        raise ChainUntrusted(f"a certificate cannot be read: {unreadable}") from None
    _not_named(listed, *chain)


def _product(ark: bytes, pins: Mapping[str, str]) -> str:
    digest = hashlib.sha256(ark).hexdigest()
    product = next((name for name, pin in pins.items() if pin == digest), None)
    if product is None:
        raise ChainUntrusted(f"ARK {digest} is not pinned")
    return product


def _not_named(listed: RevocationList, *chain: Certificate) -> None:
    # The list speaks of what the root issued: of the ASK. VCEKs share one serial number and cannot be listed;
    # AMD withdraws them by raising the TCB, which the policy's minimum answers.
    for one in chain:
        if listed.names(one):
            raise Revoked(name_of(one))


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
