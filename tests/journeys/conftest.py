"""A real browser, the real server, and Ada's pool at Alpha, whose trades are written and told by the engine's code."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.journeys.market import Market
from tests.journeys.served import Served
from tests.support import chromium
from tests.support.people import PASSWORD

PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1280, "height": 800}
# What a browser says of a server that is taken away, of a refused form, and of HTTP at other names than localhost.
EXPECTED = re.compile(
    r"WebSocket connection to .* failed|htmx:ws:error|ERR_CONNECTION_REFUSED|status of 422|Cross-Origin-Opener-Policy"
)


@pytest.fixture(scope="package")
def served(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The web server."""
    one = Served(tmp_path_factory.mktemp("served") / "web.log")
    yield one
    one.stop()


@pytest.fixture(scope="package")
def chrome() -> Iterator[Browser]:
    """One browser for all journeys. While it is open this thread has a running loop, which Django must not mind."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    with sync_playwright() as playwright:
        options = chromium.launch_options()
        options["args"] += ["--host-resolver-rules=MAP *.testserver 127.0.0.1"]
        browser = playwright.chromium.launch(**options)
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        expect.set_options(timeout=15_000)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def market(
    served: Served, chrome: Browser, committed: None, redis_db: object, alpha: Any, cast: Any
) -> Iterator[Market]:
    """Northern Momentum, which Ben copies with $1,000; Cleo has a paper account and copies nothing yet."""
    from trading.execution import db

    made = Market(cast)
    yield made
    db.close()


@pytest.fixture
def visit(served: Served, chrome: Browser) -> Iterator[Callable[..., Page]]:
    """``visit()``: a fresh window at Alpha; ``visit(phone=True)``. Whatever the console complains of fails the test.

    ``visit(host="alpha.localhost")`` is at that host, where browsers do without TLS what they do with it elsewhere.
    """
    contexts, faults = [], []

    def make(*, phone: bool = False, tenant: str = "alpha", host: str = "", **options: Any) -> Page:
        context = chrome.new_context(
            base_url=served.url(tenant, host=host), viewport=PHONE if phone else WIDE, locale="en-US", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
        return page

    yield make
    for context in contexts:
        context.close()
    assert [fault for fault in faults if not EXPECTED.search(fault)] == []


@pytest.fixture
def signed_in(visit: Callable[..., Page], served: Served, client_at: Callable[..., Client]) -> Callable[..., Page]:
    """``signed_in("ben")``: a window with Ben's session, on the page of pools; ``typing=True``: he signs in himself."""

    def make(name: str, *, typing: bool = False, **options: Any) -> Page:
        page = visit(**options)
        if typing:
            sign_in(page, name)
            return page
        user = get_user_model().objects.get(email=f"{name}@example.com")
        session = client_at("alpha.testserver", user=user).cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": served.url()}])
        page.goto("/pools/")
        return page

    return make


def sign_in(page: Page, name: str) -> None:
    """Through the entrance, as people do."""
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(f"{name}@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Pools", exact=True)).to_be_visible()
