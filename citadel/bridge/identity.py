"""Who may speak over the bridge: TLS 1.3 between certificates of our own authority, and what stands in them."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from citadel.bridge.authority import SerialInvalid, read_revoked

WORKER, VAULT = "obscura:worker", "obscura:vault"
SOCKETS = {"obscura-signer/1": "signer", "obscura-egress/1": "egress"}
"""What a client asks for in the handshake (ALPN), and the socket it is."""

_OURS = "obscura:"


class CertificatesUnusable(Exception):
    """Authority, certificate or key cannot be used. Set OBSCURA_BRIDGE_AUTHORITY, OBSCURA_BRIDGE_CERTIFICATE and
    OBSCURA_BRIDGE_KEY to files that `python -m citadel.bridge authority` and `issue` have made."""

    code = "certificates_unusable"


class RevokedUnreadable(Exception):
    """The list of refused certificates cannot be read. Set OBSCURA_BRIDGE_REVOKED to it; it may be empty."""

    code = "revoked_unreadable"


def server_context(env: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """The vault's side: a client without a certificate of our authority does not get through the handshake.

    :raises CertificatesUnusable: what the environment names is missing or no certificate
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, env)
    context.num_tickets = 0  # a resumed session would not look at the certificate's end again
    context.set_alpn_protocols(list(SOCKETS))
    return context


def client_context(protocol: str, env: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """A worker's side, for one of the two sockets. What the server is called is in its certificate, not in its host.

    :raises CertificatesUnusable: what the environment names is missing or no certificate
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, env)
    context.set_alpn_protocols([protocol])
    return context


def _context(side: int, env: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cafile=env["OBSCURA_BRIDGE_AUTHORITY"])
        context.load_cert_chain(env["OBSCURA_BRIDGE_CERTIFICATE"], env["OBSCURA_BRIDGE_KEY"])
    except (KeyError, OSError):  # ssl.SSLError is an OSError
        raise CertificatesUnusable from None
    return context


@dataclass(frozen=True, slots=True)
class Peer:
    """What the certificate at the other end says, and what was agreed on in the handshake.

    :param roles: the names in it that are of our kind
    :param ends: Unix seconds
    :param protocol: None: nothing both sides know
    """

    name: str
    serial: int
    ends: float
    roles: frozenset[str]
    protocol: str | None


def peer(connection: ssl.SSLObject) -> Peer:
    """The other end of a connection whose handshake is complete."""
    raw = connection.getpeercert(binary_form=True)
    assert raw is not None  # CERT_REQUIRED
    certificate = x509.load_der_x509_certificate(raw)
    uris: list[str] = []
    called: list[str] = []
    try:
        called = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        uris.clear()  # no name of ours, or none that can be read: whoever it is has no role
    return Peer(
        name=called[0] if called else "",
        serial=certificate.serial_number,
        ends=certificate.not_valid_after_utc.timestamp(),
        roles=frozenset(uri for uri in uris if uri.startswith(_OURS)),
        protocol=connection.selected_alpn_protocol(),
    )


class Revoked:
    """The list of refused serial numbers, read again whenever the file is another one.

    :raises RevokedUnreadable: it cannot be read now, which is a reason not to start
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._serials: frozenset[int] = frozenset()
        if not self.refresh():
            raise RevokedUnreadable

    def refresh(self) -> bool:
        """Read it if it has changed. False: it cannot be read, and nobody new is let in; what was known stays known."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._serials = read_revoked(self._path.read_text(encoding="ascii"))
                self._seen = seen
        except (OSError, UnicodeDecodeError, SerialInvalid):
            self._seen = None
            return False
        return True

    def __contains__(self, serial: int) -> bool:
        return serial in self._serials


def why_not(other: Peer, *, role: str, protocols: frozenset[str], revoked: Revoked | None) -> str | None:
    """Why the other end is not spoken to, or None. It must have this role alone."""
    if other.roles != {role}:
        return "role"
    if other.protocol not in protocols:
        return "protocol"
    if revoked is not None and not revoked.refresh():
        return RevokedUnreadable.code
    if revoked is not None and other.serial in revoked:
        return "revoked"
    return None
