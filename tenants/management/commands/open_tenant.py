"""Open a tenant from the command line."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from obscura.core.errors import Problem
from tenants import services


class Command(BaseCommand):
    """``manage.py open_tenant aurora --name Aurora --host aurora.localhost``"""

    help = __doc__ or ""
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", required=True)
        parser.add_argument("--host", action="append", required=True, help="may be given several times")
        parser.add_argument("--kind", default="partner", choices=["partner", "zero"])
        parser.add_argument("--brand-colour", default="#d9a62e")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            opened = services.open_tenant(
                name=options["name"],
                slug=options["slug"],
                kind=options["kind"],
                hosts=options["host"],
                brand_colour=options["brand_colour"],
                actor="command line",
            )
        except Problem as problem:
            raise CommandError(f"{problem.message} {problem.remedy}") from problem
        self.stdout.write(f"opened {opened.name} in {opened.schema}")
