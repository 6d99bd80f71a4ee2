"""Subscriptions over the partner API: begin, read, change, pause and resume. Each calls one service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing import services as billing
from pools import services as pools
from pools.api.subscription_shapes import (
    AMOUNTS,
    AdvancedSubscribeRequest,
    ChangeRequest,
    HaltRequest,
    SharesShape,
    SubscribeRequest,
    SubscriptionShape,
    UserHaltShape,
    capped,
    in_api_names,
    settled,
    shape,
    shared,
    style_from,
)
from pools.domain.style import PLAIN
from tenants.access.partner import PartnerView
from tenants.people import person

EITHER = PolymorphicProxySerializer(
    component_name="Subscribe",
    serializers={"fixed_amount": SubscribeRequest, "advanced": AdvancedSubscribeRequest},
    resource_type_field_name="subscription_mode",
)


class SubscribeView(PartnerView):
    """Let an end user follow a pool."""

    @extend_schema(request=EITHER, responses={201: SubscriptionShape}, tags=["subscriptions"])
    def post(self, request: Request, pool_id: UUID) -> Response:
        advanced = isinstance(request.data, Mapping) and request.data.get("subscription_mode") == "advanced"
        wanted = (AdvancedSubscribeRequest if advanced else SubscribeRequest).read(request)
        try:
            terms, style = settled(wanted, style_from(wanted))
            made = pools.subscribe(
                user_id=wanted["user_id"],
                pool_id=pool_id,
                account_id=wanted["exchange_account_id"],
                terms=terms,
                style=style,
                paper_only=_on_paper(request),
                actor=str(request.user),
            )
        except pools.TermsInvalid as problem:
            raise in_api_names(problem) from None
        return Response(shape(made), status=201)


class SubscriptionView(PartnerView):
    """One subscription of a pool."""

    @extend_schema(operation_id="subscription_get", responses=SubscriptionShape, tags=["subscriptions"])
    def get(self, request: Request, pool_id: UUID, subscription_id: str) -> Response:
        return Response(shape(pools.subscription_named(pool_id=pool_id, name=subscription_id)))

    @extend_schema(
        operation_id="subscription_change", request=ChangeRequest, responses=SubscriptionShape, tags=["subscriptions"]
    )
    def patch(self, request: Request, pool_id: UUID, subscription_id: str) -> Response:
        wanted = ChangeRequest.read(request)
        one = pools.subscription_named(pool_id=pool_id, name=subscription_id, paper_only=_on_paper(request))
        try:
            changed = _changed(one, wanted, actor=str(request.user))
        except pools.TermsInvalid as problem:
            raise in_api_names(problem) from None
        return Response(shape(changed))


class SubscriptionMoveView(PartnerView):
    """Pause or resume a subscription."""

    move: ClassVar[Callable[..., pools.SubscriptionRef]]

    @extend_schema(request=None, responses=SubscriptionShape, tags=["subscriptions"])
    def post(self, request: Request, pool_id: UUID, subscription_id: str) -> Response:
        one = pools.subscription_named(pool_id=pool_id, name=subscription_id, paper_only=_on_paper(request))
        moved = type(self).move(subscription_id=one.id, user_id=one.user_id, actor=str(request.user))
        return Response(shape(moved))


class PauseSubscriptionView(SubscriptionMoveView):
    """Open nothing more until it is resumed; closes go on."""

    move = staticmethod(pools.pause_subscription)


class ResumeSubscriptionView(SubscriptionMoveView):
    """Copy again; which limit had stopped it is forgotten."""

    move = staticmethod(pools.resume_subscription)


class SharesView(PartnerView):
    """What is due of a subscription's profits: one entry each time its result passed its high-water mark."""

    @extend_schema(operation_id="subscription_shares", responses=SharesShape, tags=["subscriptions"])
    def get(self, request: Request, pool_id: UUID, subscription_id: str) -> Response:
        one = pools.subscription_named(pool_id=pool_id, name=subscription_id)
        mine = {"user_id": one.user_id, "subscription_id": one.id}
        rows = [shared(share) for share in billing.shares_of(**mine)]
        return Response({"due_usd": billing.due_of(**mine), "collected": False, "shares": rows})


class HaltUserView(PartnerView):
    """Stop everything of an end user."""

    @extend_schema(operation_id="user_halt", request=HaltRequest, responses=UserHaltShape, tags=["subscriptions"])
    def post(self, request: Request, user_id: UUID) -> Response:
        wanted = HaltRequest.read(request)
        person(user_id)
        close = wanted["close_positions"]
        changed = pools.halt_user(user_id=user_id, actor=str(request.user), close=close, paper_only=_on_paper(request))
        return Response(_halts(user_id, changed))


class ReleaseUserView(PartnerView):
    """Let what an end user had stopped copy again; what was closed is not opened again."""

    @extend_schema(operation_id="user_release", request=None, responses=UserHaltShape, tags=["subscriptions"])
    def post(self, request: Request, user_id: UUID) -> Response:
        person(user_id)
        changed = pools.release_user(user_id=user_id, actor=str(request.user), paper_only=_on_paper(request))
        return Response(_halts(user_id, changed))


def _halts(user_id: UUID, changed: int) -> dict[str, object]:
    stopped = sum(one.stopped_by in pools.HALTS for one in pools.subscriptions_of(user_id))
    return {"user_id": str(user_id), "changed": changed, "stopped": stopped}


def _on_paper(request: Request) -> bool:
    holder: Any = request.auth
    return bool(holder.environment == "test")


def _changed(one: pools.SubscriptionRef, wanted: Mapping[str, Any], *, actor: str) -> pools.SubscriptionRef:
    given = {name: wanted[said] for name, said in AMOUNTS.items() if said in wanted}
    terms = pools.FixedAmount(**{name: getattr(one.terms, name) for name in AMOUNTS} | given)
    plain = wanted.get("subscription_mode") == "fixed_amount"
    style = capped(style_from(wanted, base=PLAIN if plain else one.style), terms.total_investment)
    if plain and style != PLAIN:
        words = "A fixed amount has no style: leave the mode out, or what else is set."
        raise pools.TermsInvalid(details={"fields": {"subscription_mode": words}})
    return pools.change_terms(subscription_id=one.id, user_id=one.user_id, terms=terms, style=style, actor=actor)
