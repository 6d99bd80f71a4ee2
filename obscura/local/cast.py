"""The people of the demo: three tenants, a lead, a partner that sends signals, and sixty who follow.

Everything goes through the same services that pages and partners use, and may be repeated: what is there stays.
Passwords are drawn once and kept in `var/demo.json`.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from citadel import services as citadel
from citadel.client import SignerClient
from citadel.models import ExchangeAccount
from citadel.types import AccountRef
from obscura.core.errors import Problem
from pools import services as pools
from pools.curated.models import CuratedPool
from pools.models import Pool, Subscription
from pools.types import PLAIN, Advanced, FixedAmount, PoolRef
from tenants import directory
from tenants import services as tenants
from tenants.accounts.models import Membership
from tenants.types import TenantRef

ACTOR = "demo"
LEAD_USD, FOLLOWER_USD = "1000000", "20000"
ENROL_LIMIT_S = 40.0
VAULT_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class House:
    """A tenant of the demo."""

    slug: str
    name: str
    kind: str
    colour: str

    @property
    def host(self) -> str:
        return f"{self.slug}.localhost"

    @property
    def schema(self) -> str:
        return f"t_{self.slug}"


HOUSES = (
    House("zero", "Obscura", "zero", "#d9a62e"),
    House("aurora", "Aurora Capital", "partner", "#2f8f83"),
    House("boreal", "Boreal Bank", "partner", "#4f6bd8"),
)
ZERO, AURORA, BOREAL = HOUSES
PAUSED, TAKEN_BACK = 2, 3
"""Of Tenant Zero's followers: who has paused, and who took his key back."""
NORTHERN, PARTNER_POOL, OWN_POOL = "Northern Momentum", "Aurora Signals", "Ben's selection"

# Budgets as people have them. The smallest cannot reach the futures' minimum, and says so for each such trade.
BUDGETS = ("1000", "2500", "5000", "800", "10000", "1500", "100", "3000", "7500", "600")


@dataclass(slots=True)
class Cast:
    """Who plays, as far as the play needs it."""

    followers: int = 0
    lead_key: str = ""
    lead_account: UUID | None = None
    curated_pool: UUID | None = None
    partner_pool: UUID | None = None
    partner_key: str = ""
    passwords: dict[str, str] = field(default_factory=dict)


