"""What real chips said: accepted under a policy made for it, and refused whenever anything about it is not so."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from citadel.attestation.vceks import shipped_roots
from citadel.domain.attestation.policy import ReleasePolicy, production_policy
from citadel.domain.attestation.refusals import SignatureWrong
from citadel.domain.attestation.report import Tcb, parse_report
from citadel.domain.attestation.verify import Evidence, Verdict, authenticate, check_signature, judge
from tests.citadel.attestation.conftest import Recorded
from tests.citadel.attestation.synth import NOW, flipped

MILAN = Tcb(bootloader=3, tee=0, snp=8, microcode=115)
MEASUREMENT = bytes.fromhex(
    "7a1e5c266c0108dbc9bb94fa926951320940915d0aafb42464bd88b579ea158d3e1a0dc39b2c60bd95b9c480cd81841f"
)
DEBUG_MEASUREMENT = bytes.fromhex(
    "b07af9620f3b839b47996422ddec6058338951d984e312115131ea82705eaf5b6bdf8a9ece31a5a608eb0cf2e4872b01"
)
REPORT_DATA = bytes.fromhex(
    "d447b55d197491bfe15cf298f9de9986b7a7c4be2468b4f6e2d53b71d7c64581"
    "0b0f2cdfca0040433be063fc1a8293f0f3f8dae7b79fecb3d1cd82bd6a93ebfd"
)
DEBUG_DATA = bytes([1, 2, 3, 4, 5]) + bytes(59)

MADE_FOR_IT = ReleasePolicy(
    products=frozenset({"Milan"}),
    measurements=frozenset({MEASUREMENT, DEBUG_MEASUREMENT}),
    minimum_tcb={"Milan": Tcb(2, 0, 5, 68)},
    vmpls=frozenset({0}),
    smt_allowed=True,
)


def verdict(
    evidence: Evidence, *, policy: ReleasePolicy = MADE_FOR_IT, report_data: bytes = REPORT_DATA, now: datetime = NOW
) -> Verdict:
    return judge(evidence=evidence, report_data=report_data, policy=policy, now=now)


def test_a_real_report_is_accepted_under_a_policy_made_for_it(recorded: Recorded) -> None:
    found = verdict(recorded.milan)

    assert (found.accepted, found.code, found.product, found.tcb) == (True, "accepted", "Milan", MILAN)
    assert (found.measurement, found.vmpl) == (MEASUREMENT.hex(), 0)
    assert found.report_sha256 == "120d77b213c8868dd42f160ccb0114f05336ec715f6d51070f534b33c7e03f3b"


def test_production_does_not_accept_it(recorded: Recorded) -> None:
    policy = production_policy(measurements=[MEASUREMENT], minimum_tcb={"Milan": MILAN})
    newer = production_policy(measurements=[MEASUREMENT], minimum_tcb={"Milan": MILAN._replace(snp=22)})

    assert verdict(recorded.milan, policy=policy).code == "vmpl_not_allowed"
    assert verdict(recorded.milan, policy=newer).code == "tcb_too_old"


def test_a_real_report_that_allows_debugging_is_refused_though_it_is_signed(recorded: Recorded) -> None:
    facts = authenticate(evidence=recorded.debug, report_data=DEBUG_DATA, policy=MADE_FOR_IT, now=NOW)
    assert facts.report.policy.bits == 0xB0000

    found = verdict(recorded.debug, report_data=DEBUG_DATA)

    assert (found.accepted, found.code, found.measurement) == (False, "debug_allowed", DEBUG_MEASUREMENT.hex())


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_every_byte_of_a_real_report_counts(recorded: Recorded, mask: int) -> None:
    raw = recorded.milan.report
    covered = [*range(0x2A0), *range(0x2A0, 0x2A0 + 72), *range(0x2E8, 0x2E8 + 72)]

    codes = [verdict(recorded.milan._replace(report=flipped(raw, at, mask))).code for at in covered]

    assert (len(codes), "accepted" in codes) == (816, False)
    assert codes[0x50:0xE0] == ["signature_wrong"] * 144, (
        "report data, measurement and host data have no form of their own"
    )


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_the_signature_alone_notices_every_byte(recorded: Recorded, mask: int) -> None:
    facts = authenticate(evidence=recorded.milan, report_data=REPORT_DATA, policy=MADE_FOR_IT, now=NOW)
    report = facts.report
    check_signature(report, facts.endorsement.key)

    for at in range(0x2A0):
        altered = {**vars(report), "signed": flipped(report.signed, at, mask)}
        with pytest.raises(SignatureWrong):
            check_signature(type(report)(**altered), facts.endorsement.key)


def test_a_real_report_cut_short_or_made_longer_is_refused(recorded: Recorded) -> None:
    raw = recorded.milan.report
    others = [
        raw[:-1],
        raw[:0x330],
        raw + b"\0",
        raw * 2,
        b"",
        flipped(raw, 0x330),
        flipped(raw, 1183),
        flipped(raw, 0x2D0),
    ]

    codes = {verdict(recorded.milan._replace(report=one)).code for one in others}

    assert codes == {"report_malformed"}


def test_the_real_chain_goes_with_its_own_chip_and_product_alone(recorded: Recorded) -> None:
    milan, debug = recorded.milan, recorded.debug

    assert verdict(milan._replace(vcek=debug.vcek)).code == "chip_differs"
    for product in ("Genoa", "Turin"):
        assert verdict(milan._replace(**recorded.roots[product]._asdict())).code == "chain_untrusted"
        assert verdict(milan._replace(ask=recorded.roots[product].ask)).code == "chain_untrusted"
        assert verdict(milan._replace(ark=recorded.roots[product].ark)).code == "chain_untrusted"
    assert verdict(milan._replace(ask=milan.ark, ark=milan.ask)).code == "chain_untrusted"


def test_every_byte_of_a_real_vcek_counts(recorded: Recorded) -> None:
    vcek = recorded.milan.vcek

    codes = {verdict(recorded.milan._replace(vcek=flipped(vcek, at))).code for at in range(len(vcek))}

    assert codes <= {"chain_untrusted", "vlek_not_accepted"}


def test_a_real_vcek_has_its_time(recorded: Recorded) -> None:
    late = NOW + timedelta(days=365 * 4)

    assert verdict(recorded.milan._replace(obtained_at=late), now=late).code == "chain_expired"
    assert verdict(recorded.milan, now=NOW + timedelta(minutes=6)).code == "attestation_expired"
    assert verdict(recorded.milan, report_data=DEBUG_DATA).code == "report_data_wrong"


def test_the_shipped_roots_are_amd_s_as_others_have_them(recorded: Recorded) -> None:
    assert dict(shipped_roots()) == recorded.roots
    assert shipped_roots()["Milan"] == (recorded.milan.ask, recorded.milan.ark)


def test_a_real_report_names_no_processor_in_version_two(recorded: Recorded) -> None:
    report = parse_report(recorded.milan.report)

    assert (report.version, report.family, report.policy.bits, report.vmpl) == (2, None, 0x30000, 0)
    assert report.current_version == report.committed_version == (1, 52, 4)
