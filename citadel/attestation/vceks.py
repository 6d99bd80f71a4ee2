"""Certificates of chips: from a folder, else from AMD's Key Distribution Service, once for each chip and firmware."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from citadel.attestation import files, kds
from citadel.attestation.https import Away, TooLong
from citadel.attestation.kds import KDS
from citadel.domain.attestation.chain import AMD_PINS, verify_chain
from citadel.domain.attestation.refusals import AttestationRefused
from citadel.domain.attestation.report import Report, Tcb, products_of, read_tcb
from citadel.domain.attestation.verify import check_binding

LIMIT = 16 << 10
ROOTS_FOLDER = Path(__file__).resolve().parents[1] / "attestation_roots"

Opener = Callable[[str], bytes | None]
"""From a URL to what is there; None where there is nothing. Raises `VcekUnavailable` where nobody answers."""


class VcekUnavailable(Exception):
    """The chip's certificate is neither in the folder nor to be had from AMD. Nothing is decided; ask again later, or
    put the certificate into the folder by hand."""

    code = "vcek_unavailable"


class Roots(NamedTuple):
    """The two certificates above a VCEK, DER."""

    ask: bytes
    ark: bytes


class Found(NamedTuple):
    """A chip's certificate and what it is to be checked by."""

    product: str
    vcek: bytes
    roots: Roots


@cache
def shipped_roots() -> Mapping[str, Roots]:
    """AMD's certificates by product, from the files beside this package. Their pins decide whether they are believed.

    :raises OSError, ValueError: the installation is damaged
    """
    return MappingProxyType(
        {product: read_roots((ROOTS_FOLDER / f"{product.lower()}.pem").read_bytes()) for product in AMD_PINS}
    )


def read_roots(pem: bytes) -> Roots:
    """ASK and ARK from one PEM text, in either order.

    :raises ValueError: it is not one self-issued certificate and one other
    """
    both = x509.load_pem_x509_certificates(pem)
    roots = [one.public_bytes(Encoding.DER) for one in both if one.issuer == one.subject]
    others = [one.public_bytes(Encoding.DER) for one in both if one.issuer != one.subject]
    if len(roots) != 1 or len(others) != 1:
        raise ValueError("a chain is the ASK and the ARK, one each")
    return Roots(others[0], roots[0])


def from_kds(url: str, *, tls: ssl.SSLContext | None = None) -> bytes | None:
    """What AMD's service has at a URL; None where it knows no such chip.

    :param tls: whose names are believed; the system's trust where none is given
    :raises VcekUnavailable: no answer, or none that can be used
    """
    try:
        status, body = kds.get(url, limit=LIMIT, tls=tls)
    except (Away, TooLong) as failed:
        raise VcekUnavailable(f"AMD's service does not answer: {failed}") from None
    if status == 404:
        return None
    if status != 200:  # 429 among them: the service allows few questions
        raise VcekUnavailable(f"AMD's service answers {status}")
    return body


def kds_url(product: str, report: Report, base: str = KDS) -> str:
    """Where AMD keeps the VCEK that signs for this chip at the TCB it reports.

    :raises ReportMalformed: the TCB is none of this product
    """
    tcb = read_tcb(report.reported_tcb, product)
    hwid = report.chip_id[:8] if product == "Turin" else report.chip_id
    return f"{base}/vcek/v1/{product}/{hwid.hex()}?{_query(product, tcb)}"


class Vceks:
    """The certificates of chips, kept in a folder of their own that only this user may write."""

    def __init__(
        self,
        folder: Path,
        *,
        opener: Opener = from_kds,
        roots: Mapping[str, Roots] | None = None,
        pins: Mapping[str, str] = AMD_PINS,
        base: str = KDS,
    ) -> None:
        """:param base: where AMD's service is"""
        self._folder, self._opener, self._pins, self._base = folder, opener, pins, base
        self._roots = shipped_roots() if roots is None else roots
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def find(self, report: Report, *, products: Collection[str], now: datetime) -> Found:
        """The certificate for this report's chip and TCB, of one of `products`. It is still to be verified.

        :raises VcekUnavailable: it is not here, and AMD does not answer or does not know it
        :raises ReportMalformed: the TCB is none that such a chip reports
        """
        # A generation that the policy does not allow is looked for as well: the refusal then says what is the matter.
        named = [product for product in products_of(report) if product in self._roots]
        for product in sorted(named, key=lambda one: one not in products):
            path = self._folder / f"{product}-{report.chip_id.hex()}-{report.reported_tcb.hex()}.der"
            roots = self._roots[product]
            if path.is_file() and self._fits(kept := path.read_bytes(), roots, report, now):
                return Found(product, kept, roots)
            vcek = self._opener(kds_url(product, report, self._base))
            if vcek is None:
                continue
            if self._fits(vcek, roots, report, now):
                files.replace(path, vcek)
            return Found(product, vcek, roots)
        raise VcekUnavailable(f"AMD knows no chip {report.chip_id.hex()[:16]} with TCB {report.reported_tcb.hex()}")

    def _fits(self, vcek: bytes, roots: Roots, report: Report, now: datetime) -> bool:
        """A file that was damaged, or has expired, is fetched anew; what does not fit is never kept."""
        try:
            check_binding(report, verify_chain(vcek=vcek, ask=roots.ask, ark=roots.ark, now=now, pins=self._pins))
        except AttestationRefused:
            return False
        return True


def _query(product: str, tcb: Tcb) -> str:
    fmc = f"&fmcSPL={tcb.fmc:02}" if product == "Turin" else ""
    return f"blSPL={tcb.bootloader:02}&teeSPL={tcb.tee:02}&snpSPL={tcb.snp:02}&ucodeSPL={tcb.microcode:02}{fmc}"
