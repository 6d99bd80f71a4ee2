"""An authority of our own for the bridge, the certificates it signs, and the list of those that are refused."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=365)
ROLES = {"worker": ExtendedKeyUsageOID.CLIENT_AUTH, "vault": ExtendedKeyUsageOID.SERVER_AUTH}
"""What a certificate may be for: a worker's opens connections, the vault's takes them, and neither does the other."""

REVOKED = "revoked"
_PEM = serialization.Encoding.PEM
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class AuthorityError(Exception):
    """Something is wrong with what was asked of the authority."""

    code = "authority_error"


class AlreadyThere(AuthorityError):
    """There is a file of this name, and nothing is overwritten. Choose another name, or move the file away."""

    code = "already_there"


class NoAuthority(AuthorityError):
    """There is no usable authority in this directory. Make one with `python -m citadel.bridge authority DIR`."""

    code = "no_authority"


class NameInvalid(AuthorityError):
    """A name has 1 to 64 of letters, digits, dot, hyphen and underscore, and is not the authority's own."""

    code = "name_invalid"


class SerialInvalid(AuthorityError):
    """A serial number is up to 40 hex digits, as `issue` prints it."""

    code = "serial_invalid"


@dataclass(frozen=True, slots=True)
class Issued:
    """Paths of a certificate and its key (PEM), its serial number in hex, and when it ends."""

    certificate: Path
    key: Path
    serial: str
    ends: datetime.datetime


def make(folder: Path) -> Issued:
    """A new authority in `folder`, with an empty list of refused certificates beside it.

    :raises AlreadyThere: there is one, or a part of one
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder):
        _refuse_existing(folder / "authority.key", folder / "authority.pem", folder / REVOKED)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Obscura bridge authority")])
        now = datetime.datetime.now(datetime.UTC)
        draft = _draft(name, name, key.public_key(), key.public_key(), ends=now + VALID, authority=True)
        issued = _write(folder, "authority", draft.sign(key, hashes.SHA256()), key)
        _create(folder / REVOKED, b"", 0o644)
        return issued


def issue(folder: Path, *, name: str, role: str) -> Issued:
    """A certificate of the authority in `folder`, for a worker's machine or for the vault's.

    It ends after a year, or with the authority where that is sooner.

    :raises NoAuthority: there is none, or it has ended
    :raises NameInvalid: the name cannot be that of a file
    :raises AlreadyThere: there is a certificate or a key of this name
    """
    if _NAME.fullmatch(name) is None or name == "authority":
        raise NameInvalid
    with _alone(folder):
        issuer_key, issuer = _load(folder)
        _refuse_existing(folder / f"{name}.key", folder / f"{name}.pem")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        ends = min(datetime.datetime.now(datetime.UTC) + VALID, issuer.not_valid_after_utc)
        draft = (
            _draft(subject, issuer.subject, key.public_key(), issuer_key.public_key(), ends=ends, authority=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"obscura:{role}")]), critical=False
            )
            .add_extension(x509.ExtendedKeyUsage([ROLES[role]]), critical=False)
        )
        return _write(folder, name, draft.sign(issuer_key, hashes.SHA256()), key)


def revoke(folder: Path, serial: str) -> bool:
    """Put a serial number on the list of those that are refused. False: it is on it already.

    :raises NoAuthority: there is no list in this directory
    :raises SerialInvalid: it is no serial number, or the list holds one that is none
    """
    with _alone(folder):
        try:
            listed = (folder / REVOKED).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            raise NoAuthority from None
        number = read_serial(serial)
        if number in read_revoked(listed):
            return False
        lines = listed if not listed or listed.endswith("\n") else listed + "\n"
        fresh = folder / f"{REVOKED}.new"
        fresh.unlink(missing_ok=True)  # left by one that was killed here
        _create(fresh, f"{lines}{number:x}\n".encode(), 0o644)
        fresh.rename(folder / REVOKED)
        return True


def read_serial(text: str) -> int:
    """A serial number in hex, with or without colons.

    :raises SerialInvalid: it is none
    """
    digits = text.strip().replace(":", "")
    if re.fullmatch(r"[0-9A-Fa-f]{1,40}", digits) is None:
        raise SerialInvalid
    return int(digits, 16)


def read_revoked(text: str) -> frozenset[int]:
    """The serial numbers on a list: one a line; what follows a # is for people.

    :raises SerialInvalid: a line is none. A list that is half understood is not used
    """
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return frozenset(read_serial(line) for line in lines if line)


def _draft(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer_public: ec.EllipticCurvePublicKey,
    *,
    ends: datetime.datetime,
    authority: bool,
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
    )


def _load(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    try:
        key = serialization.load_pem_private_key((folder / "authority.key").read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate((folder / "authority.pem").read_bytes())
    except (OSError, ValueError, TypeError):
        raise NoAuthority from None
    ended = certificate.not_valid_after_utc <= datetime.datetime.now(datetime.UTC)
    if ended or not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise NoAuthority
    return key, certificate


def _write(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    secret = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _create(folder / f"{name}.key", secret, 0o600)
    _create(folder / f"{name}.pem", certificate.public_bytes(_PEM), 0o644)
    return Issued(
        folder / f"{name}.pem", folder / f"{name}.key", f"{certificate.serial_number:x}",
        certificate.not_valid_after_utc,
    )  # fmt: skip


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if os.path.lexists(path):
            raise AlreadyThere(path.name)


def _create(path: Path, content: bytes, mode: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise AlreadyThere(path.name) from None
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One change of a directory at a time.

    :raises NoAuthority: there is no such directory
    """
    try:
        fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        raise NoAuthority from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
