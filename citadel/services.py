"""Citadel's door: connect exchange accounts, look at them, take them back. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from citadel import addresses, checks, enrolment, limits
from citadel.checks import KeyClosed, NothingToConfirm, asked_here, open_to_ask
from citadel.checks import conclude as conclude_check
from citadel.domain import agreement, exchanges
from citadel.domain.permissions import Finding
from citadel.enrolment import VenueAway, enrol, forget, sealed_beside
from citadel.events import AccountRevoked
from citadel.intake import boxes
from citadel.intake import keys as intake
from citadel.intake import reserved as reservations
from citadel.intake.boxes import SealedInvalid
from citadel.intake.keys import VaultNotReady, publish_intake_key
from citadel.intake.keys import statement as vault_statement
from citadel.intake.reserved import ReservationInvalid
from citadel.keyring import KeyRotated, KeysAway, KeyVersionState
from citadel.keyring import held as wrapped_keys
from citadel.keyring import rewrap as rewrap_envelopes
from citadel.keyring import rotate as rotate_keys
from citadel.keyring import set_disabled as set_key_disabled
from citadel.keyring import shred as shred_keys
from citadel.limits import (
    AccountBusy,
    AccountClosed,
    AnswerRefused,
    ChangeWaiting,
    LimitsInvalid,
    LimitsOutdated,
    NotSealedYet,
    PasskeyElsewhere,
    PasskeyNeeded,
    PasskeyUnknown,
    agree,
)
from citadel.mandates import MandateKeyMissing, seal_mandate, tell_mandates
from citadel.mandates import able as can_seal_mandates
from citadel.models import Credential, ExchangeAccount
from citadel.paper import PaperVenueAway, open_at_paper_venue
from citadel.permits import NeverUnchecked
from citadel.permits import switch as switch_unchecked_signing
from citadel.permits import tell as tell_permits
from citadel.trail.export import export_audit
from citadel.types import AccountRef, CredentialField, Exchange, Limits, LimitsQuestion, Reservation, VaultKey
from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, Invalid, NotFound
from obscura.core.events import announce
from obscura.core.ids import uuid7
from obscura.core.nudge.send import nudge
from tenants.scope import current

__all__ = [
    "AccountBusy",
    "AccountClosed",
    "AccountIdUsed",
    "AccountUnchecked",
    "AnswerRefused",
    "ChangeWaiting",
    "CredentialsInvalid",
    "ExchangeUnknown",
    "KeyClosed",
    "KeyRotated",
    "KeyVersionState",
    "KeysAway",
    "LabelTaken",
    "LimitsInvalid",
    "LimitsOutdated",
    "MandateKeyMissing",
    "NeverUnchecked",
    "NotSealedYet",
    "NothingToConfirm",
    "PaperElsewhere",
    "PaperVenueAway",
    "PasskeyElsewhere",
    "PasskeyNeeded",
    "PasskeyUnknown",
    "ReservationInvalid",
    "SealedInvalid",
    "VaultNotReady",
    "VenueAway",
    "account",
    "accounts_of",
    "addresses_of",
    "agree",
    "ask_check",
    "asked_here",
    "can_seal_mandates",
    "change_limits",
    "check_account",
    "conclude_check",
    "confirm_account",
    "connect_account",
    "connect_sealed_account",
    "credential_fields",
    "egress_addresses",
    "enrol",
    "envelopes_of",
    "export_audit",
    "forget",
    "intake_key",
    "limits_of",
    "limits_question",
    "open_paper_account",
    "open_to_ask",
    "publish_intake_key",
    "reserve_account",
    "revoke_account",
    "rewrap_envelopes",
    "rotate_keys",
    "seal_mandate",
    "sealed_beside",
    "set_key_disabled",
    "shred_keys",
    "some_account",
    "supported_exchanges",
    "switch_unchecked_signing",
    "tell_mandates",
    "tell_permits",
    "usual_limits",
    "vault_statement",
    "wrapped_keys",
]

LONGEST_LABEL = 60
Status = ExchangeAccount.Status


class ExchangeUnknown(Invalid):
    """No exchange of this name is known."""

    code = "exchange_unknown"
    remedy = "Take a code from GET /api/exchanges/supported, e.g. binance."


class CredentialsInvalid(Invalid):
    """The credentials are not complete, or not what this exchange gives out."""

    code = "credentials_invalid"
    remedy = "Correct the fields that are named and send all of them again."


class PaperElsewhere(Invalid):
    """This exchange has no paper venue here."""

    code = "paper_elsewhere"
    remedy = "Connect it as a live account, or open a paper account at binance."


class LabelTaken(Conflict):
    """You already have an account of this name."""

    code = "label_taken"
    remedy = "Choose another name, or remove the account that has it."


class AccountIdUsed(Conflict):
    """An account was connected with this id already."""

    code = "account_id_used"
    remedy = "Look whether the account is there. To connect another one, reserve another id and seal to that."


class AccountUnchecked(Conflict):
    """Only an active account can be checked again."""

    code = "account_not_active"
    remedy = "Wait until it is active; connect a refused account again with another key."


def supported_exchanges() -> list[Exchange]:
    """Every exchange there is, by code."""
    return list(exchanges.exchanges().values())


def credential_fields(exchange: str) -> list[CredentialField]:
    """What the form for an exchange's credentials asks.

    :raises ExchangeUnknown: there is no such exchange
    """
    _known(exchange)
    return exchanges.fields_of(exchange)


def intake_key() -> VaultKey:
    """The public key of the vault, for who seals credentials elsewhere.

    :raises VaultNotReady: nothing can be sealed now
    """
    return intake.intake_key()


def reserve_account(*, owner_id: UUID) -> Reservation:
    """An id for one account that a user will connect within the hour; credentials are sealed to it.

    :raises NotFound: there is no such user
    """
    _user_exists(owner_id)
    agreed = agreement.text_of(limits.first(owner_id=owner_id, wished=None))
    return reservations.reserve(tenant=enrolment.tenant_id(), owner=owner_id, agreed=agreed)


@sensitive_variables("credentials", "entered", "fields", "sealed", "value")
def connect_account(
    *,
    owner_id: UUID,
    exchange: str,
    environment: str,
    label: str,
    credentials: Mapping[str, str],
    actor: str,
    wished: Mapping[str, object] | None = None,
) -> AccountRef:
    """Take an exchange account of a user: seal its credentials to the vault and have them checked.

    The account is ``pending`` until the signer has taken the credentials and the exchange has told what they may do.

    :param label: the owner's name for it; where it is empty one is made from the exchange's
    :param wished: the limits the owner wants for it, as for `change_limits`; the usual ones where none are named
    :raises ExchangeUnknown: there is no such exchange
    :raises CredentialsInvalid: fields are missing, unknown or malformed; ``details`` says which, never what was entered
    :raises Invalid: the environment or label is none
    :raises LimitsInvalid: the limits cannot be
    :raises LabelTaken: the owner has an account of this name
    :raises NotFound: there is no such user
    :raises VaultNotReady: nothing can be sealed now
    """
    _known(exchange)
    _is_environment(environment, exchange)
    entered = exchanges.cleaned(credentials)
    found = exchanges.faults(exchange, entered)
    if found:
        raise CredentialsInvalid(details={"fields": {fault.field: fault.words for fault in found}})
    _user_exists(owner_id)
    account_id = uuid7()
    agreed = limits.first(owner_id=owner_id, wished=wished)
    fields = {**cast("Mapping[str, str]", entered), limits.FIELD: agreement.text_of(agreed)}
    # Under the seal with the rest: what may be signed with a key follows from the exchange, whoever asks.
    fields |= sealed_beside(exchange)
    sealed = intake.sealed_for(tenant=enrolment.tenant_id(), account=account_id.bytes, credentials=fields)
    return _taken(
        owner_id=owner_id,
        account_id=account_id,
        exchange=exchange,
        environment=environment,
        label=label,
        sealed=sealed,
        actor=actor,
        caps=limits.shown(agreed),
    )


def connect_sealed_account(
    *, owner_id: UUID, account_id: str, exchange: str, environment: str, label: str, sealed: str, actor: str
) -> AccountRef:
    """Take an exchange account whose credentials were sealed elsewhere, so that nobody but the signer has read them.

    What is in the box is known once the signer has opened it: an account whose box is another's, or lacks what the
    exchange asks for, is refused then.

    :param account_id: as :func:`reserve_account` gave it; one account is connected with it
    :param label: the owner's name for it; where it is empty one is made from the exchange's
    :param sealed: the box in base64, 64 KiB at most; ``citadel/sealing.py`` says what is in it
    :raises ExchangeUnknown: there is no such exchange
    :raises Invalid: the environment or label is none
    :raises ReservationInvalid: the id was not given to this user, or longer ago than an hour
    :raises SealedInvalid: what was sealed is no box, or a larger one
    :raises AccountIdUsed: an account was connected with this id before
    :raises LabelTaken: the owner has an account of this name
    :raises NotFound: there is no such user
    """
    _known(exchange)
    _is_environment(environment, exchange)
    account = reservations.reserved(account_id, tenant=enrolment.tenant_id(), owner=owner_id)
    box = boxes.read(sealed)
    _user_exists(owner_id)
    return _taken(
        owner_id=owner_id,
        account_id=account,
        exchange=exchange,
        environment=environment,
        label=label,
        sealed=box,
        actor=actor,
        caps={},  # what was agreed is in the box; it is known once the signer has opened it
    )


def _taken(
    *,
    owner_id: UUID,
    account_id: UUID,
    exchange: str,
    environment: str,
    label: str,
    sealed: bytes,
    actor: str,
    caps: Mapping[str, object],
) -> AccountRef:
    """Write a pending account down with its box, and promise that it is enrolled."""
    with transaction.atomic():
        row = ExchangeAccount(
            id=account_id,
            owner_id=owner_id,
            exchange=exchange,
            environment=environment,
            label=_label(label) or _free_label(owner_id, exchange),
            created_at=clock.now(),
            egress_address=addresses.least_used(exchange=exchange, environment=environment, account_id=account_id),
            caps=dict(caps),
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            if "one_label_an_owner" in str(error):
                raise LabelTaken from None
            if "exchangeaccount_pkey" in str(error):
                raise AccountIdUsed from None
            raise
        Credential.objects.create(account=row, sealed=sealed, created_at=row.created_at)
        audit.record(
            "citadel.account.connected",
            actor=actor,
            subject=f"account:{row.pk}",
            exchange=exchange,
            environment=environment,
        )
        nudge("citadel.enrol", account_id=str(row.pk))
    return _ref(row)


def open_paper_account(*, owner_id: UUID, label: str, usd: str | int, actor: str) -> AccountRef:
    """Open an account at the paper venue with a fresh key pair, and connect it.

    :param usd: whole or decimal US dollars (as USDT) in the spot wallet, and as many again in the futures wallet
    :raises Invalid: the amount is not between 1 and 10,000,000
    :raises LabelTaken: the owner has an account of this name
    :raises NotFound: there is no such user
    :raises PaperVenueAway: the paper venue is not running
    :raises VaultNotReady: nothing can be sealed now
    """
    _user_exists(owner_id)
    wanted = _label(label)
    # Both asked first, so that no account is opened at the venue for one that cannot be connected.
    intake.intake_key()
    if wanted and ExchangeAccount.objects.exclude(status=Status.REVOKED).filter(owner=owner_id, label=wanted).exists():
        raise LabelTaken
    keys = open_at_paper_venue(label=f"{current()}/{wanted}", usd=usd)
    return connect_account(
        owner_id=owner_id,
        exchange="binance",
        environment="paper",
        label=label,
        credentials={"apiKey": keys.api_key, "secret": keys.secret.reveal()},
        actor=actor,
    )


def account(*, account_id: UUID, user_id: UUID | None = None) -> AccountRef:
    """One account of a user.

    :param user_id: whose it has to be; None for the tenant's own staff and keys
    :raises NotFound: this user has none of this id
    """
    return _ref(_of(account_id, user_id))


def accounts_of(user_id: UUID) -> list[AccountRef]:
    """A user's accounts, those taken back left out, oldest first."""
    rows = ExchangeAccount.objects.filter(owner_id=user_id).exclude(status=Status.REVOKED)
    return [_ref(row) for row in rows.order_by("created_at", "id")]


