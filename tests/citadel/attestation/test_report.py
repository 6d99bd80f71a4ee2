"""A report is read to the byte, and what the ABI reserves may not be in use."""

from __future__ import annotations

import pytest

from citadel.domain.attestation.refusals import ReportMalformed
from citadel.domain.attestation.report import Policy, Signer, Tcb, parse_report, products_of, read_tcb
from tests.citadel.attestation import synth
from tests.citadel.attestation.synth import body, flipped

TAIL = (1).to_bytes(72, "little") + (2).to_bytes(72, "little") + bytes(368)

RESERVED = {
    2: [*range(0x188, 0x1A0), *range(0x1F8, 0x2A0)],
    3: [*range(0x18B, 0x1A0), *range(0x1F8, 0x2A0)],
    5: [*range(0x18B, 0x1A0), *range(0x208, 0x2A0)],
}
ALWAYS = [0x4C, 0x4D, 0x4E, 0x4F, 0x1EB, 0x1EF, *range(0x2D0, 0x2E8), *range(0x318, 0x330), *range(0x330, 1184)]


def test_every_field_is_where_the_abi_says() -> None:
    report = parse_report(body(version=5, key_info=1, mitigations=(7, 9), launch=Tcb(3, 0, 20, 200)) + TAIL)

    assert (report.version, report.guest_svn, report.policy, report.vmpl) == (5, 2, Policy(0x30000), 1)
    assert (report.family_id[:6], report.image_id[:5]) == (b"family", b"image")
    assert (report.signer, report.author_key, report.chip_masked) == (Signer.VCEK, True, False)
    assert (report.report_data, report.measurement) == (synth.REPORT_DATA, synth.MEASUREMENT)
    assert (report.host_data, report.id_key_digest, report.author_key_digest) == (b"h" * 32, b"i" * 48, b"a" * 48)
    assert (report.report_id, report.report_id_ma) == (b"r" * 32, b"\xff" * 32)
    assert (report.family, report.model, report.stepping) == (0x19, 1, 1)
    assert (report.chip_id, report.platform_info) == (synth.CHIP, 1)
    assert (report.current_version, report.committed_version) == ((1, 55, 31), (1, 55, 30))
    assert read_tcb(report.reported_tcb, "Milan") == read_tcb(report.committed_tcb, "Milan") == Tcb(4, 0, 22, 213)
    assert read_tcb(report.launch_tcb, "Milan") == Tcb(3, 0, 20, 200)
    assert (report.launch_mitigations, report.current_mitigations) == (7, 9)
    assert (report.r, report.s, len(report.signed)) == (1, 2, 672)


def test_what_a_version_does_not_have_is_none() -> None:
    two, three = parse_report(body(version=2) + TAIL), parse_report(body(version=3) + TAIL)

    assert (two.family, two.model, two.stepping, two.launch_mitigations) == (None, None, None, None)
    assert (three.family, three.launch_mitigations, three.current_mitigations) == (0x19, None, None)


@pytest.mark.parametrize("version", [2, 3, 5])
def test_a_reserved_byte_in_use_is_refused(version: int) -> None:
    raw = body(version=version) + TAIL
    parse_report(raw)

    for at in [*ALWAYS, *RESERVED[version]]:
        with pytest.raises(ReportMalformed):
            parse_report(flipped(raw, at))


@pytest.mark.parametrize("version", [0, 1, 4, 6, 0x02000000])
def test_an_unknown_version_is_refused(version: int) -> None:
    with pytest.raises(ReportMalformed, match=f"version {version}"):
        parse_report(body(version=3).replace(b"\3\0\0\0", version.to_bytes(4, "little"), 1) + TAIL)


@pytest.mark.parametrize("size", [0, 1, 672, 1183, 1185, 2368])
def test_another_length_is_refused(size: int) -> None:
    with pytest.raises(ReportMalformed, match=f"{size} bytes"):
        parse_report((body() + TAIL).ljust(size, b"\0")[:size])


@pytest.mark.parametrize("algorithm", [0, 2, 0x01000000])
def test_another_algorithm_is_refused(algorithm: int) -> None:
    with pytest.raises(ReportMalformed, match="algorithm"):
        parse_report(body(algorithm=algorithm) + TAIL)


@pytest.mark.parametrize("bit", range(26, 64))
def test_a_reserved_bit_of_the_guest_policy_is_refused(bit: int) -> None:
    with pytest.raises(ReportMalformed, match="reserved bit"):
        parse_report(body(policy=0x30000 | 1 << bit) + TAIL)


@pytest.mark.parametrize("key_info", [*(1 << bit for bit in range(5, 32)), *(number << 2 for number in range(2, 7))])
def test_a_reserved_bit_or_signer_is_refused(key_info: int) -> None:
    with pytest.raises(ReportMalformed):
        parse_report(body(key_info=key_info) + TAIL)


def test_the_same_eight_bytes_are_another_tcb_on_turin() -> None:
    assert read_tcb(bytes([4, 1, 0, 0, 0, 0, 22, 213]), "Genoa") == Tcb(bootloader=4, tee=1, snp=22, microcode=213)
    assert read_tcb(bytes([1, 2, 3, 4, 0, 0, 0, 5]), "Turin") == Tcb(bootloader=2, tee=3, snp=4, microcode=5, fmc=1)


@pytest.mark.parametrize(
    ("product", "reserved"), [("Milan", range(2, 6)), ("Genoa", range(2, 6)), ("Turin", range(4, 7))]
)
def test_a_reserved_byte_of_a_tcb_is_refused(product: str, reserved: range) -> None:
    for at in reserved:
        with pytest.raises(ReportMalformed, match="TCB"):
            read_tcb(flipped(bytes(8), at), product)


def test_a_newer_part_does_not_make_up_for_an_older_one() -> None:
    assert Tcb(4, 0, 22, 213).reaches(Tcb(4, 0, 22, 213))
    assert Tcb(5, 1, 23, 214, 1).reaches(Tcb(4, 0, 22, 213))
    assert not any(Tcb(9, 9, 9, 9, 9)._replace(**{part: 3}).reaches(Tcb(4, 4, 4, 4, 4)) for part in Tcb._fields)


def test_the_processor_says_which_products_are_asked_for() -> None:
    cases = {
        (0x19, 1, 1): ("Milan",),
        (0x19, 0x11, 1): ("Genoa",),
        (0x19, 0xA0, 2): ("Genoa",),
        (0x1A, 2, 1): ("Turin",),
    }

    assert {cpu: products_of(parse_report(body(cpu=cpu) + TAIL)) for cpu in cases} == cases
    assert products_of(parse_report(body(version=2) + TAIL)) == ("Milan", "Genoa")
    assert products_of(parse_report(body(version=2, chip=bytes(range(8))) + TAIL)) == ("Turin",)
