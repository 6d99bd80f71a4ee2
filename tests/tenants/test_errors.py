"""Every error has one shape and our own words; JSON keeps every digit both ways."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from obscura.core.errors import Conflict, Problem
from obscura.core.http import parsers
from obscura.core.http.renderers import as_json
from obscura.core.secrets import Secret
from tenants.access.permissions import DenyAll


class Amount(serializers.Serializer):
    """An amount, exactly."""

    usd = serializers.DecimalField(max_digits=20, decimal_places=8)


class View(APIView):
    """Raises what it is told to, or gives back what it got."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    failure: Exception | None = None

    def post(self, request):
        if self.failure is not None:
            raise self.failure
        return Response(request.data)


def answer(failure=None, body=b"{}", **options):
    request = APIRequestFactory().post("/", body, content_type="application/json", **options)
    response = View.as_view(failure=failure)(request)
    return response.render()


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Conflict("Two bodies.", code="twice"), 409, "twice"),
        (Http404("pools_pool with id 7 at t_beta"), 404, "not_found"),
        (PermissionDenied("internal words"), 403, "forbidden"),
        (drf.NotAuthenticated("library words"), 401, "unauthenticated"),
        (drf.Throttled(wait=7.2), 429, "too_many_requests"),
        (ValidationError("This password is too short."), 400, "invalid"),
        (drf.ParseError("JSON parse error - line 1"), 400, "invalid_json"),
        (OperationalError("internal words of the server"), 503, "database_unavailable"),
    ],
)
@pytest.mark.django_db
def test_any_error_has_the_one_shape(failure, status, code):
    said = answer(failure)

    assert said.status_code == status
    body = parsers.loads(said.content)
    assert set(body) == {"error"}
    assert body["error"]["code"] == code
    assert {"code", "message", "remedy"} <= set(body["error"])
    for words in ("internal words", "library words", "t_beta", "line 1"):
        assert words not in said.content.decode()


@pytest.mark.django_db
def test_a_mistake_of_ours_is_logged_and_answers_without_its_words():
    said = answer(ZeroDivisionError("secret-in-the-message"))

    assert said.status_code == 500
    assert parsers.loads(said.content)["error"]["code"] == "internal"
    assert b"secret-in-the-message" not in said.content
    assert b"ZeroDivision" not in said.content


@pytest.mark.django_db
def test_waiting_is_told_in_whole_seconds_rounded_up():
    assert answer(drf.Throttled(wait=7.2))["Retry-After"] == "8"


@pytest.mark.django_db
def test_fields_that_are_wrong_are_named():
    said = Amount(data={"usd": "many"})
    said.is_valid()

    body = parsers.loads(answer(drf.ValidationError(said.errors)).content)

    assert body["error"]["details"] == {"fields": {"usd": ["A valid number is required."]}}


@pytest.mark.django_db
def test_numbers_keep_every_digit_there_and_back():
    said = answer(body=b'{"a": 0.1, "b": 12345678901234567890.123456789, "c": 7, "d": 1e-7}')

    assert said.content == b'{"a":"0.1","b":"12345678901234567890.123456789","c":7,"d":"0.0000001"}'


def test_a_number_is_a_decimal_with_the_digits_it_was_written_with():
    assert parsers.loads(b"[0.10, 1e3, 5]") == [Decimal("0.10"), Decimal("1E+3"), 5]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": 1e999999}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 30 + b"]" * 30,
        b"[" * 200_000 + b"]" * 200_000,
        b"[" + b"9" * 5000 + b"]",
        b'{"a": 1} {"b": 2}',
    ],
)
def test_json_that_cannot_be_taken_literally_is_refused(body):
    with pytest.raises(parsers.BadJSON):
        parsers.loads(body)


@pytest.mark.django_db
def test_a_body_over_one_mebibyte_is_413():
    said = answer(body=b'"' + b"x" * (1024 * 1024) + b'"')

    assert said.status_code == 413
    assert parsers.loads(said.content)["error"]["code"] == "too_large"


@pytest.mark.django_db
def test_a_form_is_not_spoken_here():
    request = APIRequestFactory().post("/", "a=1", content_type="application/x-www-form-urlencoded")
    said = View.as_view()(request).render()

    assert said.status_code == 415
    assert parsers.loads(said.content)["error"]["code"] == "unsupported_format"


def test_a_secret_has_no_json_form():
    with pytest.raises(TypeError):
        as_json({"key": Secret("s")})


@pytest.mark.django_db
def test_a_view_that_names_no_permission_is_closed():
    class Forgotten(APIView):
        throttle_classes = ()

        def get(self, request):
            return Response("open")

    said = Forgotten.as_view()(APIRequestFactory().get("/")).render()

    assert Forgotten.permission_classes == [DenyAll]
    assert said.status_code == 403


def test_every_problem_of_ours_says_what_to_do_next():
    def all_of(kind):
        for one in kind.__subclasses__():
            yield one
            yield from all_of(one)

    lacking = [one.__name__ for one in all_of(Problem) if one.code == "problem" or not one().message or not one.remedy]

    assert lacking == []
