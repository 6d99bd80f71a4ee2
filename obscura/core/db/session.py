"""Django's connection with the type our engine gives it: it has a tenant, a schema and a search path."""

from __future__ import annotations

from typing import Any, cast

from django.db import connection as _connection

connection: Any = cast("Any", _connection)
