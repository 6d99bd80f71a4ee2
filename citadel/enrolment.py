"""The worker's half of an account's life: have the signer take the credentials, then ask the venue what they may do."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import transaction

from citadel import addresses, keyring, limits, reads
from citadel.client import SignerClient, SignerRefused
from citadel.domain import agreement, exchanges, permissions
from citadel.domain.permissions import Finding, Verdict
from citadel.domain.policy import JUDGED
from citadel.events import AccountActivated, AccountRevoked, AccountSealed
from citadel.models import Credential, ExchangeAccount
from citadel.sealing import AGREED, EXCHANGE, SealedForAnother
from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Unavailable
from obscura.core.events import announce
from obscura.core.nudge.send import nudge

Status = ExchangeAccount.Status

SYSTEM = "system"
_ACCOUNT, _RESTRICTIONS = "/api/v3/account", "/sapi/v1/account/apiRestrictions"

_UNSEALABLE = "What was entered could not be put into the vault. Connect the account again."
_OTHER = "What was sealed is not of this exchange. Connect the account again."
_MISPLACED = "What the vault was given had been entered for another account. Nothing was kept. Connect it again."


class VenueAway(Unavailable):
    """The exchange does not answer."""

    code = "venue_away"
    remedy = "Nothing is lost: the account stays as it is and the exchange is asked again by itself."


def enrol(*, account_id: UUID) -> None:
    """Carry a pending account as far as it goes: sealed to enveloped, then checked, then active or refused.

    An exchange that the vault does not ask itself is asked by whoever hears AccountSealed (citadel.checks).

    Safe to run twice and beside itself: each step is taken by a conditional update, the second finds it done.

    :raises citadel.client.SignerUnavailable: the signer is away; the account stays pending
    :raises VenueAway: the exchange is away; the account stays pending
    """
    account = _pending(account_id)
    if account is None or not _enveloped(account):
        return
    if account.exchange not in JUDGED:
        announce(AccountSealed(account_id=account.pk, owner_id=account.owner_id, exchange=account.exchange))
        return
    verdict = ask_venue(account)
    if verdict.finding is Finding.AWAY:
        ExchangeAccount.objects.filter(pk=account.pk, status=Status.PENDING).update(reason=verdict.reason)
        raise VenueAway
    conclude(account, verdict, was=Status.PENDING, actor=SYSTEM)


def ask_venue(account: ExchangeAccount) -> Verdict:
    """Ask Binance what the account's key may do.

    :raises citadel.client.SignerUnavailable: the signer is away
    """
    answers = reads.ask(
        tenant_id=tenant_id(),
        account=account.pk.bytes,
        envelopes=Credential.objects.get(account=account).envelopes,
        environment=account.environment,
        paths=(_ACCOUNT, _RESTRICTIONS),
        address=addresses.in_use(account.egress_address),
        keys=keyring.held(),
    )
    return permissions.of_binance(answers[0], answers[1] if len(answers) > 1 else None)


def conclude(account: ExchangeAccount, verdict: Verdict, *, was: str, actor: str) -> bool:
    """Write a verdict down, if the account still is what it `was`. Returns whether it was this call that did.

    A refused account's envelopes are erased at once: what may not be used is not kept. What cannot be known is kept,
    and waits for its owner's word.
    """
    if verdict.finding is Finding.AMBER:
        return _unsure(account, verdict, was=was)
    good = verdict.finding is Finding.GOOD
    status, reason = (Status.ACTIVE, "") if good else (Status.REFUSED, verdict.reason)
    with transaction.atomic():
        moved = ExchangeAccount.objects.filter(pk=account.pk, status=was).update(
            status=status, reason=reason[:200], permissions=verdict.permissions, checked_at=clock.now()
        )
        if not moved:
            return False
        if not good:
            erase(account)
        if status != was:
            audit.record(
                f"citadel.account.{status}", actor=actor, subject=f"account:{account.pk}", reason=verdict.reason
            )
            news = AccountActivated if good else AccountRevoked
            announce(news(account_id=account.pk, owner_id=account.owner_id))
    return True


def _unsure(account: ExchangeAccount, verdict: Verdict, *, was: str) -> bool:
    with transaction.atomic():
        row = ExchangeAccount.objects.select_for_update().filter(pk=account.pk, status=was).first()
        if row is None:
            return False
        row.permissions = permissions.confirmed(verdict.permissions, row.permissions)
        row.reason = verdict.reason[:200] if "confirm" in row.permissions else ""
        row.checked_at = clock.now()
        row.save(update_fields=["permissions", "reason", "checked_at"])
    return True


def erase(account: ExchangeAccount) -> None:
    """Erase what is kept of an account's credentials, and have the signer forget them."""
    Credential.objects.filter(account=account).update(sealed=None, envelopes={}, key_version=0)
    nudge("citadel.forget", account_id=str(account.pk))


def forget(*, account_id: UUID) -> None:
    """Close an account in the signer.

    :raises citadel.client.SignerUnavailable: it does not answer
    """
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        signer.forget([account_id.bytes])
    finally:
        signer.close()


def tenant_id() -> int:
    """The id of the tenant of the present context."""
    return keyring.tenant_id()


def sealed_beside(exchange: str) -> dict[str, str]:
    """What is sealed with credentials and nobody enters: whose they are. Without it they are Binance's."""
    return {} if exchange == "binance" else {EXCHANGE: exchange}


def _pending(account_id: UUID) -> ExchangeAccount | None:
    return ExchangeAccount.objects.filter(pk=account_id, status=Status.PENDING).first()


def _enveloped(account: ExchangeAccount) -> bool:
    """Have the signer turn what is sealed into envelopes. False where it will not: the account is refused then."""
    credential = Credential.objects.get(account=account)
    if credential.envelopes:
        return True
    if credential.sealed is None:  # nothing of it is left; whoever erased it has usually said so by the status
        conclude(account, Verdict(Finding.BAD, _UNSEALABLE), was=Status.PENDING, actor=SYSTEM)
        return False
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        version = keyring.active(signer)
        envelopes, hint, agreed, exchange = signer.enrol_whole(
            tenant=tenant_id(),
            account=account.pk.bytes,
            sealed=bytes(credential.sealed),
            version=version,
            keys=keyring.held(),
        )
    except SignerRefused as refusal:
        if refusal.code in keyring.WAITS:
            raise keyring.KeysAway from None
        words = _MISPLACED if refusal.code == SealedForAnother.code else _UNSEALABLE
        conclude(account, Verdict(Finding.BAD, words), was=Status.PENDING, actor=SYSTEM)
        return False
    finally:
        signer.close()
    # Who sealed it may have been somewhere else: only now can be told whether it is all that the exchange asks for.
    wrong = exchanges.misnamed(account.exchange, envelopes.keys() - {AGREED, EXCHANGE})
    if not wrong and exchange != sealed_beside(account.exchange).get(EXCHANGE, ""):
        wrong = _OTHER
    if wrong:
        conclude(account, Verdict(Finding.BAD, wrong), was=Status.PENDING, actor=SYSTEM)
        return False
    with transaction.atomic():
        keyring.still_active(version)
        # Two runs make two sets of envelopes of the same secret; the first one written stays.
        taken = Credential.objects.filter(account=account, sealed__isnull=False).update(
            envelopes=envelopes, sealed=None, key_version=version
        )
        if taken:
            caps = limits.shown(agreement.read(agreed)) if agreed else {}
            ExchangeAccount.objects.filter(pk=account.pk).update(hint=hint, caps=caps)
            audit.record("citadel.account.sealed", actor=SYSTEM, subject=f"account:{account.pk}")
    return True
