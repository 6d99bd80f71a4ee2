"""What is measured of the vault: the definitions. `citadel.measured` finds their numbers."""

from __future__ import annotations

from citadel.signer.measures import BOUNDS_US
from obscura.core.metrics import Counter, Gauge, Histogram
from obscura.core.metrics.defined import MICROS
from obscura.core.wire import ANSWER_BOUNDS_MS

REFUSALS = (
    "signed_already", "chunk_repeated", "request_not_allowed", "payload_not_allowed", "field_not_allowed",
    "use_not_allowed", "derives_key", "unknown_op", "bad_request", "bad_fields", "envelope_refused",
    "sealed_for_another", "mandate_refused", "mandate_of_another", "permit_refused", "not_attested",
    "provider_unavailable", "quorum_missing", "provider_denied", "share_tampered", "journal_unwritable", "internal",
)  # fmt: skip
"""Codes of the signer that are told as 0 before they came: growth from nothing would not be seen."""

# The signer.
SIGNED = Counter(
    "obscura_signer_signed_total",
    "Signatures: requests by what they do, single payloads, what no policy reads: carried_..., and unread, not sent.",
    ["kind", "exchange"],
)  # fmt: skip
REFUSED = Counter(
    "obscura_signer_refused_total", "Rows and requests that the signer refused.", ["code"], known=REFUSALS
)
CHUNKS = Histogram(
    "obscura_signer_chunk_seconds", "Judging and signing the rows of one chunk.",
    bounds=tuple(one / MICROS for one in BOUNDS_US),
)  # fmt: skip
UPTIME = Gauge("obscura_signer_uptime_seconds", "How long the signer has been running.")
OPEN = Gauge(
    "obscura_signer_credentials_open", "Credentials that are open for signing: a policy reads what it signs, or none.",
    ["policy"],
)  # fmt: skip
REQUIRED = Gauge("obscura_attestation_required", "1 where keys are released to an attested machine alone.")
ACCEPTED = Gauge("obscura_attestation_accepted", "1 where the last verdict was good; absent where none was asked for.")
VERDICT_AGE = Gauge(
    "obscura_attestation_verdict_age_seconds",
    "Age of the evidence that the last verdict rests on; absent where none is required or none could be had.",
)  # fmt: skip

# The egress.
REQUESTS = Counter(
    "obscura_egress_requests_total",
    "Requests by their end: answered, silent (it may have arrived), unsent. Questions for prices too.",
    ["exchange", "market", "environment", "result"],
)  # fmt: skip
ANSWERS = Histogram(
    "obscura_egress_answer_seconds", "From sending a request to its complete answer.",
    ["exchange", "market", "environment"], bounds=tuple(one / 1000 for one in ANSWER_BOUNDS_MS),
)  # fmt: skip
WAITING = Gauge("obscura_egress_waiting", "Requests that wait for a connection.", ["exchange", "market", "environment"])
REFUSED_THERE = Counter("obscura_egress_refused_total", "What the egress refused.", ["code"])
ROWS = Counter("obscura_egress_rows_total", "Rows of chunks by their end; dropped: nobody heard it.", ["result"])

# The tables.
ALERTS = Gauge("obscura_alerts_open", "Alerts that nobody has acknowledged, by kind.", ["kind"])

# The audit's chains.
VERIFIED = Gauge(
    "obscura_audit_verified_age_seconds",
    "How long ago all chains were verified: walked, or held against heads that were kept elsewhere. Absent: never.",
    ["how"],
)  # fmt: skip
BROKEN = Gauge("obscura_audit_chains_broken", "Chains that were not in order then.", ["how"])
