"""Typed readers of the environment: NAME, or NAME_FILE for what should not stand in one. They fail loudly."""

from __future__ import annotations

import os
from pathlib import Path


class Misconfigured(Exception):
    """A setting is missing or cannot be read."""


def text(name: str, default: str | None = None) -> str:
    """The value of NAME, or the content of the file that NAME_FILE names."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise Misconfigured(f"{name}_FILE names {path}, which cannot be read: {error.strerror}") from error
    if default is None:
        raise Misconfigured(f"Set {name} (or {name}_FILE).")
    return default


def flag(name: str, default: bool = False) -> bool:
    """1, true, yes, on; 0, false, no, off."""
    value = os.environ.get(name, "").lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise Misconfigured(f"{name} is {value!r}; write 1 or 0.")


def number(name: str, default: int) -> int:
    """A whole number."""
    value = os.environ.get(name, "")
    if not value:
        return default
    try:
        return int(value)
    except ValueError as error:
        raise Misconfigured(f"{name} is {value!r}; write a whole number.") from error


def words(name: str, default: str = "") -> list[str]:
    """A list, separated by commas."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]
