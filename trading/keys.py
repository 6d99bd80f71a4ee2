"""Ask an exchange what an account's key may do: through ccxt, with decoys, the questions that its checker names.

For every exchange but Binance, which the vault asks itself. No secret and no signature comes here: what ccxt signs with
is a decoy, and the vault completes the request and sends it. A wallet's signatures are another matter: the signer gives
them where the tenant has permitted it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import aiohttp
from django.conf import settings

from citadel import decoys
from citadel import services as citadel
from citadel.carry import CarriedSession, Carrier
from citadel.client import ChunkSender, SignerClient, SignerRefused
from citadel.decoys import Facts
from citadel.domain.permissions import (
    AWAY,
    NOT_ASKED,
    OTHER_FORM,
    SECRET_MALFORMED,
    Finding,
    Verdict,
    unasked,
)
from citadel.types import AccountRef
from obscura.core import clock, log
from obscura.core.errors import Unavailable
from obscura.core.ratelimit import Rate, take
from trading.venues import permissions
from trading.venues.permissions import About, Away, Checker, Json, Question, Refused, Told
from trading.venues.permissions.base import Means
from trading.venues.session import LIVE, tls_context

SIGNER_TIMEOUT_S = 2.0
QUESTION_MS, ALL_S = 10_000, 30.0
"""How long one question may take, and all of an account's together."""

BUDGET = Rate(limit=60, seconds=60)
"""Keys asked about at one exchange: the daily round must not use up what trading needs there."""

_WAITING = ("pending", "active")
_OLD_FORM = frozenset({"unknown_account", "credential_incomplete"})
"""Kept before the exchange was sealed with it: the signer takes it for a key of Binance, and nothing else."""

_logger = log.get("keys")


class KeyNotOpened(Unavailable):
    """The vault does not open the key that is to be asked about."""

    code = "key_not_opened"
    remedy = "It is tried again by itself. If it stays, an operator looks at the signer's log for the code."


def check(*, account_id: UUID) -> None:
    """Ask the exchange about an account that waits or is active, and have the verdict written down. May be repeated.

    :raises citadel.services.VenueAway: the exchange does not answer, or was asked too often: come back
    :raises KeyNotOpened, citadel.services.KeysAway, citadel.client.SignerUnavailable: nothing could be asked: come back
    """
    account = citadel.account(account_id=account_id)
    if account.status not in _WAITING or citadel.asked_here(account.exchange):
        return
    verdict = _verdict(account)
    if verdict is None:
        return
    citadel.conclude_check(account_id=account_id, verdict=verdict)
    _logger.info("checked", account=str(account_id), exchange=account.exchange, finding=verdict.finding.value)
    if verdict.finding is Finding.AWAY:
        raise citadel.VenueAway


def _verdict(account: AccountRef) -> Verdict | None:
    """What is found out; None: the account is no more to be asked about."""
    checker = permissions.checker_of(account.exchange)
    if not checker.questions:
        return checker.verdict((), About(now=clock.now()))
    if not take(f"keys:{account.exchange}", rate=BUDGET).allowed:
        return Verdict(Finding.AWAY, AWAY)
    signer = SignerClient(run_dir=settings.RUN_DIR, timeout=SIGNER_TIMEOUT_S)
    try:
        facts = citadel.open_to_ask(account_id=account.id, signer=signer)
        if facts is None:
            return None
        with decoys.alone(signer) as known:
            answers = asyncio.run(_answers(account, checker, _Held(known, facts, account)))
        if account.status == "active":  # a proxy before the exchange may say 401 too: a key is not erased for that
            answers = [Away() if told == Refused() else told for told in answers]
        return checker.verdict(answers, _about(facts))
    except citadel.KeyClosed as closed:
        if closed.code in _OLD_FORM:
            return unasked(OTHER_FORM)
        raise KeyNotOpened(details={"code": closed.code}) from None
    except SignerRefused as refusal:
        return _unsigned(refusal.code)
    finally:
        signer.close()


def _unsigned(code: str) -> Verdict:
    """What it comes to that the signer gave no signature for a question."""
    if code == "key_malformed":
        return Verdict(Finding.BAD, SECRET_MALFORMED)
    if code == "unknown_account":  # the signer was started anew between opening and signing, or is very full
        raise KeyNotOpened(details={"code": code})
    _logger.warning("unsigned", code=code)
    return unasked(NOT_ASKED)


class _Held(NamedTuple):
    """What this process has of an account: decoys, and what is no secret."""

    decoys: decoys.Decoys
    facts: Facts
    account: AccountRef

    def credentials(self) -> dict[str, str]:
        return self.decoys.credentials(self.account.id.bytes, exchange=self.account.exchange, facts=self.facts)


