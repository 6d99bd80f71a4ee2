"""What each root of AMD's has revoked: asked of AMD once a day, kept in a folder, and used until its own end.

A list that is kept and in date is enough, whatever comes of asking for a newer one. Without one, nobody answering is
the one failure that is no refusal: whoever answers has to answer with a list that is the root's, in date, and not
older than the one before.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from citadel.attestation import files, kds
from citadel.attestation.https import Away, TooLong
from citadel.attestation.vceks import Roots
from citadel.domain.attestation.chain import AMD_PINS, check_not_named, read_crl
from citadel.domain.attestation.refusals import AttestationRefused, RevocationUnknown, Revoked
from citadel.domain.attestation.revocation import RevocationList

REFRESH = timedelta(days=1)
"""AMD's lists are good for some weeks."""
RETRY, RETRY_WITHOUT = timedelta(hours=1), timedelta(minutes=1)
"""Between two questions after a failure: with a list in date, and without one. The service allows few questions."""

LIMIT = 1 << 20


class Listed(NamedTuple):
    """What is known of a root's list now.

    :param crl: a list that is the root's and in date, DER; None: nobody has judged what is revoked
    :param trouble: what went wrong when it was last asked for: ``kds_away`` (nobody answers, or with 429 or 5xx),
        ``kds_answer`` (another answer than a list), ``crl_invalid``, ``crl_older``, ``crl_damaged`` (the file) or
        ``crl_unwritable``
    :param refusal: why evidence is refused under every policy
    """

    crl: bytes | None
    trouble: tuple[str, ...] = ()
    refusal: AttestationRefused | None = None


class NoList(Exception):
    """The service has not given a list that can be used. `code` says in which way, as `Listed` does.

    :param refusal: None where nobody answers
    """

    def __init__(self, code: str, refusal: RevocationUnknown | None) -> None:
        super().__init__(code)
        self.code, self.refusal = code, refusal


class Kept(NamedTuple):
    """A list as it came, and what it says."""

    der: bytes
    listed: RevocationList

    def in_date(self, now: datetime) -> bool:
        return self.listed.dates.in_date(now)


def fetch(
    product: str, *, base: str = kds.KDS, tls: ssl.SSLContext | None = None, timeout: float = kds.TIMEOUT
) -> bytes:
    """What AMD's service gives as the list of a product's root, DER. It is still to be verified.

    :raises NoList: nobody answers, or not with a list
    """
    try:
        status, body = kds.get(crl_url(product, base), limit=LIMIT, tls=tls, timeout=timeout)
    except TooLong as failed:
        raise NoList("kds_answer", RevocationUnknown(f"{base}: {failed}")) from None
    except Away as failed:
        raise NoList("kds_away", None) from failed
    if status == 429 or status >= 500:  # it is there, and not at work: as good as nobody
        raise NoList("kds_away", None)
    if status != 200:
        raise NoList("kds_answer", RevocationUnknown(f"{base} answers {status}"))
    try:
        return as_der(body)
    except RevocationUnknown as unknown:
        raise NoList("crl_invalid", unknown) from None


def crl_url(product: str, base: str = kds.KDS) -> str:
    """Where AMD keeps the list; its own certificates name this place."""
    return f"{base}/vcek/v1/{product}/crl"


def as_der(body: bytes) -> bytes:
    """A list in PEM as DER; anything else as it is.

    :raises RevocationUnknown: it begins as PEM and is none
    """
    if not body.startswith(b"-----BEGIN"):
        return body
    try:
        return x509.load_pem_x509_crl(body).public_bytes(Encoding.DER)
    except ValueError:
        raise RevocationUnknown("it cannot be read: no PEM") from None


