"""A root's list of what it has revoked: whether it is the root's, all of it, in date, and newer than another."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import SignatureAlgorithmOID

from citadel.domain.attestation.certificates import UNREADABLE, Certificate, check_signed, repeats
from citadel.domain.attestation.refusals import RevocationUnknown


class ListDates(NamedTuple):
    """Of when a list is, until when a newer one is promised, and its number, where it has one."""

    issued_at: datetime
    until: datetime
    number: int | None

    def older_than(self, other: ListDates) -> bool:
        """Whether `other` has taken the place of this one: by number (RFC 5280, 5.2.3), else by when it was issued."""
        if self.number is not None and other.number is not None and self.number != other.number:
            return self.number < other.number
        return self.issued_at < other.issued_at

    def in_date(self, now: datetime) -> bool:
        """Whether it says what is revoked now."""
        return self.issued_at <= now <= self.until


class RevocationList(NamedTuple):
    """A list that its root has signed, and the serial numbers in it."""

    dates: ListDates
    serials: frozenset[int]

    def names(self, one: Certificate) -> bool:
        return one.x509.serial_number in self.serials

    def check_dates(self, now: datetime) -> None:
        """:raises RevocationUnknown: it is out of date, or of the future"""
        if not self.dates.in_date(now):
            raise RevocationUnknown(f"of {self.dates.issued_at}, it was to be renewed {self.dates.until}")


def read_list(der: bytes, *, root: Certificate) -> RevocationList:
    """What a root says it has revoked; the dates are not judged.

    :raises RevocationUnknown: it cannot be read, is another issuer's or not signed by this one, or is not all of it
    """
    try:
        crl = x509.load_der_x509_crl(der)
        signed = crl.tbs_certlist_bytes
        between = der[der.index(signed) + len(signed) : len(der) - len(crl.signature)]
        if crl.issuer != root.x509.subject:
            raise RevocationUnknown("of another issuer")
        if crl.signature_algorithm_oid != SignatureAlgorithmOID.RSASSA_PSS or not repeats(between, signed):
            raise RevocationUnknown("not signed with RSA-PSS of 4096 bits, and with nothing else")
        check_signed(root, crl.signature, signed, RevocationUnknown("its signature is wrong"))
        number = _number_of_whole(crl)
        issued_at, until = crl.last_update_utc, crl.next_update_utc
        serials = frozenset(one.serial_number for one in crl)
    except UNREADABLE as unreadable:
        raise RevocationUnknown(f"it cannot be read: {unreadable}") from None
    if until is None:
        raise RevocationUnknown("it does not say when it is renewed")
    return RevocationList(ListDates(issued_at, until, number), serials)


def _number_of_whole(crl: x509.CertificateRevocationList) -> int | None:
    """The number of a list that is about everything its root issued.

    A delta names what is new since another list, and a partition some kinds of certificates alone; both are signed like
    a whole one, and silent about what they leave out. RFC 5280, 5.2: what is critical and not understood forbids use.
    """
    number = None
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.CRLNumber):
            number = value.crl_number
        elif isinstance(value, x509.IssuingDistributionPoint):
            if value.only_contains_user_certs or value.only_contains_attribute_certs:
                raise RevocationUnknown("it is not about authorities")
            if value.indirect_crl or value.only_some_reasons:
                raise RevocationUnknown("it is not all of the list")
        elif extension.critical or isinstance(value, x509.DeltaCRLIndicator):
            raise RevocationUnknown(f"it is not the whole list: extension {extension.oid.dotted_string}")
    return number
