"""Trading's part of /api/."""

from __future__ import annotations

from django.urls import path

from trading.api.draws.views import DrawsView
from trading.api.signals.views import BulkSignalsView, SignalsView, SignalView

urlpatterns = [
    path("v2/pools/<uuid:pool_id>/draws", DrawsView.as_view()),
    path("v2/pools/<uuid:pool_id>/signals", SignalsView.as_view()),
    path("v2/pools/<uuid:pool_id>/signals/bulk", BulkSignalsView.as_view()),
    path("v2/pools/<uuid:pool_id>/signals/<str:signal_id>", SignalView.as_view()),
]
