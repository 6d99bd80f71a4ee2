"""What may be where: of all that was found, what is a leak, what is held by right, and where no control was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from obscura.local.chaos.needles import Found

SEALED, TYPED, CONTROL = "secret sealed by its client", "secret typed into the product", "control"
ROOT, MANDATE, INTAKE, SHARED = "root key", "mandate key", "intake key", "key version 1"
GENERATION = "generation of the provider's key"
MEMORY = "memory of "

HOLDERS = {
    SEALED: {"signer", "paper"},
    TYPED: {"signer", "paper"},
    ROOT: {"signer"},
    MANDATE: {"signer", "web"},
    INTAKE: {"signer"},
    SHARED: {"signer"},
    GENERATION: {"signer"},
}
"""Whose memory may have what. No file, answer or message may have any of it."""

TYPED_INTO = "web"
"""What is typed into a form passes through here in the clear; it is told apart."""

CONTROLLED = frozenset(
    {
        f"{MEMORY}control", "logs", "files", "database", "Redis", "messages to Redis", "admin pages", "pages",
        "API answers", "error reports",
    }
)  # fmt: skip
"""Places in which the control must be found."""

Line = dict[str, str | int]


class Verdict(NamedTuple):
    """Each line says what was found, in which form, where, and how often.

    :param missing: places in which the control was not found
    """

    leaks: list[Line]
    held: list[Line]
    typed: list[Line]
    missing: list[str]


def judge(places: Mapping[str, Counter[Found]]) -> Verdict:
    """Sort out what was found."""
    verdict = Verdict([], [], [], [])
    for place, found in places.items():
        process = place.removeprefix(MEMORY) if place.startswith(MEMORY) else ""
        for (what, form), count in sorted(found.items()):
            if what == CONTROL:
                continue
            line: Line = {"what": what, "form": form, "where": place, "count": count}
            if process in HOLDERS[what]:
                verdict.held.append(line)
            elif what == TYPED and process == TYPED_INTO:
                verdict.typed.append(line)
            else:
                verdict.leaks.append(line)
    controlled = {place for place, found in places.items() if any(what == CONTROL for what, _ in found)}
    verdict.missing.extend(sorted(CONTROLLED - controlled))
    return verdict