def some_account(*, exchange: str, environment: str) -> AccountRef | None:
    """Any active account of the tenant at an exchange, drawn by chance, for questions whose answer is everybody's."""
    rows = ExchangeAccount.objects.filter(exchange=exchange, environment=environment, status=Status.ACTIVE)
    row = rows.order_by("?").first()
    return None if row is None else _ref(row)


def ask_check(*, account_id: UUID, actor: str, user_id: UUID | None = None) -> AccountRef:
    """Have the exchange asked again what an account's key may do. A worker does it, within seconds.

    One that waits is asked about as well, where the exchange is not one that the vault asks itself (`asked_here`).

    :param user_id: the owner who asks; None for the tenant's own staff
    :raises NotFound: this user has none of this id
    :raises AccountUnchecked: the account is not active
    """
    row = _of(account_id, user_id)
    if row.status != Status.ACTIVE and (asked_here(row.exchange) or row.status != Status.PENDING):
        raise AccountUnchecked
    with transaction.atomic():
        audit.record("citadel.account.check_asked", actor=actor, subject=f"account:{row.pk}")
        nudge("citadel.check", account_id=str(row.pk))
    return _ref(row)


def check_account(*, account_id: UUID, actor: str, user_id: UUID | None = None) -> AccountRef:
    """Ask the exchange again what an active account's key may do; refuse the account if it has become too much.

    For workers: web processes have no way to the vault, and use `ask_check`. An exchange that the vault
    does not ask itself (`asked_here`) is asked in the background, for an account that is active or still waits.

    :param user_id: the owner who asks; None for the platform's own sweep
    :raises NotFound: this user has none of this id
    :raises AccountUnchecked: the account is not active
    :raises VenueAway: the exchange does not answer; the account stays as it is
    """
    row = _of(account_id, user_id)
    if not asked_here(row.exchange) and row.status in (Status.ACTIVE, Status.PENDING):
        checks.due(row)
        return _ref(row)
    if row.status != Status.ACTIVE:
        raise AccountUnchecked
    verdict = enrolment.ask_venue(row)
    if verdict.finding is Finding.AWAY:
        raise VenueAway
    enrolment.conclude(row, verdict, was=Status.ACTIVE, actor=actor)
    row.refresh_from_db()
    return _ref(row)


