"""Paths of exchanges and exchange accounts, under /api/."""

from __future__ import annotations

from django.urls import path

from citadel.api import views

app_name = "citadel"
urlpatterns = [
    path("exchanges/supported", views.ExchangesView.as_view(), name="exchanges"),
    path("exchanges/intake", views.IntakeView.as_view(), name="intake"),
    path("v2/users/<uuid:user_id>/accounts", views.AccountsView.as_view(), name="accounts"),
    path("v2/users/<uuid:user_id>/accounts/reserve", views.ReserveView.as_view(), name="reserve"),
    path("v2/users/<uuid:user_id>/accounts/<uuid:account_id>", views.AccountView.as_view(), name="account"),
    path(
        "v2/users/<uuid:user_id>/accounts/<uuid:account_id>/confirm",
        views.ConfirmAccountView.as_view(),
        name="account_confirm",
    ),
]
