"""Whether evidence is accepted: the report's form, the chip's certificate, the chip's signature, then the policy."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from citadel.domain.attestation.chain import Endorsement, verify_chain
from citadel.domain.attestation.policy import RULES, Facts, ReleasePolicy
from citadel.domain.attestation.refusals import (
    AttestationRefused,
    ChipDiffers,
    SignatureWrong,
    TcbDiffers,
    Unsigned,
    VlekNotAccepted,
)
from citadel.domain.attestation.report import TURIN_FAMILY, Report, Signer, Tcb, parse_report, read_tcb
from citadel.domain.attestation.revocation import ListDates

WORKER_LABEL = b"obscura-citadel-v1"
ACCEPTED = "accepted"
_GOOD = "The report is authentic and the policy allows what it says."
_UNJUDGED = f"{_GOOD} Whether a certificate of its chain was revoked is not judged: no list could be had."


class Evidence(NamedTuple):
    """A report with the certificates it is checked by, all DER, and when it was obtained."""

    report: bytes
    vcek: bytes
    ask: bytes
    ark: bytes
    obtained_at: datetime
    crl: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was decided about a report, fit for a log: it holds nothing secret.

    `code` is ``accepted`` or the code of the refusal. What is None was not reached, or cannot be believed.

    :param listed: the dates of the revocation list that names none of the certificates; None: revocation was not judged
    """

    accepted: bool
    code: str
    words: str
    report_sha256: str
    product: str | None = None
    measurement: str | None = None
    tcb: Tcb | None = None
    vmpl: int | None = None
    chip_id: str | None = None
    listed: ListDates | None = None


def report_data_for(nonce: bytes, spki: bytes) -> bytes:
    """What a worker of our own puts in its report: it answers this nonce, and holds the key of this SPKI (DER)."""
    return hashlib.sha512(nonce + spki + WORKER_LABEL).digest()


def judge(*, evidence: Evidence, report_data: bytes, policy: ReleasePolicy, now: datetime) -> Verdict:
    """The verdict; evidence that is refused is a verdict as well.

    :param report_data: the 64 bytes the report must carry
    """
    facts = None
    try:
        facts = authenticate(evidence=evidence, report_data=report_data, policy=policy, now=now)
        appraise(facts)
    except AttestationRefused as refused:
        return refuse(evidence.report, refused, facts)
    return _verdict(evidence.report, facts, None)


def require(*, evidence: Evidence, report_data: bytes, policy: ReleasePolicy, now: datetime) -> Verdict:
    """The verdict, where it is good.

    :raises AttestationRefused: one of its kinds; each says what to do
    """
    appraise(facts := authenticate(evidence=evidence, report_data=report_data, policy=policy, now=now))
    return _verdict(evidence.report, facts, None)


def refuse(raw: bytes, refused: AttestationRefused, facts: Facts | None = None) -> Verdict:
    """The verdict that says why a report is refused; of what it says, only what is authentic is told."""
    return _verdict(raw, facts, refused)


def authenticate(*, evidence: Evidence, report_data: bytes, policy: ReleasePolicy, now: datetime) -> Facts:
    """What the policy's rules are asked about: a report that the chip of an AMD certificate signed.

    :raises AttestationRefused: the report is malformed or altered, or its certificates are not to be believed
    """
    report = parse_report(evidence.report)
    check_signer(report)
    endorsement = verify_chain(
        vcek=evidence.vcek, ask=evidence.ask, ark=evidence.ark, now=now, pins=policy.pins, crl=evidence.crl
    )
    check_binding(report, endorsement)
    check_signature(report, endorsement.key)
    raw = (report.reported_tcb, report.committed_tcb, report.launch_tcb)
    tcbs = tuple(read_tcb(one, endorsement.product) for one in raw)
    return Facts(report, endorsement, policy, report_data, now - evidence.obtained_at, tcbs)


def appraise(facts: Facts) -> None:
    """Hold an authentic report against the policy.

    :raises AttestationRefused: the first rule that does not hold
    """
    for rule in RULES:
        if not rule.holds(facts):
            raise rule.refusal(rule.found(facts))


def check_signer(report: Report) -> None:
    """:raises VlekNotAccepted, Unsigned: the report says that no chip's own key signed it"""
    if report.signer == Signer.VLEK:
        raise VlekNotAccepted
    if report.signer == Signer.NONE:
        raise Unsigned


def check_binding(report: Report, endorsement: Endorsement) -> None:
    """Whether the certificate is the one for the chip and the firmware that the report names.

    :raises ChipDiffers: another chip, another product, or the report hides which
    :raises TcbDiffers: the same chip with other firmware
    """
    if report.chip_masked or not any(report.chip_id) or report.chip_id != endorsement.chip_id:
        raise ChipDiffers(f"report {report.chip_id.hex()[:16]}, certificate {endorsement.chip_id.hex()[:16]}")
    if report.family is not None and (report.family == TURIN_FAMILY) != (endorsement.product == "Turin"):
        raise ChipDiffers(f"family {report.family:#x}, certificate for {endorsement.product}")
    tcb = read_tcb(report.reported_tcb, endorsement.product)
    if tcb != endorsement.tcb:
        raise TcbDiffers(f"report {tcb}, certificate {endorsement.tcb}")


def check_signature(report: Report, key: ec.EllipticCurvePublicKey) -> None:
    """:raises SignatureWrong: `key` did not sign the first 0x2A0 bytes of this report"""
    try:
        key.verify(encode_dss_signature(report.r, report.s), report.signed, ec.ECDSA(SHA384()))
    except InvalidSignature:
        raise SignatureWrong from None


def _verdict(raw: bytes, facts: Facts | None, refused: AttestationRefused | None) -> Verdict:
    good = _GOOD if facts is not None and facts.endorsement.listed else _UNJUDGED
    verdict = Verdict(
        accepted=refused is None,
        code=refused.code if refused else ACCEPTED,
        words=refused.words if refused else good,
        report_sha256=hashlib.sha256(raw).hexdigest(),
    )
    if facts is None:
        return verdict
    return replace(
        verdict,
        product=facts.endorsement.product,
        measurement=facts.report.measurement.hex(),
        tcb=facts.endorsement.tcb,
        vmpl=facts.report.vmpl,
        chip_id=facts.report.chip_id.hex(),
        listed=facts.endorsement.listed,
    )
