"""Many followers at once, for measuring and for chaos: rows written in bulk, credentials through the signer.

Each run gets a lead, a curated pool and followers of its own over the three tenants; those of earlier runs end.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from citadel import keyring
from citadel.client import SignerClient, WrappedKey
from citadel.models import Credential, ExchangeAccount
from citadel.sealing import seal
from obscura.core import clock
from obscura.core.ids import uuid7
from obscura.core.nudge.models import Nudge
from obscura.local.cast import ACTOR, HOUSES, ZERO, wait_for_vault
from obscura.local.record import Lead
from obscura.local.venue import Control
from pools import services as pools
from pools.curated.models import CuratedPool
from pools.models import Pool, Subscription
from tenants import services as tenants
from tenants.types import TenantRef
from trading.models import Signal

BATCH = 500
FOLLOWER_LABEL, LEAD_LABEL, SPARE_LABEL = "crowd", "lead", "spare"
BUDGET_USD = Decimal(1000)
WALLET = {"USDT": "100000"}
LEAD_WALLET = {"USDT": "50000000", "BTC": "500", "ETH": "5000"}
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Keys:
    """A key pair at the venue."""

    api_key: str
    secret: str


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who takes part in a run."""

    leads: tuple[Lead, ...]
    pools: tuple[UUID, ...]
    followers: int


def text() -> str:
    """A fresh key or secret in the exchange's own form."""
    return "".join(secrets.choice(_LETTERS) for _ in range(64))


def keys(draw: Callable[[], str] = text) -> Keys:
    """A fresh pair.

    :param draw: what draws the secret
    """
    return Keys(text(), draw())


