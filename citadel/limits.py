"""The limits of an account: agreed when it is connected, shown from a plain copy, changed by its owner alone.

What counts is the agreement that the signer sealed (citadel.domain.agreement). The copy in `ExchangeAccount.caps` is
for showing, and for making the text that a passkey signs: whoever forges it makes a text that the signer refuses. The
web process cannot reach the signer, so a change is a row that a worker carries there.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction

from citadel import keyring
from citadel.client import SignerClient, SignerRefused
from citadel.domain import agreement
from citadel.domain.agreement import Agreement, Passkey
from citadel.domain.mandate import Caps
from citadel.models import CapsChange, Credential, ExchangeAccount
from citadel.types import CapsChangeRef, Limits, LimitsQuestion
from obscura.core import clock
from obscura.core.audit import write as audit
from obscura.core.errors import Conflict, Invalid, Unavailable
from obscura.core.money import parse, plain
from obscura.core.nudge.send import nudge
from tenants import services as tenants

FIELD = "agreed"
"""The field that an agreement is sealed as, beside the account's keys (citadel.signer.ops)."""

AMOUNTS = ("order_usd", "minute_usd", "day_usd")
HIGHEST_LEVERAGE = 125
MOST_USD = Decimal(10**15)
LONGEST_PART = 8192
"""Characters of one part of a passkey's answer."""

TRIES = 3
"""How often a change is asked for at once, where the account is written to meanwhile."""

State = CapsChange.State
_OPEN = (ExchangeAccount.Status.PENDING, ExchangeAccount.Status.ACTIVE)
_CLOSED = "The account was taken back or refused before its limits were changed. Connect it again."
_REFUSALS = {
    kind.code: (kind.__doc__ or "").strip()
    for kind in (
        agreement.AgreementMalformed,
        agreement.AgreementOutdated,
        agreement.PasskeyMissing,
        agreement.PasskeyRefused,
    )
}


class LimitsInvalid(Invalid):
    """These limits cannot be."""

    code = "limits_invalid"


class PasskeyNeeded(Conflict):
    """Wider limits are confirmed by the owner's passkey."""

    code = "passkey_needed"
    remedy = "The owner widens them on the page of the account's limits, with a passkey that the account knows."


class PasskeyUnknown(Conflict):
    """The account knows no passkey, so it can only be narrowed."""

    code = "passkey_missing"
    remedy = "Connect it again; passkeys you have then are taken up."


class PasskeyElsewhere(Conflict):
    """The account's passkeys were made at another address of ours."""

    code = "passkey_elsewhere"
    remedy = "Open this page at the address where you added your passkey."


class AnswerRefused(Invalid):
    """The passkey's answer cannot be read."""

    code = "passkey_refused"
    remedy = "Load the page again and confirm with your passkey once more."


class LimitsOutdated(Conflict):
    """The limits have been changed meanwhile."""

    code = "agreement_outdated"
    remedy = "Load the page again, then decide anew."


class ChangeWaiting(Conflict):
    """A change of this account's limits is being made."""

    code = "limits_waiting"
    remedy = "Wait until it is made; that takes seconds."


class AccountClosed(Conflict):
    """The account trades no more, so it has no limits to change."""

    code = "account_closed"
    remedy = "Connect it again."


class NotSealedYet(Unavailable):
    """The account's keys are not in the vault yet."""

    code = "account_pending"
    remedy = "The change is made by itself once they are."


class AccountBusy(Unavailable):
    """The account was written to each time its limits were to be changed."""

    code = "account_busy"
    remedy = "It is tried again by itself."


def first(*, owner_id: UUID, wished: Mapping[str, object] | None) -> Agreement:
    """What an owner agrees to by connecting an account: the caps that were chosen, and the passkeys of that moment.

    :param wished: as for `ask`; what is not in it is as usual
    :raises LimitsInvalid: they cannot be
    """
    caps = _wished(wished or {}, usual())
    known: list[Passkey] = []
    for one in tenants.passkeys_of(owner_id)[: agreement.MAX_PASSKEYS]:
        more = [*known, Passkey(one.ident, one.key, one.site)]
        if len(agreement.text_of(Agreement(0, caps, tuple(more)))) <= agreement.MAX_TEXT:
            known = more
    return Agreement(0, caps, tuple(known))


def shown(agreed: Agreement) -> dict[str, object]:
    """An agreement as `ExchangeAccount.caps` keeps it."""
    return {
        **{name: plain(getattr(agreed.caps, name)) for name in AMOUNTS},
        "leverage": agreed.caps.leverage,
        "number": agreed.number,
        "passkeys": [encoded(one.ident) for one in agreed.passkeys],
        "text": agreement.text_of(agreed),
    }


