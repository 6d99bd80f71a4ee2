"""``manage.py break_glass ask|use|list``: dangerous actions, which take two members of staff."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date
from getpass import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from citadel.trail import break_glass, doing
from obscura.core.errors import Problem
from tenants.onboarding import schema_of
from tenants.scope import PUBLIC, entered


class Command(BaseCommand):
    """One asks here, with a password; another one approves in the back office; then it is used here, once."""

    help = "Ask for a dangerous action, and do it once another member of staff has approved it."

    def add_arguments(self, parser: CommandParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        asking = words.add_parser("ask", help="say what is to be done, and why")
        asking.add_argument("--what", required=True, choices=break_glass.What.values)
        asking.add_argument("--tenant", required=True, metavar="SLUG", help="public: the platform's audit")
        asking.add_argument("--version", dest="key_version", type=int, help="of the key that is disabled or enabled")
        asking.add_argument("--from", dest="first", type=_day, metavar="DAY", help="first day of an export, 2026-11-01")
        asking.add_argument("--until", dest="last", type=_day, metavar="DAY", help="its last day, included, UTC")
        asking.add_argument("--why", required=True)
        asking.add_argument("--by", required=True, metavar="EMAIL", help="who asks: a member of the platform's staff")
        using = words.add_parser("use", help="do what was approved")
        using.add_argument("request", type=int, metavar="ID")
        using.add_argument("--out", type=Path, metavar="FILE", help="the new file that audit is exported to")
        words.add_parser("list", help="show the last requests")

    def handle(self, *, word: str, **given: Any) -> None:
        try:
            getattr(self, f"_{word}")(given)
        except Problem as problem:
            raise CommandError(f"{problem.message} {problem.remedy}") from None

    def _ask(self, given: dict[str, Any]) -> None:
        first, last = given["first"], given["last"]
        if (first is None) is not (last is None):
            raise CommandError("--from and --until belong together.")
        number = break_glass.ask(
            what=given["what"],
            tenant=PUBLIC if given["tenant"] == PUBLIC else schema_of(given["tenant"]),
            version=given["key_version"],
            days=None if first is None else break_glass.Days(first, last),
            why=given["why"],
            asked_by=break_glass.person(email=given["by"], password=getpass("Password: ")),
        )
        self.stdout.write(f"Request {number} waits for another member of staff to approve it in the back office.")

    def _use(self, given: dict[str, Any]) -> None:
        self.stdout.write(doing.use(request_id=given["request"], out=given["out"]))

    def _list(self, _: dict[str, Any]) -> None:
        with entered(PUBLIC):
            for row in break_glass.requests()[:20]:
                state = "used" if row.used_at else f"approved by {row.approved_by}" if row.approved_by else "waits"
                self.stdout.write(
                    f"{row.pk}  {row.what}  {row.tenant}  asked by {row.asked_by}  {state}"
                    f"  until {row.expires_at:%Y-%m-%d %H:%M} UTC  {row.why}"
                )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day: write 2026-11-01") from None
