"""A PKI in AMD's shape whose keys we hold, and reports signed under it: what a chip would say, if it were ours."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from citadel.attestation.vceks import Roots
from citadel.domain.attestation.chain import AMD
from citadel.domain.attestation.policy import ReleasePolicy
from citadel.domain.attestation.report import Tcb

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
YEARS = timedelta(days=365 * 20)
CHIP = bytes(range(1, 65))
TCB = Tcb(bootloader=4, tee=0, snp=22, microcode=213)
MEASUREMENT = bytes.fromhex("5a" * 48)
REPORT_DATA = bytes.fromhex("c3" * 64)
PSS = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=48)
LEVELS = {"bootloader": "3.1", "tee": "3.2", "snp": "3.3", "microcode": "3.8"}


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def integer(value: int) -> bytes:
    return bytes([2, 1, value]) if value < 128 else bytes([2, 2, 0, value])


def text(value: str) -> bytes:
    return bytes([0x16, len(value)]) + value.encode()


def extensions(*, product: str = "Milan-B0", tcb: Tcb = TCB, chip: bytes = CHIP) -> dict[str, bytes]:
    """What AMD writes into a VCEK, by the end of the OID."""
    parts = {"1": integer(1), "2": text(product), "4": chip}
    parts |= {oid: integer(getattr(tcb, part)) for part, oid in LEVELS.items()}
    return parts | ({"3.9": integer(tcb.fmc)} if product.startswith("Turin") else {})


@dataclass(frozen=True)
class Pki:
    """One product's root, ASK, and one chip's key. The RSA keys are slow to make and shared by all products."""

    ark_key: rsa.RSAPrivateKey
    ask_key: rsa.RSAPrivateKey
    product: str = "Milan"
    chip_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    @cached_property
    def roots(self) -> Roots:
        return Roots(self.ask(), self.authority(self.ark_name, self.ark_name, self.ark_key, self.ark_key))

    @cached_property
    def pins(self) -> Mapping[str, str]:
        return {self.product: hashlib.sha256(self.roots.ark).hexdigest()}

    @property
    def ark_name(self) -> str:
        return f"ARK-{self.product}"

    def ask(self, common: str = "", **changes: Any) -> bytes:
        return self.authority(common or f"SEV-{self.product}", self.ark_name, self.ask_key, self.ark_key, **changes)

    def authority(
        self,
        common: str,
        issuer: str,
        key: rsa.RSAPrivateKey,
        by: rsa.RSAPrivateKey,
        *,
        ca: bool = True,
        serial: int = 7,
    ) -> bytes:
        builder = self._builder(common, issuer, key.public_key()).serial_number(serial)
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        )
        signs = x509.KeyUsage(key_cert_sign=ca, crl_sign=True, encipher_only=False, decipher_only=False, **usage)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        return self._sign(builder.add_extension(signs, critical=True), by)

    def vcek(
        self,
        parts: Mapping[str, bytes] | None = None,
        *,
        common: str = "SEV-VCEK",
        issuer: str = "",
        key: Any = None,
        by: rsa.RSAPrivateKey | None = None,
        until: datetime = NOW + YEARS,
        pss: bool = True,
    ) -> bytes:
        """A chip's certificate with the serial number 0, as AMD's have."""
        signer = by or self.ask_key
        public = (key or self.chip_key).public_key()
        builder = self._builder(common, issuer or f"SEV-{self.product}", public, until).serial_number(1)
        for oid, value in (parts or extensions()).items():
            extension = x509.UnrecognizedExtension(ObjectIdentifier(AMD + oid), value)
            builder = builder.add_extension(extension, critical=False)
        return unnumbered(self._sign(builder, signer, pss=pss), signer)

    def crl(
        self,
        *serials: int,
        issued: datetime = NOW - timedelta(days=1),
        until: datetime = NOW + timedelta(days=30),
        number: int | None = None,
        common: str = "",
        by: Any = None,
        more: tuple[tuple[x509.ExtensionType, bool], ...] = (),
        pss: bool = True,
    ) -> bytes:
        """What the root has revoked; `more` extensions with whether they are critical."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(name(common or self.ark_name))
        builder = builder.last_update(issued).next_update(until)
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        for extension, critical in more:
            builder = builder.add_extension(extension, critical=critical)
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW).build()
            builder = builder.add_revoked_certificate(revoked)
        signed = builder.sign(by or self.ark_key, SHA384(), rsa_padding=PSS if pss else padding.PKCS1v15())
        return signed.public_bytes(Encoding.DER)

    def report(self, key: ec.EllipticCurvePrivateKey | None = None, **changes: Any) -> bytes:
        return signed(body(**changes), key or self.chip_key)

    def policy(self, **changes: Any) -> ReleasePolicy:
        """The policy under which `report` is accepted, with the pin of this root."""
        given: dict[str, Any] = {
            "products": frozenset({self.product}),
            "measurements": frozenset({MEASUREMENT}),
            "minimum_tcb": {self.product: TCB},
            "vmpls": frozenset({1}),
            "smt_allowed": True,
            "pins": self.pins,
        }
        return ReleasePolicy(**given | changes)

    @staticmethod
    def _builder(common: str, issuer: str, key: Any, until: datetime = NOW + YEARS) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(name(common)).issuer_name(name(issuer)).public_key(key)
        return builder.not_valid_before(NOW - timedelta(days=30)).not_valid_after(until)

    @staticmethod
    def _sign(builder: x509.CertificateBuilder, key: rsa.RSAPrivateKey, *, pss: bool = True) -> bytes:
        certificate = builder.sign(key, SHA384(), rsa_padding=PSS if pss else padding.PKCS1v15())
        return certificate.public_bytes(Encoding.DER)


