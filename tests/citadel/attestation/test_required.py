"""No key without evidence: a provider gives nothing before a good verdict, and nothing after one that has grown old."""

from __future__ import annotations

import select
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from citadel.attestation import required
from citadel.attestation.nilcc import report_data_of
from citadel.attestation.required import AttestationUnknown, AttestedProvider, NotAttested
from citadel.signer.keeper import Beside
from citadel.signer.tenant_keys import KeyPending
from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.provider import ProviderError
from tests.citadel.attestation.conftest import Stand
from tests.citadel.attestation.peer import Peer, answer, nilcc
from tests.citadel.attestation.synth import CHIP, Pki
from tests.citadel.support import ROOT_KEY, Exchange, Vault

KEY, AAD = b"k" * 32, b"a tenant's"


@pytest.fixture
def told() -> list[dict[str, object]]:
    return []


@pytest.fixture
def gate(stand: Stand, told: list[dict[str, object]]) -> AttestedProvider:
    local = LocalProvider(root=bytes.fromhex(ROOT_KEY))
    return AttestedProvider(local, attests=stand.attest, told=lambda one: told.append(dict(one)))


def test_with_good_evidence_keys_are_given(stand: Stand, gate: AttestedProvider, told: list[dict[str, object]]) -> None:
    stand.shows()

    wrapped = gate.wrap(key=KEY, aad=AAD)

    assert gate.unwrap(wrapped=wrapped, aad=AAD) == KEY
    [statement] = told  # said once: nothing has changed since
    assert (statement["accepted"], statement["code"], statement["product"]) == (True, "accepted", "Milan")
    assert statement["revocation"] == {
        "policy": "where_reachable",
        "judged": True,
        "issued": "2026-11-19T12:00:00+00:00",
        "until": "2026-12-20T12:00:00+00:00",
        "trouble": [],
    }
    assert statement["measurement"] == stand.pki.policy().measurements.__iter__().__next__().hex()


def test_with_bad_evidence_or_none_nothing_is_given(
    stand: Stand, gate: AttestedProvider, told: list[dict[str, object]]
) -> None:
    stand.shows()
    wrapped = gate.wrap(key=KEY, aad=AAD)
    stand.now += timedelta(minutes=6)  # the good verdict is old
    for spoil, code in (
        (lambda: stand.shows(measurement=bytes(48)), "measurement_unknown"),
        (lambda: stand.shows(vmpl=0), "vmpl_not_allowed"),
        (lambda: setattr(stand.peer, "respond", answer(200, b"garbage")), "node_answer_invalid"),
        (stand.peer.close, "node_away"),
    ):
        spoil()
        for use in (lambda: gate.unwrap(wrapped=wrapped, aad=AAD), lambda: gate.wrap(key=KEY, aad=AAD), gate.rotate):
            with pytest.raises(NotAttested):
                use()
        assert (told[-1]["accepted"], told[-1]["code"]) == (False, code)


def test_that_revocation_was_not_judged_is_said(
    stand: Stand, gate: AttestedProvider, told: list[dict[str, object]]
) -> None:
    stand.shows()
    stand.amd.close()

    gate.wrap(key=KEY, aad=AAD)

    assert told[-1]["accepted"] is True
    assert told[-1]["revocation"] == {
        "policy": "where_reachable",
        "judged": False,
        "issued": "",
        "until": "",
        "trouble": ["kds_away"],
    }


def test_another_machine_behind_the_address_is_asked_anew(stand: Stand, gate: AttestedProvider) -> None:
    stand.shows()
    wrapped = gate.wrap(key=KEY, aad=AAD)
    stand.peer.new_key()  # the report still vouches for the key before

    with pytest.raises(NotAttested):
        gate.unwrap(wrapped=wrapped, aad=AAD)


