"""What is no answer of nilCC's is told apart, bounded in bytes and in time, and nothing is decided by it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from citadel.attestation.nilcc import LIMIT, PATH, Environment, NodeAnswerInvalid, NodeAway, read_answer
from tests.citadel.attestation.conftest import Stand
from tests.citadel.attestation.peer import answer


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