def unnumbered(der: bytes, key: rsa.RSAPrivateKey) -> bytes:
    """The same certificate with the serial number 0, which no builder writes: altered, and signed again."""
    certificate = x509.load_der_x509_certificate(der)
    before = certificate.tbs_certificate_bytes
    after = before.replace(bytes.fromhex("a003020102020101"), bytes.fromhex("a003020102020100"), 1)
    assert after != before
    return der.replace(before, after).replace(certificate.signature, key.sign(after, PSS, SHA384()))


def raw_tcb(tcb: Tcb, *, turin: bool = False) -> bytes:
    if turin:
        return bytes([tcb.fmc, tcb.bootloader, tcb.tee, tcb.snp, 0, 0, 0, tcb.microcode])
    return bytes([tcb.bootloader, tcb.tee, 0, 0, 0, 0, tcb.snp, tcb.microcode])


def body(
    *,
    version: int = 3,
    policy: int = 0x30000,
    vmpl: int = 1,
    algorithm: int = 1,
    platform: int = 1,
    key_info: int = 0,
    report_data: bytes = REPORT_DATA,
    measurement: bytes = MEASUREMENT,
    tcb: Tcb = TCB,
    committed: Tcb | None = None,
    launch: Tcb | None = None,
    cpu: tuple[int, int, int] = (0x19, 1, 1),
    chip: bytes = CHIP,
    mitigations: tuple[int, int] = (0, 0),
) -> bytes:
    """The 672 bytes that a chip signs."""
    turin = cpu[0] == 0x1A
    raw = bytearray(0x2A0)
    struct.pack_into("<IIQ16s16sII", raw, 0, version, 2, policy, b"family", b"image", vmpl, algorithm)
    raw[0x38:0x40] = raw_tcb(tcb, turin=turin)
    struct.pack_into("<QI", raw, 0x40, platform, key_info)
    raw[0x50:0x90], raw[0x90:0xC0] = report_data, measurement
    raw[0xC0:0xE0], raw[0xE0:0x110], raw[0x110:0x140] = b"h" * 32, b"i" * 48, b"a" * 48
    raw[0x140:0x160], raw[0x160:0x180] = b"r" * 32, b"\xff" * 32
    raw[0x180:0x188] = raw_tcb(tcb, turin=turin)
    if version > 2:
        raw[0x188:0x18B] = bytes(cpu)
    raw[0x1A0:0x1E0] = chip.ljust(64, b"\0")
    raw[0x1E0:0x1E8] = raw_tcb(committed or tcb, turin=turin)
    raw[0x1E8:0x1F0] = bytes([31, 55, 1, 0, 30, 55, 1, 0])
    raw[0x1F0:0x1F8] = raw_tcb(launch or tcb, turin=turin)
    if version >= 5:
        struct.pack_into("<QQ", raw, 0x1F8, *mitigations)
    return bytes(raw)


def signed(what: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A whole report: the numbers of the signature little-endian, each filled up to 72 bytes."""
    numbers = decode_dss_signature(key.sign(what, ec.ECDSA(SHA384())))
    return what + b"".join(number.to_bytes(72, "little") for number in numbers) + bytes(368)


def spki(key: Any) -> bytes:
    der: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def flipped(raw: bytes, at: int, mask: int = 1) -> bytes:
    return raw[:at] + bytes([raw[at] ^ mask]) + raw[at + 1 :]
