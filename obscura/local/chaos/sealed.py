"""Credentials by the hundred thousand in one tenant, sealed by the signer, and whether they open after a rotation."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.conf import settings

from citadel import keyring
from citadel.client import SignerClient
from citadel.domain.envelope import version_of
from citadel.models import Credential, ExchangeAccount
from citadel.sealing import seal
from obscura.core import clock
from obscura.core.ids import uuid7
from obscura.local import crowd

BATCH = 1_000
HANDS = 2
ELSEWHERE = "bybit"
"""The exchange they are at: nobody trades there, and nobody is asked there."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One whose secret is remembered.

    :param envelopes: as they were before the rotation
    """

    account: UUID
    keys: crowd.Keys
    envelopes: dict[str, str]


class Opened(NamedTuple):
    """What came of opening all of them.

    :param unreadable: accounts whose envelopes the signer refused
    :param behind: accounts with an envelope under another version than the active one
    """

    opened: int
    unreadable: int
    behind: int


def make(count: int, *, samples: int) -> list[Sample]:
    """So many in the present tenant, all of one owner, and a sample of them spread over all."""
    [owner] = crowd.users(f"{time.time_ns():x}", ["bulk"])
    signer = SignerClient(run_dir=settings.RUN_DIR, timeout=10.0)
    every = max(1, count // max(1, samples))
    kept: list[Sample] = []
    try:
        intake, _ = signer.intake_key()
        version, held = keyring.active(signer), keyring.held()
        tenant = keyring.tenant_id()
    finally:
        signer.close()

    def enrolled(number: int) -> list[tuple[UUID, crowd.Keys, dict[str, str]]]:
        mine = SignerClient(run_dir=settings.RUN_DIR, timeout=10.0)
        try:
            found = []
            for _ in range(min(BATCH, count - number * BATCH)):
                account, keys = uuid7(), crowd.keys()
                fields = {"apiKey": keys.api_key, "secret": keys.secret}
                sealed = seal(intake=intake, tenant=tenant, account=account.bytes, fields=fields)
                envelopes, _ = mine.enrol(
                    tenant=tenant, account=account.bytes, sealed=sealed, version=version, keys=held
                )
                found.append((account, keys, envelopes))
            return found
        finally:
            mine.close()

    with ThreadPoolExecutor(HANDS) as hands:
        done = 0
        for batch in hands.map(enrolled, range(-(-count // BATCH))):
            now = clock.now()
            accounts = [
                ExchangeAccount(
                    id=account,
                    owner=owner,
                    exchange=ELSEWHERE,
                    environment="paper",
                    label=f"bulk {done + place}",
                    status="active",
                    created_at=now,
                )
                for place, (account, _, _) in enumerate(batch)
            ]
            ExchangeAccount.objects.bulk_create(accounts)
            Credential.objects.bulk_create(
                Credential(account_id=account, envelopes=envelopes, key_version=version, created_at=now)
                for account, _, envelopes in batch
            )
            kept += [Sample(*row) for place, row in enumerate(batch) if (done + place) % every == 0]
            done += len(batch)
    return kept


def open_all() -> Opened:
    """Have the signer open every credential of the present tenant, and look at the version of every envelope."""
    tenant, held = keyring.tenant_id(), keyring.held()
    newest = max(version for _, version, _ in held)
    signer = SignerClient(run_dir=settings.RUN_DIR, timeout=10.0)
    opened = unreadable = behind = 0
    try:
        for rows in _batches():
            entries = [(tenant, account.bytes, envelopes) for account, envelopes, _ in rows]
            count, refused = signer.open(entries, held)
            opened, unreadable = opened + count, unreadable + len(refused)
            behind += sum(
                version != newest or any(version_of(text) != newest for text in envelopes.values())
                for _, envelopes, version in rows
            )
    finally:
        signer.close()
    return Opened(opened, unreadable, behind)


def sign_alike(samples: Sequence[Sample]) -> int:
    """How many of a sample sign a stream's subscription as the secret does that once went in."""
    tenant, held = keyring.tenant_id(), keyring.held()
    now = dict(
        Credential.objects.filter(account__in=[one.account for one in samples]).values_list("account", "envelopes")
    )
    signer = SignerClient(run_dir=settings.RUN_DIR, timeout=10.0)
    alike = 0
    try:
        for one in samples:
            signer.open([(tenant, one.account.bytes, now[one.account])], held)
            payload = f"apiKey={one.keys.api_key}&recvWindow=5000&timestamp={int(time.time() * 1000)}".encode()
            wanted = hmac.digest(one.keys.secret.encode(), payload, hashlib.sha256)
            alike += signer.hmac(account=one.account.bytes, payload=payload) == wanted
    finally:
        signer.close()
    return alike


def still_open(samples: Sequence[Sample]) -> int:
    """How many of a sample's envelopes of before the rotation, as a backup has them, the signer still opens."""
    tenant = keyring.tenant_id()
    signer = SignerClient(run_dir=settings.RUN_DIR, timeout=10.0)
    try:
        opened, _ = signer.open([(tenant, one.account.bytes, one.envelopes) for one in samples], keyring.held())
    finally:
        signer.close()
    return opened


def _batches() -> Iterator[list[tuple[UUID, dict[str, str], int]]]:
    last = 0
    rows = Credential.objects.exclude(envelopes={}).order_by("pk")
    while batch := list(rows.filter(pk__gt=last).values_list("pk", "account_id", "envelopes", "key_version")[:BATCH]):
        last = batch[-1][0]
        yield [(account, envelopes, version) for _, account, envelopes, version in batch]
