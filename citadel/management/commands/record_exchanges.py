"""Record what the pinned ccxt knows of each exchange, so that a web process need not import it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

FILE = Path(__file__).resolve().parents[2] / "exchanges.json"


def recorded() -> dict[str, dict[str, Any]]:
    """Every exchange of the installed ccxt by id: name, what it offers, the credential fields it requires."""
    import ccxt
    import ccxt.pro

    rows = {}
    for code in sorted(ccxt.exchanges):
        one = getattr(ccxt, code)()
        rows[code] = {
            "name": one.name,
            "certified": bool(one.certified),
            "dex": bool(one.dex),
            "spot": bool(one.has.get("spot")),
            "futures": bool(one.has.get("swap") or one.has.get("future")),
            "margin": bool(one.has.get("margin")),
            "websocket": code in ccxt.pro.exchanges,
            "required": [name for name, wanted in one.requiredCredentials.items() if wanted],
        }
    return rows


class Command(BaseCommand):
    help = "Write citadel/exchanges.json from the installed ccxt. Run it after changing ccxt's version."
    requires_system_checks: list[str] = []

    def handle(self, *args: object, **options: object) -> None:
        rows = recorded()
        lines = [f"  {json.dumps(code)}: {json.dumps(row)}" for code, row in rows.items()]
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        self.stdout.write(f"{len(rows)} exchanges")