def test_beside_the_signer_it_says_what_it_has_found(stand: Stand, gate: AttestedProvider) -> None:
    stand.shows(measurement=bytes(48))
    keeper = Beside(lambda: gate)
    watched: list[tuple[int, object]] = []
    keeper.attend(lambda fd, call: watched.append((fd, call)))
    [(fd, read)] = watched

    def asked() -> object:
        try:
            keeper.wrap(key=KEY, aad=AAD, ask=(1, 2))
        except KeyPending:
            assert select.select([fd], [], [], 10)[0]
            read()  # type: ignore[operator]
        with pytest.raises(ProviderError) as refusal:
            keeper.wrap(key=KEY, aad=AAD, ask=(1, 2))
        return refusal.value.code

    assert asked() == "not_attested"
    assert keeper.statement["code"] == "measurement_unknown"
    assert keeper.statement["mode"] == "required"
    keeper.close()


POLICY = {
    "OBSCURA_ATTESTATION": "required",
    "OBSCURA_ATTESTATION_WORKLOAD": "127.0.0.1:1",
    "OBSCURA_ATTESTATION_MEASUREMENTS": "ab" * 48,
    "OBSCURA_ATTESTATION_TCB": "Genoa=9.0.22.72,Turin=1.1.0.2.68",
}


@pytest.mark.parametrize(
    "change",
    [
        {"OBSCURA_ATTESTATION_WORKLOAD": ""},
        {"OBSCURA_ATTESTATION_WORKLOAD": "host:port"},
        {"OBSCURA_ATTESTATION_MEASUREMENTS": ""},
        {"OBSCURA_ATTESTATION_MEASUREMENTS": "ab" * 47},
        {"OBSCURA_ATTESTATION_TCB": ""},
        {"OBSCURA_ATTESTATION_TCB": "Genoa"},
        {"OBSCURA_ATTESTATION_TCB": "Genoa=9.x.22.72"},
        {"OBSCURA_ATTESTATION_REVOCATION": "sometimes"},
        {"OBSCURA_ATTESTATION_KDS": "http://kds.internal"},
    ],
)
def test_a_policy_that_would_accept_anything_or_nothing_does_not_start(change: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(AttestationUnknown):
        required.attests(tmp_path, POLICY | change)


def test_the_policy_of_the_environment_is_read(tmp_path: Path) -> None:
    assert required.mode(POLICY) == "required"
    assert required.mode({}) == "off"
    with pytest.raises(AttestationUnknown):
        required.mode({"OBSCURA_ATTESTATION": "maybe"})
    assert callable(required.attests(tmp_path, POLICY))


def test_a_mirror_is_asked_for_certificates_and_lists(pki: Pki, peer: Peer, amd: Peer, tmp_path: Path) -> None:
    peer.respond = nilcc(pki.report(report_data=report_data_of(peer.spki)))
    (tmp_path / "node").write_text(peer.pem)
    (tmp_path / "amd").write_text(amd.pem)
    attests = required.attests(
        tmp_path,
        POLICY
        | {
            "OBSCURA_ATTESTATION_WORKLOAD": f"127.0.0.1:{peer.port}",
            "OBSCURA_ATTESTATION_CA": str(tmp_path / "node"),
            "OBSCURA_ATTESTATION_KDS": f"https://127.0.0.1:{amd.port}/",
            "OBSCURA_ATTESTATION_KDS_CA": str(tmp_path / "amd"),
        },
    )
    amd.respond = answer(200, pki.vcek())

    assert attests().verdict.code == "revocation_unknown", "a certificate is no list, and no root of AMD's signed ours"

    assert [path.partition("?")[0] for path in amd.requests] == [
        f"/vcek/v1/Milan/{CHIP.hex()}",
        "/vcek/v1/Milan/crl",
    ]


def test_a_signer_that_needs_evidence_and_has_none_opens_nothing_and_says_so(exchange: Exchange) -> None:
    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        vault = Vault(Path(directory), exchange.port)
        try:
            vault.start_signer(**POLICY)
            client = vault.client()

            assert refusal_code(client) == "not_attested"
            assert client.stats()["attestation"] == {"mode": "required", "accepted": False, "code": "node_away"}
            client.close()
        finally:
            vault.close()


def refusal_code(client: object) -> str:
    from citadel.client import SignerRefused

    with pytest.raises(SignerRefused) as refusal:
        client.new_key(tenant=7, version=2)  # type: ignore[attr-defined]
    return refusal.value.code
