"""``manage.py key_generations show|turn|renew``: the key provider's own key, from one generation to the next."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from citadel import generations
from citadel.trail import generations as known
from citadel.trail.models import KeyGeneration
from obscura.core.errors import Problem
from tenants.scope import PUBLIC, entered


class Command(BaseCommand):
    """What `turn` does is done every few minutes as well. Killed, either is continued by the next."""

    help = "Show the generations of the key provider's key, do what is due, or make a new one at once."

    def add_arguments(self, parser: CommandParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        words.add_parser("show", help="what was made, left and destroyed, and what nodes owe")
        words.add_parser("turn", help="do what is due now")
        words.add_parser("renew", help="make a generation at once and move every key to it; then what is due")

    def handle(self, *, word: str, **_: Any) -> None:
        try:
            self._show() if word == "show" else self._turn(at_once=word == "renew")
        except Problem as problem:
            raise CommandError(f"{problem.message} ({problem.code}) {problem.remedy}") from None

    def _show(self) -> None:
        half = known.horizon().half
        with entered(PUBLIC):
            for row in known.generations():
                self.stdout.write(_line(row, "" if row.left_at is None else f"{row.left_at + half:%Y-%m-%d %H:%M}"))

    def _turn(self, *, at_once: bool) -> None:
        found = generations.turn(at_once=at_once)
        word = "made" if found.made else "in use"
        gone = ", ".join(map(str, found.destroyed)) or "nothing"
        self.stdout.write(f"Generation {found.active} is {word}; {found.moved} keys moved to it; destroyed: {gone}.")
        if found.owed:
            self.stdout.write(f"Nodes that owe a deletion: {', '.join(map(str, found.owed))}. They are asked again.")
        if found.stuck:
            keys = ", ".join(f"{schema} v{version}" for schema, version in found.stuck)
            raise CommandError(
                f"These keys do not open, and nothing is destroyed meanwhile: {keys}. Restore or shred them."
            )


def _line(row: KeyGeneration, until: str) -> str:
    made = f"{row.made_at:%Y-%m-%d %H:%M}" if row.made_at else "at some time"
    if row.destroyed_at:
        owed = f"; owed by nodes {', '.join(map(str, row.owed))}" if row.owed else ""
        return f"{row}  made {made}  destroyed {row.destroyed_at:%Y-%m-%d %H:%M}{owed}"
    return f"{row}  made {made}  " + (f"left, kept until {until} UTC" if until else "in use")
