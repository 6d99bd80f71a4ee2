"""Two admin sites that never meet: the platform's on the office host, a tenant's on its own hosts."""

from __future__ import annotations

import re

import pytest

from obscura.core import clock
from obscura.core.nudge.models import Nudge
from tenants import directory
from tenants.models import ApiKey, Tenant
from tenants.scope import PUBLIC, entered
from tests.support.people import PASSWORD

OFFICE, A, B = "office.testserver", "alpha.testserver", "beta.testserver"


@pytest.fixture
def office(redis_db, zero, cast, client_at):
    """The platform's staff, signed in at the office."""
    with entered(PUBLIC):
        stella = cast.staff()
    return client_at(OFFICE, user=stella)


@pytest.fixture
def admin(redis_db, alpha, cast, client_at):
    """Alpha's staff, signed in at Alpha."""
    return client_at(A, user=cast.staff(at=alpha))


def test_strangers_are_sent_to_sign_in(alpha, client_at):
    for host, place in ((OFFICE, "/"), (A, "/admin/")):
        answer = client_at(host).get(place)
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]
        assert client_at(host).get(answer["Location"]).status_code == 200


def test_a_follower_is_not_staff(alpha, cast, client_at):
    assert client_at(A, user=cast.ben()).get("/admin/").status_code == 302


def test_staff_of_one_tenant_are_nobody_at_another_and_at_the_office(alpha, beta, cast, client_at):
    browser = client_at(A, user=cast.staff(at=alpha))
    cookie = browser.cookies["sessionid"].value

    for host, place in ((B, "/admin/"), (OFFICE, "/")):
        other = client_at(host)
        other.cookies["sessionid"] = cookie
        assert other.get(place).status_code == 302
    assert browser.get("/admin/").status_code == 200


def test_a_password_of_tenant_staff_opens_no_office(redis_db, alpha, cast, client_at):
    cast.staff(at=alpha)
    form = {"username": "stella@example.com", "password": PASSWORD, "next": "/"}

    assert client_at(A).post("/admin/login/", form).status_code == 302
    assert client_at(OFFICE).post("/login/", form).status_code == 200  # the form again


def test_every_list_of_both_sites_can_be_drawn(office, admin):
    from obscura.ops.sites import office as office_site
    from obscura.ops.sites import tenant as tenant_site

    for browser, site, root in ((office, office_site, "/"), (admin, tenant_site, "/admin/")):
        assert browser.get(root).status_code == 200
        assert site._registry
        for model in site._registry:
            place = f"{root}{model._meta.app_label}/{model._meta.model_name}/"
            assert browser.get(place).status_code == 200, place


def test_business_tables_are_in_tenant_sites_alone(office, admin):
    from obscura.ops.sites import office as office_site
    from obscura.ops.sites import tenant as tenant_site

    office_site.fill(), tenant_site.fill()  # their addresses would, at the first request

    assert Tenant in office_site._registry
    assert Tenant not in tenant_site._registry
    assert ApiKey not in tenant_site._registry
    labels = {model._meta.app_label for model in office_site._registry}
    assert labels.isdisjoint({"trading", "citadel", "pools", "proofs"})


def test_a_tenant_sees_its_own_people_alone(admin, alpha, beta, cast):
    ben, cleo = cast.ben(at=alpha), cast.cleo(at=beta)

    listed = admin.get("/admin/accounts/user/").text

    assert ben.email in listed
    assert cleo.email not in listed
    assert admin.get(f"/admin/accounts/user/{ben.pk}/change/").status_code == 200
    assert admin.get(f"/admin/accounts/user/{cleo.pk}/change/").status_code == 302  # as for one that never was


def test_pages_of_the_sites_alone_have_the_relaxed_policy(office, admin, client_at):
    for answer in (office.get("/"), admin.get("/admin/"), client_at(A).get("/admin/login/")):
        policy = answer["Content-Security-Policy"]
        assert "script-src 'self' 'unsafe-eval'" in policy
        assert "style-src 'self' 'unsafe-inline'" in policy
    assert "unsafe" not in client_at(A).get("/accounts/login/")["Content-Security-Policy"]


