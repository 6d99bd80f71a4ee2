"""A Celery task that runs in the schema its message names, or not at all."""

from __future__ import annotations

from typing import Any

from tenant_schemas_celery.app import get_schema_name_from_task
from tenant_schemas_celery.task import TenantTask as _TenantTask

from obscura.core.db.session import connection
from obscura.core.errors import Problem


class LostTenant(Problem):
    """The tenant a task was meant for cannot be entered."""

    code = "tenant_lost"
    remedy = "See whether the tenant was removed; its nudges wait as dead ones in the back office."


class TenantTask(_TenantTask):  # type: ignore[misc]
    """Celery swallows what goes wrong while the schema is entered and runs the task in public; this does not."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.request.called_directly:
            wanted = get_schema_name_from_task(self, kwargs) or "public"
            if connection.schema_name != wanted:
                raise LostTenant(details={"tenant": wanted, "task": self.name})
        return super().__call__(*args, **kwargs)
