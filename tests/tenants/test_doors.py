"""Which tenant is asked: by host, by key, and by both when they agree."""

from __future__ import annotations

import pytest

from obscura.core import clock
from tenants import directory, services

SCOPES = ["pool:read"]
ME = "/api/v1/auth/me"


def mint(tenant, *, scopes=SCOPES, environment="test"):
    return services.mint_api_key(
        tenant_id=tenant.id, label="desk", environment=environment, scopes=scopes, actor="test"
    )


def test_each_host_answers_in_its_own_colours(alpha, beta, client_at):
    assert "#2e6fd9" in client_at("alpha.testserver").get("/brand.css").text
    assert "#1f8a5b" in client_at("beta.testserver").get("/brand.css").text


def test_an_unknown_host_is_a_calm_404_for_people(alpha, client_at):
    answer = client_at("nobody.testserver").get("/")

    assert answer.status_code == 404
    assert "No tenant is reached this way." in answer.text
    assert "Alpha" not in answer.text


def test_an_unknown_host_is_the_one_error_shape_for_programs(alpha, client_at):
    answer = client_at("nobody.testserver").get(ME)

    assert answer.status_code == 404
    assert answer.json() == {
        "error": {
            "code": "tenant_unknown",
            "message": "No tenant is reached this way.",
            "remedy": "Check the host name. A tenant answers at its own hosts alone.",
        }
    }


def test_a_host_that_is_not_allowed_is_a_404_too(alpha, client_at):
    assert client_at("evil.example").get("/").status_code == 404


def test_a_key_decides_the_tenant_where_the_host_is_nobodys(alpha, client_at):
    key, _ = mint(alpha)

    answer = client_at("api.testserver").get("/brand.css", headers={"X-API-Key": key})

    assert answer.status_code == 200
    assert "#2e6fd9" in answer.text


def test_a_key_at_another_tenants_host_is_a_404(alpha, beta, client_at):
    key, _ = mint(alpha)

    answer = client_at("beta.testserver").get(ME, headers={"X-API-Key": key})

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "tenant_unknown"


def test_a_key_at_the_back_office_is_a_404(alpha, client_at):
    key, _ = mint(alpha)

    assert client_at("office.testserver").get("/", headers={"X-API-Key": key}).status_code == 404


@pytest.mark.parametrize("host", ["api.testserver", "nobody.testserver"])
def test_an_unknown_key_at_nobodys_host_is_refused(alpha, client_at, host):
    answer = client_at(host).get(ME, headers={"X-API-Key": "obsc_live_made-up"})

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "key_refused"


def test_a_key_is_shown_once_and_only_its_digest_is_kept(alpha):
    key, key_id = mint(alpha, environment="live")

    from tenants.models import ApiKey

    row = ApiKey.objects.get(pk=key_id)
    assert key.startswith("obsc_live_")
    assert row.prefix == key[:18]
    assert row.digest == directory.key_digest(key)
    assert key not in str(row.__dict__)


def test_a_scope_that_does_not_exist_mints_nothing(alpha):
    from tenants.models import ApiKey

    with pytest.raises(services.UnknownScope):
        mint(alpha, scopes=["everything"])

    assert ApiKey.objects.count() == 0


def test_a_revoked_key_is_refused_at_once(committed, alpha, client_at):
    key, key_id = mint(alpha)
    browser = client_at("api.testserver")
    assert browser.get("/brand.css", headers={"X-API-Key": key}).status_code == 200

    services.revoke_api_key(key_id=key_id, actor="test")

    assert browser.get("/brand.css", headers={"X-API-Key": key}).status_code == 401


def test_a_change_in_another_process_is_heard_within_a_second(committed, alpha, client_at, monkeypatch):
    assert directory.tenant_by_host("alpha.testserver").name == "Alpha"
    kept, generation = dict(directory._kept), directory._seen["generation"]
    services.suspend_tenant(tenant_id=alpha.id, actor="elsewhere")
    directory._kept.update(kept)  # this process has not heard of it yet, however long that has taken
    monkeypatch.setitem(directory._seen, "generation", generation)
    monkeypatch.setitem(directory._seen, "until", clock.now().timestamp() * 1000)
    assert directory.tenant_by_host("alpha.testserver").status == "open"

    monkeypatch.setitem(directory._seen, "until", 0.0)

    assert directory.tenant_by_host("alpha.testserver").status == "suspended"


def test_a_change_is_heard_after_redis_was_emptied_too(committed, alpha, redis_db, monkeypatch):
    directory.changed()
    monkeypatch.setitem(directory._seen, "until", 0.0)
    kept = directory.tenant_by_host("alpha.testserver")
    redis_db.flushdb()
    services.suspend_tenant(tenant_id=alpha.id, actor="elsewhere")
    directory._kept["host", "alpha.testserver"] = (kept, float("inf"))  # this process has not heard of it yet

    monkeypatch.setitem(directory._seen, "until", 0.0)

    assert directory.tenant_by_host("alpha.testserver").status == "suspended"


def test_a_suspended_tenant_rests_calmly_and_health_still_answers(alpha, beta, client_at):
    services.suspend_tenant(tenant_id=alpha.id, actor="test")

    page = client_at("alpha.testserver").get("/")
    call = client_at("alpha.testserver").get(ME)

    assert page.status_code == 503
    assert "This service rests for the moment." in page.text
    assert call.status_code == 503
    assert call.json()["error"]["code"] == "tenant_suspended"
    assert call["Retry-After"] == "5"
    assert client_at("alpha.testserver").get("/health").status_code == 200
    assert client_at("beta.testserver").get("/brand.css").status_code == 200


def test_a_reopened_tenant_answers_again(alpha, client_at):
    services.suspend_tenant(tenant_id=alpha.id, actor="test")
    services.reopen_tenant(tenant_id=alpha.id, actor="test")

    assert client_at("alpha.testserver").get("/brand.css").status_code == 200


def test_office_and_template_cannot_be_suspended(alpha):
    for schema in ("public", "obscura_template_schema"):
        with pytest.raises(directory.UnknownTenant):
            services.suspend_tenant(tenant_id=directory.tenant_by_schema(schema).id, actor="test")


def test_health_names_its_parts_and_asks_no_tenant(alpha, client_at):
    answer = client_at("nobody.testserver").get("/health")

    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "database", "redis", "processes"}
    assert client_at("nobody.testserver").get("/health/redis").json()["redis"]["status"] == "ok"
    assert client_at("nobody.testserver").get("/health/live").json() == {"status": "ok"}
    assert client_at("nobody.testserver").get("/health/nothing").status_code == 404
