"""``manage.py rotate_keys --tenant SLUG``: a new version of a tenant's key; what it replaces is erased afterwards."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from citadel import keyring
from obscura.core.errors import Problem
from tenants.onboarding import schema_of
from tenants.scope import entered


class Command(BaseCommand):
    """The rest is done in the background: envelopes are wrapped anew, then the older versions are given up."""

    help = "Make a new version of a tenant's key. Backups from before are no use to the signer once it is done."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")

    def handle(self, *, tenant: str, **_: Any) -> None:
        try:
            with entered(schema_of(tenant)):
                version = keyring.rotate(actor="operator")
        except Problem as problem:
            raise CommandError(f"{problem.message} ({problem.code}) {problem.remedy}") from None
        self.stdout.write(f"{tenant} seals under version {version}; what is sealed already is wrapped anew.")
