"""The public page about keys: how they are kept, what the vault says of itself, and how to check it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from citadel import services as citadel

KEPT = {
    "local": "One root key, on the vault’s own machine.",
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
        },
    )
