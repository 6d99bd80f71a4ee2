"""What a key may do, and how often: scopes, plans, last use, another tenant's ids."""

from __future__ import annotations

from uuid import uuid4

import pytest
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants import services
from tenants.access.authentication import KeyAuthentication, Person
from tenants.access.permissions import HasRole, HasScope, IsPerson
from tenants.access.roles import appoint, dismiss, roles_of
from tenants.models import ApiKey
from tenants.resolve import resolve
from tenants.scope import PUBLIC, entered
from tests.tenants.test_doors import mint

A = "alpha.testserver"


class Signals(APIView):
    """A view for keys that may write signals."""

    authentication_classes = (KeyAuthentication,)
    permission_classes = (HasScope("signal:write"),)

    def get(self, request):
        return Response({"tenant": request.auth.tenant_id, "as": str(request.user)})


class ForTraders(APIView):
    """A view for traders."""

    authentication_classes = Person.BY_TOKEN_OR_SESSION
    permission_classes = (IsPerson, HasRole("trader"))

    def get(self, request):
        return Response({"as": str(request.user)})


@pytest.fixture
def call(rf, alpha):
    """Call a view as a request that came through the tenant's door: ``call(Signals, key=...)``."""

    def make(view, *, key="", user=None):
        request = rf.get("/", headers={"X-API-Key": key} if key else {})
        found = resolve(A, key)
        request.tenant, request.api_key = found.tenant, found.holder
        if user is not None:
            request.user = user
            request._dont_enforce_csrf_checks = True
        return view.as_view()(request).render()

    return make


def test_a_key_with_the_scope_gets_in_and_its_use_is_noted(alpha, call, still):
    key, key_id = mint(alpha, scopes=["signal:write"])

    assert call(Signals, key=key).data == {"tenant": alpha.id, "as": f"key:{key[:18]}"}
    with entered(PUBLIC):
        assert ApiKey.objects.get(pk=key_id).last_used_at == still.now


def test_its_use_is_noted_once_a_minute_at_most(alpha, call, still):
    key, key_id = mint(alpha, scopes=["signal:write"])
    first = still.now
    call(Signals, key=key)

    still.forward(seconds=59)
    call(Signals, key=key)
    within = ApiKey.objects.get(pk=key_id).last_used_at
    still.forward(seconds=2)
    call(Signals, key=key)

    assert within == first
    assert ApiKey.objects.get(pk=key_id).last_used_at == still.now


def test_a_key_without_the_scope_is_told_which_it_lacks(alpha, call):
    key, _ = mint(alpha, scopes=["pool:read"])

    answer = call(Signals, key=key)

    assert answer.status_code == 403
    assert answer.data["error"]["code"] == "scope_missing"
    assert "signal:write" in answer.data["error"]["remedy"]


def test_without_a_key_or_with_a_wrong_one_it_is_401(alpha, call):
    missing, wrong = call(Signals), call(Signals, key="obsc_live_nothing")

    assert (missing.status_code, missing.data["error"]["code"]) == (401, "unauthenticated")
    assert (wrong.status_code, wrong.data["error"]["code"]) == (401, "key_refused")
    assert "WWW-Authenticate" in missing


def test_a_plan_without_the_api_closes_it(alpha, call):
    key, _ = mint(alpha, scopes=["signal:write"])
    services.set_entitlements(tenant_id=alpha.id, values={"api": False})

    answer = call(Signals, key=key)

    assert (answer.status_code, answer.data["error"]["code"]) == (403, "api_closed")


def test_a_tenants_keys_share_the_rate_of_its_plan(alpha, call):
    services.set_entitlements(tenant_id=alpha.id, values={"requests_per_minute": 2})
    keys = [mint(alpha, scopes=["signal:write"])[0] for _ in range(3)]

    assert [call(Signals, key=key).status_code for key in keys] == [200, 200, 429]


def test_roles_are_given_and_taken_and_written_down(alpha, cast, call):
    from obscura.core.audit.models import Entry

    ada = cast.ada()
    refused = call(ForTraders, user=ada)
    appoint(user=ada, role="trader", actor="test")
    appoint(user=ada, role="trader", actor="test")
    admitted = call(ForTraders, user=ada)
    dismiss(user=ada, role="trader", actor="test")

    assert (refused.status_code, refused.data["error"]["code"]) == (403, "role_missing")
    assert admitted.data == {"as": "ada@example.com"}
    assert roles_of(ada) == frozenset()
    assert list(Entry.objects.order_by("id").values_list("action", flat=True)) == [
        "accounts.role.given",
        "accounts.role.taken",
    ]


@pytest.mark.parametrize("path", ["/api/v2/nothing", "/api/v2/pools/17/nowhere"])
def test_an_address_that_does_not_exist_is_the_one_error_shape(alpha, client_at, path):
    answer = client_at(A).get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_another_tenants_pool_is_a_404_like_one_that_never_was(alpha, beta, client_at):
    from pools import services as pools

    key, _ = mint(beta, scopes=["pool:manage", "pool:read", "signal:write"])
    with entered(alpha):
        theirs = pools.create_pool(name="Tide", kind="partner", actor="test").id
    browser = client_at("api.testserver")

    foreign = browser.get(f"/api/v2/pools/{theirs}", headers={"X-API-Key": key})
    missing = browser.get(f"/api/v2/pools/{uuid4()}", headers={"X-API-Key": key})

    assert foreign.status_code == missing.status_code == 404
    assert foreign.json() == missing.json()


def test_an_answer_does_not_vary_by_a_cookie_nobody_sent(alpha, client_at):
    assert "Cookie" not in client_at(A).get("/brand.css").get("Vary", "")
