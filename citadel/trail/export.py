"""The audit of some days in a file, for an auditor: two people, once, and nothing leaves before it is recorded."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Model, QuerySet

from citadel.trail import break_glass
from citadel.trail.break_glass import Days
from citadel.trail.models import SignerEntry
from obscura.core.audit import write as audit
from obscura.core.audit.models import Entry
from obscura.core.errors import Invalid, Unavailable
from tenants.scope import PUBLIC, current, entered

MOST = 200_000
"""Entries in one file; they are in memory while it is written."""

_ENTRY = ("position", "at", "actor", "action", "subject", "facts", "previous", "digest")
_SIGNER = ("chain", "sequence", "at", "heard_at", "kind", "facts", "previous", "digest")


class ExportTooLarge(Invalid):
    """So many entries do not go into one file."""

    code = "export_too_large"
    remedy = "Ask for fewer days."


class ExportUnwritable(Unavailable):
    """The file cannot be made: it exists, or its folder takes none."""

    code = "export_unwritable"
    remedy = "Name a new file in a folder that you may write to. Where the request was used by then, ask anew."


class Exported(NamedTuple):
    """What is in the file: how many entries, and the SHA-256 of all its bytes in hex."""

    entries: int
    digest: str


def export_audit(*, days: Days, out: Path, request_id: int) -> Exported:
    """Write the present schema's audit of some days to a new file of mode 0600, one JSON object a line.

    Of the platform the signers' record as well. What is in it is recorded, and that is committed, before a byte is
    written; where writing fails then, the file is taken away and the request is spent all the same.

    :param request_id: the break-glass request of two people for exactly this; it is spent
    :raises ExportTooLarge, ExportUnwritable: see there
    :raises citadel.trail.break_glass.RequestUnknown, RequestState, RequestOfAnother, NotStaff: it is not good for this
    """
    handle = _made(out)
    try:
        with os.fdopen(handle, "wb") as file:
            text, found = _recorded(days, request_id)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        out.unlink(missing_ok=True)
        raise ExportUnwritable from None
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    return found


def _recorded(days: Days, request_id: int) -> tuple[bytes, Exported]:
    schema = current()
    with transaction.atomic(durable=True):
        actor = break_glass.spend(
            request_id=request_id, what=break_glass.What.EXPORT_AUDIT, tenant=schema, days=days
        )  # fmt: skip
        lines = [json.dumps(one, default=str, sort_keys=True) for one in _entries(schema, days)]
        text = "".join(f"{line}\n" for line in lines).encode()
        found = Exported(len(lines), hashlib.sha256(text).hexdigest())
        with entered(PUBLIC):
            audit.record(
                "citadel.audit.exported",
                actor=actor,
                subject=f"audit:{schema}",
                days=f"{days.first} to {days.last}",
                entries=found.entries,
                sha256=found.digest,
            )
    return text, found


def _entries(schema: str, days: Days) -> Iterator[dict[str, Any]]:
    start = datetime.combine(days.first, time(), UTC)
    end = datetime.combine(days.last, time(), UTC) + timedelta(days=1)
    sources: list[tuple[str, QuerySet[Any], tuple[str, ...]]] = [(schema, _between(Entry, start, end), _ENTRY)]
    if schema == PUBLIC:
        sources.append(("signer", _between(SignerEntry, start, end), _SIGNER))
    if sum(rows.count() for _, rows, _ in sources) > MOST:
        raise ExportTooLarge
    for name, rows, fields in sources:
        for one in rows.values(*fields):
            yield {"record": name, **one}


def _between(model: type[Model], start: datetime, end: datetime) -> QuerySet[Any]:
    return model._default_manager.filter(at__gte=start, at__lt=end).order_by("id")


def _made(out: Path) -> int:
    """A file that was not there, empty, for its owner alone whatever the umask says."""
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.fchmod(handle, 0o600)
    except OSError:
        raise ExportUnwritable from None
    return handle
