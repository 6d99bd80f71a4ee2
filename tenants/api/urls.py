"""Paths of sign-in, under /api/v1/auth/."""

from __future__ import annotations

from django.urls import path

from tenants.api import views

app_name = "auth"
urlpatterns = [
    path("register", views.RegisterView.as_view(), name="register"),
    path("login", views.LoginView.as_view(), name="login"),
    path("refresh", views.RefreshView.as_view(), name="refresh"),
    path("logout", views.LogoutView.as_view(), name="logout"),
    path("me", views.MeView.as_view(), name="me"),
]
