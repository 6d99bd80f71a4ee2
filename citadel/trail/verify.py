"""Are the signer's records, as they were written down, what the signers told? Every digest is computed again."""

from __future__ import annotations

from collections.abc import Iterator

from citadel.domain.trail import GENESIS, Told, fits
from citadel.trail.models import SignerEntry
from obscura.core import clock
from obscura.core.audit.chain import Head
from obscura.core.audit.verify import Verdict
from tenants.scope import PUBLIC, entered


def chains() -> list[str]:
    """Every chain there is, in the order in which they were begun."""
    with entered(PUBLIC):
        found = SignerEntry.objects.filter(pk__in=_firsts()).order_by("id")
        return list(found.values_list("chain", flat=True))


def verify(chain: str, *, first: int = 1) -> Verdict:
    """Walk a signer's record from the entry `first` on; what is before it is believed."""
    name, count, last = f"signer:{chain}", 0, Head(first - 1, GENESIS)
    if first > 1:
        before = digest_at(chain, first - 1)
        if before is None:
            return Verdict(name, 0, None, first - 1, "missing")
        last = Head(first - 1, before)
    for told in _told(chain, first):
        count += 1
        position = last.position + 1
        if told.sequence != position:
            return Verdict(name, count, last if last.position else None, position, "missing")
        if not fits(told, chain=chain, previous=last.digest):
            what = "altered" if told.previous == last.digest else "reordered"
            return Verdict(name, count, last if last.position else None, position, what)
        last = Head(position, told.digest)
    return Verdict(name, count, last if last.position else None)


def against(chain: str, kept: Head) -> Verdict | None:
    """What is wrong where a head that was kept elsewhere is not on the chain any more; None: it is."""
    now = digest_at(chain, kept.position)
    if now == kept.digest:
        return None
    return Verdict(f"signer:{chain}", 0, None, kept.position, "missing" if now is None else "rewritten")


def head(chain: str) -> Head | None:
    """The last entry of a chain."""
    with entered(PUBLIC):
        rows = SignerEntry.objects.filter(chain=chain).order_by("-sequence")
        found = rows.values_list("sequence", "digest").first()
    return Head(*found) if found else None


def digest_at(chain: str, sequence: int) -> str | None:
    """The digest of an entry, or None where there is none."""
    with entered(PUBLIC):
        rows = SignerEntry.objects.filter(chain=chain, sequence=sequence)
        return rows.values_list("digest", flat=True).first()


def _firsts() -> list[int]:
    return list(SignerEntry.objects.order_by("chain", "id").distinct("chain").values_list("id", flat=True))


def _told(chain: str, first: int) -> Iterator[Told]:
    while True:
        with entered(PUBLIC):
            rows = list(SignerEntry.objects.filter(chain=chain, sequence__gte=first).order_by("sequence")[:2_000])
        for row in rows:
            yield Told(row.sequence, clock.millis(row.at), row.kind, row.facts, row.previous, row.digest)
        if not rows:
            return
        first = rows[-1].sequence + 1