class Book:
    """What the demo has to remember between runs: passwords and the partner's key, drawn once, for its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def password(self, who: str) -> str:
        """The password of a person, drawn when first asked for."""
        passwords = self.kept.setdefault("passwords", {})
        if who not in passwords:
            passwords[who] = "-".join(secrets.token_hex(2) for _ in range(4))
            self.save()
        return str(passwords[who])

    def save(self) -> None:
        draft = self._path.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(self.kept, indent=1))
        draft.rename(self._path)


def open_houses() -> dict[str, TenantRef]:
    """The three tenants, by slug; those that are there stay as they are."""
    found = {}
    for house in HOUSES:
        try:
            known = tenants.tenant_by_schema(house.schema)
            found[house.slug] = TenantRef(known.id, known.schema_name, known.name, known.kind)
        except tenants.UnknownTenant:
            found[house.slug] = tenants.open_tenant(
                name=house.name,
                slug=house.slug,
                kind=house.kind,
                hosts=[house.host],
                brand_colour=house.colour,
                actor=ACTOR,
            )
    return found


def seed(*, book: Book, refs: dict[str, TenantRef], followers: int = 60) -> Cast:
    """Put everybody in place; what is there stays. Needs signer, egress, venue and the jobs worker running.

    :param followers: of the curated pool, over the three tenants, Ben and Cleo among them
    """
    cast = Cast()
    staff(book)
    wait_for_vault()
    lead = _lead(book)
    per_house = _split(followers, len(HOUSES))
    ours: list[tuple[House, AccountRef]] = [(ZERO, lead)]
    for house, count in zip(HOUSES, per_house, strict=True):
        with tenants.entered(house.schema), transaction.atomic():
            ours += [(house, account) for account in _people(house, count, book)]
    enrolled(ours)
    curated = _curated(lead)
    cast.curated_pool, cast.lead_account = curated.id, lead.id
    for house, count in zip(HOUSES, per_house, strict=True):
        with tenants.entered(house.schema):
            cast.followers += _follow(house, curated, count)
    _own_pool(lead)
    cast.partner_pool, cast.partner_key = _partner(book, refs[AURORA.slug])
    cast.lead_key = lead_key(lead.id)
    cast.passwords = dict(book.kept.get("passwords", {}))
    return cast


def wait_for_vault() -> None:
    """Until credentials can be sealed: the signer has told its intake key."""
    end = time.monotonic() + VAULT_LIMIT_S
    while True:
        try:
            citadel.publish_intake_key()
        except Problem as problem:
            if not problem.retryable or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def follower_email(house: House, number: int) -> str:
    """Ben and Cleo are the first two of each house; the others have numbers."""
    name = {0: "ben", 1: "cleo"}.get(number, f"follower{number:02d}")
    return f"{name}@{house.slug}.example"


def _split(count: int, parts: int) -> list[int]:
    return [count // parts + (index < count % parts) for index in range(parts)]


# -- people --------------------------------------------------------------------------------------------------------


def person(email: str, *, name: str, password: str | None, roles: Sequence[str] = (), **extra: Any) -> Any:
    """A user of the present schema, made once; without a password nobody can sign in as them."""
    users = get_user_model().objects
    user = users.filter(email=email).first()
    if user is None:
        with transaction.atomic():
            user = users.create_user(email, password, name=name, **extra)
            EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
            for role in roles:
                Membership.objects.create(user=user, role=role)
    return user


def staff(book: Book) -> None:
    """Those who may see the admin sites: of the office, and of each house."""
    with tenants.entered("public"):
        person(
            "office@obscura.example",
            name="Olga",
            password=book.password("office@obscura.example"),
            is_staff=True,
            is_superuser=True,
        )
    for house in HOUSES:
        with tenants.entered(house.schema):
            email = f"admin@{house.slug}.example"
            person(email, name="Admin", password=book.password(email), is_staff=True, is_superuser=True)


def _lead(book: Book) -> AccountRef:
    with tenants.entered(ZERO.schema):
        email = "ada@zero.example"
        ada = person(email, name="Ada", password=book.password(email), roles=[Membership.Role.TRADER])
        return _account(ada, "Ada's account", LEAD_USD)


def _people(house: House, count: int, book: Book) -> Iterator[AccountRef]:
    for number in range(count):
        email = follower_email(house, number)
        named = number < 2
        password = book.password(email) if named else None
        name = email.partition("@")[0].capitalize()
        user = person(email, name=name, password=password)
        yield _account(user, "Paper account", FOLLOWER_USD)
        if house is ZERO and number == 0:
            yield _account(user, "Second account", FOLLOWER_USD)


def _account(user: Any, label: str, usd: str) -> AccountRef:
    """The user's paper account of this name, taken back or not; opened at the venue where there is none."""
    known = ExchangeAccount.objects.filter(owner=user, label=label).first()
    if known is not None:
        return citadel.account(account_id=known.pk, user_id=user.pk)
    return citadel.open_paper_account(owner_id=user.pk, label=label, usd=usd, actor=ACTOR)


def enrolled(accounts: Sequence[tuple[House, AccountRef]]) -> None:
    """Wait until the worker has had every account sealed and checked.

    :raises NotEnrolled: it did not in time, or an account was refused
    """
    waiting = {(house.schema, account.id) for house, account in accounts if account.status == "pending"}
    end = time.monotonic() + ENROL_LIMIT_S
    while waiting:
        for house in HOUSES:
            with tenants.entered(house.schema):
                ids = [account for schema, account in waiting if schema == house.schema]
                rows = ExchangeAccount.objects.filter(pk__in=ids).exclude(status="pending")
                for pk, status, reason in rows.values_list("pk", "status", "reason"):
                    waiting.discard((house.schema, pk))
                    if status != "active":
                        raise NotEnrolled(f"account {pk} of {house.schema} is {status}: {reason}")
        if waiting and time.monotonic() > end:
            raise NotEnrolled(f"{len(waiting)} accounts are still pending; see var/log/jobs.log")
        time.sleep(0.05 if waiting else 0)


class NotEnrolled(Exception):
    """An account of the demo could not be connected."""


# -- pools ---------------------------------------------------------------------------------------------------------


def _pool(name: str, **terms: Any) -> tuple[PoolRef, bool]:
    """The pool of this name in the present tenant, and whether it was made now, active at once."""
    known = Pool.objects.filter(name=name, remote=False).first()
    if known is not None:
        return pools.pool_of(pool_id=known.pk), False
    made = pools.create_pool(name=name, actor=ACTOR, **terms)
    return pools.activate_pool(pool_id=made.id, actor=ACTOR), True


def _trader(name: str, **about: Any) -> UUID:
    known = next((one for one in pools.traders_of() if one.name == name), None)
    return (known or pools.create_trader(name=name, actor=ACTOR, **about)).id


