"""Passkeys in software: what a browser and an authenticator do between them, registering and confirming."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from citadel.domain.agreement import Passkey
from citadel.limits import decoded, encoded

REGISTERED, CONFIRMED = 0x45, 0x05


@dataclass
class Software:
    """A passkey made at a site; `signs` answers a challenge as the page would send it."""

    site: str
    ident: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def cose(self) -> dict[int, Any]:
        return dict(ES256.from_cryptography_key(self.key.public_key()))

    @property
    def passkey(self) -> Passkey:
        return Passkey(self.ident, cbor.encode(self.cose), self.site)

    def register(self, user: Any) -> None:
        """As allauth keeps it of a browser's answer."""
        data = AuthenticatorData.create(
            hashlib.sha256(self.site.encode()).digest(),
            REGISTERED,
            0,
            AttestedCredentialData.create(bytes(16), self.ident, self.cose),
        )
        client = json.dumps({"type": "webauthn.create", "challenge": "", "origin": f"https://{self.site}"}).encode()
        credential = {
            "id": encoded(self.ident),
            "rawId": encoded(self.ident),
            "type": "public-key",
            "response": {
                "clientDataJSON": encoded(client),
                "attestationObject": encoded(bytes(AttestationObject.create("none", data, {}))),
            },
        }
        Authenticator.objects.create(
            user=user, type=Authenticator.Type.WEBAUTHN, data={"name": "Software", "credential": credential}
        )

    def signs(self, challenge: str, *, origin: str = "", flags: int = CONFIRMED) -> dict[str, str]:
        """The answer to a challenge (base64url)."""
        said = {"type": "webauthn.get", "challenge": challenge, "origin": origin or f"https://{self.site}"}
        client = json.dumps(said).encode()
        data = hashlib.sha256(self.site.encode()).digest() + bytes([flags]) + bytes(4)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        assert len(decoded(challenge)) == 32
        return {
            "id": encoded(self.ident),
            "authenticator": encoded(data),
            "client": encoded(client),
            "signature": encoded(signature),
        }