def usual_limits() -> Limits:
    """The limits that an account is connected with where its owner chooses no others."""
    usual = limits.usual()
    return Limits(usual.order_usd, usual.minute_usd, usual.day_usd, usual.leverage, number=0, passkeys=0, change=None)


def limits_of(account_ids: Iterable[UUID]) -> dict[UUID, Limits]:
    """The limits of accounts; accounts that are not there are left out."""
    return limits.limits_of(ExchangeAccount.objects.filter(pk__in=list(account_ids)))


def limits_question(
    *, account_id: UUID, user_id: UUID, wished: Mapping[str, object], site: str
) -> LimitsQuestion:  # fmt: skip
    """What the owner's passkey has to confirm for these limits of an account; nothing where they are not wider.

    :param wished: as for `change_limits`
    :param site: the host of the page that asks
    :raises NotFound: this user has no account of this id
    :raises LimitsInvalid: they cannot be
    :raises PasskeyUnknown: they are wider, and the account knows no passkey
    :raises PasskeyElsewhere: they are wider, and its passkeys were made at another host
    """
    return limits.question(_of(account_id, user_id), wished=wished, site=site)


def change_limits(
    *,
    account_id: UUID,
    wished: Mapping[str, object],
    actor: str,
    user_id: UUID | None = None,
    number: int | None = None,
    assertion: Mapping[str, str] | None = None,
) -> bool:
    """Have the limits of an account changed within moments: `limits_of` tells what becomes of it.

    Wider ones need the answer of a passkey that the account knows, and the signer verifies it. Returns False where they
    are these already.

    :param wished: ``order_usd``, ``minute_usd``, ``day_usd`` and ``leverage``; what is not in it stays as it is
    :param user_id: whose it has to be; None for the tenant's own staff and keys
    :param number: of the limits that were looked at; None: whichever they are
    :param assertion: the passkey's answer in base64url: ``id``, ``authenticator``, ``client``, ``signature``
    :raises NotFound: this user has no account of this id
    :raises AccountClosed: it trades no more
    :raises LimitsInvalid: they cannot be
    :raises LimitsOutdated: they were changed since they were looked at
    :raises ChangeWaiting: another change is being made
    :raises PasskeyNeeded: they are wider, and no passkey has answered
    :raises AnswerRefused: what the passkey is said to have answered cannot be read
    """
    row = _of(account_id, user_id)
    return limits.ask(row, wished=wished, actor=actor, number=number, assertion=assertion)


