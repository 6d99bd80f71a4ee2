"""Do what was asked and approved: the way from a break-glass request to the service that does it and spends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from citadel import keyring
from citadel.trail import break_glass
from citadel.trail.export import export_audit
from citadel.trail.models import BreakGlass
from obscura.core.errors import Invalid
from tenants.scope import entered

What = BreakGlass.What


def use(*, request_id: int, out: Path | None = None) -> str:
    """Do it, once. A sentence about what was done. If it fails nothing has happened, and it can be used again.

    :param out: the new file that audit is exported to
    :raises Invalid: a file where none belongs, or none where one does
    :raises break_glass.RequestUnknown, break_glass.RequestState, break_glass.NotStaff: it is not good any more
    """
    row = break_glass.request(request_id=request_id)
    if (out is None) is (row.what == What.EXPORT_AUDIT):
        raise Invalid("A new file, --out, belongs to export_audit alone.", code="break_glass_out")
    with entered(row.tenant):
        return _export(row, out) if out is not None else _ACTIONS[What(row.what)](row)


def _shred(row: BreakGlass) -> str:
    lost, backups = keyring.shred(request_id=row.pk)
    return f"Every key of {row.tenant} is erased; {lost} credentials open here never again. {backups}"


def _disable(row: BreakGlass) -> str:
    keyring.set_disabled(version=row.version or 0, disabled=True, request_id=row.pk)
    return f"Version {row.version} of {row.tenant} is disabled."


def _enable(row: BreakGlass) -> str:
    keyring.set_disabled(version=row.version or 0, disabled=False, request_id=row.pk)
    return f"Version {row.version} of {row.tenant} is enabled."


def _export(row: BreakGlass, out: Path) -> str:
    days = break_glass.days_of(row)
    if days is None:
        raise break_glass.RequestOfAnother
    found = export_audit(days=days, out=out, request_id=row.pk)
    return f"{found.entries} entries of {row.tenant} are in {out}, SHA-256 {found.digest}."


_ACTIONS: dict[What, Callable[[BreakGlass], str]] = {
    What.SHRED: _shred,
    What.DISABLE_KEY: _disable,
    What.ENABLE_KEY: _enable,
}
