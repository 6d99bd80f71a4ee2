"""One log for all processes: a line an event, key=value, readable by people and by grep."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
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
            _line,
        ]
        if not sys.stderr.isatty()
        # structlog's own way to draw a traceback shows local variables, and with them whatever is secret.
        else [*shared, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _line(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """``07:53:47.254 warning nudge.unsent task=trading.plan``: the level only where it matters, then what is known."""
    at, level, name = event.pop("timestamp", "")[:12], event.pop("level", ""), event.pop("event", "")
    trace = event.pop("exception", "")
    for told_by_the_supervisor in ("area", "process"):
        event.pop(told_by_the_supervisor, None)
    facts = " ".join(f"{key}={_shown(value)}" for key, value in event.items())
    words = [at, *([level] if level not in {"info", "debug"} else []), str(name), facts]
    return " ".join(word for word in words if word) + (f"\n{trace}" if trace else "")


def _shown(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text else text


def get(name: str) -> Any:
    """A logger. Never give it a secret, a payload or a whole request."""
    if not structlog.is_configured():
        _configure_structlog()
    return structlog.get_logger(area=name)
