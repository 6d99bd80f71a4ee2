"""The 1184 bytes of an SEV-SNP attestation report, versions 2, 3 and 5, read strictly. Nothing is authenticated here.

Layout after AMD's "SEV Secure Nested Paging Firmware ABI" (56860), table ATTESTATION_REPORT. A report is read before
its signature is checked, so every byte that the ABI reserves must be zero: what a later firmware puts there would
otherwise be signed and unread.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from citadel.domain.attestation.refusals import ReportMalformed

SIZE, SIGNED, COMPONENT = 1184, 0x2A0, 72
SCALAR = 48
"""Bytes of a P-384 number; the rest of a `COMPONENT` is zero."""

ECDSA_P384_SHA384 = 1
TURIN_FAMILY = 0x1A

_RESERVED = {
    2: ((0x188, 0x1A0), (0x1F8, SIGNED)),
    3: ((0x18B, 0x1A0), (0x1F8, SIGNED)),
    5: ((0x18B, 0x1A0), (0x208, SIGNED)),
}
_ALWAYS_RESERVED = ((0x4C, 0x50), (0x1EB, 0x1EC), (0x1EF, 0x1F0), (SIGNED + 2 * COMPONENT, SIZE))
_POLICY_BITS, _KEY_BITS = 26, 5


class Signer(IntEnum):
    """Which key signed. Every other number is reserved."""

    VCEK = 0
    VLEK = 1
    NONE = 7


class Tcb(NamedTuple):
    """Security versions of a machine's firmware. `fmc` is there since Turin and zero before."""

    bootloader: int
    tee: int
    snp: int
    microcode: int
    fmc: int = 0

    def reaches(self, minimum: Tcb) -> bool:
        """Whether no part is older than in `minimum`. A newer part does not make up for an older one."""
        return all(have >= least for have, least in zip(self, minimum, strict=True))

    def __str__(self) -> str:
        return f"bl{self.bootloader} tee{self.tee} snp{self.snp} ucode{self.microcode} fmc{self.fmc}"


class Policy(NamedTuple):
    """What the owner of the guest let the host do, set at launch."""

    bits: int

    @property
    def valid(self) -> bool:
        return bool(self.bits >> 17 & 1)

    @property
    def smt(self) -> bool:
        return bool(self.bits >> 16 & 1)

    @property
    def migration(self) -> bool:
        return bool(self.bits >> 18 & 1)

    @property
    def debug(self) -> bool:
        return bool(self.bits >> 19 & 1)


@dataclass(frozen=True)
class Report:
    """A report that has the right form. The TCB fields are raw: what their bytes mean depends on the product."""

    signed: bytes
    r: int
    s: int
    version: int
    guest_svn: int
    policy: Policy
    family_id: bytes
    image_id: bytes
    vmpl: int
    current_tcb: bytes
    platform_info: int
    author_key: bool
    chip_masked: bool
    signer: Signer
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: bytes
    family: int | None
    model: int | None
    stepping: int | None
    chip_id: bytes
    committed_tcb: bytes
    current_version: tuple[int, int, int]
    committed_version: tuple[int, int, int]
    launch_tcb: bytes
    launch_mitigations: int | None
    current_mitigations: int | None


