"""``manage.py break_glass ask|use|list``: dangerous actions on keys, which take two members of staff."""

from __future__ import annotations

from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from citadel.trail import break_glass
from obscura.core.errors import Problem
from tenants.onboarding import schema_of
from tenants.scope import PUBLIC, entered


class Command(BaseCommand):
    """One asks here, with a password; another one approves in the back office; then it is used here, once."""

    help = "Ask for a dangerous action on keys, and do it once another member of staff has approved it."

    def add_arguments(self, parser: CommandParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        asking = words.add_parser("ask", help="say what is to be done, and why")
        asking.add_argument("--what", required=True, choices=break_glass.What.values)
        asking.add_argument("--tenant", required=True, metavar="SLUG")
        asking.add_argument("--version", dest="key_version", type=int, help="of the key that is disabled")
        asking.add_argument("--why", required=True)
        asking.add_argument("--by", required=True, metavar="EMAIL", help="who asks: a member of the platform's staff")
        using = words.add_parser("use", help="do what was approved")
        using.add_argument("request", type=int, metavar="ID")
        words.add_parser("list", help="show the last requests")

    def handle(self, *, word: str, **given: Any) -> None:
        try:
            getattr(self, f"_{word}")(given)
        except Problem as problem:
            raise CommandError(f"{problem.message} {problem.remedy}") from None

    def _ask(self, given: dict[str, Any]) -> None:
        number = break_glass.ask(
            what=given["what"],
            tenant=schema_of(given["tenant"]),
            version=given["key_version"],
            why=given["why"],
            asked_by=break_glass.person(email=given["by"], password=getpass("Password: ")),
        )
        self.stdout.write(f"Request {number} waits for another member of staff to approve it in the back office.")

    def _use(self, given: dict[str, Any]) -> None:
        self.stdout.write(break_glass.use(request_id=given["request"]))

    def _list(self, _: dict[str, Any]) -> None:
        with entered(PUBLIC):
            for row in break_glass.requests()[:20]:
                state = "used" if row.used_at else f"approved by {row.approved_by}" if row.approved_by else "waits"
                self.stdout.write(
                    f"{row.pk}  {row.what}  {row.tenant}  asked by {row.asked_by}  {state}"
                    f"  until {row.expires_at:%Y-%m-%d %H:%M} UTC  {row.why}"
                )
