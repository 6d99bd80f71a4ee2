"""A paper venue, a signer and a sentinel as processes of their own, for stories about streams."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from django.conf import settings

from citadel.models import Credential, ExchangeAccount
from tests.citadel.support import Person, Vault, seal
from tests.contracts.support import Key, Venue
from tests.support import warm
from tests.support.processes import database_url
from tests.trading.support import lead
from trading.models import LeadFill
from trading.sentinel import state

QUICK = {"OBSCURA_STREAM_PING_MS": "400", "OBSCURA_STREAM_POLL_S": "30", "OBSCURA_STREAM_LOOK_S": "0.2"}
QUICK["OBSCURA_STREAM_SCAN_S"] = "0.01"
"""Half-open streams are noticed within a second; the safety net stays out of what a test is about."""


class House:
    """Ada leads in a tenant; her account is at the venue, her keys are in the signer alone."""

    def __init__(self, folder: Path, tenant, ada) -> None:
        self.folder, self.tenant = folder, tenant
        (folder / "run").mkdir()
        self.venue = Venue(folder / "paper", "--rate-limits", "off")
        self.venue.price("BTCUSDT", "60000")
        self.venue.price("ETHUSDT", "3000")
        self.venue.price("SOLUSDT", "100")
        self.vault = Vault(folder / "run", self.venue.ports["http"])
        self.vault.start_signer()
        self.vault.start_egress()
        self.sentinel: warm.Process | None = None
        self.key = self.venue.account("ada", spot={"USDT": "10000000"}, usdm={"USDT": "10000000"})
        self.pool, self.trader = lead(ada)
        self._enrol(self.trader.account, self.key)

    def _enrol(self, account: ExchangeAccount, key: Key) -> None:
        client = self.vault.client()
        intake, _ = client.intake_key()
        person = Person(account.pk.bytes, key.api_key, key.secret)
        sealed = seal(intake, person, tenant=self.tenant.id)
        envelopes, _ = client.enrol(tenant=self.tenant.id, account=person.account, sealed=sealed)
        client.close()
        Credential.objects.create(account=account, envelopes=envelopes, created_at=datetime.now(UTC))

    def environment(self, **extra: str) -> dict[str, str]:
        return {
            **os.environ,
            **QUICK,
            "DJANGO_SETTINGS_MODULE": "obscura.settings.test",
            "DATABASE_URL": database_url(),
            "REDIS_URL": settings.REDIS_URL,
            "OBSCURA_RUN": str(self.vault.directory),
            "OBSCURA_PAPER_TLS": self.venue.tls,
            "OBSCURA_PAPER_CA": str(self.venue.authority),
            **extra,
        }

    def start(self, **extra: str) -> None:
        """Start the sentinel and wait until both of Ada's streams are live."""
        with (self.folder / "sentinel.log").open("ab") as out:
            self.sentinel = warm.Process("trading.sentinel", env=self.environment(**extra), out=out, err=out)
        pid = str(self.sentinel.pid)
        self.until(lambda: self.live() == {"spot", "usdm"} and self.published_by(pid), "the streams are live")

    def published_by(self, pid: str) -> bool:
        return all(str(row["pid"]) == pid for row in state.streams())

    def live(self) -> set[str]:
        return {row["market"] for row in state.streams() if row["state"] == "live"}

    def connects(self) -> dict[str, int]:
        return {row["market"]: row["connects"] for row in state.streams()}

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.sentinel
        self.sentinel.send_signal(number)
        return self.sentinel.wait(10)

    def trade(self, market: str = "usdm", side: str = "buy", quantity: str = "0.01", symbol: str = "BTCUSDT"):
        """Ada trades in the exchange's own app."""
        return self.venue.trade(self.key, market=market, symbol=symbol, side=side, quantity=quantity)

    def record(self) -> set[tuple[str, str, str, Decimal]]:
        """Every trade of Ada's as the venue has it: market, symbol, trade id, quantity."""
        found = set()
        for market, path in (("spot", "/api/v3/myTrades"), ("usdm", "/fapi/v1/userTrades")):
            for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
                _, _, rows = self.venue.call("GET", path, self.key, symbol=symbol, limit=1000)
                found |= {(market, symbol, str(row["id"]), Decimal(row["qty"])) for row in rows}
        return found

    def known(self) -> list[tuple[str, str, str, Decimal]]:
        return list(LeadFill.objects.values_list("market", "symbol", "trade_id", "qty"))

    def agree(self) -> None:
        """Wait until every trade of the venue's record is a lead fill; then there is one for each and no other."""
        record = self.record()
        self.until(lambda: set(self.known()) >= record, "every trade is known")
        assert sorted(self.known()) == sorted(record)

    def until(self, true: Callable[[], object], what: str) -> None:
        end = time.monotonic() + 50  # on a machine that does much else
        while not true():
            assert time.monotonic() < end, f"never came true: {what}\n{self.log()}"
            time.sleep(0.01)

    def log(self) -> str:
        return (self.folder / "sentinel.log").read_text()

    def close(self) -> None:
        if self.sentinel and self.sentinel.poll() is None:
            self.stop(signal.SIGKILL)
        self.vault.close()
        if self.venue.process and self.venue.process.poll() is None:
            self.venue.stop()
