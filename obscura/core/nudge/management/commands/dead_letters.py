"""``manage.py dead_letters [--replay ID|all] [--tenant SCHEMA]``: see what was tried too often, and send it again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from obscura.core.nudge.dead_letters import dead_letters, replay


class Command(BaseCommand):
    """One line a letter: its number, its tenant, its task, how old it is, and why it died."""

    help = "Show dead letters, or send them again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--replay", metavar="ID|all", help="send this one again, or all of them")
        parser.add_argument("--tenant", metavar="SCHEMA", help="of this tenant alone")

    def handle(self, *, replay: str | None, tenant: str | None, **_: Any) -> None:
        if replay is None:
            self._show(tenant)
        elif replay == "all":
            self._again(list(dead_letters(tenant=tenant).values_list("pk", flat=True)), tenant)
        elif replay.isdecimal():
            self._again([int(replay)], tenant)
        else:
            raise CommandError("--replay takes the number of a letter, or all")

    def _show(self, tenant: str | None) -> None:
        letters = list(dead_letters(tenant=tenant))
        for one in letters:
            self.stdout.write(
                f"{one.pk}  {one.tenant}  {one.task}  {one.ids}  since {one.created_at:%Y-%m-%d %H:%M} UTC  {one.error}"
            )
        self.stdout.write(f"{len(letters)} dead")

    def _again(self, ids: list[int], tenant: str | None) -> None:
        count = replay(ids, actor="command", tenant=tenant)
        self.stdout.write(f"{count} sent again")
