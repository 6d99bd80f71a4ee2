"""Statements of the hot path, which name their schema and are written out once."""

from __future__ import annotations

from functools import lru_cache

from psycopg.sql import SQL, Identifier


@lru_cache(maxsize=8192)
def of_schema(template: str, schema: str) -> bytes:
    """The statement with the schema written into it, quoted, wherever it says {s}.

    Bytes, because the driver would put the parts of a composed statement together again at each execution.
    """
    return SQL(template).format(s=Identifier(schema)).as_bytes(None)  # type: ignore[arg-type]
