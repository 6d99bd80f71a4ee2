"""One synthetic report is accepted; every way to spoil it is refused under a code of its own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from citadel.domain.attestation import refusals
from citadel.domain.attestation.chain import AMD_PINS
from citadel.domain.attestation.policy import RULES, ReleasePolicy, production_policy
from citadel.domain.attestation.refusals import AttestationRefused, SignatureWrong
from citadel.domain.attestation.report import Tcb, parse_report
from citadel.domain.attestation.verify import Evidence, Verdict, check_signature, judge, report_data_for, require
from tests.citadel.attestation.synth import (
    CHIP,
    MEASUREMENT,
    NOW,
    REPORT_DATA,
    TCB,
    Pki,
    body,
    extensions,
    flipped,
    signed,
)

SECOND = timedelta(seconds=1)
OLDER = Tcb(4, 0, 21, 213)


def evidence(pki: Pki, report: bytes | None = None, **changes: Any) -> Evidence:
    return Evidence(report or pki.report(), pki.vcek(), *pki.roots, obtained_at=NOW)._replace(**changes)


def verdict(pki: Pki, shown: Evidence | None = None, policy: ReleasePolicy | None = None, **changes: Any) -> Verdict:
    given = {"report_data": REPORT_DATA, "policy": policy or pki.policy(), "now": NOW}
    return judge(evidence=shown or evidence(pki), **given | changes)


@pytest.mark.parametrize("version", [2, 3, 5])
def test_a_report_that_is_all_the_policy_asks_for_is_accepted(pki: Pki, version: int) -> None:
    report = pki.report(version=version)

    found = verdict(pki, evidence(pki, report))

    assert (found.accepted, found.code) == (True, "accepted")
    assert found.report_sha256 == hashlib.sha256(report).hexdigest()
    assert (found.product, found.tcb, found.vmpl) == ("Milan", TCB, 1)
    assert (found.measurement, found.chip_id) == (MEASUREMENT.hex(), CHIP.hex())
    assert require(evidence=evidence(pki, report), report_data=REPORT_DATA, policy=pki.policy(), now=NOW) == found


def test_a_report_from_turin_is_read_in_turin_s_way(turin: Pki) -> None:
    tcb = Tcb(1, 2, 3, 4, 5)
    report = turin.report(version=5, tcb=tcb, cpu=(0x1A, 2, 1), chip=CHIP[:8])
    vcek = turin.vcek(extensions(product="Turin", tcb=tcb, chip=CHIP[:8]))

    found = verdict(turin, evidence(turin, report, vcek=vcek), turin.policy(minimum_tcb={"Turin": tcb}))

    assert (found.code, found.product, found.tcb) == ("accepted", "Turin", tcb)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("guest_policy_invalid", {"policy": 0x10000}),
        ("debug_allowed", {"policy": 0xB0000}),
        ("migration_allowed", {"policy": 0x70000}),
        ("vmpl_not_allowed", {"vmpl": 0}),
        ("vmpl_not_allowed", {"vmpl": 2}),
        ("vmpl_not_allowed", {"vmpl": 0xFFFFFFFF}),
        ("measurement_unknown", {"measurement": bytes(48)}),
        ("measurement_unknown", {"measurement": flipped(MEASUREMENT, 47)}),
        ("report_data_wrong", {"report_data": bytes(64)}),
        ("report_data_wrong", {"report_data": flipped(REPORT_DATA, 63)}),
        ("tcb_differs", {"tcb": OLDER}),
        ("tcb_differs", {"tcb": Tcb(5, 0, 22, 213)}),
        ("tcb_too_old", {"committed": OLDER}),
        ("tcb_too_old", {"launch": OLDER}),
        ("chip_differs", {"chip": flipped(CHIP, 0)}),
        ("chip_differs", {"chip": bytes(64)}),
        ("chip_differs", {"key_info": 2}),
        ("chip_differs", {"cpu": (0x1A, 1, 1)}),
        ("vlek_not_accepted", {"key_info": 1 << 2}),
        ("report_unsigned", {"key_info": 7 << 2}),
        ("report_malformed", {"algorithm": 2}),
        ("report_malformed", {"version": 2, "policy": 1 << 40}),
    ],
)
def test_what_a_chip_signed_and_the_policy_does_not_allow_is_refused(
    pki: Pki, code: str, changes: dict[str, Any]
) -> None:
    found = verdict(pki, evidence(pki, pki.report(**changes)))

    assert (found.accepted, found.code) == (False, code)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("product_not_allowed", {"products": frozenset()}),
        ("product_not_allowed", {"products": frozenset({"Turin"}), "minimum_tcb": {"Turin": TCB}}),
        ("smt_not_allowed", {"smt_allowed": False}),
        ("vmpl_not_allowed", {"vmpls": frozenset()}),
        ("measurement_unknown", {"measurements": frozenset()}),
        ("tcb_too_old", {"minimum_tcb": {"Milan": TCB._replace(snp=23)}}),
        ("tcb_too_old", {"minimum_tcb": {"Milan": TCB._replace(fmc=1)}}),
        ("chain_untrusted", {"pins": AMD_PINS}),
        ("attestation_expired", {"max_age": -SECOND}),
    ],
)
def test_a_stricter_policy_refuses_the_same_report(pki: Pki, code: str, changes: dict[str, Any]) -> None:
    found = verdict(pki, policy=pki.policy(**changes))

    assert (found.accepted, found.code) == (False, code)


def test_a_guest_without_smt_passes_where_smt_is_not_allowed(pki: Pki) -> None:
    found = verdict(pki, evidence(pki, pki.report(policy=0x20000)), pki.policy(smt_allowed=False))

    assert found.code == "accepted"


def test_evidence_lasts_for_its_age_and_not_a_second_more(pki: Pki) -> None:
    five = timedelta(minutes=5)

    assert verdict(pki, now=NOW + five).code == "accepted"
    assert verdict(pki, now=NOW + five + SECOND).code == "attestation_expired"
    assert verdict(pki, now=NOW - 2 * SECOND).code == "accepted"
    assert verdict(pki, now=NOW - 3 * SECOND).code == "attestation_not_yet"


def test_an_old_certificate_does_not_go_with_new_firmware(pki: Pki) -> None:
    rolled_back = evidence(pki, pki.report(tcb=OLDER), vcek=pki.vcek(extensions(tcb=OLDER)))

    assert verdict(pki, rolled_back).code == "tcb_too_old"
    assert verdict(pki, rolled_back, pki.policy(minimum_tcb={"Milan": OLDER})).code == "accepted"
    assert verdict(pki, evidence(pki, vcek=pki.vcek(extensions(tcb=OLDER)))).code == "tcb_differs"


def test_the_chain_s_own_refusals_become_verdicts(pki: Pki) -> None:
    cases = {
        "chain_expired": evidence(pki, vcek=pki.vcek(until=NOW - SECOND)),
        "revoked": evidence(pki, crl=pki.crl(7)),
        "revocation_unknown": evidence(pki, crl=b""),
        "vlek_not_accepted": evidence(pki, vcek=pki.vcek(common="SEV-VLEK")),
        "chain_untrusted": evidence(pki, vcek=pki.vcek(by=pki.ark_key)),
        "report_malformed": evidence(pki, pki.report() + b"\0"),
    }

    assert {code: verdict(pki, shown).code for code, shown in cases.items()} == {code: code for code in cases}


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_any_byte_altered_is_refused(pki: Pki, mask: int) -> None:
    report, shown = pki.report(), evidence(pki)
    numbers = [*range(0x2A0, 0x2A0 + 48), *range(0x2E8, 0x2E8 + 48)]

    codes = {at: verdict(pki, shown._replace(report=flipped(report, at, mask))).code for at in range(1184)}

    assert "accepted" not in codes.values()
    assert {codes[at] for at in numbers} == {"signature_wrong"}


def test_an_attacker_s_own_signature_is_refused(pki: Pki) -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    theirs = pki.report(key=other)

    assert verdict(pki, evidence(pki, theirs)).code == "signature_wrong"
    assert verdict(pki, evidence(pki, theirs, vcek=pki.vcek(key=other))).code == "accepted", "it is the key alone"


def test_the_numbers_of_a_signature_have_one_order_and_one_size(pki: Pki) -> None:
    report = pki.report()
    r, s = report[0x2A0 : 0x2A0 + 72], report[0x2E8 : 0x2E8 + 72]
    spellings = {
        "exchanged": s + r,
        "big-endian": r[:48][::-1] + bytes(24) + s[:48][::-1] + bytes(24),
        "shifted": bytes(24) + r[:48] + bytes(24) + s[:48],
        "packed": r[:48] + s[:48] + bytes(48),
        "zero": bytes(144),
    }

    codes = {
        how: verdict(pki, evidence(pki, report[:0x2A0] + what + bytes(368))).code for how, what in spellings.items()
    }

    assert codes == {
        "exchanged": "signature_wrong",
        "big-endian": "signature_wrong",
        "shifted": "report_malformed",
        "packed": "report_malformed",
        "zero": "signature_wrong",
    }


def test_a_signature_covers_the_first_672_bytes(pki: Pki) -> None:
    what = body()
    check_signature(parse_report(signed(what, pki.chip_key)), pki.chip_key.public_key())

    with pytest.raises(SignatureWrong):
        tail = signed(what[:-1], pki.chip_key)[-512:]
        check_signature(parse_report(what + tail), pki.chip_key.public_key())


def test_what_is_not_authentic_is_not_repeated(pki: Pki) -> None:
    found = verdict(pki, evidence(pki, flipped(pki.report(), 0x90)))

    assert (found.code, found.measurement, found.product, found.tcb) == ("signature_wrong", None, None, None)


def test_a_refusal_says_what_to_do_and_what_was_found(pki: Pki) -> None:
    with pytest.raises(refusals.TcbTooOld) as caught:
        require(evidence=evidence(pki, pki.report(launch=OLDER)), report_data=REPORT_DATA, policy=pki.policy(), now=NOW)

    assert caught.value.words == (
        "The machine's firmware is older than the policy's minimum. Have the host update it, and launch the guest anew."
        " [bl4 tee0 snp21 ucode213 fmc0 / bl4 tee0 snp22 ucode213 fmc0]"
    )


def test_every_refusal_has_a_code_of_its_own_and_two_sentences() -> None:
    kinds = AttestationRefused.__subclasses__()

    assert len({kind.code for kind in kinds}) == len(kinds) == 22
    assert [kind.code for kind in kinds if kind().words.count(". ") < 1 or not kind().words.endswith(".")] == []
    assert len({rule.refusal for rule in RULES}) == len(RULES) == 12


def test_the_report_data_of_a_worker_of_ours_binds_nonce_and_key() -> None:
    bound = report_data_for(b"n" * 32, b"spki")

    assert bound == hashlib.sha512(b"n" * 32 + b"spki" + b"obscura-citadel-v1").digest()
    assert len({bound, report_data_for(b"m" * 32, b"spki"), report_data_for(b"n" * 32, b"spkj")}) == 3


def test_a_stale_nonce_is_refused(pki: Pki) -> None:
    key = b"the worker's SPKI"
    answered = evidence(pki, pki.report(report_data=report_data_for(b"1" * 32, key)))

    assert verdict(pki, answered, report_data=report_data_for(b"1" * 32, key)).code == "accepted"
    assert verdict(pki, answered, report_data=report_data_for(b"2" * 32, key)).code == "report_data_wrong"
    assert verdict(pki, answered, report_data=report_data_for(b"1" * 32, b"another")).code == "report_data_wrong"
    assert verdict(pki, answered, report_data=b"").code == "report_data_wrong"


def test_production_means_amd_s_roots_level_one_and_five_minutes(pki: Pki) -> None:
    policy = production_policy(measurements=[MEASUREMENT], minimum_tcb={"Milan": TCB})

    assert (policy.products, policy.vmpls, policy.max_age) == ({"Milan"}, {1}, timedelta(minutes=5))
    assert (policy.pins, policy.smt_allowed) == (AMD_PINS, True)
    assert verdict(pki, policy=policy).code == "chain_untrusted"
    assert verdict(pki, policy=replace(policy, pins=pki.pins)).code == "accepted"


def test_production_without_a_measurement_accepts_nothing(pki: Pki) -> None:
    policy = replace(production_policy(measurements=[], minimum_tcb={"Milan": TCB}), pins=pki.pins)

    assert verdict(pki, policy=policy).code == "measurement_unknown"


def test_a_policy_that_makes_no_sense_is_not_made(pki: Pki) -> None:
    with pytest.raises(ValueError, match="minimum TCB for Genoa"):
        pki.policy(products=frozenset({"Milan", "Genoa"}))
    with pytest.raises(ValueError, match="48 bytes"):
        production_policy(measurements=[b"short"], minimum_tcb={"Milan": TCB})
    with pytest.raises(ValueError, match="five minutes"):
        production_policy(measurements=[], minimum_tcb={"Milan": TCB}, max_age=timedelta(minutes=5, seconds=1))
