"""Bring the database up to date: public, the template, all tenants. May be run at every start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from tenants import onboarding


class Command(BaseCommand):
    """``manage.py setup_platform``"""

    help = __doc__ or ""
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        done = onboarding.setup_platform()
        self.stdout.write(f"migrated: {', '.join(done)}" if done else "everything is current")
