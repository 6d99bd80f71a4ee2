"""What is measured of the platform itself, and the list of all there is."""

from __future__ import annotations

from importlib import import_module

from obscura.core.metrics import DEFINED, Gauge, Metric

UP = Gauge("obscura_up", "1 where Redis answers, and where signer, egress and tables were asked within 30 s.", ["part"])
HEARD_AGE = Gauge(
    "obscura_heard_age_seconds", "How old the newest numbers of a part are. Beyond 30 s they are left out.", ["part"]
)
PROCESSES = Gauge("obscura_processes", "Processes that reported within the last ten seconds, by kind.", ["process"])
PROCESS_AGE = Gauge(
    "obscura_process_age_seconds", "How long ago a process of a kind reported, for an hour after the last.", ["process"]
)
QUEUED = Gauge("obscura_queue_messages", "Messages that wait for a worker.", ["queue"])
NUDGES = Gauge("obscura_nudges", "Work that was promised, by task: waiting, overdue, dead.", ["task", "state"])
OVERDUE = Gauge("obscura_nudges_overdue_oldest_seconds", "How long the longest has been overdue.")
UNCHAINED = Gauge("obscura_audit_unchained", "Entries of the audit that have no place in a chain yet.")
UNCHAINED_AGE = Gauge("obscura_audit_unchained_oldest_seconds", "How old the oldest of them is.")

MODULES = ("citadel.metrics", "trading.metrics")


def catalogue() -> list[Metric]:
    """Everything that is defined, by name."""
    for module in MODULES:
        import_module(module)
    return sorted((one for one in DEFINED.values() if one.name.startswith("obscura_")), key=lambda one: one.name)
