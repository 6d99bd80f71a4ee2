"""Publish the signer's intake key, so that web processes can seal credentials to it."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from citadel import services
from obscura.core.errors import Problem


class Command(BaseCommand):
    help = "Ask the signer for its intake key and write it down. May be repeated."

    def handle(self, *args: object, **options: object) -> None:
        try:
            kid = services.publish_intake_key()
        except Problem as problem:
            raise CommandError(f"{problem.message} {problem.remedy}") from None
        self.stdout.write(f"The intake key is {kid}.")
