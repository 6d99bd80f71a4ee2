"""A node is believed over the very line its chip vouches for, and a good verdict lasts five minutes."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from citadel.attestation.nilcc import (
    PATH,
    Environment,
    report_data_of,
)
from citadel.attestation.vceks import VcekUnavailable
from citadel.domain.attestation.policy import Revocation
from citadel.domain.attestation.revocation import ListDates
from tests.citadel.attestation.conftest import Stand
from tests.citadel.attestation.peer import answer, nilcc
from tests.citadel.attestation.synth import CHIP, NOW, TCB

MINUTES = timedelta(minutes=1)


def test_a_node_whose_chip_vouches_for_its_line_is_accepted(stand: Stand) -> None:
    stand.shows()

    found = stand.attest()

    assert (found.verdict.accepted, found.verdict.code) == (True, "accepted")
    assert (found.spki, found.obtained_at) == (stand.peer.spki, NOW)
    assert found.environment == Environment("0.3.0", "cpu", 2)
    assert stand.peer.requests == [PATH]
    assert stand.kds == [
        f"https://kdsintf.amd.com/vcek/v1/Milan/{CHIP.hex()}?blSPL=04&teeSPL=00&snpSPL=22&ucodeSPL=213"
    ]


def test_the_report_data_is_the_digest_of_the_key_between_zeros() -> None:
    assert report_data_of(b"key") == b"\0" + sha256(b"key").digest() + bytes(31)


def test_a_report_that_vouches_for_another_line_is_refused(stand: Stand) -> None:
    stand.shows()
    honest = stand.peer.respond
    stand.peer.new_key()
    relay, stand.verifier = stand.peer, stand.another()
    relay.respond = honest

    found = stand.attest()

    assert (found.verdict.accepted, found.verdict.code) == (False, "report_data_wrong")
    assert found.spki == relay.spki
    assert stand.verifier.known(relay.spki) is None


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("vmpl_not_allowed", {"vmpl": 0}),
        ("debug_allowed", {"policy": 0xB0000}),
        ("measurement_unknown", {"measurement": bytes(48)}),
        ("tcb_too_old", {"launch": TCB._replace(snp=21)}),
        ("vlek_not_accepted", {"key_info": 4}),
        ("chip_differs", {"key_info": 2}),
        ("chip_differs", {"chip": bytes(64)}),
        ("report_malformed", {"version": 4}),
    ],
)
def test_a_node_that_the_policy_does_not_allow_is_refused(stand: Stand, code: str, changes: dict[str, Any]) -> None:
    stand.shows(**changes)

    assert stand.attest().verdict.code == code
    assert stand.verifier.known(stand.peer.spki) is None


def test_a_report_altered_on_its_way_is_refused(stand: Stand) -> None:
    report = bytearray(stand.pki.report(report_data=report_data_of(stand.peer.spki)))
    report[0x90] ^= 1
    stand.peer.respond = nilcc(bytes(report))

    assert stand.attest().verdict.code == "signature_wrong"


def test_a_good_verdict_is_kept_for_five_minutes_and_the_key_is_looked_at_each_time(stand: Stand) -> None:
    stand.shows()
    first = stand.attest()

    stand.now = NOW + 5 * MINUTES
    assert stand.attest() == first == stand.verifier.known(stand.peer.spki)
    assert (stand.peer.connections, len(stand.peer.requests)) == (2, 1)

    stand.now += timedelta(seconds=1)
    assert stand.verifier.known(stand.peer.spki) is None
    assert stand.attest().obtained_at == stand.now
    assert (len(stand.peer.requests), len(stand.kds)) == (2, 1), "the chip's certificate is in the folder by now"


def test_a_clock_that_was_set_back_does_not_lengthen_a_verdict(stand: Stand) -> None:
    stand.shows()
    stand.attest()

    stand.now = NOW - MINUTES

    assert stand.verifier.known(stand.peer.spki) is None


def test_a_shorter_age_of_the_policy_shortens_what_is_kept(stand: Stand) -> None:
    stand.verifier = stand.another(policy=stand.pki.policy(max_age=MINUTES))
    stand.shows()
    stand.attest()

    stand.now = NOW + MINUTES + timedelta(seconds=1)

    assert stand.verifier.known(stand.peer.spki) is None


def test_a_new_key_needs_a_new_report(stand: Stand) -> None:
    stand.shows()
    old = stand.attest()
    stand.peer.new_key()
    stand.verifier._tls = stand.peer.trust()

    assert stand.attest().verdict.code == "report_data_wrong", "nilCC has not made its report anew yet"
    stand.shows()
    assert stand.attest().verdict.accepted
    assert stand.verifier.known(old.spki) == old


def test_a_refusal_is_not_kept(stand: Stand) -> None:
    stand.shows(vmpl=0)
    assert not stand.attest().verdict.accepted

    stand.shows()

    assert stand.attest().verdict.accepted


def test_a_revoked_chain_is_refused(stand: Stand) -> None:
    stand.shows()
    stand.amd.respond = answer(200, stand.pki.crl(7))

    assert stand.attest().verdict.code == "revoked"
    assert stand.amd.requests == ["/vcek/v1/Milan/crl"]


def test_a_verdict_tells_of_which_list_it_is(stand: Stand) -> None:
    stand.shows()

    found = stand.attest()

    assert found.verdict.listed == ListDates(NOW - timedelta(days=1), NOW + timedelta(days=30), 5)
    assert (found.trouble, found.revocation) == ((), Revocation.WHERE_REACHABLE)
    assert "not judged" not in found.verdict.words


def test_where_amd_is_not_reached_a_verdict_says_that_revocation_was_not_judged(stand: Stand) -> None:
    stand.shows()
    stand.amd.close()

    found = stand.attest()

    assert (found.verdict.accepted, found.verdict.listed, found.trouble) == (True, None, ("kds_away",))
    assert "is not judged: no list could be had" in found.verdict.words


def test_where_a_list_is_required_there_is_no_good_verdict_without_one(stand: Stand) -> None:
    stand.shows()
    stand.amd.close()
    stand.verifier = stand.another(policy=stand.pki.policy(revocation=Revocation.REQUIRED))

    found = stand.attest()

    assert (found.verdict.code, found.revocation) == ("revocation_missing", Revocation.REQUIRED)
    assert stand.verifier.known(stand.peer.spki) is None


def test_where_a_list_is_required_and_there_is_one_the_verdict_is_good(stand: Stand) -> None:
    stand.shows()
    stand.verifier = stand.another(policy=stand.pki.policy(revocation=Revocation.REQUIRED))

    assert stand.attest().verdict.accepted


def test_a_service_that_lies_is_refused_under_every_policy(stand: Stand) -> None:
    stand.shows()
    stand.amd.respond = answer(200, stand.pki.crl(by=stand.pki.ask_key))

    assert stand.attest().verdict.code == "revocation_unknown"


def test_nothing_is_decided_while_amd_does_not_know_or_answer(stand: Stand) -> None:
    stand.shows()
    stand.vcek = None
    with pytest.raises(VcekUnavailable, match="AMD knows no chip"):
        stand.attest()
    assert stand.verifier.known(stand.peer.spki) is None

    stand.vcek = stand.pki.vcek()
    assert stand.attest().verdict.accepted
