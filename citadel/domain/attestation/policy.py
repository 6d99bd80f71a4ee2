"""What a worker must be before anything is released to it: a policy, and one rule for each thing it can fail."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from citadel.domain.attestation import refusals
from citadel.domain.attestation.chain import AMD_PINS, Endorsement
from citadel.domain.attestation.report import Report, Tcb

NILCC_VMPL = 1
"""nilCC's report is asked for behind its own paravisor; one asked for at level 0 did not come from the workload."""

FRESHNESS = timedelta(minutes=5)
MEASUREMENT, REPORT_DATA = 48, 64
_CLOCKS_APART = timedelta(seconds=2)


class Revocation(StrEnum):
    """What becomes of evidence while no revocation list can be had, because nobody answers."""

    WHERE_REACHABLE = "where_reachable"
    """It is accepted, and the verdict says that revocation was not judged."""
    REQUIRED = "required"
    """It is refused."""


@dataclass(frozen=True, kw_only=True)
class ReleasePolicy:
    """What is accepted. Whatever a policy does not name is refused; no measurement named accepts nothing.

    Debugging and migration are refused by every policy.
    """

    products: frozenset[str]
    measurements: frozenset[bytes]
    minimum_tcb: Mapping[str, Tcb]
    vmpls: frozenset[int]
    smt_allowed: bool
    max_age: timedelta = FRESHNESS
    revocation: Revocation = Revocation.WHERE_REACHABLE
    pins: Mapping[str, str] = field(default_factory=lambda: AMD_PINS)

    def __post_init__(self) -> None:
        if missing := self.products - self.minimum_tcb.keys():
            raise ValueError(f"no minimum TCB for {', '.join(sorted(missing))}")
        if any(len(one) != MEASUREMENT for one in self.measurements):
            raise ValueError("a measurement has 48 bytes")


def production_policy(
    *,
    measurements: Collection[bytes],
    minimum_tcb: Mapping[str, Tcb],
    smt_allowed: bool = True,
    max_age: timedelta = FRESHNESS,
    revocation: Revocation = Revocation.WHERE_REACHABLE,
) -> ReleasePolicy:
    """The policy for nilCC evidence: level 1, AMD's own roots, fresh within five minutes.

    :param minimum_tcb: names the allowed products, each with the oldest firmware that is still accepted
    :param smt_allowed: nilCC launches its guests with SMT allowed
    :raises ValueError: a longer freshness than five minutes, or a measurement that has not 48 bytes
    """
    if max_age > FRESHNESS:
        raise ValueError("evidence is fresh for five minutes at most")
    return ReleasePolicy(
        products=frozenset(minimum_tcb),
        measurements=frozenset(measurements),
        minimum_tcb=dict(minimum_tcb),
        vmpls=frozenset({NILCC_VMPL}),
        smt_allowed=smt_allowed,
        max_age=max_age,
        revocation=revocation,
    )


class Facts(NamedTuple):
    """What the rules are asked about: an authentic report, and what is expected of it."""

    report: Report
    endorsement: Endorsement
    policy: ReleasePolicy
    report_data: bytes
    age: timedelta
    tcbs: tuple[Tcb, ...]
    """The firmware reported, the one it cannot be rolled back behind, and the one the guest was launched on."""


class Rule(NamedTuple):
    """A thing that must hold, what is refused when it does not, and the value that was found."""

    title: str
    refusal: type[refusals.AttestationRefused]
    holds: Callable[[Facts], bool]
    found: Callable[[Facts], str]


def _new_enough(facts: Facts) -> bool:
    least = facts.policy.minimum_tcb.get(facts.endorsement.product)
    return least is not None and all(tcb.reaches(least) for tcb in facts.tcbs)


def _list_of(facts: Facts) -> str:
    listed = facts.endorsement.listed
    return f"list of {listed.issued_at:%Y-%m-%d}" if listed else "no list"


RULES: tuple[Rule, ...] = (
    Rule(
        "revocation is judged, or need not be",
        refusals.RevocationMissing,
        lambda facts: facts.endorsement.listed is not None or facts.policy.revocation != Revocation.REQUIRED,
        _list_of,
    ),
    Rule(
        "the guest policy is valid",
        refusals.GuestPolicyInvalid,
        lambda facts: facts.report.policy.valid,
        lambda facts: f"policy {facts.report.policy.bits:#x}",
    ),
    Rule(
        "debugging is off",
        refusals.DebugAllowed,
        lambda facts: not facts.report.policy.debug,
        lambda facts: f"policy {facts.report.policy.bits:#x}",
    ),
    Rule(
        "migration is off",
        refusals.MigrationAllowed,
        lambda facts: not facts.report.policy.migration,
        lambda facts: f"policy {facts.report.policy.bits:#x}",
    ),
    Rule(
        "SMT is off, or allowed",
        refusals.SmtNotAllowed,
        lambda facts: facts.policy.smt_allowed or not facts.report.policy.smt,
        lambda facts: f"policy {facts.report.policy.bits:#x}",
    ),
    Rule(
        "the product is allowed",
        refusals.ProductNotAllowed,
        lambda facts: facts.endorsement.product in facts.policy.products,
        lambda facts: facts.endorsement.product,
    ),
    Rule(
        "the firmware is new enough",
        refusals.TcbTooOld,
        _new_enough,
        lambda facts: " / ".join(map(str, sorted(set(facts.tcbs)))),
    ),
    Rule(
        "the privilege level is allowed",
        refusals.VmplNotAllowed,
        lambda facts: facts.report.vmpl in facts.policy.vmpls,
        lambda facts: f"VMPL {facts.report.vmpl}",
    ),
    Rule(
        "the measurement is on the list",
        refusals.MeasurementUnknown,
        lambda facts: facts.report.measurement in facts.policy.measurements,
        lambda facts: facts.report.measurement.hex(),
    ),
    Rule(
        "the report data is the one expected",
        refusals.ReportDataWrong,
        lambda facts: hmac.compare_digest(facts.report.report_data, facts.report_data),
        lambda facts: facts.report.report_data.hex(),
    ),
    Rule(
        "the evidence is not from the future",
        refusals.AttestationNotYet,
        lambda facts: facts.age >= -_CLOCKS_APART,
        lambda facts: f"{facts.age.total_seconds():.0f} s old",
    ),
    Rule(
        "the evidence is fresh",
        refusals.AttestationExpired,
        lambda facts: facts.age <= facts.policy.max_age,
        lambda facts: f"{facts.age.total_seconds():.0f} s old",
    ),
)
"""In the order in which they are asked: what the host could read comes before what it runs."""
