"""Checking a report oneself: ``python -m citadel.attestation.check FILE --vcek FILE --chain FILE``.

Each check is printed with what was found. What was not asked for is shown and not judged; of the policy every rule is
judged, also after one that failed. The exit code is 0 when all that was judged holds, and 1 when something does not.

The revocation list is fetched from AMD; nothing else is asked of anybody, and with --offline not even that. Where AMD's
service does not answer, revocation is not judged, unless --require-crl; an answer that is no list that holds fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from citadel.attestation.crls import NoList, as_der, fetch
from citadel.attestation.vceks import Roots, read_roots, shipped_roots
from citadel.domain.attestation import refusals
from citadel.domain.attestation.chain import AMD_PINS, verify_chain
from citadel.domain.attestation.policy import MEASUREMENT, REPORT_DATA, RULES, Facts, ReleasePolicy, Revocation, Rule
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


def main(
    arguments: Sequence[str] | None = None,
    *,
    pins: Mapping[str, str] = AMD_PINS,
    fetch: Callable[[str], bytes] = fetch,
) -> int:
    """Check one report and print what comes of it.

    :param pins: the roots that are believed
    :param fetch: from a product to its revocation list, as `citadel.attestation.crls.fetch` does
    """
    asked = _arguments(arguments)
    asked.pins, asked.fetch = pins, fetch
    try:
        facts = _authentic(asked)
    except refusals.AttestationRefused as refused:
        _say("FAIL", refused.code, refused.words)
        return 1
    except (OSError, ValueError) as failed:
        _say("FAIL", "unreadable", str(failed))
        return 1
    left = ELSEWHERE if asked.require_crl else ELSEWHERE | {refusals.RevocationMissing}
    judged = [_judge(rule, facts, asked) for rule in RULES if rule.refusal not in left]
    return 0 if all(judged) else 1


def _authentic(asked: argparse.Namespace) -> Facts:
    """What the rules are asked about. Each step is printed as it is passed; the first that fails is raised."""
    raw = _read_report(asked.report)
    report = parse_report(raw)
    check_signer(report)
    _say("ok", "form", f"version {report.version}, {SIZE} bytes, all that is reserved is zero, signed with the VCEK")
    now = asked.at or datetime.now(UTC)
    vcek, (ask, ark) = asked.vcek.read_bytes(), _roots(report, asked.chain)
    endorsement = verify_chain(vcek=vcek, ask=ask, ark=ark, now=now, pins=asked.pins)
    _say("ok", "chain", f"VCEK <- ASK <- ARK of {endorsement.product}, pin {asked.pins[endorsement.product]}")
    crl, why = _list(asked, endorsement.product)
    listed = verify_chain(vcek=vcek, ask=ask, ark=ark, now=now, pins=asked.pins, crl=crl).listed
    if listed is None:
        _say("--", "revocation", f"not judged: {why}")
    else:
        dates = f"of {listed.issued_at:%Y-%m-%d}, good until {listed.until:%Y-%m-%d}"
        _say("ok", "revocation", f"the root's list {dates} names none of these certificates")
    check_binding(report, endorsement)
    _say("ok", "chip", f"{report.chip_id.hex()}, firmware {endorsement.tcb}")
    check_signature(report, endorsement.key)
    _say("ok", "signature", f"ECDSA P-384 over the first {SIGNED} bytes")
    policy = ReleasePolicy(
        products=frozenset(asked.pins),
        measurements=frozenset(asked.measurement or ()),
        minimum_tcb=dict.fromkeys(asked.pins, asked.minimum_tcb or Tcb(0, 0, 0, 0)),
        vmpls=frozenset(asked.vmpl or ()),
        smt_allowed=not asked.no_smt,
        revocation=Revocation.REQUIRED if asked.require_crl else Revocation.WHERE_REACHABLE,
        pins=asked.pins,
    )
    evidence = Evidence(raw, vcek, ask, ark, obtained_at=now, crl=crl)
    return authenticate(evidence=evidence, report_data=asked.report_data or b"", policy=policy, now=now)


def _list(asked: argparse.Namespace, product: str) -> tuple[bytes | None, str]:
    """The revocation list, or why there is none.

    :raises RevocationUnknown: AMD's service answers, and not with a list
    """
    if asked.crl:
        return as_der(asked.crl.read_bytes()), ""
    if asked.offline:
        return None, "--offline, and no --crl"
    if asked.at:
        return None, "today's list does not tell of the time in --at; give one with --crl"
    try:
        return asked.fetch(product), ""
    except NoList as none:
        if none.refusal is not None:
            raise none.refusal from None
        return None, "AMD's service does not answer"


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
    parser.add_argument("--crl", type=Path, help="the ARK's revocation list, DER or PEM (default: asked of AMD)")
    parser.add_argument("--offline", action="store_true", help="ask nobody; without --crl revocation is not judged")
    parser.add_argument("--require-crl", action="store_true", help="fail where revocation cannot be judged")
    parser.add_argument("--measurement", type=_hex(MEASUREMENT), action="append", help="an allowed launch digest, hex")
    parser.add_argument("--report-data", type=_hex(REPORT_DATA), help="the 64 bytes it must carry, hex")
    parser.add_argument("--vmpl", type=int, action="append", help="an allowed privilege level")
    parser.add_argument("--minimum-tcb", type=_tcb, help="bootloader,tee,snp,microcode[,fmc]")
    parser.add_argument("--no-smt", action="store_true", help="refuse a guest that may share cores")
    parser.add_argument("--at", type=_time, help="the time to check for, ISO 8601 (default: now)")
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
