"""Asking a nilCC workload who it is, and whether the key at the other end of the line is the one its chip vouches for.

nilCC makes its report when it starts and takes no nonce: the report data is the digest of its TLS key. What makes an
answer fresh is that it came over a connection which that very key opened, so the key is read off the connection the
report is fetched on, and a verdict holds for this key alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from citadel.attestation.crls import Crls
from citadel.attestation.https import Away, Line, TooLong
from citadel.attestation.vceks import Vceks
from citadel.domain.attestation.policy import FRESHNESS, ReleasePolicy, Revocation
from citadel.domain.attestation.refusals import AttestationRefused, ChipDiffers
from citadel.domain.attestation.report import parse_report
from citadel.domain.attestation.verify import Evidence, Verdict, check_signer, judge, refuse

PATH = "/nilcc/api/v2/report"
LIMIT, TIMEOUT = 64 << 10, 10.0
MOST_KEPT = 64
_RAW = re.compile(r"[0-9a-fA-F]{2368}", re.ASCII)


class NodeAway(Exception):
    """The workload does not answer over TLS in time. Nothing was released; it is asked again at the next need."""

    code = "node_away"


class NodeAnswerInvalid(Exception):
    """The workload answers, but not what nilCC answers. Check its address, and that it runs under nilCC."""

    code = "node_answer_invalid"


class Environment(NamedTuple):
    """What the node says it runs on. It is signed by nobody: the measurement says whether it is true."""

    nilcc_version: str
    vm_type: str
    cpu_count: int


class Attested(NamedTuple):
    """A verdict and the key it is about. Anything released goes over a connection whose peer has exactly this key.

    :param revocation: what the policy asks for
    :param trouble: what went wrong with the revocation list, as `citadel.attestation.crls.Listed` has it
    """

    verdict: Verdict
    spki: bytes
    obtained_at: datetime
    environment: Environment
    revocation: Revocation
    trouble: tuple[str, ...] = ()


class NilccVerifier:
    """Verdicts about workloads under one policy. A good one is kept for five minutes at most, a bad one never."""

    def __init__(
        self,
        *,
        policy: ReleasePolicy,
        vceks: Vceks,
        crls: Crls,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: float = TIMEOUT,
    ) -> None:
        """:param tls: whose names are believed; the system's trust where none is given"""
        self._policy, self._vceks, self._crls, self._clock, self._timeout = policy, vceks, crls, clock, timeout
        self._tls = tls or ssl.create_default_context()
        self._kept: dict[bytes, Attested] = {}
        self._lock = threading.Lock()

    def attest(self, host: str, port: int = 443) -> Attested:
        """The verdict about whoever has the key at the other end. The key is asked for each time, the report is not.

        :raises NodeAway: no answer
        :raises NodeAnswerInvalid: no answer of nilCC's
        :raises citadel.attestation.vceks.VcekUnavailable: the chip's certificate cannot be had now
        """
        try:
            with Line(host=host, port=port, tls=self._tls, timeout=self._timeout) as line:
                kept = self.known(line.spki)
                if kept is not None:
                    return kept
                status, body = line.get(PATH, limit=LIMIT)
                spki = line.spki
        except Away as away:
            raise NodeAway(f"{host}:{port}: {away}") from None
        except TooLong as longer:
            raise NodeAnswerInvalid(f"{host}:{port}: {longer}") from None
        if status != 200:
            raise NodeAnswerInvalid(f"{host}:{port}: status {status}")
        raw, environment = read_answer(body)
        return self._decide(raw, spki, environment)

    def known(self, spki: bytes) -> Attested | None:
        """The good verdict about this key, while it is fresh."""
        now = self._clock()
        with self._lock:
            kept = self._kept.get(hashlib.sha256(spki).digest())
        return kept if kept is not None and self._fresh(kept, now) else None

    def _decide(self, raw: bytes, spki: bytes, environment: Environment) -> Attested:
        now = self._clock()
        try:
            report = parse_report(raw)
            check_signer(report)
            if report.chip_masked or not any(report.chip_id):
                raise ChipDiffers("the report hides its chip")  # there is nothing to ask AMD for
            found = self._vceks.find(report, products=self._policy.products, now=now)
            listed = self._crls.find(found.product, found.roots, now=now)
        except AttestationRefused as refused:
            return Attested(refuse(raw, refused), spki, now, environment, self._policy.revocation)
        if listed.refusal is not None:
            verdict = refuse(raw, listed.refusal)
        else:
            evidence = Evidence(raw, found.vcek, *found.roots, obtained_at=now, crl=listed.crl)
            verdict = judge(evidence=evidence, report_data=report_data_of(spki), policy=self._policy, now=now)
        attested = Attested(verdict, spki, now, environment, self._policy.revocation, listed.trouble)
        if verdict.accepted:
            self._keep(attested, now)
        return attested

    def _keep(self, attested: Attested, now: datetime) -> None:
        with self._lock:
            fresh = {digest: kept for digest, kept in self._kept.items() if self._fresh(kept, now)}
            fresh[hashlib.sha256(attested.spki).digest()] = attested
            self._kept = dict(list(fresh.items())[-MOST_KEPT:])

    def _fresh(self, kept: Attested, now: datetime) -> bool:
        # Not from the future either: a clock that was set back must not lengthen a verdict.
        age = now - kept.obtained_at
        return timedelta(0) <= age <= min(FRESHNESS, self._policy.max_age)


def report_data_of(spki: bytes) -> bytes:
    """What nilCC has its chip sign: version 0, the digest of its TLS key (SPKI, DER), and zeros."""
    return b"\0" + hashlib.sha256(spki).digest() + bytes(31)


def read_answer(body: bytes) -> tuple[bytes, Environment]:
    """The raw report and the environment in an answer. The decoded fields beside them are not looked at.

    :raises NodeAnswerInvalid: not JSON, or not of this form
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise NodeAnswerInvalid("no JSON") from None
    raw, around = (answer.get("raw_report"), answer.get("environment")) if isinstance(answer, dict) else (None, None)
    if not isinstance(raw, str) or not _RAW.fullmatch(raw):
        raise NodeAnswerInvalid("raw_report is not 1184 bytes in hex")
    if not isinstance(around, dict):
        raise NodeAnswerInvalid("no environment")
    version, kind, cpus = (around.get(name) for name in ("nilcc_version", "vm_type", "cpu_count"))
    if not isinstance(version, str) or kind not in ("cpu", "gpu") or type(cpus) is not int or cpus < 1:
        raise NodeAnswerInvalid("the environment lacks nilcc_version, vm_type or cpu_count")
    return bytes.fromhex(raw), Environment(version, kind, cpus)
