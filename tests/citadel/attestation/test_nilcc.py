"""A node is believed over the very line its chip vouches for, and a good verdict lasts five minutes."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from citadel.attestation.nilcc import (
    LIMIT,
    PATH,
    Environment,
    NilccVerifier,
    NodeAnswerInvalid,
    NodeAway,
    read_answer,
    report_data_of,
)
from citadel.attestation.vceks import Vceks, VcekUnavailable
from tests.citadel.attestation.peer import Peer, answer, nilcc
from tests.citadel.attestation.synth import CHIP, NOW, TCB, Pki

MINUTES = timedelta(minutes=1)


@pytest.fixture
def peer() -> Iterator[Peer]:
    one = Peer()
    try:
        yield one
    finally:
        one.close()


class Stand:
    """A verifier, the peer it asks, the KDS that knows one chip, and a clock that a test moves."""

    def __init__(self, pki: Pki, peer: Peer, folder: Path) -> None:
        self.pki, self.peer, self.now = pki, peer, NOW
        self.kds: list[str] = []
        self.vcek: bytes | None = pki.vcek()
        self.vceks = Vceks(folder, opener=self._open, roots={"Milan": pki.roots}, pins=pki.pins)
        self.verifier = self.another()

    def another(self, **changes: Any) -> NilccVerifier:
        given = {"policy": self.pki.policy(), "vceks": self.vceks, "tls": self.peer.trust(), "timeout": 5}
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
def stand(pki: Pki, peer: Peer, tmp_path: Path) -> Stand:
    return Stand(pki, peer, tmp_path / "vceks")


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
    stand.verifier = stand.another(crls={"Milan": stand.pki.crl(7)})

    assert stand.attest().verdict.code == "revoked"


def test_a_node_that_is_down_is_away(stand: Stand) -> None:
    stand.peer.close()

    with pytest.raises(NodeAway, match="refused"):
        stand.attest()


def test_a_node_whose_name_is_not_believed_is_away_and_not_asked(stand: Stand) -> None:
    stand.shows()
    stand.verifier = stand.another(tls=ssl.create_default_context())

    with pytest.raises(NodeAway, match="certificate"):
        stand.attest()
    assert stand.peer.requests == []


def test_a_node_that_drips_is_cut_off(stand: Stand) -> None:
    stopped = []

    def drip(line: ssl.SSLSocket, path: str) -> None:
        try:
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
            while not stand.peer._closing.wait(0.02):
                line.sendall(b" ")
        except OSError:
            stopped.append(path)
            raise

    stand.peer.respond = drip
    stand.verifier = stand.another(timeout=0.5)

    with pytest.raises(NodeAway):
        stand.attest()
    stand.peer.respond = answer(404, b"")
    with pytest.raises(NodeAnswerInvalid, match="404"):
        stand.attest()
    assert stopped == [PATH]


def test_a_node_that_drips_its_handshake_is_cut_off(stand: Stand) -> None:
    gone = threading.Event()

    def drip(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            line.sendall(b"\x16\x03\x03\x40\x00\x02")
            try:
                while True:
                    line.sendall(b"\0")
                    time.sleep(0.02)
            except OSError:
                gone.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = threading.Thread(target=drip, args=[listener])
        dripping.start()
        with pytest.raises(NodeAway):
            stand.another(timeout=0.5).attest("127.0.0.1", listener.getsockname()[1])
        dripping.join()
    assert gone.is_set()


def test_an_answer_that_is_too_long_is_not_read(stand: Stand) -> None:
    stand.peer.respond = answer(200, b" " * (LIMIT + 1))

    with pytest.raises(NodeAnswerInvalid, match="more than 65536 bytes"):
        stand.attest()


@pytest.mark.parametrize(
    ("respond", "problem"),
    [
        (answer(500, b"{}"), NodeAnswerInvalid),
        (answer(302, b""), NodeAnswerInvalid),
        (answer(200, b"<html>"), NodeAnswerInvalid),
        (answer(200, b"{}", length=200), NodeAway),
        (lambda line, path: line.sendall(b"SSH-2.0-OpenSSH\r\n"), NodeAway),
        (lambda line, path: None, NodeAway),
    ],
)
def test_what_is_no_answer_of_nilcc_is_told_apart(
    stand: Stand, respond: Callable[..., None], problem: type[Exception]
) -> None:
    stand.peer.respond = respond

    with pytest.raises(problem):
        stand.attest()
    assert (stand.peer.connections, stand.kds) == (1, []), "a line that ends is not opened again by itself"


GOOD = {"raw_report": "00" * 1184, "environment": {"nilcc_version": "1", "vm_type": "gpu", "cpu_count": 4}}


def test_an_answer_is_read_for_the_raw_report_alone() -> None:
    assert read_answer(json.dumps(GOOD).encode()) == (bytes(1184), Environment("1", "gpu", 4))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 50_000,
        b"[]",
        b"null",
        *(
            json.dumps(GOOD | change).encode()
            for change in (
                {"raw_report": None},
                {"raw_report": "00" * 1183},
                {"raw_report": "00" * 1185},
                {"raw_report": "00" * 1183 + " 0"},
                {"raw_report": "0g" * 1184},
                {"environment": None},
                {"environment": {}},
                {"environment": {"nilcc_version": 1, "vm_type": "cpu", "cpu_count": 1}},
                {"environment": {"nilcc_version": "1", "vm_type": "tpu", "cpu_count": 1}},
                {"environment": {"nilcc_version": "1", "vm_type": [], "cpu_count": 1}},
                {"environment": {"nilcc_version": "1", "vm_type": "cpu", "cpu_count": True}},
                {"environment": {"nilcc_version": "1", "vm_type": "cpu", "cpu_count": 0}},
            )
        ),
    ],
    ids=range(17),
)
def test_an_answer_of_another_form_is_invalid(body: bytes) -> None:
    with pytest.raises(NodeAnswerInvalid):
        read_answer(body)


def test_nothing_is_decided_while_amd_does_not_know_or_answer(stand: Stand) -> None:
    stand.shows()
    stand.vcek = None
    with pytest.raises(VcekUnavailable, match="AMD knows no chip"):
        stand.attest()
    assert stand.verifier.known(stand.peer.spki) is None

    stand.vcek = stand.pki.vcek()
    assert stand.attest().verdict.accepted
