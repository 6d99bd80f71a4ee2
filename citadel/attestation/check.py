"""Checking a report oneself, offline: ``python -m citadel.attestation.check FILE --vcek FILE --chain FILE``.

Each check is printed with what was found. What was not asked for is shown and not judged; of the policy every rule is
judged, also after one that failed. The exit code is 0 when all that was judged holds, and 1 when something does not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from citadel.attestation.vceks import Roots, read_roots, shipped_roots
from citadel.domain.attestation import refusals
from citadel.domain.attestation.chain import AMD_PINS, verify_chain
from citadel.domain.attestation.policy import MEASUREMENT, REPORT_DATA, RULES, Facts, ReleasePolicy, Rule
from citadel.domain.attestation.report import SIGNED, SIZE, Report, Tcb, parse_report, products_of
from citadel.domain.attestation.verify import Evidence, authenticate, check_binding, check_signature, check_signer

Refusal = type[refusals.AttestationRefused]

OPTIONAL: dict[Refusal, str] = {
    refusals.SmtNotAllowed: "no_smt",
    refusals.TcbTooOld: "minimum_tcb",
    refusals.VmplNotAllowed: "vmpl",
    refusals.MeasurementUnknown: "measurement",
    refusals.ReportDataWrong: "report_data",
}
"""Rules that are judged when their option is given. The others are judged always."""

ELSEWHERE: frozenset[Refusal] = frozenset(
    {refusals.ProductNotAllowed, refusals.AttestationNotYet, refusals.AttestationExpired}
)
"""Rules that a file cannot answer: any product will do, and when it was obtained only its owner knows."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one report and print what comes of it."""
    asked = _arguments(arguments)
    try:
        facts = _authentic(asked)
    except refusals.AttestationRefused as refused:
        _say("FAIL", refused.code, refused.words)
        return 1
    except (OSError, ValueError) as failed:
        _say("FAIL", "unreadable", str(failed))
        return 1
    judged = [_judge(rule, facts, asked) for rule in RULES if rule.refusal not in ELSEWHERE]
    return 0 if all(judged) else 1


def _authentic(asked: argparse.Namespace) -> Facts:
    """What the rules are asked about. Each step is printed as it is passed; the first that fails is raised."""
    raw = _read_report(asked.report)
    report = parse_report(raw)
    check_signer(report)
    _say("ok", "form", f"version {report.version}, {SIZE} bytes, all that is reserved is zero, signed with the VCEK")
    vcek, (ask, ark) = asked.vcek.read_bytes(), _roots(report, asked.chain)
    crl = asked.crl.read_bytes() if asked.crl else None
    endorsement = verify_chain(vcek=vcek, ask=ask, ark=ark, now=asked.at, crl=crl)
    _say("ok", "chain", f"VCEK <- ASK <- ARK of {endorsement.product}, pin {AMD_PINS[endorsement.product]}")
    if crl is None:
        _say("--", "revocation", "not judged without --crl")
    else:
        _say("ok", "revocation", "the list is the root's, in date, and names none of these certificates")
    check_binding(report, endorsement)
    _say("ok", "chip", f"{report.chip_id.hex()}, firmware {endorsement.tcb}")
    check_signature(report, endorsement.key)
    _say("ok", "signature", f"ECDSA P-384 over the first {SIGNED} bytes")
    policy = ReleasePolicy(
        products=frozenset(AMD_PINS),
        measurements=frozenset(asked.measurement or ()),
        minimum_tcb=dict.fromkeys(AMD_PINS, asked.minimum_tcb or Tcb(0, 0, 0, 0)),
        vmpls=frozenset(asked.vmpl or ()),
        smt_allowed=not asked.no_smt,
    )
    evidence = Evidence(raw, vcek, ask, ark, obtained_at=asked.at, crl=crl)
    return authenticate(evidence=evidence, report_data=asked.report_data or b"", policy=policy, now=asked.at)


def _judge(rule: Rule, facts: Facts, asked: argparse.Namespace) -> bool:
    option = OPTIONAL.get(rule.refusal)
    if option is not None and not getattr(asked, option):
        _say("--", rule.title, f"{rule.found(facts)}; not judged without --{option.replace('_', '-')}")
        return True
    holds = rule.holds(facts)
    _say("ok" if holds else "FAIL", rule.title, rule.found(facts) if holds else rule.refusal(rule.found(facts)).words)
    return holds


def _say(mark: str, what: str, words: str) -> None:
    print(f"{mark:4}  {what}: {words}")


def _read_report(path: Path) -> bytes:
    """A report as bytes or as their hex."""
    raw = path.read_bytes()
    return raw if len(raw) == SIZE else bytes.fromhex(raw.decode("ascii", "replace"))


def _roots(report: Report, chain: Path | None) -> Roots:
    return shipped_roots()[products_of(report)[0]] if chain is None else read_roots(chain.read_bytes())


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m citadel.attestation.check", description=__doc__)
    parser.add_argument("report", type=Path, help="1184 bytes, or their hex")
    parser.add_argument("--vcek", type=Path, required=True, help="the chip's certificate, DER")
    parser.add_argument("--chain", type=Path, help="ASK and ARK, PEM (default: AMD's, as shipped)")
    parser.add_argument("--crl", type=Path, help="the ARK's revocation list, DER")
    parser.add_argument("--measurement", type=_hex(MEASUREMENT), action="append", help="an allowed launch digest, hex")
    parser.add_argument("--report-data", type=_hex(REPORT_DATA), help="the 64 bytes it must carry, hex")
    parser.add_argument("--vmpl", type=int, action="append", help="an allowed privilege level")
    parser.add_argument("--minimum-tcb", type=_tcb, help="bootloader,tee,snp,microcode[,fmc]")
    parser.add_argument("--no-smt", action="store_true", help="refuse a guest that may share cores")
    parser.add_argument("--at", type=_time, default=datetime.now(UTC), help="the time to check for, ISO 8601")
    return parser.parse_args(arguments)


def _hex(size: int) -> Callable[[str], bytes]:
    def read(text: str) -> bytes:
        value = bytes.fromhex(text)
        if len(value) != size:
            raise argparse.ArgumentTypeError(f"{len(value)} bytes, not {size}")
        return value

    return read


def _tcb(text: str) -> Tcb:
    return Tcb(*map(int, text.split(",")))


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