def _curated(lead: AccountRef) -> PoolRef:
    """Ada leads the pool that the platform publishes to everybody."""
    with tenants.entered(ZERO.schema):
        trader = _trader("Ada", account_id=lead.id, user_id=lead.owner_id)
        pool, _ = _pool(
            NORTHERN,
            kind="curated",
            description="Trend following in bitcoin and ether, on spot and on futures. Few positions, cut early.",
            risk_class="medium",
            traders=[(trader, Decimal(1))],
            leverage=3,
        )
        with tenants.entered("public"):
            published = CuratedPool.objects.filter(pk=pool.id, status="published").exists()
        if not published:
            pools.publish_curated(pool_id=pool.id, actor=ACTOR)
    return pool


CAREFUL = Advanced(stop_loss_pct=Decimal(6), take_profit_pct=Decimal(9))
"""Every fifth follower's wish; on futures it rests at the venue."""


def _follow(house: House, pool: PoolRef, count: int) -> int:
    """Subscribe everybody of a house. Two of Tenant Zero's get in their own way: one paused, one took his key back."""
    users = get_user_model().objects.filter(email__in=[follower_email(house, number) for number in range(count)])
    by_email = {user.email: user for user in users}
    following = set(Subscription.objects.filter(pool=pool.id).exclude(status="ended").values_list("user_id", flat=True))
    for number in range(count):
        user = by_email[follower_email(house, number)]
        if user.pk in following:
            continue
        account = _account(user, "Paper account", FOLLOWER_USD)
        budget = Decimal(BUDGETS[number % len(BUDGETS)])
        with transaction.atomic():
            made = pools.subscribe(
                user_id=user.pk,
                pool_id=pool.id,
                account_id=account.id,
                terms=FixedAmount(total_investment=budget, max_loss=budget / 2),
                style=CAREFUL if number % 5 == 1 else PLAIN,
                actor=ACTOR,
            )
            if house is ZERO and number == PAUSED:
                pools.pause_subscription(subscription_id=made.id, user_id=user.pk, actor=ACTOR)
        if house is ZERO and number == TAKEN_BACK:
            citadel.revoke_account(account_id=account.id, actor=ACTOR)
    return count


def _own_pool(lead: AccountRef) -> None:
    """Ben's own pool at Tenant Zero: the same lead at half weight, on his second account."""
    with tenants.entered(ZERO.schema):
        ben = get_user_model().objects.get(email=follower_email(ZERO, 0))
        trader = _trader("Ada", account_id=lead.id, user_id=lead.owner_id)
        pool, made = _pool(
            OWN_POOL,
            kind="custom",
            owner_id=ben.pk,
            description="Ada at half size.",
            risk_class="low",
            traders=[(trader, Decimal("0.5"))],
        )
        if made:
            pools.subscribe(
                user_id=ben.pk,
                pool_id=pool.id,
                account_id=_account(ben, "Second account", FOLLOWER_USD).id,
                terms=FixedAmount(total_investment=Decimal(2000), max_loss=Decimal(500)),
                style=CAREFUL,
                actor=ACTOR,
            )


def _partner(book: Book, aurora: TenantRef) -> tuple[UUID, str]:
    """Aurora's pool, whose trader sends signals with an API key; Ben and Cleo of Aurora follow it too."""
    with tenants.entered(AURORA.schema):
        trader = _trader("Aurora desk", reference_capital_usd=Decimal(50_000))
        pool, made = _pool(
            PARTNER_POOL,
            kind="partner",
            description="Signals of Aurora's own trading desk.",
            risk_class="high",
            traders=[(trader, Decimal(1))],
            leverage=2,
        )
        for number in range(2) if made else ():
            user = get_user_model().objects.get(email=follower_email(AURORA, number))
            pools.subscribe(
                user_id=user.pk,
                pool_id=pool.id,
                account_id=_account(user, "Paper account", FOLLOWER_USD).id,
                terms=FixedAmount(total_investment=Decimal(3000), max_loss=Decimal(1500)),
                actor=ACTOR,
            )
    key = book.kept.get("partner_key", "")
    if not key or directory.holder_of(key) is None:
        key, _ = tenants.mint_api_key(
            tenant_id=aurora.id,
            label="Demo desk",
            environment="test",
            scopes=["signal:write", "pool:read"],
            actor=ACTOR,
        )
        book.kept["partner_key"] = key
        book.save()
    return pool.id, key


def lead_key(account_id: UUID) -> str:
    """The API key of the lead's account, the public half of its credentials, as the signer tells it."""
    with tenants.entered(ZERO.schema):
        entries = [(tenant, account.bytes, sealed) for tenant, account, sealed in citadel.envelopes_of([account_id])]
        keys = citadel.wrapped_keys()
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        signer.open(entries, keys)
        return signer.public(account_id.bytes)
    finally:
        signer.close()
