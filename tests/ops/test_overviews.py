"""The first pages of both admin sites: the numbers of their own place, nobody else's, at a bounded cost."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from citadel.client import Result
from obscura.core import alive, clock
from obscura.core.audit import write as audit
from obscura.core.nudge.models import Nudge
from obscura.ops import navigation, sites
from obscura.ops.panels import age
from pools.curated.models import CuratedFollowing, CuratedPool
from tenants import services as tenants
from tenants.models import ApiKey, Tenant
from tenants.scope import PUBLIC, entered
from tests.trading.support import follow, lead
from trading.domain.order_state import Status
from trading.execution import limits
from trading.execution.limits import Place
from trading.models import Denial, Order, Signal
from trading.venues.quirks import BINANCE_SPOT, VENUES, Window

OFFICE, A = "office.testserver", "alpha.testserver"
QUERIES = 13


@pytest.fixture
def office(redis_db, zero, cast, client_at):
    """The platform's staff, signed in at the office."""
    with entered(PUBLIC):
        stella = cast.staff()
    return client_at(OFFICE, user=stella)


@pytest.fixture
def desk(redis_db, alpha, cast, client_at):
    """Alpha's staff, signed in at Alpha."""
    return client_at(A, user=cast.staff(at=alpha))


def page(browser, url: str) -> str:
    """The page, which asks no more than it may: of its host, of who comes, and each part of it once."""
    with CaptureQueriesContext(connection) as said:
        answer = browser.get(url)
    assert answer.status_code == 200
    asked = [one["sql"][:150] for one in said if not one["sql"].startswith("SET search_path")]
    assert len(asked) <= QUERIES, "\n".join(asked)
    return answer.text


def figures(text: str) -> dict[str, str]:
    return dict(re.findall(r'data-figure="([^"]+)">([^<]+)<', text))