def usual() -> Caps:
    """The caps of accounts whose owners chose no others."""
    return agreement.read_caps(settings.ACCOUNT_CAPS)


def limits_of(rows: Iterable[ExchangeAccount]) -> dict[UUID, Limits]:
    """The limits of accounts, each with the change that was last asked for."""
    found = list(rows)
    changes = CapsChange.objects.filter(account__in=found).order_by("account_id", "-pk").distinct("account_id")
    newest = {one.account_id: _ref(one) for one in changes}
    return {row.pk: _limits(row, newest.get(row.pk)) for row in found}


def question(row: ExchangeAccount, *, wished: Mapping[str, object], site: str) -> LimitsQuestion:
    """What a passkey has to sign for these limits; without a challenge where none is needed.

    :param site: the host of the page that asks
    :raises LimitsInvalid: they cannot be
    :raises PasskeyUnknown: they are wider, and the account knows no passkey
    :raises PasskeyElsewhere: they are wider, and its passkeys are none of this site
    """
    present = _present(row)
    caps = _wished(wished, present.caps)
    if not agreement.widens(present.caps, caps):
        return LimitsQuestion(number=present.number, challenge="", passkeys=(), **_told(caps))
    if not present.passkeys:
        raise PasskeyUnknown
    here = tuple(encoded(one.ident) for one in present.passkeys if one.site == site)
    if not here:
        raise PasskeyElsewhere(details={"sites": sorted({one.site for one in present.passkeys})})
    challenge = agreement.challenge_of(
        tenant=keyring.tenant_id(), account=row.pk.bytes, wanted=agreement.with_caps(present, caps)
    )
    return LimitsQuestion(number=present.number, challenge=encoded(challenge), passkeys=here, **_told(caps))


def ask(
    row: ExchangeAccount,
    *,
    wished: Mapping[str, object],
    actor: str,
    number: int | None = None,
    assertion: Mapping[str, str] | None = None,
) -> bool:
    """Have an account's limits changed by a worker, in a moment. False where they are these already.

    :param wished: ``order_usd``, ``minute_usd``, ``day_usd``, ``leverage``; what is not in it stays
    :param number: of the agreement that was looked at; None: whichever it is
    :param assertion: the passkey's answer in base64url: ``id``, ``authenticator``, ``client``, ``signature``
    :raises AccountClosed, AnswerRefused, ChangeWaiting, LimitsInvalid, LimitsOutdated, PasskeyNeeded: nothing is asked
    """
    with transaction.atomic():
        row = ExchangeAccount.objects.select_for_update().get(pk=row.pk)
        if row.status not in _OPEN:
            raise AccountClosed
        present = _present(row)
        if number is not None and number != present.number:
            raise LimitsOutdated
        caps = _wished(wished, present.caps)
        if caps == present.caps:
            return False
        if CapsChange.objects.filter(account=row, state=State.ASKED).exists():
            raise ChangeWaiting
        wider = agreement.widens(present.caps, caps)
        if wider and assertion is None:
            raise PasskeyNeeded
        change = CapsChange.objects.create(
            account=row,
            wanted=agreement.with_caps(present, caps),
            assertion=_answer(assertion) if wider and assertion is not None else [],
            actor=actor[:120],
            asked_at=clock.now(),
        )
        audit.record(
            "citadel.limits.asked", actor=actor, subject=f"account:{row.pk}", change=change.pk, wider=wider,
            **{name: str(value) for name, value in _told(caps).items()},
        )  # fmt: skip
        nudge("citadel.agree", change_id=change.pk)
    return True


def agree(*, change_id: int) -> None:
    """Carry a change to the signer, and write down what it sealed or why it did not.

    Safe to run twice and beside itself: the signer makes the same change again, and one writer finds it asked for.

    :raises citadel.client.SignerUnavailable: the signer is away; the change stays asked for
    :raises NotSealedYet, AccountBusy, citadel.keyring.KeysAway: likewise
    """
    signer = SignerClient(run_dir=settings.RUN_DIR)
    try:
        for _ in range(TRIES):
            change = CapsChange.objects.select_related("account").filter(pk=change_id, state=State.ASKED).first()
            if change is None or _agreed(signer, change):
                return
    finally:
        signer.close()
    raise AccountBusy