def test_a_tenant_is_opened_by_a_form(office):
    form = {"name": "Gamma", "slug": "gamma", "kind": "partner", "hosts": "gamma.testserver", "brand_colour": "#123456"}

    answer = office.post("/tenants/tenant/add/", form)

    assert answer.status_code == 302, re.findall(r"errorlist.*?</ul>", answer.text)
    gamma = directory.tenant_by_host("gamma.testserver")
    assert (gamma.schema_name, gamma.brand_colour) == ("t_gamma", "#123456")
    assert "/tenants/tenant/" in answer["Location"]


def test_the_form_says_what_is_wrong_and_opens_nothing(office):
    form = {"name": "G", "slug": "alpha", "kind": "partner", "hosts": "alpha.testserver", "brand_colour": "red"}

    answer = office.post("/tenants/tenant/add/", form)

    assert answer.status_code == 200
    assert "This slug is taken." in answer.text
    assert "alpha.testserver is taken." in answer.text


def test_suspending_and_reopening_by_action(office, alpha, client_at):
    chosen = {"_selected_action": [alpha.id]}

    office.post("/tenants/tenant/", {"action": "suspend", **chosen})
    assert client_at(A).get("/").status_code == 503
    office.post("/tenants/tenant/", {"action": "reopen", **chosen})
    assert client_at(A).get("/admin/login/").status_code == 200


def test_a_minted_key_is_shown_once_and_works(office, alpha, client_at):
    form = {"tenant": alpha.id, "label": "desk", "environment": "test", "scopes": ["pool:read", "signal:write"]}

    answer = office.post("/tenants/apikey/add/", form)

    (key,) = re.findall(r"data-minted-key>(obsc_test_[\w-]+)<", answer.text)
    assert "no-store" in answer["Cache-Control"]
    with entered(PUBLIC):
        row = ApiKey.objects.get()
    assert row.scopes == ["pool:read", "signal:write"]
    assert directory.holder_of(key).tenant_id == alpha.id
    assert key not in office.get("/tenants/apikey/").text
    assert key not in office.get(f"/tenants/apikey/{row.pk}/change/").text

    office.post("/tenants/apikey/", {"action": "revoke", "_selected_action": [str(row.pk)]})
    assert directory.holder_of(key) is None


def test_a_dead_nudge_is_sent_again_by_a_person(office):
    with entered(PUBLIC):
        dead = Nudge.objects.create(
            tenant="t_alpha",
            task="trading.plan",
            queue="high",
            ids={},
            due=clock.now(),
            tries=41,
            dead=True,
            error="KeyError",
            created_at=clock.now(),
        )

        office.post("/nudge/nudge/", {"action": "send_again", "_selected_action": [dead.pk]})

        dead.refresh_from_db()
    assert (dead.dead, dead.tries, dead.error) == (False, 0, "")


def test_audit_rows_cannot_be_touched(office):
    with entered(PUBLIC):
        from obscura.core.audit.models import Entry
        from obscura.core.audit.write import record

        record("test", actor="test", subject="test")
        entry = Entry.objects.get(action="test")

    assert office.get(f"/audit/entry/{entry.pk}/change/").status_code == 200
    assert office.post(f"/audit/entry/{entry.pk}/change/", {"actor": "other"}).status_code == 403
    assert office.post(f"/audit/entry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403


def test_staff_with_a_second_factor_need_it_here_too(redis_db, alpha, cast, client_at, settings):
    settings.MFA_TOTP_TOLERANCE = 1  # the half minute may end between making the code and giving it
    from allauth.mfa.totp.internal import auth as totp

    stella, secret = cast.staff(at=alpha), totp.generate_totp_secret()
    totp.TOTP.activate(stella, secret)
    code = totp.format_hotp_value(totp.hotp_value(secret, next(totp.yield_hotp_counters_from_time())))
    form = {"username": "stella@example.com", "password": PASSWORD, "next": "/admin/"}

    assert 'form="login-form"' in client_at(A).get("/admin/login/").text
    assert client_at(A).post("/admin/login/", form).status_code == 200
    assert client_at(A).post("/admin/login/", {**form, "code": "000000"}).status_code == 200
    assert client_at(A).post("/admin/login/", {**form, "code": code}).status_code == 302


def test_the_sixth_try_to_sign_in_within_a_minute_waits(alpha, cast, client_at):
    cast.staff(at=alpha)
    form = {"username": "stella@example.com", "password": "wrong", "next": "/admin/"}

    assert [client_at(A).post("/admin/login/", form).status_code for _ in range(6)] == [200] * 5 + [429]
