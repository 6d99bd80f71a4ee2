"""A certificate is believed when a pinned root leads to it, and only for the chip, product and firmware it names."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ObjectIdentifier

from citadel.attestation.vceks import read_roots, shipped_roots
from citadel.domain.attestation.chain import AMD_PINS, Endorsement, verify_chain
from citadel.domain.attestation.refusals import (
    AttestationRefused,
    ChainExpired,
    ChainUntrusted,
    RevocationUnknown,
    Revoked,
    VlekNotAccepted,
)
from citadel.domain.attestation.report import Tcb
from citadel.domain.attestation.revocation import ListDates
from tests.citadel.attestation import synth
from tests.citadel.attestation.synth import CHIP, NOW, TCB, Pki, extensions, flipped, integer, text

DAY = timedelta(days=1)


def verify(pki: Pki, vcek: bytes | None = None, **changes: Any) -> Endorsement:
    given = {"vcek": vcek or pki.vcek(), **pki.roots._asdict(), "now": NOW, "pins": pki.pins}
    return verify_chain(**given | changes)


def test_a_chain_says_which_chip_and_which_firmware(pki: Pki) -> None:
    found = verify(pki)

    assert (found.product, found.tcb, found.chip_id) == ("Milan", TCB, CHIP)
    assert synth.spki(pki.chip_key) == found.key.public_bytes(
        synth.Encoding.DER, synth.PublicFormat.SubjectPublicKeyInfo
    )


def test_the_number_zero_that_every_vcek_has_is_borne(pki: Pki) -> None:
    vcek = pki.vcek()

    # Tests take warnings for errors: loaded as it is, it fails here, and will one day fail everywhere.
    with pytest.warns(match="serial number"):
        assert x509.load_der_x509_certificate(vcek).serial_number == 0
    assert verify(pki, vcek).chip_id == CHIP


def test_a_chip_id_may_stand_in_an_octet_string(pki: Pki) -> None:
    assert verify(pki, pki.vcek(extensions(chip=b"\x04\x40" + CHIP))).chip_id == CHIP


def test_turin_has_short_chip_ids_and_one_more_version(turin: Pki) -> None:
    parts = extensions(product="Turin", tcb=Tcb(1, 2, 3, 4, 5), chip=CHIP[:8])

    found = verify(turin, turin.vcek(parts))

    assert (found.product, found.tcb, found.chip_id) == ("Turin", Tcb(1, 2, 3, 4, 5), CHIP[:8] + bytes(56))
    assert verify(turin, turin.vcek(parts | {"4": b"\x04\x08" + CHIP[:8]})).chip_id == found.chip_id


@pytest.mark.parametrize("which", ["vcek", "ask", "ark"])
def test_a_certificate_with_any_byte_altered_is_refused(pki: Pki, which: str) -> None:
    good = {"vcek": pki.vcek(), **pki.roots._asdict()}
    assert verify(pki, **good).product == "Milan"

    believed = []
    for at in range(len(good[which])):
        try:
            verify(pki, **good | {which: flipped(good[which], at)})
            believed.append(at)
        except AttestationRefused:
            continue
    assert believed == []


def test_a_root_that_is_not_pinned_is_refused(pki: Pki) -> None:
    with pytest.raises(ChainUntrusted, match="is not pinned"):
        verify(pki, pins=AMD_PINS)
    with pytest.raises(ChainUntrusted, match="is not pinned"):
        verify(pki, pins={})


def test_amd_s_own_chain_does_not_lead_to_a_key_of_ours(pki: Pki) -> None:
    for product, roots in shipped_roots().items():
        for vcek in (pki.vcek(), pki.vcek(extensions(product=product), issuer=f"SEV-{product}")):
            with pytest.raises(ChainUntrusted, match="signature on the VCEK is wrong"):
                verify(pki, vcek, **roots._asdict(), pins=AMD_PINS)


def test_the_chain_of_another_product_is_refused(pki: Pki, turin: Pki) -> None:
    with pytest.raises(ChainUntrusted, match="was not issued by"):
        verify(pki, **turin.roots._asdict(), pins=turin.pins)
    with pytest.raises(ChainUntrusted, match="not for Turin"):
        verify(turin, turin.vcek(extensions(product="Milan-B0")))
    with pytest.raises(ChainUntrusted, match="was not issued by"):
        verify(pki, ask=turin.roots.ask)


def test_the_shipped_roots_are_the_pinned_ones() -> None:
    roots = shipped_roots()

    assert list(roots) == ["Milan", "Genoa", "Turin"]
    assert {product: hashlib.sha256(one.ark).hexdigest() for product, one in roots.items()} == AMD_PINS


def test_a_chain_is_read_in_either_order_and_has_two_certificates(pki: Pki) -> None:
    pem = [x509.load_der_x509_certificate(one).public_bytes(synth.Encoding.PEM) for one in pki.roots]

    assert read_roots(pem[0] + pem[1]) == read_roots(pem[1] + pem[0]) == pki.roots
    for wrong in (pem[0], pem[1] * 2, pem[0] * 2, b"", b"nothing"):
        with pytest.raises(ValueError):
            read_roots(wrong)


def test_a_key_of_a_cloud_is_refused(pki: Pki) -> None:
    with pytest.raises(VlekNotAccepted):
        verify(pki, pki.vcek(common="SEV-VLEK"))
    with pytest.raises(VlekNotAccepted):
        verify(pki, pki.vcek(issuer="SEV-VLEK-Milan"), ask=pki.ask("SEV-VLEK-Milan"))


@pytest.mark.parametrize("now", [NOW - 31 * DAY, NOW + 2 * synth.YEARS])
def test_a_chain_outside_its_time_is_refused(pki: Pki, now: Any) -> None:
    with pytest.raises(ChainExpired):
        verify(pki, now=now)


def test_an_expired_vcek_is_refused_though_its_issuers_last(pki: Pki) -> None:
    vcek = pki.vcek(until=NOW + DAY)

    assert verify(pki, vcek, now=NOW + DAY).product == "Milan"
    with pytest.raises(ChainExpired, match="SEV-VCEK until 2026-11-21"):
        verify(pki, vcek, now=NOW + DAY + timedelta(seconds=1))


@pytest.mark.parametrize("missing", ["2", "3.1", "3.2", "3.3", "3.8", "4"])
def test_a_vcek_that_lacks_an_extension_is_refused(pki: Pki, missing: str) -> None:
    parts = extensions()
    del parts[missing]

    with pytest.raises(ChainUntrusted, match="lacks"):
        verify(pki, pki.vcek(parts))


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        ("2", text("Genoa")),
        ("2", text("milan")),
        ("2", text("MilanX")),
        ("2", b"Milan-B0"),
        ("2", b"\x16\x05Milan-B0"),
        ("2", b""),
        ("3.1", b"\x02\x01\xd5"),
        ("3.1", b"\x02\x02\x00\x05"),
        ("3.1", b"\x02\x02\x01\x00"),
        ("3.1", b"\x02\x01"),
        ("3.1", b""),
        ("3.8", integer(1) + b"\0"),
        ("4", CHIP[:63]),
        ("4", CHIP[:8]),
        ("4", b"\x04\x41" + CHIP),
        ("4", b""),
    ],
)
def test_an_extension_in_another_form_is_refused(pki: Pki, oid: str, value: bytes) -> None:
    with pytest.raises(ChainUntrusted):
        verify(pki, pki.vcek(extensions() | {oid: value}))


def test_a_vcek_with_another_kind_of_key_is_refused(pki: Pki) -> None:
    for key in (ec.generate_private_key(ec.SECP256R1()), pki.ask_key):
        with pytest.raises(ChainUntrusted, match="no P-384 key"):
            verify(pki, pki.vcek(key=key))


def test_a_signature_without_pss_or_by_another_key_is_refused(pki: Pki) -> None:
    with pytest.raises(ChainUntrusted, match="signature on the VCEK is wrong"):
        verify(pki, pki.vcek(by=pki.ark_key))
    plain = pki._sign(
        pki._builder("SEV-Milan", "ARK-Milan", pki.ask_key.public_key()).serial_number(7), pki.ark_key, pss=False
    )
    with pytest.raises(ChainUntrusted, match="the ASK is not signed with RSA-PSS"):
        verify(pki, ask=plain)


def test_an_ask_that_may_not_issue_or_has_a_short_key_is_refused(pki: Pki) -> None:
    with pytest.raises(ChainUntrusted, match="may not issue"):
        verify(pki, ask=pki.ask(ca=False))
    short = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ask = pki.authority("SEV-Milan", "ARK-Milan", short, pki.ark_key)
    vcek = pki._sign(pki._builder("SEV-VCEK", "SEV-Milan", pki.chip_key.public_key()).serial_number(1), short)
    with pytest.raises(ChainUntrusted, match="VCEK is not signed with RSA-PSS of 4096 bits"):
        verify(pki, vcek, ask=ask)


@pytest.mark.parametrize("which", ["vcek", "ask", "ark"])
def test_what_is_no_certificate_is_refused(pki: Pki, which: str) -> None:
    for wrong in (b"\x30", b"no certificate at all", bytes(1360), pki.roots.ask[:-1], pki.roots.ask + b"\0"):
        with pytest.raises(ChainUntrusted):
            verify(pki, **{"vcek": pki.vcek()} | {which: wrong})


def test_a_list_that_names_none_of_the_chain_changes_nothing(pki: Pki) -> None:
    listed = ListDates(NOW - timedelta(days=1), NOW + timedelta(days=30), None)

    assert verify(pki, crl=pki.crl()) == verify(pki, crl=pki.crl(8, 9)) == verify(pki)._replace(listed=listed)


def test_a_revoked_ask_is_refused(pki: Pki) -> None:
    with pytest.raises(Revoked, match="SEV-Milan"):
        verify(pki, ask=pki.ask(serial=8), crl=pki.crl(5, 8))


def part(**changes: bool) -> x509.IssuingDistributionPoint:
    """What makes a list one of some certificates alone."""
    names = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs")
    flags = dict.fromkeys(names, False) | changes
    return x509.IssuingDistributionPoint(full_name=None, relative_name=None, only_some_reasons=None, **flags)


def test_a_list_about_authorities_and_what_is_not_critical_do_not_matter(pki: Pki) -> None:
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"")

    listed = verify(
        pki, crl=pki.crl(more=((part(only_contains_ca_certs=True), True), (unknown, False)), number=3)
    ).listed

    assert listed is not None and listed.number == 3


def test_a_list_that_is_altered_anywhere_is_refused(pki: Pki) -> None:
    crl, vcek = pki.crl(8, number=2), pki.vcek()

    for at in range(len(crl)):
        for mask in (1, 128):
            with pytest.raises(RevocationUnknown):
                verify(pki, vcek, crl=flipped(crl, at, mask))


@pytest.mark.parametrize(
    ("one", "other", "older"),
    [
        ((1, 2, 3), (0, 2, 4), True),  # the number goes before the date
        ((0, 2, 4), (1, 2, 3), False),
        ((0, 2, None), (1, 2, 4), True),
        ((1, 2, None), (0, 2, None), False),
        ((0, 2, None), (0, 9, None), False),
        ((0, 2, 3), (1, 2, 3), True),
    ],
)
def test_which_of_two_lists_is_the_older(
    one: tuple[int, int, int | None], other: tuple[int, int, int | None], older: bool
) -> None:
    def dates(issued: int, until: int, number: int | None) -> ListDates:
        return ListDates(NOW + timedelta(days=issued), NOW + timedelta(days=until), number)

    assert dates(*one).older_than(dates(*other)) is older


def test_a_list_that_cannot_be_believed_is_refused(pki: Pki) -> None:
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"")
    wrong = {
        "its signature is wrong": pki.crl(by=pki.ask_key),
        "of another issuer": pki.crl(common="ARK-Genoa"),
        "renewed": pki.crl(until=NOW - timedelta(hours=1)),
        "not signed with RSA-PSS": pki.crl(pss=False),
        "it is not the whole list": pki.crl(more=((x509.DeltaCRLIndicator(4), True),)),
        "it is not the whole list: extension 1.2.3": pki.crl(more=((unknown, True),)),
        "it is not about authorities": pki.crl(more=((part(only_contains_user_certs=True), True),)),
        "it is not all of the list": pki.crl(more=((part(indirect_crl=True), True),)),
        "cannot be read": b"no list",
    }
    for words, crl in wrong.items():
        with pytest.raises(RevocationUnknown, match=words):
            verify(pki, crl=crl)


def test_no_entry_can_be_taken_off_a_list(pki: Pki) -> None:
    crl = pki.crl(7)
    with pytest.raises(Revoked):
        verify(pki, crl=crl)

    with pytest.raises(RevocationUnknown, match="its signature is wrong"):
        verify(pki, crl=crl.replace(b"\x02\x01\x07\x17", b"\x02\x01\x08\x17"))
