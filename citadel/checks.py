"""Checks of what a key may do that others carry out: the key opened for the questions, the verdict written down.

Binance is asked by the vault itself (citadel.enrolment). Of every other exchange the questions are known higher up.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from citadel import enrolment, keyring, permits
from citadel.client import SignerClient, SignerRefused
from citadel.decoys import Facts
from citadel.domain.permissions import Finding, Verdict
from citadel.domain.policy import JUDGED
from citadel.events import AccountActivated, AccountCheckDue
from citadel.models import Credential, ExchangeAccount
from obscura.core import clock, log
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, NotFound
from obscura.core.events import announce

Status = ExchangeAccount.Status

_logger = log.get("citadel")


class NothingToConfirm(Conflict):
    """There is nothing to confirm about this account."""

    code = "nothing_to_confirm"
    remedy = "Only an account whose exchange does not tell what the key may do is confirmed by its owner."


class KeyClosed(Exception):
    """The vault does not open what is kept of an account; `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def asked_here(exchange: str) -> bool:
    """Whether the vault itself asks this exchange, at once; others are asked in the background."""
    return exchange in JUDGED


def open_to_ask(*, account_id: UUID, signer: SignerClient) -> Facts | None:
    """Open an account's key in the signer, and learn what is no secret of it. None: it is no more to be asked about.

    :raises KeyClosed: it does not open
    :raises citadel.keyring.KeysAway: the tenant's key cannot be had now
    :raises citadel.client.SignerUnavailable: the signer is away
    """
    row = Credential.objects.filter(account=account_id, account__status__in=(Status.PENDING, Status.ACTIVE)).first()
    if row is None or not row.envelopes:
        return None
    entry = (enrolment.tenant_id(), account_id.bytes, dict(row.envelopes))
    try:
        _, refused = signer.open([entry], keyring.held(), permits.held())
        codes = [code for account, code in refused if account]
        for code in [code for account, code in refused if not account]:
            _logger.warning("citadel.permit_refused", code=code)
        if codes:
            raise KeyClosed(codes[0])
        return Facts(**signer.facts(account_id.bytes))
    except SignerRefused as refusal:
        if refusal.code in keyring.WAITS:
            raise keyring.KeysAway from None
        raise KeyClosed(refusal.code) from None


def conclude(*, account_id: UUID, verdict: Verdict) -> None:
    """Write down what was found out about a key. An account that was taken back meanwhile stays as it is.

    Nobody answered: a pending account says so, an active one stays. What cannot be known waits for its owner's word;
    an active account goes on meanwhile, so that what it holds can be closed.
    """
    account = ExchangeAccount.objects.filter(pk=account_id, status__in=(Status.PENDING, Status.ACTIVE)).first()
    if account is None:
        return
    if verdict.finding is Finding.AWAY:
        if "confirm" not in account.permissions:  # what its owner is asked stays to be read
            ExchangeAccount.objects.filter(pk=account_id, status=Status.PENDING).update(reason=verdict.reason)
        return
    enrolment.conclude(account, verdict, was=account.status, actor=enrolment.SYSTEM)


def confirm(*, account_id: UUID, user_id: UUID, actor: str) -> ExchangeAccount:
    """The owner has looked at the exchange: the key may trade and cannot withdraw. The account is active.

    May be repeated.

    :raises NotFound: this user has none of this id
    :raises NothingToConfirm: the exchange has not been asked yet, or tells by itself
    """
    with transaction.atomic():
        row = ExchangeAccount.objects.select_for_update().filter(pk=account_id, owner_id=user_id).first()
        if row is None:
            raise NotFound("There is no such exchange account.", code="account_unknown")
        if row.status == Status.ACTIVE and "confirmed_at" in row.permissions:
            return row
        if row.status not in (Status.PENDING, Status.ACTIVE) or row.permissions.get("confirm") is not True:
            raise NothingToConfirm
        was = row.status
        found = {name: value for name, value in row.permissions.items() if name != "confirm"}
        row.permissions = {**found, "confirmed_at": clock.now().isoformat(), "confirmed_by": actor[:120]}
        row.status, row.reason = Status.ACTIVE, ""
        row.save(update_fields=["permissions", "status", "reason"])
        audit.record("citadel.account.confirmed", actor=actor, subject=f"account:{row.pk}", exchange=row.exchange)
        if was == Status.PENDING:
            announce(AccountActivated(account_id=row.pk, owner_id=row.owner_id))
    return row


def due(account: ExchangeAccount) -> None:
    """Have an account's exchange asked in the background."""
    announce(AccountCheckDue(account_id=account.pk, owner_id=account.owner_id, exchange=account.exchange))


def due_of_waiting() -> None:
    """Have those asked about that wait in the present tenant, where nobody came for them."""
    waiting = ExchangeAccount.objects.filter(status=Status.PENDING).exclude(exchange__in=JUDGED)
    for account in waiting.exclude(credential__envelopes={}):
        due(account)
