"""The partner API's exchanges and exchange accounts."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from citadel import services as citadel
from citadel.api.serializers import (
    AccountChangeRequest,
    AccountRequest,
    AccountShape,
    AccountsShape,
    ExchangesShape,
    IntakeShape,
    ReservationShape,
)
from citadel.sealing import MAX_SEALED, TEXT_VERSION
from citadel.types import AccountRef, Exchange, Limits
from obscura.core.errors import Forbidden
from tenants.access.partner import PartnerView
from tenants.access.throttles import General

FORMAT = (
    "A libsodium sealed box (crypto_box_seal) to `key` around UTF-8 JSON of one spelling: no blanks, nothing escaped "
    'that need not be, the names in this order: {"v":2,"tenant":T,"account":"A","fields":{"name":"text"}}. T and A '
    "are `tenant` and `account` of the reservation; `fields` has the credential fields of the exchange, `agreed` as "
    "the reservation gives it and, for any exchange but binance, `exchange` with the exchange's id. "
    "Send it in base64."
)


class PaperOnly(Forbidden):
    """A test key connects paper accounts alone."""

    code = "test_key_paper_only"
    remedy = 'Send "environment": "paper", or use a live key.'


class ExchangesView(APIView):
    """Every exchange there is, with what its credentials consist of."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (General,)

    @extend_schema(responses=ExchangesShape, tags=["exchanges"])
    def get(self, request: Request) -> Response:
        return Response({"exchanges": [_exchange(one) for one in citadel.supported_exchanges()]})


class IntakeView(APIView):
    """The vault's public key, for those who seal credentials before they send them."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (General,)

    @extend_schema(responses=IntakeShape, tags=["exchanges"])
    def get(self, request: Request) -> Response:
        key = citadel.intake_key()
        return Response(
            {
                "kid": key.kid,
                "key": b64encode(key.public).decode(),
                "version": TEXT_VERSION,
                "max_bytes": MAX_SEALED,
                "format": FORMAT,
            }
        )


class AccountsView(PartnerView):
    """Exchange accounts of one of the tenant's users."""

    @extend_schema(operation_id="users_accounts_list", responses=AccountsShape, tags=["accounts"])
    def get(self, request: Request, user_id: UUID) -> Response:
        return Response({"results": _accounts(citadel.accounts_of(user_id))})

    @extend_schema(request=AccountRequest, responses={201: AccountShape}, tags=["accounts"])
    @sensitive_variables()
    def post(self, request: Request, user_id: UUID) -> Response:
        wanted = AccountRequest.read(request)
        holder: Any = request.auth
        if holder.environment == "test" and wanted["environment"] != "paper":
            raise PaperOnly
        if "sealed" in wanted:
            made = citadel.connect_sealed_account(owner_id=user_id, actor=str(request.user), **wanted)
        else:
            wished = wanted.pop("limits", None)
            made = citadel.connect_account(owner_id=user_id, actor=str(request.user), wished=wished, **wanted)
        return Response(_account(made), status=201)


class ReserveView(PartnerView):
    """An id for an account whose credentials are sealed before they are sent."""

    @extend_schema(request=None, responses={201: ReservationShape}, tags=["accounts"])
    def post(self, request: Request, user_id: UUID) -> Response:
        """Give out an id. One account can be connected with it, within an hour."""
        made = citadel.reserve_account(owner_id=user_id)
        return Response(asdict(made) | {"account": made.account.hex}, status=201)


class AccountView(PartnerView):
    """One exchange account of one of the tenant's users."""

    @extend_schema(responses=AccountShape, tags=["accounts"])
    def get(self, request: Request, user_id: UUID, account_id: UUID) -> Response:
        return Response(_account(citadel.account(account_id=account_id, user_id=user_id)))

    @extend_schema(request=AccountChangeRequest, responses={200: AccountShape, 202: AccountShape}, tags=["accounts"])
    def patch(self, request: Request, user_id: UUID, account_id: UUID) -> Response:
        """Narrow the account's limits. 202: the vault is asked, and `limits.change` tells what becomes of it."""
        wanted = AccountChangeRequest.read(request)
        asked = citadel.change_limits(
            account_id=account_id, user_id=user_id, wished=wanted["limits"], actor=str(request.user)
        )
        one = citadel.account(account_id=account_id, user_id=user_id)
        return Response(_account(one), status=202 if asked else 200)

    @extend_schema(responses={204: None}, tags=["accounts"])
    def delete(self, request: Request, user_id: UUID, account_id: UUID) -> Response:
        """Erase the account's keys. What copies on it is paused."""
        citadel.revoke_account(account_id=account_id, user_id=user_id, actor=str(request.user))
        return Response(status=204)


class ConfirmAccountView(PartnerView):
    """The word of an account's owner, where the exchange does not tell what a key may do."""

    @extend_schema(request=None, responses=AccountShape, tags=["accounts"])
    def post(self, request: Request, user_id: UUID, account_id: UUID) -> Response:
        """Confirm that the owner has looked at the exchange: the key may trade and cannot withdraw or transfer.

        For accounts whose `permissions.confirm` is true; the account is active from then on. Any other answers 409.
        """
        done = citadel.confirm_account(account_id=account_id, user_id=user_id, actor=str(request.user))
        return Response(_account(done))


def _exchange(one: Exchange) -> dict[str, object]:
    return {
        "id": one.code,
        "name": one.name,
        "tier": "certified" if one.certified else "beta",
        "copying": one.copying,
        "spot": one.spot,
        "futures": one.futures,
        "margin": one.margin,
        "websocket": one.websocket,
        "credential_fields": [asdict(field) for field in citadel.credential_fields(one.code)],
    }


def _account(one: AccountRef) -> dict[str, object]:
    return _accounts([one])[0]


def _accounts(found: list[AccountRef]) -> list[dict[str, object]]:
    limits = citadel.limits_of([one.id for one in found])
    return [_shape(one, limits[one.id]) for one in found]


def _shape(one: AccountRef, limits: Limits) -> dict[str, object]:
    return {
        "id": one.id,
        "exchange": one.exchange,
        "environment": one.environment,
        "label": one.label,
        "status": one.status,
        "reason": one.reason,
        "permissions": one.permissions,
        "address": one.address,
        "limits": asdict(limits),
        "created_at": one.created_at,
    }
