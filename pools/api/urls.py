"""Paths of pools, traders and subscriptions, under /api/."""

from __future__ import annotations

from django.urls import path

from pools.api import subscriptions, views

app_name = "pools"
ONE = "v2/pools/<uuid:pool_id>/subscriptions/<str:subscription_id>"
urlpatterns = [
    path("v2/pools", views.PoolsView.as_view(), name="pools"),
    path("v2/pools/<uuid:pool_id>", views.PoolView.as_view(), name="pool"),
    path("v2/pools/<uuid:pool_id>/activate", views.ActivateView.as_view(), name="activate"),
    path("v2/pools/<uuid:pool_id>/pause", views.PauseView.as_view(), name="pause"),
    path("v2/pools/<uuid:pool_id>/close", views.CloseView.as_view(), name="close"),
    path("v2/pools/<uuid:pool_id>/subscribe", subscriptions.SubscribeView.as_view(), name="subscribe"),
    path(ONE, subscriptions.SubscriptionView.as_view(), name="subscription"),
    path(f"{ONE}/pause", subscriptions.PauseSubscriptionView.as_view(), name="subscription_pause"),
    path(f"{ONE}/resume", subscriptions.ResumeSubscriptionView.as_view(), name="subscription_resume"),
    path(f"{ONE}/shares", subscriptions.SharesView.as_view(), name="subscription_shares"),
    path("v2/users/<uuid:user_id>/halt", subscriptions.HaltUserView.as_view(), name="user_halt"),
    path("v2/users/<uuid:user_id>/release", subscriptions.ReleaseUserView.as_view(), name="user_release"),
    path("v2/traders", views.TradersView.as_view(), name="traders"),
]