def _signer_address(facts: Facts) -> str:
    return next(iter(facts.addresses.values()), "")


def _about(facts: Facts) -> About:
    return About(
        now=clock.now(),
        key=_signer_address(facts) or facts.public.get("apiKey", ""),
        account=facts.public.get("walletAddress", ""),
    )


async def _answers(account: AccountRef, checker: Checker, held: _Held) -> list[Told]:
    """What the exchange says to each question, in their order; fewer where it is no use to go on."""
    connector = aiohttp.TCPConnector(
        ssl=tls_context(LIVE), limit=2, local_addr=(account.address, 0) if account.address else None
    )
    known = {**held.facts.public, "signer": _signer_address(held.facts)}
    answers: list[Told] = []
    sender = ChunkSender(run_dir=settings.RUN_DIR)
    carrier = Carrier(decoys=held.decoys, sender=sender, address=account.address)
    try:
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as http, asyncio.timeout(ALL_S):
            session = CarriedSession(http=http, carrier=carrier, environment=account.environment)
            for question in checker.questions:
                told = await _asked(question, checker, account.exchange, held, session, known, answers)
                answers.append(told)
                if isinstance(told, Away) or (isinstance(told, Refused) and not _untold(checker, told)):
                    break
                if not isinstance(told, Refused):
                    known |= permissions.given(question, told)
    except TimeoutError:
        answers.append(Away())
    finally:
        await sender.close()
    return answers


def _untold(checker: Checker, told: Refused) -> bool:
    return checker.refusals.get(told.code) is Means.UNTOLD


async def _asked(
    question: Question, checker: Checker, exchange: str, held: _Held, session: CarriedSession,
    known: Mapping[str, str], answers: list[Told],
) -> Told:  # fmt: skip
    try:
        params = permissions.filled(question, known)
    except KeyError:  # what an earlier answer was to give is not in it: this one is not told either
        return answers[-1] if answers and isinstance(answers[-1], Refused) else None
    return await _put(permissions.ccxt_class(question, exchange), question.method, params, checker, held, session)


async def _put(
    name: str, method: str, params: dict[str, str], checker: Checker, held: _Held, session: CarriedSession
) -> Told:
    """One question by ccxt's method of that name, and its answer, or what the exchange's refusal says."""
    import ccxt.async_support  # two seconds, for the process that asks alone

    heard: list[tuple[int, Any]] = []
    options = {"session": session, "enableRateLimit": False, "timeout": QUESTION_MS}
    made = getattr(ccxt.async_support, name)({**options, **held.credentials()})
    held.decoys.bear(made, account=held.account.id.bytes)
    judge = made.handle_errors

    def listening(
        status: int, reason: str, url: str, way: str, headers: Any, body: str, answer: Any, *more: Any
    ) -> Any:
        heard.append((status, answer))
        return judge(status, reason, url, way, headers, body, answer, *more)

    made.handle_errors = listening
    try:
        told: Json = await getattr(made, method)(params)
    except ccxt.BaseError as error:
        return _refusal(checker, heard, refused=isinstance(error, ccxt.AuthenticationError), kind=type(error).__name__)
    finally:
        made.session = None  # it is ours, and ccxt would warn that nobody closed it
    return told


def _refusal(checker: Checker, heard: list[tuple[int, Any]], *, refused: bool, kind: str) -> Told:
    """An error of ccxt's as the checker understands it. What nobody has named and is no refusal of the key is nothing.

    :param refused: ccxt says that the exchange does not accept the key
    """
    if not heard:
        if refused:
            _logger.error("unasked", error=kind)  # ccxt missed a field: our form does not ask for it
        return Away()
    status, answer = heard[-1]
    own = codes_in(answer)
    named = next((code for code in own or [str(status)] if code in checker.refusals), None)
    if named is not None:
        return Refused(named)
    return Refused(own[0] if own else "") if refused else Away()


_PLACES = ("code", "retCode", "ret_code", "err-code", "err_code", "label")


def codes_in(answer: Any) -> list[str]:
    """The exchange's own codes in an answer that is an error, in whichever of the usual places they are."""
    if isinstance(answer, list):  # ["error", 10100, "apikey: invalid"]
        return _texts(answer[1:2])
    if not isinstance(answer, dict):
        return []
    found = _texts([answer.get(place) for place in _PLACES])
    error = answer.get("error")
    if isinstance(error, dict):
        return found + _texts([error.get("code"), error.get("name")])
    return found + _texts(error if isinstance(error, list) else [error])


def _texts(values: list[Any]) -> list[str]:
    return [str(one) for one in values if isinstance(one, (str, int)) and not isinstance(one, bool) and one != ""]