def _agreed(signer: SignerClient, change: CapsChange) -> bool:
    """One try: whether the change has been made or refused. False: the envelopes have become others meanwhile."""
    if change.account.status not in _OPEN:
        return _refuse(change, _CLOSED, code="account_closed")
    credential = Credential.objects.get(account=change.account)
    held = dict(credential.envelopes)
    if not held:
        raise NotSealedYet
    try:
        sealed = signer.agree(
            tenant=keyring.tenant_id(),
            account=change.account.pk.bytes,
            agreed=held.get(FIELD, ""),
            wanted=change.wanted,
            assertion=[decoded(part) for part in change.assertion],
            keys=keyring.held(),
        )
    except SignerRefused as refusal:
        if refusal.code in keyring.WAITS:
            raise keyring.KeysAway from None
        if not Credential.objects.filter(pk=credential.pk, envelopes=held).exists():
            return False
        words = _REFUSALS.get(refusal.code, "The vault did not make this change. Connect the account again.")
        return _refuse(change, words, code=refusal.code)
    made = agreement.read(change.wanted)
    with transaction.atomic():
        # Only where they still are what was read: keys that were rotated meanwhile stay rotated.
        written = Credential.objects.filter(pk=credential.pk, envelopes=held).update(envelopes={**held, FIELD: sealed})
        if not written:
            return False
        if CapsChange.objects.filter(pk=change.pk, state=State.ASKED).update(state=State.DONE, done_at=clock.now()):
            ExchangeAccount.objects.filter(pk=change.account_id).update(caps=shown(made))
            audit.record(
                "citadel.limits.changed", actor=change.actor, subject=f"account:{change.account_id}", change=change.pk,
                number=made.number, **{name: str(value) for name, value in _told(made.caps).items()},
            )  # fmt: skip
    return True


def _refuse(change: CapsChange, words: str, *, code: str) -> bool:
    with transaction.atomic():
        if CapsChange.objects.filter(pk=change.pk, state=State.ASKED).update(
            state=State.REFUSED, reason=words[:200], done_at=clock.now()
        ):
            audit.record(
                "citadel.limits.refused", actor=change.actor, subject=f"account:{change.account_id}", change=change.pk,
                code=code,
            )  # fmt: skip
    return True


def encoded(raw: bytes) -> str:
    """base64url without padding, as browsers write it."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes behind `encoded`.

    :raises ValueError: it is no base64url
    """
    if not text.isascii() or encoded(raw := urlsafe_b64decode(text + "=" * (-len(text) % 4))) != text:
        raise ValueError
    return raw


def _answer(parts: Mapping[str, str]) -> list[str]:
    said = [parts.get(name, "") for name in ("id", "authenticator", "client", "signature")]
    for one in said:
        try:
            if len(one) > LONGEST_PART or not decoded(one):
                raise AnswerRefused
        except ValueError:
            raise AnswerRefused from None
    return said


def _present(row: ExchangeAccount) -> Agreement:
    return agreement.read(row.caps["text"]) if row.caps else Agreement(0, usual())


def _wished(wished: Mapping[str, object], present: Caps) -> Caps:
    """The caps with what is wished for in the place of what was.

    :raises LimitsInvalid: ``details`` says what is wrong with which field
    """
    faults: dict[str, str] = {}
    amounts: list[Decimal] = []
    for name in AMOUNTS:
        amount = parse(_bare(wished[name])) if name in wished else getattr(present, name)
        if amount is None or not 0 < amount < MOST_USD or round(amount, 2) != amount:
            faults[name] = "Write an amount in dollars, with two decimals at most."
            amount = Decimal(0)
        amounts.append(Decimal(plain(amount)))
    leverage = parse(_bare(wished["leverage"])) if "leverage" in wished else Decimal(present.leverage)
    if leverage is None or leverage != int(leverage) or not 1 <= leverage <= HIGHEST_LEVERAGE:
        faults["leverage"] = f"Write a whole number from 1 to {HIGHEST_LEVERAGE}."
    if not faults:
        for name, less, more, words in (
            ("minute_usd", 0, 1, "A minute allows at least what one order does."),
            ("day_usd", 1, 2, "A day allows at least what a minute does."),
        ):
            if amounts[more] < amounts[less]:
                faults[name] = words
    if faults or leverage is None:
        raise LimitsInvalid(details={"fields": faults})
    return Caps(*amounts, int(leverage))


def _bare(value: object) -> object:
    """An amount as people write it: ``$50,000`` is 50000."""
    return value.strip().removeprefix("$").replace(",", "").strip() if isinstance(value, str) else value


def _told(caps: Caps) -> dict[str, object]:
    return {**{name: getattr(caps, name) for name in AMOUNTS}, "leverage": caps.leverage}


def _limits(row: ExchangeAccount, change: CapsChangeRef | None) -> Limits:
    present = _present(row)
    return Limits(
        order_usd=present.caps.order_usd,
        minute_usd=present.caps.minute_usd,
        day_usd=present.caps.day_usd,
        leverage=present.caps.leverage,
        number=present.number,
        passkeys=len(present.passkeys),
        change=change,
    )


def _ref(one: CapsChange) -> CapsChangeRef:
    return CapsChangeRef(state=one.state, reason=one.reason, asked_at=one.asked_at)
