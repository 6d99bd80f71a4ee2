"""A fingerprint of all migrations on disk, so that "is this schema current?" is one comparison."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from django.apps import apps


@cache
def fingerprint() -> str:
    """16 hex digits over the content of every migration of every installed app."""
    digest = hashlib.sha256()
    for config in sorted(apps.get_app_configs(), key=lambda one: one.label):
        for path in sorted((Path(config.path) / "migrations").glob("*.py")):
            digest.update(f"{config.label}/{path.name}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
