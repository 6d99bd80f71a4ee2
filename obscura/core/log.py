"""One log for all processes: a line an event, key=value, readable by people and by grep."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog


def configure(process: str) -> None:
    """Set up structlog and the standard library's logging for this process."""
    _configure_structlog()
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s %(levelname)s {process} %(name)s: %(message)s")


def _configure_structlog() -> None:
    level = getattr(logging, os.environ.get("OBSCURA_LOG", "INFO").upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ]
        if not sys.stderr.isatty()
        # structlog's own way to draw a traceback shows local variables, and with them whatever is secret.
        else [*shared, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get(name: str) -> Any:
    """A logger. Never give it a secret, a payload or a whole request."""
    if not structlog.is_configured():
        _configure_structlog()
    return structlog.get_logger(area=name)
