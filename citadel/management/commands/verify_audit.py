"""``manage.py verify_audit``: walk the audit's chains and say where one is not what it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError, CommandParser

from citadel import measured
from citadel.trail import verify as signers
from obscura.core.audit import chain
from obscura.core.audit.chain import Head
from obscura.core.audit.verify import Verdict, against, verify
from tenants import audits
from tenants.onboarding import schema_of
from tenants.scope import PUBLIC, entered

SIGNER = "signer:"


class Command(BaseCommand):
    """Chains: ``public``, one of each tenant by its schema, and one of each signer's journal by its id."""

    help = "Verify the audit of every schema and of the signers. Exits with 1 where something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="of this tenant alone")
        parser.add_argument("--from", dest="first", type=int, default=1, metavar="N", help="begin at this place")
        parser.add_argument("--head", action="store_true", help="print the heads as JSON, to be kept elsewhere")
        parser.add_argument("--against", type=Path, metavar="FILE", help="see whether kept heads are still there")

    def handle(self, *, tenant: str | None, first: int, head: bool, against: Path | None, **_: Any) -> None:
        if first < 1:
            raise CommandError("--from takes a place from 1 on")
        only = None if tenant is None else schema_of(tenant)
        if head:
            self.stdout.write(json.dumps({name: found._asdict() for name, found in _heads(only)}, indent=1))
            return
        verdicts = list(_kept(_file(against), only)) if against else list(_walked(only, first))
        if only and not verdicts:
            raise CommandError(f"Nothing is known of {tenant}.")
        for one in verdicts:
            self.stdout.write(_line(one, walked=against is None))
        broken = [one for one in verdicts if one.what]
        if only is None and first == 1:
            self._lay_down(how="against" if against else "walked", broken=len(broken))
        if broken:
            raise CommandError(f"{len(broken)} of {len(verdicts)} are not in order.", returncode=1)

    def _lay_down(self, *, how: str, broken: int) -> None:
        try:
            measured.verified(how=how, broken=broken)
        except redis.RedisError as error:
            self.stderr.write(f"Not told to /metrics: Redis does not answer ({type(error).__name__}).")


def _walked(only: str | None, first: int) -> Iterator[Verdict]:
    for schema in audits.schemas():
        if only in (None, schema):
            yield verify(schema, first=first)
    for one in signers.chains() if only is None else ():
        yield signers.verify(one, first=first)


def _heads(only: str | None) -> Iterator[tuple[str, Head]]:
    for schema in audits.schemas():
        found = chain.head(schema) if only in (None, schema) else None
        if found is not None:
            yield schema, found
    for one in signers.chains() if only is None else ():
        end = signers.head(one)
        if end is not None:
            yield f"{SIGNER}{one}", end


def _kept(heads: dict[str, Head], only: str | None) -> Iterator[Verdict]:
    """Each kept head against what is there now. A schema that is not there any more has lost its chain."""
    there = set(audits.schemas())
    for name, head in heads.items():
        if only not in (None, name):
            continue
        if name.startswith(SIGNER):
            found = signers.against(name.removeprefix(SIGNER), head)
        elif name not in there:
            found = Verdict(name, 0, None, head.position, "missing")
        else:
            with entered(PUBLIC):
                found = against(name, head)
        yield found or Verdict(name, 0, head)


def _file(path: Path) -> dict[str, Head]:
    try:
        kept = json.loads(path.read_text())
        return {str(name): Head(int(one["position"]), str(one["digest"])) for name, one in kept.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(f"{path} does not hold heads as --head prints them ({type(error).__name__}).") from None


def _line(one: Verdict, *, walked: bool) -> str:
    counted = f"{one.entries} entries  " if walked else ""
    head = f"head {one.head.position} {one.head.digest}" if one.head else "no head"
    return f"{one.schema}  {counted}{head}  " + (f"{one.what} at {one.broken}" if one.what else "in order")