def confirm_account(*, account_id: UUID, user_id: UUID, actor: str) -> AccountRef:
    """The owner has looked at the exchange and says that the key may trade and cannot withdraw: the account is active.

    :raises NotFound: this user has none of this id
    :raises NothingToConfirm: the exchange has not been asked yet, or tells by itself
    """
    return _ref(checks.confirm(account_id=account_id, user_id=user_id, actor=actor))


def revoke_account(*, account_id: UUID, actor: str, user_id: UUID | None = None) -> None:
    """Take an account back: its envelopes are erased, the signer forgets it, and whoever trades with it is told.

    May be repeated.

    :param user_id: the owner who asks; None for the tenant's own staff
    :raises NotFound: this user has none of this id
    """
    row = _of(account_id, user_id)
    with transaction.atomic():
        moved = (
            ExchangeAccount.objects.filter(pk=row.pk)
            .exclude(status=Status.REVOKED)
            .update(status=Status.REVOKED, reason="Taken back.")
        )
        if not moved:
            return
        enrolment.erase(row)
        audit.record("citadel.account.revoked", actor=actor, subject=f"account:{row.pk}")
        announce(AccountRevoked(account_id=row.pk, owner_id=row.owner_id))


def envelopes_of(account_ids: Iterable[UUID]) -> list[tuple[int, UUID, dict[str, str]]]:
    """What the signer opens: (tenant id, account id, envelopes by field), of the active ones among these accounts.

    An account that is missing here may not trade.
    """
    rows = Credential.objects.filter(account__in=list(account_ids), account__status=Status.ACTIVE)
    tenant = enrolment.tenant_id()
    return [(tenant, row.account_id, dict(row.envelopes)) for row in rows if row.envelopes]


