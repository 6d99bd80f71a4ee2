"""A root's list is asked of AMD once a day, kept, and given up for no older one."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from citadel.attestation.crls import LIMIT, REFRESH, RETRY, RETRY_WITHOUT, Crls, Listed
from citadel.domain.attestation.refusals import ChainUntrusted, RevocationUnknown, Revoked
from tests.citadel.attestation.conftest import lists
from tests.citadel.attestation.peer import Peer, Respond, answer
from tests.citadel.attestation.synth import NOW, Pki

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@pytest.fixture
def crls(pki: Pki, amd: Peer, tmp_path: Path) -> Crls:
    return lists(pki, amd, tmp_path)


def test_a_list_is_asked_for_once_a_day_and_kept(pki: Pki, amd: Peer, crls: Crls, crl: bytes, tmp_path: Path) -> None:
    for _ in range(3):
        assert crls.find("Milan", pki.roots, now=NOW) == Listed(crl)
    assert crls.find("Milan", pki.roots, now=NOW + REFRESH - SECOND) == Listed(crl)

    assert amd.requests == ["/vcek/v1/Milan/crl"]
    assert (tmp_path / "Milan.der").read_bytes() == crl
    newer = pki.crl(99, number=6)
    amd.respond = answer(200, newer)
    assert crls.find("Milan", pki.roots, now=NOW + REFRESH) == Listed(newer)
    assert (tmp_path / "Milan.der").read_bytes() == newer


def test_whoever_comes_later_finds_the_list_while_nobody_answers(
    pki: Pki, amd: Peer, crls: Crls, crl: bytes, tmp_path: Path
) -> None:
    crls.find("Milan", pki.roots, now=NOW)
    amd.close()

    found = lists(pki, amd, tmp_path).find("Milan", pki.roots, now=NOW + DAY)

    assert found == Listed(crl, ("kds_away",))


def test_a_list_may_come_as_pem(pki: Pki, amd: Peer, crls: Crls) -> None:
    crl = pki.crl(99)
    amd.respond = answer(200, x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM))

    assert crls.find("Milan", pki.roots, now=NOW) == Listed(crl)


def drip(line: ssl.SSLSocket, path: str) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    with_time = threading.Event()
    try:
        while not with_time.wait(0.02):
            line.sendall(b"x")
    except OSError:
        return


def silent(line: ssl.SSLSocket, path: str) -> None:
    line.recv(1)  # until the caller hangs up


@pytest.mark.parametrize(
    "respond",
    [
        answer(429, b"Too many requests"),
        answer(503, b""),
        answer(200, b"half", length=4_000),
        lambda line, path: line.sendall(b"no HTTP at all\r\n\r\n"),
        drip,
        silent,
    ],
    ids=["429", "503", "cut short", "no HTTP", "drips", "silent"],
)
def test_a_service_that_is_not_at_work_is_as_good_as_nobody(
    pki: Pki, amd: Peer, tmp_path: Path, respond: Respond
) -> None:
    amd.respond = respond

    assert lists(pki, amd, tmp_path, timeout=0.5).find("Milan", pki.roots, now=NOW) == Listed(None, ("kds_away",))
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_believed_is_not_asked(pki: Pki, amd: Peer, tmp_path: Path) -> None:
    crls = Crls(tmp_path, base=f"https://127.0.0.1:{amd.port}", timeout=5, pins=pki.pins)

    assert crls.find("Milan", pki.roots, now=NOW) == Listed(None, ("kds_away",))
    assert amd.requests == []


def test_an_address_that_never_answers_holds_nobody_up(pki: Pki, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        base = f"https://127.0.0.1:{deaf.getsockname()[1]}"
        crls = Crls(tmp_path, base=base, timeout=0.2, pins=pki.pins)

        assert crls.find("Milan", pki.roots, now=NOW).trouble == ("kds_away",)


def elsewhere(line: ssl.SSLSocket, path: str) -> None:
    line.sendall(b"HTTP/1.1 302 Go\r\nLocation: /crl\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("respond", "trouble"),
    [
        (answer(404, b"not found"), "kds_answer"),
        (
            lambda line, path: line.sendall(b"HTTP/1.1 302 Go\r\nLocation: /crl\r\nContent-Length: 0\r\n\r\n"),
            "kds_answer",
        ),
        (answer(200, b"x" * (LIMIT + 1)), "kds_answer"),
        (answer(200, b""), "crl_invalid"),
        (answer(200, b"<html>maintenance</html>"), "crl_invalid"),
        (answer(200, b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"), "crl_invalid"),
    ],
    ids=["404", "redirect", "too long", "empty", "html", "no PEM"],
)
def test_another_answer_than_a_list_is_refused_while_none_is_kept(
    pki: Pki, amd: Peer, crls: Crls, tmp_path: Path, respond: Respond, trouble: str
) -> None:
    amd.respond = respond

    found = crls.find("Milan", pki.roots, now=NOW)

    assert (found.crl, found.trouble) == (None, (trouble,))
    assert isinstance(found.refusal, RevocationUnknown)
    assert len(amd.requests) == 1, "no redirect is followed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", ["another's", "old", "of the future", "altered"])
def test_a_list_that_does_not_hold_is_not_kept(
    pki: Pki, turin: Pki, amd: Peer, crls: Crls, tmp_path: Path, which: str
) -> None:
    crl = {
        "another's": turin.crl(),
        "old": pki.crl(issued=NOW - 40 * DAY, until=NOW - DAY),
        "of the future": pki.crl(issued=NOW + DAY, until=NOW + 2 * DAY),
        "altered": pki.crl(8).replace(b"\x02\x01\x08\x17", b"\x02\x01\x09\x17"),
    }[which]
    amd.respond = answer(200, crl)

    found = crls.find("Milan", pki.roots, now=NOW)

    assert (found.crl, found.trouble) == (None, ("crl_invalid",))
    assert isinstance(found.refusal, RevocationUnknown)
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_is_kept_is_enough_whatever_comes_later(pki: Pki, amd: Peer, crls: Crls) -> None:
    kept = crls.find("Milan", pki.roots, now=NOW).crl
    amd.respond = answer(200, b"<html>maintenance</html>")

    assert crls.find("Milan", pki.roots, now=NOW + DAY) == Listed(kept, ("crl_invalid",))
    assert crls.find("Milan", pki.roots, now=NOW + DAY + RETRY - SECOND) == Listed(kept, ("crl_invalid",))
    assert len(amd.requests) == 2
    newer = pki.crl(number=6)
    amd.respond = answer(200, newer)
    assert crls.find("Milan", pki.roots, now=NOW + DAY + RETRY) == Listed(newer)


@pytest.mark.parametrize("again", [False, True], ids=["same process", "another"])
def test_nobody_can_bring_back_an_older_list(pki: Pki, amd: Peer, crls: Crls, tmp_path: Path, *, again: bool) -> None:
    kept = crls.find("Milan", pki.roots, now=NOW).crl
    amd.respond = answer(200, pki.crl(number=4, issued=NOW, until=NOW + 90 * DAY))
    if again:
        crls = lists(pki, amd, tmp_path)

    assert crls.find("Milan", pki.roots, now=NOW + DAY) == Listed(kept, ("crl_older",))
    late = crls.find("Milan", pki.roots, now=NOW + 31 * DAY)
    assert (late.crl, late.trouble, type(late.refusal)) == (None, ("crl_older",), RevocationUnknown)
    assert (tmp_path / "Milan.der").read_bytes() == kept


def test_what_an_old_list_names_stays_revoked_while_nobody_answers(pki: Pki, amd: Peer, crls: Crls) -> None:
    amd.respond = answer(200, pki.crl(7))
    crls.find("Milan", pki.roots, now=NOW)
    amd.close()

    late = crls.find("Milan", pki.roots, now=NOW + 31 * DAY)

    assert (late.crl, late.trouble) == (None, ("kds_away",))
    assert isinstance(late.refusal, Revoked)


def test_an_old_list_that_names_nothing_says_nothing(pki: Pki, amd: Peer, crls: Crls) -> None:
    crls.find("Milan", pki.roots, now=NOW)
    amd.close()

    assert crls.find("Milan", pki.roots, now=NOW + 31 * DAY) == Listed(None, ("kds_away",))


def test_without_a_list_it_is_asked_for_each_minute(pki: Pki, amd: Peer, crls: Crls) -> None:
    good, amd.respond = amd.respond, answer(503, b"")
    crls.find("Milan", pki.roots, now=NOW)
    crls.find("Milan", pki.roots, now=NOW + RETRY_WITHOUT - SECOND)
    assert len(amd.requests) == 1

    amd.respond = good
    assert crls.find("Milan", pki.roots, now=NOW + RETRY_WITHOUT).trouble == ()


def test_a_clock_that_was_set_back_does_not_put_the_question_off(pki: Pki, amd: Peer, crls: Crls) -> None:
    crls.find("Milan", pki.roots, now=NOW + DAY / 2)
    crls.find("Milan", pki.roots, now=NOW)

    assert len(amd.requests) == 2


def test_a_file_that_was_damaged_is_said_and_replaced(
    pki: Pki, amd: Peer, crls: Crls, crl: bytes, tmp_path: Path
) -> None:
    (tmp_path / "Milan.der").write_bytes(b"dust")
    good = amd.respond
    amd.respond = answer(503, b"")

    assert crls.find("Milan", pki.roots, now=NOW) == Listed(None, ("kds_away", "crl_damaged"))
    amd.respond = good
    assert crls.find("Milan", pki.roots, now=NOW + RETRY_WITHOUT) == Listed(crl)
    assert (tmp_path / "Milan.der").read_bytes() == crl


def test_a_folder_that_cannot_be_written_is_said_and_the_list_is_used(
    pki: Pki, amd: Peer, crl: bytes, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")

    found = lists(pki, amd, tmp_path / "file").find("Milan", pki.roots, now=NOW)

    assert found.crl == crl
    assert set(found.trouble) == {"crl_unwritable"}


def test_a_root_that_is_not_pinned_has_no_list(pki: Pki, turin: Pki, crls: Crls) -> None:
    with pytest.raises(ChainUntrusted):
        crls.find("Turin", turin.roots, now=NOW)
