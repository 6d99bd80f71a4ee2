"""The command by which anybody checks a report: every check is printed, and the exit code is the verdict."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from citadel.attestation.check import main
from citadel.attestation.crls import fetch
from tests.citadel.attestation.conftest import Recorded
from tests.citadel.attestation.peer import Peer, answer
from tests.citadel.attestation.synth import Pki, flipped
from tests.citadel.attestation.test_recorded import MEASUREMENT, REPORT_DATA

AT = "2026-11-20T12:00:00+00:00"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, str]]:
    """The exit code, and the mark of each check by its name."""
    code = main([*map(str, arguments), "--at", AT])
    lines = capsys.readouterr().out.splitlines()
    return code, {line[6:].partition(":")[0]: line[:4].strip() for line in lines}


def milan(recorded: Recorded) -> list[object]:
    folder = recorded.folder / "virtee"
    return [folder / "report_milan.hex", "--vcek", folder / "vcek_milan.der", "--chain", folder / "cert_chain_milan"]


def test_a_good_report_passes_and_what_was_not_asked_is_not_judged(
    recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    code, marks = run(capsys, *milan(recorded), "--measurement", MEASUREMENT.hex())

    assert code == 0
    assert marks == {
        "form": "ok",
        "chain": "ok",
        "revocation": "--",
        "chip": "ok",
        "signature": "ok",
        "the guest policy is valid": "ok",
        "debugging is off": "ok",
        "migration is off": "ok",
        "SMT is off, or allowed": "--",
        "the firmware is new enough": "--",
        "the privilege level is allowed": "--",
        "the measurement is on the list": "ok",
        "the report data is the one expected": "--",
    }


def test_everything_can_be_asked_for(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--vmpl", 0, "--minimum-tcb", "3,0,8,115", "--report-data", REPORT_DATA.hex()]

    code, marks = run(capsys, *milan(recorded), *asked, "--measurement", MEASUREMENT.hex())

    assert code == 0
    assert [what for what, mark in marks.items() if mark != "ok"] == ["revocation", "SMT is off, or allowed"]


@pytest.mark.parametrize(
    ("asked", "failed"),
    [
        (["--measurement", "00" * 48], "the measurement is on the list"),
        (["--vmpl", "1"], "the privilege level is allowed"),
        (["--minimum-tcb", "3,0,9,115"], "the firmware is new enough"),
        (["--report-data", "00" * 64], "the report data is the one expected"),
        (["--no-smt"], "SMT is off, or allowed"),
    ],
)
def test_what_was_asked_for_and_is_not_so_fails(
    recorded: Recorded, capsys: pytest.CaptureFixture[str], asked: list[str], failed: str
) -> None:
    code, marks = run(capsys, *milan(recorded), *asked)

    assert (code, [what for what, mark in marks.items() if mark == "FAIL"]) == (1, [failed])


def test_a_report_that_allows_debugging_fails_for_that_alone(
    recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    google = recorded.folder / "google"

    code, marks = run(capsys, google / "attestation.bin", "--vcek", google / "vcek.der")

    assert (code, marks["signature"], marks["debugging is off"]) == (1, "ok", "FAIL")
    assert list(marks.values()).count("FAIL") == 1


def test_an_altered_report_fails_after_what_still_holds(
    recorded: Recorded, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    altered = tmp_path / "report.bin"
    altered.write_bytes(flipped(recorded.milan.report, 0x90))

    code, marks = run(capsys, altered, *milan(recorded)[1:])

    assert (code, marks) == (
        1,
        {"form": "ok", "chain": "ok", "revocation": "--", "chip": "ok", "signature_wrong": "FAIL"},
    )


def test_a_list_that_is_none_fails(recorded: Recorded, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "crl").write_bytes(b"no list")

    assert run(capsys, *milan(recorded), "--crl", tmp_path / "crl") == (
        1,
        {"form": "ok", "chain": "ok", "revocation_unknown": "FAIL"},
    )


class Own(NamedTuple):
    """A report of a chip of ours in files, and what the command is to believe and to ask."""

    pki: Pki
    files: list[object]
    amd: Peer

    def run(self, capsys: pytest.CaptureFixture[str], *more: object) -> tuple[int, str]:
        """The exit code, and the line about revocation."""
        base, tls = f"https://127.0.0.1:{self.amd.port}", self.amd.trust()
        code = main(
            [*map(str, self.files), *map(str, more)],
            pins=self.pki.pins,
            fetch=lambda product: fetch(product, base=base, tls=tls, timeout=5),
        )
        return code, next(line for line in capsys.readouterr().out.splitlines() if line[6:].startswith("revo"))


@pytest.fixture
def own(pki: Pki, amd: Peer, tmp_path: Path) -> Own:
    now = datetime.now(UTC)
    amd.respond = answer(200, pki.crl(99, issued=now - timedelta(days=2), until=now + timedelta(days=2)))
    pem = b"".join(x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM) for one in pki.roots)
    for name, content in {"report": pki.report(), "vcek": pki.vcek(), "chain": pem}.items():
        (tmp_path / name).write_bytes(content)
    return Own(pki, [tmp_path / "report", "--vcek", tmp_path / "vcek", "--chain", tmp_path / "chain"], amd)


def test_the_list_is_asked_of_amd(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = own.run(capsys, "--require-crl")

    assert (code, line[:4], own.amd.requests) == (0, "ok  ", ["/vcek/v1/Milan/crl"])
    assert f"list of {datetime.now(UTC) - timedelta(days=2):%Y-%m-%d}" in line


def test_nobody_is_asked_offline(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = own.run(capsys, "--offline")

    assert (code, line, own.amd.requests) == (0, "--    revocation: not judged: --offline, and no --crl", [])


def test_where_amd_does_not_answer_it_depends_on_what_was_asked_for(
    own: Own, capsys: pytest.CaptureFixture[str]
) -> None:
    own.amd.respond = answer(503, b"")

    assert own.run(capsys) == (0, "--    revocation: not judged: AMD's service does not answer")
    assert own.run(capsys, "--require-crl")[0] == 1


def test_an_answer_that_is_no_list_fails(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    own.amd.respond = answer(404, b"")

    code, line = own.run(capsys)

    assert (code, line[:24]) == (1, "FAIL  revocation_unknown")


def test_what_the_list_names_fails(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    own.amd.respond = answer(200, own.pki.crl(7, issued=now - timedelta(days=2), until=now + timedelta(days=2)))

    code, line = own.run(capsys)

    assert (code, line[:13]) == (1, "FAIL  revoked")


@pytest.mark.parametrize("content", [b"", b"zz", b"00" * 1183, bytes(1183)])
def test_what_is_no_report_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "report"
    file.write_bytes(content)

    code, marks = run(capsys, file, "--vcek", file)

    assert (code, list(marks.values())) == (1, ["FAIL"])


def test_a_missing_file_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, tmp_path / "none", "--vcek", "none") == (1, {"unreadable": "FAIL"})


def test_it_runs_by_itself_without_the_product(recorded: Recorded) -> None:
    command = [sys.executable, "-W", "error", "-m", "citadel.attestation.check", *map(str, milan(recorded)), "--at", AT]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok    form: version 2, 1184 bytes")
