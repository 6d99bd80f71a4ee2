"""allauth in a house of many tenants: mails under the tenant's name, second factors sealed to the schema."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import segno
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest

from obscura.core.db.session import connection
from tenants.scope import PUBLIC, current


class TenantAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up is for tenants; the platform's staff are made in the back office."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return current() != PUBLIC

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        super().send_mail(template_prefix, email, {"tenant_name": _tenant_name(), **context})

    def clean_password(self, password: str, user: Any = None) -> str:
        validate_password(password, user)
        return password


class TenantMFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """The relying party of passkeys is the host that is asked, so a passkey of one tenant is none at another."""

    def get_totp_issuer(self) -> str:
        return _tenant_name()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": context.request.get_host().partition(":")[0], "name": _tenant_name()}

    def build_totp_svg(self, url: str) -> str:
        drawing = BytesIO()
        segno.make(url, error="m").save(drawing, kind="svg", scale=5, border=2, xmldecl=False, svgns=True)
        return drawing.getvalue().decode()

    def encrypt(self, text: str) -> str:
        return _sealer().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _sealer().decrypt(encrypted_text.encode()).decode()


def _tenant_name() -> str:
    return str(getattr(connection.tenant, "name", None) or "Obscura")


def _sealer() -> MultiFernet:
    """Keys for this schema's second factors: the present secret key's first, then those it replaced."""
    return MultiFernet([_key(str(secret)) for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]])


def _key(secret: str) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=f"obscura:mfa:{current()}".encode()).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
