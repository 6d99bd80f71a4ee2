"""The synthetic PKI, once, the recorded evidence, when it is at hand, and a node to ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from citadel.attestation.crls import Crls
from citadel.attestation.nilcc import NilccVerifier, report_data_of
from citadel.attestation.vceks import Roots, Vceks, read_roots
from citadel.domain.attestation.verify import Evidence
from tests.citadel.attestation.peer import Peer, answer, nilcc
from tests.citadel.attestation.synth import NOW, Pki
from tests.contracts.support import data_folder


@pytest.fixture(scope="session")
def pki() -> Pki:
    """A Milan of ours. RSA-4096 keys take a second each, so all tests share them."""
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=4096) for _ in range(2)]
    return Pki(*keys)


@pytest.fixture(scope="session")
def turin(pki: Pki) -> Pki:
    """A Turin of ours, under the same keys and another root certificate."""
    return Pki(pki.ark_key, pki.ask_key, "Turin")


class Recorded(NamedTuple):
    """What real chips said, from ../shared/data/snp; PROVENANCE.md there says where it comes from."""

    folder: Path
    milan: Evidence
    debug: Evidence
    roots: dict[str, Roots]


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    data = data_folder()
    if data is None or not (data / "snp").is_dir():
        pytest.skip(
            "no recorded reports at hand (OBSCURA_DATA): the synthetic ones of the other tests stand in for them"
        )
    virtee, google = data / "snp" / "virtee", data / "snp" / "google"
    milan = read_roots((virtee / "cert_chain_milan").read_bytes())
    report = bytes.fromhex((virtee / "report_milan.hex").read_text())
    debug = (google / "attestation.bin").read_bytes()
    roots = {
        product.title(): read_roots(
            b"".join((virtee / f"builtin_{product}_{one}.pem").read_bytes() for one in ("ark", "ask"))
        )
        for product in ("milan", "genoa", "turin")
    }
    return Recorded(
        data / "snp",
        Evidence(report, (virtee / "vcek_milan.der").read_bytes(), *milan, obtained_at=NOW),
        Evidence(debug, (google / "vcek.der").read_bytes(), *milan, obtained_at=NOW),
        roots,
    )


@pytest.fixture
def peer() -> Iterator[Peer]:
    one = Peer()
    try:
        yield one
    finally:
        one.close()


@pytest.fixture(scope="session")
def crl(pki: Pki) -> bytes:
    """The fifth list of our root's. It names none of our certificates."""
    return pki.crl(99, number=5)


@pytest.fixture
def amd(crl: bytes) -> Iterator[Peer]:
    """AMD's service, which gives that list."""
    one = Peer()
    one.respond = answer(200, crl)
    try:
        yield one
    finally:
        one.close()


def lists(pki: Pki, amd: Peer, folder: Path, *, timeout: float = 5) -> Crls:
    """Lists of our root's, asked of our service."""
    base = f"https://127.0.0.1:{amd.port}"
    return Crls(folder, base=base, tls=amd.trust(), timeout=timeout, pins=pki.pins)


class Stand:
    """A verifier, the peer it asks, the KDS that knows one chip, and a clock that a test moves."""

    def __init__(self, pki: Pki, peer: Peer, amd: Peer, folder: Path) -> None:
        self.pki, self.peer, self.amd, self.now = pki, peer, amd, NOW
        self.crls = lists(pki, amd, folder / "crls")
        self.kds: list[str] = []
        self.vcek: bytes | None = pki.vcek()
        self.vceks = Vceks(folder / "vceks", opener=self._open, roots={"Milan": pki.roots}, pins=pki.pins)
        self.verifier = self.another()

    def another(self, **changes: Any) -> NilccVerifier:
        given = {
            "policy": self.pki.policy(),
            "vceks": self.vceks,
            "crls": self.crls,
            "tls": self.peer.trust(),
            "timeout": 5,
        }
        return NilccVerifier(clock=self._clock, **given | changes)

    def shows(self, **changes: Any) -> None:
        """The peer shows a report that vouches for its present key."""
        self.peer.respond = nilcc(self.pki.report(**{"report_data": report_data_of(self.peer.spki)} | changes))

    def attest(self) -> Any:
        return self.verifier.attest("127.0.0.1", self.peer.port)

    def _clock(self) -> datetime:
        return self.now

    def _open(self, url: str) -> bytes | None:
        self.kds.append(url)
        return self.vcek


@pytest.fixture
def stand(pki: Pki, peer: Peer, amd: Peer, tmp_path: Path) -> Stand:
    return Stand(pki, peer, amd, tmp_path)
