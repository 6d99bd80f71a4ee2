"""The public page about keys: how they are kept, what the vault says of itself, and how to check it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from citadel import services as citadel

KEPT = {
    "local": "On the vault’s own machine, wrapped by a root key. It is replaced in time, and the old one erased.",
    "nildb": "In shares on three independent nodes. Two have to agree; none of them can read anything alone.",
    "transit": "In a HashiCorp Vault that never gives it away.",
}


def security(request: HttpRequest) -> HttpResponse:
    """``/security/``."""
    stated = citadel.vault_statement()
    attestation = dict(stated.attestation) if stated else {}
    return render(
        request,
        "security.html",
        {
            "stated": stated,
            "kept": KEPT.get(stated.keys, stated.keys) if stated else "",
            "required": attestation.get("mode") == "required",
            "verdict": attestation,
            "revocation": _revocation(attestation),
        },
    )


def _revocation(verdict: Mapping[str, object]) -> dict[str, object]:
    """What is known of AMD's revocation list.

    `state` is ``judged``, ``unjudged`` (and keys are opened), ``missing`` (and they are not), ``revoked``, or empty
    where the question was not reached.
    """
    said = verdict.get("revocation")
    facts: Mapping[str, object] = said if isinstance(said, Mapping) else {}
    code, trouble = verdict.get("code"), facts.get("trouble")
    state = ""
    if code == "revoked":
        state = "revoked"
    elif facts.get("judged"):
        state = "judged"
    elif code in ("revocation_missing", "revocation_unknown"):
        state = "missing"
    elif verdict.get("accepted"):
        state = "unjudged"
    return {
        "state": state,
        "issued": _moment(facts.get("issued")),
        "until": _moment(facts.get("until")),
        "at": _moment(verdict.get("at")),
        "demanded": facts.get("policy") == "required",
        "trouble": ", ".join(map(str, trouble)) if isinstance(trouble, list) else "",
    }


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None