def egress_addresses() -> list[str]:
    """Our addresses that requests to exchanges come from, for the list of addresses that a key may be used from.

    Empty where none is named.
    """
    return list(addresses.configured())


def addresses_of(account_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The address that each of these accounts keeps to; accounts that are not there are left out."""
    rows = ExchangeAccount.objects.filter(pk__in=list(account_ids)).values_list("pk", "egress_address")
    return {account_id: addresses.in_use(pinned) for account_id, pinned in rows}


def _known(exchange: str) -> None:
    if exchange not in exchanges.exchanges():
        raise ExchangeUnknown


def _is_environment(environment: str, exchange: str) -> None:
    if environment not in ExchangeAccount.Environment.values:
        raise Invalid("The environment is live or paper.", code="environment_unknown")
    if environment == ExchangeAccount.Environment.PAPER and exchange not in exchanges.COPIED:
        raise PaperElsewhere


def _user_exists(user_id: UUID) -> None:
    if not get_user_model().objects.filter(pk=user_id, is_active=True).exists():
        raise NotFound("There is no such user.", code="user_unknown")


def _label(label: str) -> str:
    text = " ".join(label.split())
    if len(text) > LONGEST_LABEL or not text.isprintable():
        raise Invalid(f"A name has at most {LONGEST_LABEL} characters, all of them printable.", code="label_invalid")
    return text


def _free_label(owner_id: UUID, exchange: str) -> str:
    name = exchanges.exchanges()[exchange].name
    taken = set(ExchangeAccount.objects.filter(owner_id=owner_id).values_list("label", flat=True))
    number = 1
    while (label := name if number == 1 else f"{name} {number}") in taken:
        number += 1
    return label


def _of(account_id: UUID, user_id: UUID | None) -> ExchangeAccount:
    rows = ExchangeAccount.objects.filter(pk=account_id)
    if user_id is not None:
        rows = rows.filter(owner_id=user_id)
    row = rows.first()
    if row is None:
        raise NotFound("There is no such exchange account.", code="account_unknown")
    return row


def _ref(row: ExchangeAccount) -> AccountRef:
    return AccountRef(
        id=row.pk,
        owner_id=row.owner_id,
        exchange=row.exchange,
        environment=row.environment,
        label=row.label,
        status=row.status,
        reason=row.reason,
        hint=row.hint,
        permissions=dict(row.permissions),
        checked_at=row.checked_at,
        created_at=row.created_at,
        address=addresses.in_use(row.egress_address),
    )
