"""The partner API's exchanges and exchange accounts."""

from __future__ import annotations

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
from citadel.api.serializers import AccountRequest, AccountShape, AccountsShape, ExchangesShape
from citadel.types import AccountRef, Exchange
from obscura.core.errors import Forbidden
from tenants.access.partner import PartnerView
from tenants.access.throttles import General


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


class AccountsView(PartnerView):
    """Exchange accounts of one of the tenant's users."""

    @extend_schema(operation_id="users_accounts_list", responses=AccountsShape, tags=["accounts"])
    def get(self, request: Request, user_id: UUID) -> Response:
        return Response({"results": [_account(one) for one in citadel.accounts_of(user_id)]})

    @extend_schema(request=AccountRequest, responses={201: AccountShape}, tags=["accounts"])
    @sensitive_variables()
    def post(self, request: Request, user_id: UUID) -> Response:
        wanted = AccountRequest.read(request)
        holder: Any = request.auth
        if holder.environment == "test" and wanted["environment"] != "paper":
            raise PaperOnly
        made = citadel.connect_account(
            owner_id=user_id,
            exchange=wanted["exchange"],
            environment=wanted["environment"],
            label=wanted["label"],
            credentials=wanted["credentials"],
            actor=str(request.user),
        )
        return Response(_account(made), status=201)


class AccountView(PartnerView):
    """One exchange account of one of the tenant's users."""

    @extend_schema(responses=AccountShape, tags=["accounts"])
    def get(self, request: Request, user_id: UUID, account_id: UUID) -> Response:
        return Response(_account(citadel.account(account_id=account_id, user_id=user_id)))

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
    return {
        "id": one.id,
        "exchange": one.exchange,
        "environment": one.environment,
        "label": one.label,
        "status": one.status,
        "reason": one.reason,
        "permissions": one.permissions,
        "address": one.address,
        "created_at": one.created_at,
    }
