"""Seal the terms of subscriptions that have no mandate yet, in every tenant."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from obscura.core.errors import Problem
from pools import services
from tenants import scope


class Command(BaseCommand):
    help = "Seal terms that were agreed before there were mandates. Needs OBSCURA_MANDATE_KEY. May be repeated."

    def handle(self, *args: object, **options: object) -> None:
        count = 0
        try:
            for _ in scope.each(reason="terms without a mandate"):
                count += services.seal_missing()
        except Problem as problem:
            raise CommandError(f"{problem.message} {problem.remedy}") from None
        self.stdout.write(f"Sealed {count} mandates.")