def words(text: str) -> str:
    """What is read on the page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|style).*?</\1>", " ", text)))


def signal(pool, trader, *, ago: timedelta = timedelta(0)) -> Signal:
    number = Signal.objects.count() + 1
    return Signal.objects.create(
        id=number, pool_id=pool.pk, seq=number, external_id=str(number), source="lead", trader_id=trader.pk,
        market="spot", symbol="BTCUSDT", side="buy", effect="open", qty=Decimal(1), lead_at=clock.now() - ago,
        received_at=clock.now() - ago,
    )  # fmt: skip


def order(one: Signal, subscription, status: Status, *, filled: str = "0") -> None:
    Order.objects.create(
        signal_id=one.pk, subscription_id=subscription.pk, leg=Order.objects.count(), pool_id=one.pool_id,
        user_id=subscription.user_id, account_id=subscription.account_id, trader_id=one.trader_id,
        client_id=uuid4().hex, exchange="binance", environment="paper", market="spot", symbol="BTCUSDT", side="buy",
        effect="open", type="market", qty=Decimal(1), filled=Decimal(filled), status=int(status),
        lead_at=one.lead_at, created_at=one.received_at,
    )  # fmt: skip


def denial(one: Signal, subscription, reason: str) -> None:
    Denial.objects.create(
        signal_id=one.pk, subscription_id=subscription.pk, leg=Denial.objects.count(), pool_id=one.pool_id,
        user_id=subscription.user_id, reason=reason, symbol="BTCUSDT", market="spot", side="buy", effect="open",
        lead_at=one.lead_at, at=one.received_at,
    )  # fmt: skip


def test_the_office_counts_tenants_nudges_and_followers(office, zero, alpha, beta):
    tenants.suspend_tenant(tenant_id=beta.id, actor="test")
    with entered(PUBLIC):
        now = clock.now()
        for due, dead in ((60, False), (60, False), (-60, False), (-60, True)):
            Nudge.objects.create(
                tenant="t_alpha", task="trading.plan", queue="high", ids={}, dead=dead, created_at=now,
                due=now + timedelta(seconds=due),
            )  # fmt: skip
        tide = CuratedPool.objects.create(id=uuid4(), name="Tide", status="published", published_at=now)
        CuratedPool.objects.create(id=uuid4(), name="Ebb", status="withdrawn")
        CuratedFollowing.objects.create(pool=tide, tenant="t_alpha", followers=3)
        CuratedFollowing.objects.create(pool=tide, tenant="t_zero", followers=4)
        open_now = Tenant.objects.filter(kind__in=["zero", "partner"], status="open").count()
    alive.report("market")
    alive.report("sentinel", streams=2, live=2)

    text = page(office, "/")

    assert figures(text) == {
        "Tenants open": str(open_now), "Processes alive": "2", "Nudges waiting": "2", "Exchanges that answer": "0",
        "Curated pools": "1",
    }  # fmt: skip
    read = words(text)
    for told in ("1 suspended", "1 overdue", "1 dead", "7 followers", "2 tenants", "streams 2, live 2"):
        assert told in read, told
    assert f"Tide Published 7 {zero.name} 4, {alpha.name} 3" in read
    assert "Ebb Withdrawn 0 nobody" in read
    assert "tenants.tenant.suspended" in read


def test_the_office_sees_which_exchange_answers_and_how_full_the_buckets_are(office, monkeypatch):
    monkeypatch.setitem(VENUES, ("binance", "spot"), replace(BINANCE_SPOT, weight=Window(6_000, 86_400, "")))
    assert "Nothing was sent within the last hour." in words(page(office, "/"))
    spot, usdm = Place("live", "binance", "spot", "203.0.113.7"), Place("live", "binance", "usdm")
    limits.admit(spot, limits.CLOSE, count=30, weight=200)
    limits.admit(usdm, limits.OPEN, count=2, accounts=["ben", "ben"], weight=0)
    limits.heed(usdm, [Result(0, 0, b"timeout", 1, 2, {})] * 10)
    limits.heed(spot, [Result(0, 429, b"{}", 1, 2, {"retry-after": "600"})])

    text = page(office, "/")

    assert figures(text)["Exchanges that answer"] == "1"
    told = words(text)
    assert "1 do not answer 1 asked for a pause" in told
    assert "binance spot, live 203.0.113.7 closed 0 9 min 6,000 of 6,000 in 1 d" in told
    assert re.search(r"binance usdm, live any open for 0\.\d s 10 no 0 of 2,400 in 1 min", told)


def test_dead_nudges_are_counted_in_the_sidebar_of_every_page(office):
    badge = re.compile(r"<span>Nudges</span>\s*<span[^>]*>\s*(\d+)\s*</span>")
    assert badge.search(office.get("/tenants/tenant/").text) is None
    with entered(PUBLIC):
        for _ in range(2):
            Nudge.objects.create(
                tenant="t_alpha", task="x", queue="high", due=clock.now(), dead=True, created_at=clock.now()
            )

    assert badge.search(office.get("/tenants/tenant/").text).group(1) == "2"


def test_a_tenant_counts_its_own_and_nothing_of_another(desk, alpha, beta, cast):
    with entered(beta):
        pool, trader = lead(cast.ada(), name="Elsewhere")
        copied = signal(pool, trader)
        order(copied, follow(pool, cast.cleo()), Status.FILLED, filled="1")
        audit.record("secret.of.beta", actor="cleo", subject="test")
    pool, trader = lead(cast.ada())
    ben = follow(pool, cast.ben())
    fresh, old = signal(pool, trader), signal(pool, trader, ago=timedelta(hours=25))
    order(fresh, ben, Status.FILLED, filled="1")
    order(fresh, ben, Status.EXPIRED, filled="0.5")
    order(fresh, ben, Status.EXPIRED)
    order(fresh, ben, Status.REJECTED)
    order(fresh, ben, Status.WORKING)
    order(old, ben, Status.FILLED, filled="1")
    for reason in ("slippage", "slippage", "slippage", "no_price"):
        denial(fresh, ben, reason)
    denial(old, ben, "stale_signal")
    audit.record("seen.here", actor="ben", subject="test")

    text = page(desk, "/admin/")

    assert figures(text) == {"People": "3", "Active accounts": "2", "Live subscriptions": "1", "Copies in 24 h": "2"}
    read = words(text)
    for told in (
        "Signals 1 Copied in full 1 Copied in part 1 On their way 1 Not filled 1 Rejected by the exchange 1",
        "Denied by us 4", "Slippage 3 75 % No price 1 25 %", "Tide Partner Active Medium 1", "seen.here",
    ):  # fmt: skip
        assert told in read, told
    for foreign in ("Elsewhere", "secret.of.beta", "Stale signal", beta.name):
        assert foreign not in read, foreign


def test_an_empty_tenant_has_zeros_and_says_so(desk):
    read = words(page(desk, "/admin/"))

    assert "none connected" in read
    assert "Nothing was denied." in read
    assert "There is no pool yet." in read


def test_staff_without_permissions_are_shown_nothing(redis_db, alpha, cast, client_at):
    audit.record("seen.here", actor="ben", subject="test")
    helper = cast.person("helper", is_staff=True)

    text = page(client_at(A, user=helper), "/admin/")

    assert figures(text) == {}
    assert "seen.here" not in text
    assert "/admin/pools/pool/" not in text


def test_every_model_of_a_site_is_in_its_sidebar(office, desk):
    for site, groups in ((sites.office, navigation.OFFICE), (sites.tenant, navigation.TENANT)):
        site.fill()
        listed = {label for _, items in groups for _, _, label in items}
        assert listed == {model._meta.label for model in site._registry}
    assert 'href="/tenants/apikey/"' in office.get("/").text
    assert 'href="/admin/pools/subscription/"' in desk.get("/admin/").text
    assert "API keys" in office.get("/tenants/apikey/").text


def test_both_sites_have_an_icon_and_a_search(office, desk, client_at):
    for browser, root in ((office, "/"), (desk, "/admin/")):
        assert 'rel="icon"' in browser.get(root).text
        assert browser.get(f"{root}search/?s=audit").status_code == 200
    assert 'rel="icon"' in client_at(A).get("/admin/login/").text


def test_the_platforms_own_rows_are_no_tenants_and_cannot_be_suspended(office, alpha):
    listed, own = office.get("/tenants/tenant/").text, office.get("/tenants/tenant/?rows=own").text

    assert alpha.name in listed
    assert "obscura_template_schema" not in listed
    assert "results (" not in words(listed)
    assert 'value="suspend"' in listed
    assert "obscura_template_schema" in own
    assert alpha.name not in words(own)
    assert 'value="suspend"' not in own
    with entered(PUBLIC):
        template = Tenant.objects.get(kind="template")
        office.post("/tenants/tenant/?rows=own", {"action": "suspend", "_selected_action": [template.pk]})
        template.refresh_from_db()
        assert template.status == "open"


def test_keys_are_minted_for_tenants_alone(office, alpha):
    with entered(PUBLIC):
        template = Tenant.objects.get(kind="template")
    form = {"tenant": template.pk, "label": "desk", "environment": "test", "scopes": ["pool:read"]}

    assert office.post("/tenants/apikey/add/", form).status_code == 200  # the form again
    assert f'value="{template.pk}"' not in office.get("/tenants/apikey/add/").text
    with entered(PUBLIC):
        assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-1, "0.0 s"), (0.44, "0.4 s"), (12.9, "12 s"), (300, "5 min"), (10_800, "3 h"), (777_600, "9 d")],
)
def test_ages_in_words(seconds, told):
    assert age(seconds) == told
