"""The API describes itself, completely."""

from __future__ import annotations

import json

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

A = "alpha.testserver"


@pytest.fixture
def schema(alpha, client_at):
    answer = client_at(A).get("/api/schema/", {"format": "json"})
    assert answer.status_code == 200
    return json.loads(answer.content)


def test_it_is_openapi_3_1_with_all_three_ways_to_be_known(schema):
    assert schema["openapi"].startswith("3.1")
    assert {"ApiKey", "Bearer", "Session"} <= set(schema["components"]["securitySchemes"])


def test_every_call_says_what_it_takes_and_gives(alpha):
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        SchemaGenerator().get_schema(request=None, public=True)

    assert list(GENERATOR_STATS._error_cache) + list(GENERATOR_STATS._warn_cache) == []


def test_nothing_in_it_is_outside_of_v1_and_v2(schema):
    places = [place for place in schema["paths"] if not place.startswith(("/api/v1/", "/api/v2/"))]

    assert sorted(places) == ["/api/exchanges/intake", "/api/exchanges/supported"]


def test_the_page_for_people_lists_the_calls(alpha, client_at):
    page = client_at(A).get("/api/docs/")

    assert page.status_code == 200
    assert "/api/v1/auth/login" in page.text
    assert "/api/v2/pools" in page.text
