"""The project's own Django app: it finds the tasks and listeners of all the others."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from django.apps import AppConfig, apps

OURS = ("obscura", "tenants", "citadel", "billing", "proofs", "pools", "trading")


class ObscuraConfig(AppConfig):
    name = "obscura"
    verbose_name = "Obscura"

    def ready(self) -> None:
        """Import `listeners` and `tasks` of every app of ours, so that announcements and nudges find them."""
        importlib.import_module("obscura.celery")  # whoever sends a task sends it through our broker
        for config in apps.get_app_configs():
            if config.name.partition(".")[0] in OURS:
                for part in ("listeners", "tasks"):
                    name = f"{config.name}.{part}"
                    if find_spec(name):
                        importlib.import_module(name)
