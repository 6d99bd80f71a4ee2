"""A partner's programs: keys with scopes, and JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from tenants import services as tenants
from tenants.models import Tenant


@dataclass
class Desk:
    """Calls the API of one tenant with one key."""

    host: str
    key: str

    def get(self, path: str) -> Any:
        return self._send("GET", path, None)

    def post(self, path: str, body: object = None, *, raw: bytes | None = None) -> Any:
        return self._send("POST", path, body, raw)

    def patch(self, path: str, body: object) -> Any:
        return self._send("PATCH", path, body)

    def delete(self, path: str) -> Any:
        return self._send("DELETE", path, None)

    def _send(self, method: str, path: str, body: object, raw: bytes | None = None) -> Any:
        headers = {"X-API-Key": self.key} if self.key else {}
        sent = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        browser = Client(SERVER_NAME=self.host, raise_request_exception=True)
        return browser.generic(method, f"/api{path}", sent, content_type="application/json", headers=headers)


@pytest.fixture
def desk_of(redis_db: object) -> Callable[..., Desk]:
    """``desk_of(alpha)``: a test key with every scope; ``scopes=`` and ``environment=`` make others."""

    def make(tenant: Tenant, *, scopes: tuple[str, ...] = ("pool:manage",), environment: str = "test") -> Desk:
        key, _ = tenants.mint_api_key(
            tenant_id=tenant.pk, label="desk", environment=environment, scopes=scopes, actor="test"
        )
        return Desk(f"{tenant.schema_name.removeprefix('t_')}.testserver", key)

    return make


@pytest.fixture
def desk(alpha: Tenant, desk_of: Callable[..., Desk]) -> Desk:
    """Alpha's test key that manages pools."""
    return desk_of(alpha)


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The details of an error in the one shape; status and code have to be these."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.content
    error = answer.json()["error"]
    assert set(error) <= {"code", "message", "remedy", "details"}
    assert error["message"]
    assert error["remedy"]
    return error.get("details", {})
