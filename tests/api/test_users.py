"""A partner's end users over the API."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model

from tests.api.conftest import Desk, problem


def test_an_end_user_is_known_by_the_partners_own_reference(desk):
    answer = desk.post("/v2/users", {"external_ref": "client-17", "email": "Dora@Example.com"})

    assert answer.status_code == 201
    body = answer.json()
    assert (body["external_ref"], body["email"]) == ("client-17", "dora@example.com")
    assert desk.get(f"/v2/users/{body['id']}").json() == body
    user = get_user_model().objects.get()
    assert (user.has_usable_password(), user.is_staff) == (False, False)


def test_the_same_reference_again_is_the_same_user(desk):
    first = desk.post("/v2/users", {"external_ref": "client-17"})
    again = desk.post("/v2/users", {"external_ref": " client-17 "})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["email"] is None
    problem(desk.post("/v2/users", {"external_ref": "client-17", "email": "other@example.com"}), 409, "user_taken")


def test_an_email_belongs_to_one_user_of_a_tenant_and_to_another_elsewhere(desk, beta, desk_of, cast):
    cast.ben()

    problem(desk.post("/v2/users", {"external_ref": "b", "email": "ben@example.com"}), 409, "user_taken")
    assert desk_of(beta).post("/v2/users", {"external_ref": "b", "email": "ben@example.com"}).status_code == 201
    assert get_user_model().objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "external_ref"),
        ({"external_ref": ""}, "external_ref"),
        ({"external_ref": "x" * 121}, "external_ref"),
        ({"external_ref": "a\tb"}, "external_ref"),
        ({"external_ref": "a", "email": "no"}, "email"),
        ({"external_ref": "a", "email": "a@users.invalid"}, "email"),
        ({"external_ref": "a", "password": "x"}, "password"),
        ({"external_ref": "a", "is_staff": True}, "is_staff"),
    ],
)
def test_what_a_user_cannot_be_is_named(desk, body, field):
    answer = desk.post("/v2/users", body)

    assert answer.status_code == 400
    assert field in answer.json()["error"]["details"]["fields"]
    assert get_user_model().objects.exists() is False


def test_another_tenants_user_does_not_exist(desk, beta, desk_of):
    made = desk.post("/v2/users", {"external_ref": "a"}).json()["id"]

    problem(desk_of(beta).get(f"/v2/users/{made}"), 404, "user_unknown")
    problem(desk.get(f"/v2/users/{uuid4()}"), 404, "user_unknown")
    assert desk.get("/v2/users/17").status_code == 404


def test_keys_and_scopes_are_asked_for(alpha, desk, desk_of):
    reader = desk_of(alpha, scopes=("pool:read",))

    problem(reader.post("/v2/users", {"external_ref": "a"}), 403, "scope_missing")
    problem(Desk(desk.host, "").post("/v2/users", {"external_ref": "a"}), 401, "unauthenticated")
    assert get_user_model().objects.exists() is False
