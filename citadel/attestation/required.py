"""No key without evidence: a key provider behind the verdict on the machine its keys go to.

$OBSCURA_ATTESTATION is ``off`` (the default; the public page says so) or ``required``. Then it takes
$OBSCURA_ATTESTATION_WORKLOAD (``host`` or ``host:port`` of the nilCC workload that the signer runs in),
$OBSCURA_ATTESTATION_MEASUREMENTS (launch digests in hex, comma separated) and $OBSCURA_ATTESTATION_TCB (the oldest
firmware for each product, ``Genoa=bl.tee.snp.ucode``, comma separated). Certificates of chips and AMD's revocation
lists are kept in the signer's state; $OBSCURA_ATTESTATION_CA names an authority for the workload's certificate, where
the system's do not know it.

$OBSCURA_ATTESTATION_REVOCATION is ``where_reachable`` (the default: while nobody answers for AMD and no list is kept
that is in date, keys are given, and it is said that revocation was not judged) or ``required`` (then none is given).
What a list names is refused in both; and so is everything, while no list is kept that is in date, where AMD's service
answers with something else than a list that holds.

$OBSCURA_ATTESTATION_KDS is where AMD's Key Distribution Service is asked, ``https://kdsintf.amd.com`` by default.
What it gives is signed by AMD: a mirror of one's own cannot lie. $OBSCURA_ATTESTATION_KDS_CA names an authority for
its certificate.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from citadel.attestation.crls import Crls
from citadel.attestation.kds import KDS
from citadel.attestation.nilcc import Attested, NilccVerifier, NodeAnswerInvalid, NodeAway
from citadel.attestation.vceks import Vceks, VcekUnavailable, from_kds
from citadel.domain.attestation.policy import Revocation, production_policy
from citadel.domain.attestation.refusals import Revoked
from citadel.domain.attestation.report import Tcb
from citadel.vaults.provider import ErasableProvider, Generations, ProviderUnavailable

MODES = ("off", "required")


class NotAttested(ProviderUnavailable):
    """There is no fresh verdict on the machine that the keys would go to. Nothing is released until there is one."""

    code = "not_attested"


class AttestationUnknown(ValueError):
    """OBSCURA_ATTESTATION, or what goes with it, is not understood. Set it to off, or to required with its policy."""

    code = "attestation_unknown"


class Attests(Protocol):
    """Who gives verdicts."""

    def __call__(self) -> Attested:
        """The verdict on the machine.

        :raises NodeAway, NodeAnswerInvalid, VcekUnavailable: there is none
        """
        ...


class AttestedProvider:
    """A provider that works after a good verdict alone, asked for before each use; a good one holds five minutes.

    :param told: hears every statement that differs from the last
    """

    def __init__(
        self, provider: ErasableProvider, *, attests: Attests, told: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        self.name = provider.name
        self._provider, self._attests, self._told = provider, attests, told
        self.statement: dict[str, Any] = {"mode": "required", "accepted": False, "code": "not_asked"}

    def wrap(self, *, key: bytes, aad: bytes) -> str:
        """As the provider does.

        :raises NotAttested: there is no good verdict
        """
        self._require()
        return self._provider.wrap(key=key, aad=aad)

    def unwrap(self, *, wrapped: str, aad: bytes) -> bytes:
        """As the provider does.

        :raises NotAttested: there is no good verdict
        """
        self._require()
        return self._provider.unwrap(wrapped=wrapped, aad=aad)

    def rotate(self) -> int:
        """As the provider does.

        :raises NotAttested: there is no good verdict
        """
        self._require()
        return self._provider.rotate()

    def generations(self) -> Generations:
        """As the provider does. Nothing is opened by it, so it needs no verdict."""
        return self._provider.generations()

    def destroy(self, *, below: int) -> Generations:
        """As the provider does. What opens nothing any more needs no verdict either."""
        return self._provider.destroy(below=below)

    def close(self) -> None:
        """As the provider does."""
        self._provider.close()

    def _require(self) -> None:
        try:
            attested = self._attests()
        except (NodeAway, NodeAnswerInvalid, VcekUnavailable) as error:
            self._state({"accepted": False, "code": error.code})
            raise NotAttested from None
        verdict = attested.verdict
        self._state(
            {
                "accepted": verdict.accepted,
                "code": verdict.code,
                "report": verdict.report_sha256,
                "product": verdict.product or "",
                "measurement": verdict.measurement or "",
                "firmware": str(verdict.tcb or ""),
                "at": attested.obtained_at.isoformat(timespec="seconds"),
                "revocation": _revocation(attested),
            }
        )
        if not verdict.accepted:
            raise NotAttested

    def _state(self, facts: Mapping[str, Any]) -> None:
        statement = {"mode": "required", **facts}
        if statement != self.statement:
            self.statement = statement
            if self._told is not None:
                self._told(statement)


def mode(env: Mapping[str, str] = os.environ) -> str:
    """Whether attestation is required.

    :raises AttestationUnknown: it is neither off nor required
    """
    name = env.get("OBSCURA_ATTESTATION") or "off"
    if name not in MODES:
        raise AttestationUnknown
    return name


def attests(folder: Path, env: Mapping[str, str] = os.environ) -> Attests:
    """Who gives verdicts under the policy of the environment.

    :param folder: where certificates of chips and revocation lists are kept
    :raises AttestationUnknown: the policy is not understood, or names no measurement
    """
    host, _, port = env.get("OBSCURA_ATTESTATION_WORKLOAD", "").partition(":")
    try:
        measurements = [bytes.fromhex(word) for word in _words(env.get("OBSCURA_ATTESTATION_MEASUREMENTS", ""))]
        firmware = dict(_firmware(word) for word in _words(env.get("OBSCURA_ATTESTATION_TCB", "")))
        revocation = Revocation(env.get("OBSCURA_ATTESTATION_REVOCATION") or Revocation.WHERE_REACHABLE)
        policy = production_policy(measurements=measurements, minimum_tcb=firmware, revocation=revocation)
        number = int(port or 443)
        base, names = _service(env)
    except (ValueError, TypeError):
        raise AttestationUnknown from None
    if not host or not measurements or not firmware:
        raise AttestationUnknown
    authority = env.get("OBSCURA_ATTESTATION_CA") or None
    verifier = NilccVerifier(
        policy=policy,
        vceks=Vceks(folder / "vceks", opener=partial(from_kds, tls=names), base=base),
        crls=Crls(folder / "crls", base=base, tls=names),
        tls=ssl.create_default_context(cafile=authority),
        clock=lambda: datetime.now(UTC),
    )
    return lambda: verifier.attest(host, number)


def _service(env: Mapping[str, str]) -> tuple[str, ssl.SSLContext | None]:
    """Where AMD's service is, and whose names are believed there.

    :raises ValueError: it is not asked over TLS
    """
    base = env.get("OBSCURA_ATTESTATION_KDS", "").rstrip("/") or KDS
    if not base.startswith("https://"):
        raise ValueError(base)
    authority = env.get("OBSCURA_ATTESTATION_KDS_CA")
    return base, ssl.create_default_context(cafile=authority) if authority else None


def _revocation(attested: Attested) -> dict[str, Any]:
    verdict, listed = attested.verdict, attested.verdict.listed
    return {
        "policy": attested.revocation.value,
        "judged": listed is not None or verdict.code == Revoked.code,
        "issued": listed.issued_at.isoformat() if listed else "",
        "until": listed.until.isoformat() if listed else "",
        "trouble": list(attested.trouble),
    }


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _firmware(word: str) -> tuple[str, Tcb]:
    product, _, parts = word.partition("=")
    return product, Tcb(*map(int, parts.split(".")))
