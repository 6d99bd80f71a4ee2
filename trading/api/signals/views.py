"""Take a partner's signals, and tell what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from obscura.core.errors import Invalid, Problem
from tenants.access.authentication import KeyAuthentication
from tenants.access.permissions import HasScope
from tenants.access.throttles import General
from trading.api.signals import shapes
from trading.domain import priorities
from trading.signals.intake import from_public_id, take_signal, take_signals
from trading.signals.request import SignalRequest, parse
from trading.signals.status import signal_status

MOST_AT_ONCE = 1000


class BatchInvalid(Invalid):
    """The batch is not valid."""

    code = "batch_invalid"
    remedy = "Send {signals: [1 to 1,000 signals], batch_priority, fail_fast}."


class SignalsView(APIView):
    """One signal."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [HasScope("signal:write")]
    throttle_classes = [General]

    @extend_schema(
        operation_id="send_signal",
        request=shapes.SignalFields,
        responses={
            202: OpenApiResponse(shapes.ReceiptFields, "Taken; copies are on their way."),
            200: OpenApiResponse(shapes.ReceiptFields, "The same external_trade_id again; nothing was changed."),
        },
    )
    def post(self, request: Request, pool_id: UUID) -> Response:
        taken = take_signal(pool_id=pool_id, request=parse(request.data), key=request.auth)
        return Response(shapes.receipt(taken), status=200 if taken.repeated else 202)


class BulkSignalsView(APIView):
    """Many signals, each taken or refused for itself."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [HasScope("signal:write")]
    throttle_classes = [General]

    @extend_schema(
        operation_id="send_signals",
        request=shapes.BulkFields,
        responses={
            202: OpenApiResponse(shapes.BatchFields, "At least one signal is new."),
            200: OpenApiResponse(shapes.BatchFields, "Nothing is new."),
        },
    )
    def post(self, request: Request, pool_id: UUID) -> Response:
        signals, default, fail_fast = _batch(request.data)
        asked = [_parsed(one, default) for one in signals]
        answers = take_signals(pool_id=pool_id, requests=asked, key=request.auth, fail_fast=fail_fast)
        body = shapes.batch(pool_id, answers, len(signals))
        return Response(body, status=202 if body["accepted"] else 200)


class SignalView(APIView):
    """What became of one signal."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [HasScope("signal:write", "pool:read")]
    throttle_classes = [General]

    @extend_schema(operation_id="signal_status", responses=shapes.StatusFields)
    def get(self, request: Request, pool_id: UUID, signal_id: str) -> Response:
        found = signal_status(pool_id=pool_id, signal_id=from_public_id(signal_id))
        return Response(shapes.status(found))


def _batch(data: object) -> tuple[list[object], int, bool]:
    if not isinstance(data, Mapping):
        raise BatchInvalid
    signals, urgency, fail_fast = data.get("signals"), data.get("batch_priority"), data.get("fail_fast", False)
    wrong = {name: "is not a field of a batch" for name in data if name not in shapes.BulkFields().fields}
    if not isinstance(signals, list) or not 1 <= len(signals) <= MOST_AT_ONCE:
        wrong["signals"] = f"must be a list of 1 to {MOST_AT_ONCE} signals"
    if urgency is not None and (not isinstance(urgency, str) or urgency not in priorities.BY_NAME):
        wrong["batch_priority"] = f"must be {' or '.join(priorities.BY_NAME)}"
    if not isinstance(fail_fast, bool):
        wrong["fail_fast"] = "must be true or false"
    if wrong:
        raise BatchInvalid(details=wrong)
    return list(signals or ()), priorities.BY_NAME[urgency or "normal"], bool(fail_fast)


def _parsed(data: object, default_priority: int) -> SignalRequest | Problem:
    try:
        return parse(data, default_priority=default_priority)
    except Problem as problem:
        return problem
