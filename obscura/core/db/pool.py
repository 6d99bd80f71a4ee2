"""What happens to a pooled connection when it is given back."""

from __future__ import annotations

from typing import Any


def reset_connection(connection: Any) -> None:
    """A session goes back without a tenant, so that whoever takes it next starts from none."""
    connection.execute("RESET search_path")