def parse_report(raw: bytes) -> Report:
    """The fields of a report.

    :raises ReportMalformed: another length, version or algorithm, or a reserved byte, bit or value in use
    """
    if len(raw) != SIZE:
        raise ReportMalformed(f"{len(raw)} bytes, not {SIZE}")
    version, guest_svn, policy = struct.unpack_from("<IIQ", raw, 0x00)
    if version not in _RESERVED:
        raise ReportMalformed(f"version {version}")
    for start, end in (*_ALWAYS_RESERVED, *_RESERVED[version]):
        _zero(raw, start, end)
    vmpl, algorithm = struct.unpack_from("<II", raw, 0x30)
    # Reserved bits of PLATFORM_INFO are met in the field, as firmware grows ahead of the ABI's text; it allows nothing.
    platform_info, key_info = struct.unpack_from("<QI", raw, 0x40)
    if algorithm != ECDSA_P384_SHA384:
        raise ReportMalformed(f"signature algorithm {algorithm}")
    if policy >> _POLICY_BITS or key_info >> _KEY_BITS:
        raise ReportMalformed(f"guest policy {policy:#x}, key info {key_info:#x}: a reserved bit is set")
    number = key_info >> 2 & 7
    if number not in Signer.__members__.values():
        raise ReportMalformed(f"signing key {number}")
    return Report(
        signed=raw[:SIGNED],
        r=_scalar(raw, SIGNED),
        s=_scalar(raw, SIGNED + COMPONENT),
        version=version,
        guest_svn=guest_svn,
        policy=Policy(policy),
        family_id=raw[0x10:0x20],
        image_id=raw[0x20:0x30],
        vmpl=vmpl,
        current_tcb=raw[0x38:0x40],
        platform_info=platform_info,
        author_key=bool(key_info & 1),
        chip_masked=bool(key_info >> 1 & 1),
        signer=Signer(number),
        report_data=raw[0x50:0x90],
        measurement=raw[0x90:0xC0],
        host_data=raw[0xC0:0xE0],
        id_key_digest=raw[0xE0:0x110],
        author_key_digest=raw[0x110:0x140],
        report_id=raw[0x140:0x160],
        report_id_ma=raw[0x160:0x180],
        reported_tcb=raw[0x180:0x188],
        family=raw[0x188] if version > 2 else None,
        model=raw[0x189] if version > 2 else None,
        stepping=raw[0x18A] if version > 2 else None,
        chip_id=raw[0x1A0:0x1E0],
        committed_tcb=raw[0x1E0:0x1E8],
        current_version=(raw[0x1EA], raw[0x1E9], raw[0x1E8]),
        committed_version=(raw[0x1EE], raw[0x1ED], raw[0x1EC]),
        launch_tcb=raw[0x1F0:0x1F8],
        launch_mitigations=_number(raw, 0x1F8) if version >= 5 else None,
        current_mitigations=_number(raw, 0x200) if version >= 5 else None,
    )


def read_tcb(raw: bytes, product: str) -> Tcb:
    """The security versions in eight bytes of a report from this product.

    :raises ReportMalformed: a byte is in use that this product reserves
    """
    if product == "Turin":
        fmc, bootloader, tee, snp, *reserved, microcode = raw
        tcb = Tcb(bootloader, tee, snp, microcode, fmc)
    else:
        bootloader, tee, *reserved, snp, microcode = raw
        tcb = Tcb(bootloader, tee, snp, microcode)
    if any(reserved):
        raise ReportMalformed(f"TCB {raw.hex()} of {product}: a reserved byte is set")
    return tcb


def products_of(report: Report) -> tuple[str, ...]:
    """The products this report can come from, likeliest first. A guess for fetching certificates: the chain decides.

    Version 2 does not name the processor: Turin alone has chip ids of eight bytes, Milan and Genoa look the same.
    """
    if report.family is None or report.model is None:
        return ("Milan", "Genoa") if any(report.chip_id[8:]) else ("Turin",)
    if report.family == TURIN_FAMILY:
        return ("Turin",)
    return ("Milan",) if report.model < 0x10 else ("Genoa",)


def _zero(raw: bytes, start: int, end: int) -> None:
    if raw.count(0, start, end) != end - start:
        raise ReportMalformed(f"a reserved byte in {start:#x}..{end - 1:#x} is set")


def _scalar(raw: bytes, start: int) -> int:
    _zero(raw, start + SCALAR, start + COMPONENT)
    return int.from_bytes(raw[start : start + SCALAR], "little")


def _number(raw: bytes, start: int) -> int:
    return int.from_bytes(raw[start : start + 8], "little")
