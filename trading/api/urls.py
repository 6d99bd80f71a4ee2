"""Trading's part of /api/."""

from __future__ import annotations

from django.urls import path

from trading.api.draws.views import DrawsView
from trading.api.signals.views import BulkSignalsView, SignalsView, SignalView
from trading.api.subscriptions import ResyncView, UnfollowView

ONE = "v2/pools/<uuid:pool_id>/subscriptions/<str:subscription_id>"
urlpatterns = [
    path("v2/pools/<uuid:pool_id>/draws", DrawsView.as_view()),
    path("v2/pools/<uuid:pool_id>/signals", SignalsView.as_view()),
    path("v2/pools/<uuid:pool_id>/signals/bulk", BulkSignalsView.as_view()),
    path("v2/pools/<uuid:pool_id>/signals/<str:signal_id>", SignalView.as_view()),
    path(f"{ONE}/unfollow", UnfollowView.as_view()),
    path(f"{ONE}/resync", ResyncView.as_view()),
]
