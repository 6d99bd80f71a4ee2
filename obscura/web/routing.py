"""Addresses of the pages' sockets."""

from __future__ import annotations

from django.urls import path

from obscura.web.live import LiveFeed

websocket_urlpatterns = [path("ws/live/", LiveFeed.as_asgi())]
