"""A value that cannot be printed, pickled, compared by accident or sent as JSON."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Wraps a secret text; only `reveal()` gives it back."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. Call it in the line that uses it, and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(•••)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
