"""Addresses of the pages."""

from __future__ import annotations

from django.urls import path

from obscura.web import accounts, copies, draws, home, life, limits, own_pools, pools, profile, security, subscriptions
from obscura.web.brand import brand_css

app_name = "web"
urlpatterns = [
    path("", home.home, name="home"),
    path("security/", security.security, name="security"),
    path("brand.css", brand_css, name="brand"),
    path("pools/", pools.listing, name="pools"),
    path("pools/new/", own_pools.new, name="pool_new"),
    path("pools/<uuid:pool_id>/", pools.detail, name="pool"),
    path("pools/<uuid:pool_id>/copy/", subscriptions.subscribe, name="subscribe"),
    path("pools/<uuid:pool_id>/change/", own_pools.change, name="pool_change"),
    path("pools/<uuid:pool_id>/draws/", draws.draws, name="draws"),
    path("pools/<uuid:pool_id>/<str:action>/", own_pools.act, name="pool_action"),
    path("copies/", copies.listing, name="copies"),
    path("portfolio/", subscriptions.listing, name="subscriptions"),
    path("portfolio/stop/", life.stop_everything, name="stop_everything"),
    path("portfolio/copy-again/", life.copy_again, name="copy_again"),
    path("portfolio/<int:subscription_id>/close/", life.close, name="subscription_close"),
    path("portfolio/<int:subscription_id>/leave/", life.leave, name="subscription_leave"),
    path("portfolio/<int:subscription_id>/catch-up/", life.catch_up, name="subscription_catch_up"),
    path("portfolio/<int:subscription_id>/money/", life.money, name="subscription_money"),
    path("portfolio/<int:subscription_id>/<str:action>/", subscriptions.act, name="subscription_action"),
    path("exchange-accounts/", accounts.listing, name="accounts"),
    path("exchange-accounts/new/", accounts.new, name="account_new"),
    path("exchange-accounts/<uuid:account_id>/check/", accounts.check, name="account_check"),
    path("exchange-accounts/<uuid:account_id>/limits/", limits.limits, name="account_limits"),
    path("exchange-accounts/<uuid:account_id>/confirm/", accounts.confirm, name="account_confirm"),
    path("exchange-accounts/<uuid:account_id>/release/", accounts.release, name="account_release"),
    path("exchange-accounts/<uuid:account_id>/remove/", accounts.remove, name="account_remove"),
    path("profile/", profile.profile, name="profile"),
]