def gather(
    *,
    refs: dict[str, TenantRef],
    control: Control,
    followers: int,
    leads: int = 1,
    tag: str | None = None,
    draw: Callable[[], str] = text,
) -> Crowd:
    """End what earlier runs left; make leads with a curated pool each, and followers of all these pools.

    :param draw: what draws their secrets
    """
    tag = tag or secrets.token_hex(4)
    wait_for_vault()
    _dismiss()
    signer = SignerClient(run_dir=settings.RUN_DIR, timeout=10.0)
    try:
        intake, _ = signer.intake_key()
        desk = Desk(signer=signer, intake=intake, control=control, tag=tag, draw=draw)
        led = [_lead(desk, refs[ZERO.slug], number) for number in range(leads)]
        share = [followers // len(HOUSES) + (n < followers % len(HOUSES)) for n in range(len(HOUSES))]
        for house, count in zip(HOUSES, share, strict=True):
            _follow(desk, refs[house.slug], count, [pool for _, pool in led])
    finally:
        signer.close()
    _analyze()
    return Crowd(tuple(lead for lead, _ in led), tuple(pool for _, pool in led), followers)


def gather_few(*, ref: TenantRef, control: Control, followers: int, tag: str) -> UUID:
    """A partner's pool in one tenant, that takes signals through the API, with followers of its own. Its id."""
    signer = SignerClient(run_dir=settings.RUN_DIR, timeout=10.0)
    try:
        desk = Desk(signer=signer, intake=signer.intake_key()[0], control=control, tag=f"few-{tag}")
        with tenants.entered(ref.schema):
            pool = pools.create_pool(
                kind="partner", name=f"Crowd few {tag}", actor=ACTOR, signal_ttl_s=300, max_slippage_bps=100
            )
            pools.activate_pool(pool_id=pool.id, actor=ACTOR)
        _follow(desk, ref, followers, [pool.id])
    finally:
        signer.close()
    return pool.id


@dataclass(frozen=True, slots=True)
class Desk:
    """What it takes to open accounts in bulk."""

    signer: SignerClient
    intake: bytes
    control: Control
    tag: str
    draw: Callable[[], str] = text

    def accounts(self, ref: TenantRef, users: Sequence[Any], *, label: str, wallet: dict[str, str]) -> list[Any]:
        """An active paper account for each user: at the venue, in the signer's envelopes and in the database."""
        pairs = [keys(self.draw) for _ in users]
        rows = [
            {"api_key": pair.api_key, "secret": pair.secret, "label": f"{label}/{self.tag}", "spot": wallet,
             "usdm": {"USDT": wallet["USDT"]}}
            for pair in pairs
        ]  # fmt: skip
        for batch in _batches(rows):
            self.control.open_accounts(batch)
        now = clock.now()
        version, held = keyring.active(self.signer), keyring.held()
        accounts = [
            ExchangeAccount(
                id=uuid7(),
                owner=user,
                environment="paper",
                label=f"{label} {self.tag}",
                status="active",
                hint=pair.api_key[-4:],
                checked_at=now,
                created_at=now,
            )
            for user, pair in zip(users, pairs, strict=True)
        ]
        credentials = [
            Credential(account=account, envelopes=self._envelopes(ref.id, account.id, pair, version, held),
                       key_version=version, created_at=now)
            for account, pair in zip(accounts, pairs, strict=True)
        ]  # fmt: skip
        ExchangeAccount.objects.bulk_create(accounts, batch_size=BATCH)
        Credential.objects.bulk_create(credentials, batch_size=BATCH)
        for account, pair in zip(accounts, pairs, strict=True):
            account.api_key = pair.api_key
        return accounts

    def _envelopes(
        self, tenant: int, account: UUID, pair: Keys, version: int, held: Sequence[WrappedKey]
    ) -> dict[str, str]:
        fields = {"apiKey": pair.api_key, "secret": pair.secret}
        sealed = seal(intake=self.intake, tenant=tenant, account=account.bytes, fields=fields)
        envelopes, _ = self.signer.enrol(
            tenant=tenant, account=account.bytes, sealed=sealed, version=version, keys=held
        )
        return envelopes


def users(tag: str, names: Sequence[str]) -> list[Any]:
    """Users that nobody can sign in as."""
    model = get_user_model()
    made = [model(email=f"{name}-{tag}@crowd.example", name=name, password="!crowd") for name in names]
    return list(model.objects.bulk_create(made, batch_size=BATCH))


def spare_keys(*, control: Control, count: int, tag: str) -> list[Keys]:
    """Accounts at the venue that belong to nobody of ours."""
    pairs = [keys() for _ in range(count)]
    control.open_accounts(
        {"api_key": pair.api_key, "secret": pair.secret, "label": f"{SPARE_LABEL}/{tag}", "spot": LEAD_WALLET}
        for pair in pairs
    )
    return pairs


def _lead(desk: Desk, ref: TenantRef, number: int) -> tuple[Lead, UUID]:
    with tenants.entered(ref.schema):
        with transaction.atomic():
            [user] = users(desk.tag, [f"lead{number}"])
            [account] = desk.accounts(ref, [user], label=LEAD_LABEL, wallet=LEAD_WALLET)
            name = f"Lead {number} {desk.tag}"
            trader = pools.create_trader(name=name, actor=ACTOR, account_id=account.id, user_id=user.pk)
            pool = pools.create_pool(
                kind="curated",
                name=f"Crowd {number} {desk.tag}",
                actor=ACTOR,
                traders=[(trader.id, Decimal(1))],
                leverage=3,
                signal_ttl_s=300,
                max_slippage_bps=100,
            )
        pools.activate_pool(pool_id=pool.id, actor=ACTOR)
        pools.publish_curated(pool_id=pool.id, actor=ACTOR)
    return Lead(ref.schema, account.id, account.api_key), pool.id


def _follow(desk: Desk, ref: TenantRef, count: int, led: Sequence[UUID]) -> None:
    with tenants.entered(ref.schema), transaction.atomic():
        people = users(desk.tag, [f"follower{number:05d}" for number in range(count)])
        # One account for each pool: on one account two leads' futures would cancel each other out.
        accounts = [desk.accounts(ref, people, label=f"{FOLLOWER_LABEL}{n}", wallet=WALLET) for n in range(len(led))]
        now = clock.now()
        rows = Subscription.objects.bulk_create(
            [
                Subscription(
                    pool_id=pool,
                    user=user,
                    account=account,
                    total_investment=BUDGET_USD,
                    max_loss=BUDGET_USD,
                    created_at=now,
                )
                for pool, own in zip(led, accounts, strict=True)
                for user, account in zip(people, own, strict=True)
            ],
            batch_size=BATCH,
        )
        pools.place_curated(tenants.tenant_by_schema(ref.schema))
        for pool in Pool.objects.filter(pk__in=led):
            pools.seal_in_bulk((row for row in rows if row.pool_id == pool.pk), pool=pool)


def _dismiss() -> None:
    """Followers and pools of earlier runs take no part any more."""
    for tenant in tenants.each(reason="dismiss earlier crowds"):
        crowds = Pool.objects.filter(name__startswith="Crowd ")
        Signal.objects.filter(pool_id__in=crowds.values("pk")).exclude(state="done").update(state="done")
        old = crowds.exclude(status="closed")
        Subscription.objects.filter(pool__in=old).exclude(status="ended").update(status="ended", ended_at=clock.now())
        ExchangeAccount.objects.filter(label__startswith=f"{LEAD_LABEL} ").update(status="revoked")
        names = list(old.values_list("pk", flat=True))
        old.update(status="closed")
        with tenants.entered("public"):
            CuratedPool.objects.filter(pk__in=names).delete()
        if names:
            pools.place_curated(tenant)
    # What was promised to them cannot be kept: the venue that knew their orders began anew.
    Nudge.objects.filter(task__startswith="trading.").delete()


def _analyze() -> None:
    """The planner must know what it will find: a bulk load without it makes sequential scans of the hot path."""
    for tenant in tenants.each(reason="analyze"):
        with connection.cursor() as cursor:
            for table in ("pools_subscription", "citadel_exchangeaccount", "citadel_credential", "trading_order"):
                cursor.execute(f'analyze "{tenant.schema_name}".{table}')


def _batches(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]
