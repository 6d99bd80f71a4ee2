"""A certificate authority of our own, so that clients can reach the paper venue under the exchange's real names."""

from __future__ import annotations

import datetime
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

NAMES = (
    "binance.com", "*.binance.com", "api.binance.com", "fapi.binance.com", "dapi.binance.com", "stream.binance.com",
    "fstream.binance.com", "ws-api.binance.com", "ws-fapi.binance.com", "localhost",
)  # fmt: skip
VALID = datetime.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of the authority's certificate and of the venue's certificate and key (PEM)."""

    authority: Path
    certificate: Path
    key: Path


def ensure(folder: Path) -> Certificates:
    """The certificates in `folder`, made when missing or about to end; safe to call from many processes.

    The authority's own key is thrown away after it signed the one certificate: nothing else can ever be signed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder / "ca.pem", folder / "venue.pem", folder / "venue.key")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _usable(made):
            _make(made)
    return made


def _usable(made: Certificates) -> bool:
    from cryptography import x509

    if not (made.authority.exists() and made.certificate.exists() and made.key.exists()):
        return False
    ends = x509.load_pem_x509_certificate(made.certificate.read_bytes()).not_valid_after_utc
    return ends - datetime.datetime.now(datetime.UTC) > datetime.timedelta(days=7)


def _make(made: Certificates) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC)
    issuer_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Obscura paper venue authority")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "paper venue")])

    def draft(name: x509.Name, public: ec.EllipticCurvePublicKey, *, authority: bool) -> x509.CertificateBuilder:
        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        signs = {"digital_signature": not authority, "key_cert_sign": authority, "crl_sign": authority}
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + VALID)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
            .add_extension(x509.KeyUsage(**usage, **signs), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(issuer_id, critical=False)
        )

    root = draft(issuer, issuer_key.public_key(), authority=True).sign(issuer_key, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    leaf = (
        draft(subject, key.public_key(), authority=False)
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(made.key, secret, 0o600)
    _write(made.authority, root.public_bytes(pem), 0o644)
    _write(made.certificate, leaf.public_bytes(pem), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_suffix(path.suffix + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    fresh.rename(path)
