"""A chip's certificate is asked of AMD once, and kept only when it fits the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadel.attestation import kds
from citadel.attestation.vceks import LIMIT, Found, Vceks, VcekUnavailable, from_kds, kds_url
from citadel.domain.attestation.report import Tcb, parse_report
from tests.citadel.attestation.peer import Peer, answer
from tests.citadel.attestation.synth import CHIP, NOW, TCB, YEARS, Pki, extensions


class Kds:
    """AMD's service, as a dictionary of what follows the product in its URLs."""

    def __init__(self, **known: bytes) -> None:
        self.known, self.asked = known, []

    def __call__(self, url: str) -> bytes | None:
        product = url.split("/")[5]
        self.asked.append(product)
        return self.known.get(product)


def find(vceks: Vceks, pki: Pki, *, products: tuple[str, ...] = ("Milan",), **changes: object) -> Found:
    return vceks.find(parse_report(pki.report(**changes)), products=products, now=NOW)


def store(folder: Path, pki: Pki, kds: Kds, *more: Pki) -> Vceks:
    every = (pki, *more)
    pins = {name: pin for one in every for name, pin in one.pins.items()}
    return Vceks(folder, opener=kds, roots={one.product: one.roots for one in every}, pins=pins)


def test_a_certificate_is_asked_for_once_by_whoever_has_the_folder(pki: Pki, tmp_path: Path) -> None:
    kds, vcek = Kds(Milan=pki.vcek()), None

    for _ in range(3):
        vcek = find(store(tmp_path, pki, kds), pki)

    assert vcek == Found("Milan", kds.known["Milan"], pki.roots)
    assert kds.asked == ["Milan"]
    assert [file.name for file in tmp_path.iterdir()] == [f"Milan-{CHIP.hex()}-04000000000016d5.der"]


def test_other_firmware_is_another_certificate(pki: Pki, tmp_path: Path) -> None:
    newer = TCB._replace(snp=23)
    kds = Kds(Milan=pki.vcek())
    vceks = store(tmp_path, pki, kds)
    find(vceks, pki)

    kds.known["Milan"] = pki.vcek(extensions(tcb=newer))

    assert find(vceks, pki, tcb=newer).vcek == kds.known["Milan"]
    assert len(list(tmp_path.iterdir())) == len(kds.asked) == 2


@pytest.mark.parametrize("damage", [b"", b"garbage", bytes(1360)])
def test_a_damaged_file_is_fetched_anew(pki: Pki, tmp_path: Path, damage: bytes) -> None:
    kds = Kds(Milan=pki.vcek())
    vceks = store(tmp_path, pki, kds)
    find(vceks, pki)
    [file] = tmp_path.iterdir()
    file.write_bytes(damage)

    assert find(vceks, pki).vcek == kds.known["Milan"] == file.read_bytes()


def test_what_does_not_fit_is_handed_on_for_its_refusal_and_never_kept(pki: Pki, tmp_path: Path) -> None:
    for wrong in (
        pki.vcek(by=pki.ark_key),
        pki.vcek(extensions(tcb=Tcb(1, 0, 1, 1))),
        pki.vcek(until=NOW - YEARS / 999),
    ):
        assert find(store(tmp_path, pki, Kds(Milan=wrong)), pki).vcek == wrong

    assert list(tmp_path.iterdir()) == []


def test_where_version_two_names_no_product_both_are_asked(pki: Pki, tmp_path: Path) -> None:
    genoa = Pki(pki.ark_key, pki.ask_key, "Genoa", pki.chip_key)
    kds = Kds(Genoa=genoa.vcek(extensions(product="Genoa")))

    found = find(store(tmp_path, pki, kds, genoa), pki, version=2)

    assert (found.product, found.roots, kds.asked) == ("Genoa", genoa.roots, ["Milan", "Genoa"])


def test_a_chip_nobody_knows_is_not_decided_about(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(VcekUnavailable, match=r"AMD knows no chip 0102030405060708 with TCB 04000000000016d5"):
        find(store(tmp_path, pki, Kds()), pki)


def test_turin_is_asked_for_by_a_short_chip_id_and_five_versions(turin: Pki) -> None:
    report = parse_report(turin.report(tcb=Tcb(1, 2, 3, 4, 5), cpu=(0x1A, 2, 1), chip=CHIP[:8]))

    assert kds_url("Turin", report) == (
        "https://kdsintf.amd.com/vcek/v1/Turin/0102030405060708?blSPL=01&teeSPL=02&snpSPL=03&ucodeSPL=04&fmcSPL=05"
    )


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch):
    """AMD's service on loopback: same question, same bounds, another address."""
    peer = Peer()
    context = peer.trust()
    monkeypatch.setattr(kds.ssl, "create_default_context", lambda: context)
    try:
        yield peer, f"https://127.0.0.1:{peer.port}/vcek/v1/Milan/00?blSPL=1"
    finally:
        peer.close()


def test_amd_s_service_is_asked_over_tls_and_within_bounds(service) -> None:
    peer, url = service

    peer.respond = answer(200, b"DER")
    assert from_kds(url) == b"DER"
    assert peer.requests == ["/vcek/v1/Milan/00?blSPL=1"]
    peer.respond = answer(404, b"")
    assert from_kds(url) is None
    for respond, words in ((answer(429, b""), "429"), (answer(200, bytes(LIMIT + 1)), "more than")):
        peer.respond = respond
        with pytest.raises(VcekUnavailable, match=words):
            from_kds(url)


def test_amd_s_service_may_be_down(service) -> None:
    peer, url = service
    peer.close()

    with pytest.raises(VcekUnavailable, match="does not answer"):
        from_kds(url)
