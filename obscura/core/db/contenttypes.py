"""Content types remembered per schema: the same model may have another id in public than in a tenant."""

from __future__ import annotations

from typing import Any

from django.db import connections


class PerSchema(dict[Any, Any]):
    """Stands in for the manager's cache, which is keyed by database alias, and adds the schema to that key."""

    def __getitem__(self, alias: str) -> Any:
        return super().__getitem__(self._key(alias))

    def setdefault(self, alias: str, default: Any = None) -> Any:
        return super().setdefault(self._key(alias), default)

    @staticmethod
    def _key(alias: str) -> tuple[str, str]:
        one: Any = connections[alias]
        return alias, str(one.schema_name)


def install() -> None:
    """Give the content types' manager such a cache. It may then live as long as the process."""
    from django.contrib.contenttypes.models import ContentType

    ContentType.objects._cache = PerSchema()  # type: ignore[attr-defined]