class Crls:
    """The lists of all roots, one file for each in a folder that only this user may write.

    :param base: where AMD's service is
    :param tls: whose names are believed; the system's trust where none is given
    :param timeout: seconds that a question may take; nothing waits longer
    """

    def __init__(
        self,
        folder: Path,
        *,
        base: str = kds.KDS,
        tls: ssl.SSLContext | None = None,
        timeout: float = kds.TIMEOUT,
        pins: Mapping[str, str] = AMD_PINS,
    ) -> None:
        self._folder, self._base, self._tls, self._timeout, self._pins = folder, base, tls, timeout, pins
        self._shelves: dict[str, _Shelf] = {}
        self._lock = threading.Lock()

    def find(self, product: str, roots: Roots, *, now: datetime) -> Listed:
        """The list of this root, asked for where it is due.

        :raises ChainUntrusted: the root is not pinned
        """
        with self._lock:
            shelf = self._shelves.setdefault(product, _Shelf())
            if shelf.due(now):
                self._refresh(shelf, product, roots, now)
            return shelf.listed(roots, now)

    def _refresh(self, shelf: _Shelf, product: str, roots: Roots, now: datetime) -> None:
        path = self._folder / f"{product}.der"
        content, damage = _read(path)
        shelf.asked_at, shelf.refusal = now, None
        try:
            if content is not None:
                shelf.put(self._kept(content, roots))
        except (RevocationUnknown, NoList):
            damage = ("crl_damaged",)
        try:
            fresh = self._kept(fetch(product, base=self._base, tls=self._tls, timeout=self._timeout), roots)
            fresh.listed.check_dates(now)
            shelf.put(fresh)
            shelf.trouble = self._write(path, fresh.der) if fresh.der != content else ()
        except RevocationUnknown as unknown:
            shelf.refusal, shelf.trouble = unknown, ("crl_invalid", *damage)
        except NoList as none:
            shelf.refusal, shelf.trouble = none.refusal, (none.code, *damage)

    def _kept(self, der: bytes, roots: Roots) -> Kept:
        return Kept(der, read_crl(der, ark=roots.ark, pins=self._pins))

    @staticmethod
    def _write(path: Path, der: bytes) -> tuple[str, ...]:
        try:
            files.replace(path, der)
        except OSError:
            return ("crl_unwritable",)
        return ()


@dataclass
class _Shelf:
    """One root's list, and how the last question about it went."""

    kept: Kept | None = None
    asked_at: datetime | None = None
    trouble: tuple[str, ...] = ()
    refusal: RevocationUnknown | None = None

    def put(self, one: Kept) -> None:
        """Keep a list that is signed.

        :raises NoList: it is older than the one that is here
        """
        if self.kept is not None and one.listed.dates.older_than(self.kept.listed.dates):
            older = RevocationUnknown(f"of {one.listed.dates.issued_at}, older than one that was seen")
            raise NoList("crl_older", older)
        self.kept = one

    def due(self, now: datetime) -> bool:
        if self.asked_at is None or now < self.asked_at:  # a clock that was set back must not put it off
            return True
        pause = RETRY if self.trouble else REFRESH
        if self.kept is None or not self.kept.in_date(now):
            pause = RETRY_WITHOUT
        return now - self.asked_at >= pause

    def listed(self, roots: Roots, now: datetime) -> Listed:
        if self.kept is None:
            return Listed(None, self.trouble, self.refusal)
        if self.kept.in_date(now):
            return Listed(self.kept.der, self.trouble)
        try:
            # It says no longer what is not revoked, and still what is: nobody gets off by keeping us from asking.
            check_not_named(self.kept.listed, ask=roots.ask, ark=roots.ark)
        except Revoked as revoked:
            return Listed(None, self.trouble, revoked)
        return Listed(None, self.trouble, self.refusal)


def _read(path: Path) -> tuple[bytes | None, tuple[str, ...]]:
    """A file's content, and what is the matter with it."""
    try:
        return path.read_bytes(), ()
    except FileNotFoundError:
        return None, ()
    except OSError:
        return None, ("crl_damaged",)
