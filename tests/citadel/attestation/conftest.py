"""The synthetic PKI, once, and the recorded evidence, when it is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from citadel.attestation.vceks import Roots, read_roots
from citadel.domain.attestation.verify import Evidence
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
