"""A PostgreSQL backend whose tenant belongs to the context, not to the connection.

django-tenants keeps the tenant on the connection object, which is per thread. Under ASGI one thread serves many
requests and sockets in turn, so one of them can read another tenant's rows. Here the tenant lives in a ContextVar,
which asgiref carries into threads and back and asyncio copies into tasks; the connection only remembers which search
path its server session really has, and sets it again whenever that differs. This is law 3, not an optimisation.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from django_tenants.postgresql_backend.base import DatabaseWrapper as TenantWrapper
from django_tenants.postgresql_backend.base import FakeTenant
from django_tenants.utils import get_public_schema_name

_current: ContextVar[tuple[Any, bool] | None] = ContextVar("obscura_tenant", default=None)


def _state() -> tuple[Any, bool]:
    return _current.get() or (FakeTenant(get_public_schema_name()), True)


class DatabaseWrapper(TenantWrapper):  # type: ignore[misc]
    """django-tenants' wrapper with `tenant` and `schema_name` read from the context."""

    _ready = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ready = True

    @property
    def tenant(self) -> Any:
        return _state()[0]

    @tenant.setter
    def tenant(self, value: Any) -> None:
        if self._ready and value is not None:
            _current.set((value, True))

    @property
    def schema_name(self) -> str:
        return str(_state()[0].schema_name)

    @schema_name.setter
    def schema_name(self, value: str) -> None:
        """The base class assigns it beside the tenant; it is always derived here."""

    @property
    def include_public_schema(self) -> bool:
        return _state()[1]

    @include_public_schema.setter
    def include_public_schema(self, value: bool) -> None:
        """As `schema_name`."""

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:
        if not self._ready:  # making a connection must never change the tenant of the context that makes it
            return
        # Content types are remembered per schema (obscura.core.db.contenttypes), so nothing needs to be forgotten.
        _current.set((tenant, include_public))

    def _handle_search_path(self, cursor: Any = None) -> None:
        if self._setting_search_path:
            return
        wanted = self._get_cursor_search_paths()
        if self.search_path_set_schemas == wanted:
            return
        self.search_path_set_schemas: Any = None  # makes the base class say SET
        super()._handle_search_path(cursor)
