"""The partner API's pools and traders: parse, call one service, translate."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from obscura.core.http.pagination import Pages
from pools import services as pools
from pools.api.serializers import (
    PoolPageShape,
    PoolRequest,
    PoolShape,
    TraderRequest,
    TraderShape,
)
from pools.models import Pool
from pools.services.pools import counted, ref
from tenants.access.partner import PartnerView

PLATFORM_TAKE = Decimal(3)
OFFERED = [Pool.Kind.PARTNER, Pool.Kind.CURATED]


class PoolsView(PartnerView):
    """Pools of the tenant."""

    @extend_schema(operation_id="pools_list", responses=PoolPageShape, tags=["pools"])
    def get(self, request: Request) -> Response:
        pages = Pages()
        rows = counted(Pool.objects.filter(kind__in=OFFERED))
        found = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response([_pool(request, ref(pool)) for pool in found])

    @extend_schema(request=PoolRequest, responses={201: PoolShape}, tags=["pools"])
    def post(self, request: Request) -> Response:
        wanted = PoolRequest.read(request)
        wanted.pop("pool_type", None)
        made = pools.create_pool(
            kind="partner", traders=_places(wanted.pop("traders", [])), actor=str(request.user), **wanted
        )
        return Response(_pool(request, made), status=201)


class PoolView(PartnerView):
    """One pool."""

    @extend_schema(responses=PoolShape, tags=["pools"])
    def get(self, request: Request, pool_id: UUID) -> Response:
        return Response(_pool(request, _offered(pool_id)))

    @extend_schema(request=PoolRequest(partial=True), responses=PoolShape, tags=["pools"])
    def patch(self, request: Request, pool_id: UUID) -> Response:
        wanted = PoolRequest.read(request, partial=True)
        _offered(pool_id)
        wanted.pop("pool_type", None)
        traders = _places(wanted.pop("traders")) if "traders" in wanted else None
        changed = pools.change_pool(pool_id=pool_id, traders=traders, actor=str(request.user), **wanted)
        return Response(_pool(request, changed))


class PoolMoveView(PartnerView):
    """Activate, pause or close a pool."""

    move: Any = None

    @extend_schema(request=None, responses=PoolShape, tags=["pools"])
    def post(self, request: Request, pool_id: UUID) -> Response:
        _offered(pool_id)
        return Response(_pool(request, type(self).move(pool_id=pool_id, actor=str(request.user))))


class ActivateView(PoolMoveView):
    """Let a pool be followed and its trades be copied."""

    move = staticmethod(pools.activate_pool)


class PauseView(PoolMoveView):
    """Open nothing more until it is activated again; closes go on."""

    move = staticmethod(pools.pause_pool)


class CloseView(PoolMoveView):
    """End a pool for good."""

    move = staticmethod(pools.close_pool)


class TradersView(PartnerView):
    """Lead traders."""

    @extend_schema(request=TraderRequest, responses={201: TraderShape}, tags=["traders"])
    def post(self, request: Request) -> Response:
        wanted = TraderRequest.read(request)
        made = pools.create_trader(
            name=wanted["name"],
            account_id=wanted.get("exchange_account_id"),
            reference_capital_usd=wanted.get("reference_capital_usd"),
            actor=str(request.user),
        )
        shape = {
            "id": made.id,
            "name": made.name,
            "exchange_account_id": made.account_id,
            "reference_capital_usd": made.reference_capital_usd,
        }
        return Response(shape, status=201)


def _offered(pool_id: UUID) -> pools.PoolRef:
    """A pool a key may see: not a user's custom one."""
    found = pools.pool_of(pool_id=pool_id)
    if found.kind not in OFFERED:
        raise pools.PoolUnknown
    return found


def _places(said: list[Mapping[str, Any]]) -> list[tuple[UUID, Decimal]]:
    return [(place["trader_id"], place["weight"]) for place in said]


def _pool(request: Request, pool: pools.PoolRef) -> dict[str, object]:
    holder: Any = request.auth
    return {
        "id": pool.id,
        "name": pool.name,
        "description": pool.description,
        "pool_type": pool.kind,
        "risk_class": pool.risk_class,
        "status": pool.status,
        "tenant_id": holder.tenant_id,
        "fee_percentage": pool.fee_percentage,
        "platform_take_percentage": PLATFORM_TAKE,
        "slots": pool.slots,
        "leverage": pool.leverage,
        "max_slippage_bps": pool.max_slippage_bps,
        "signal_ttl_s": pool.signal_ttl_s,
        "traders": [{"trader_id": one.id, "name": one.name, "weight": one.weight} for one in pool.traders],
        "subscribers": pool.followers,
        "created_at": pool.created_at,
    }
