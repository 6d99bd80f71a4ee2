"""Exchanges and exchange accounts over the partner API: credentials go in and are in no answer."""

from __future__ import annotations

from uuid import uuid4

import pytest

from citadel import services as citadel
from citadel.models import Credential, ExchangeAccount
from tests.api.conftest import Desk, desk_of, problem
from tests.citadel.support import BEN

__all__ = ["desk_of"]

KEYS = {"apiKey": BEN.api_key, "secret": BEN.secret}
BODY = {"exchange": "binance", "environment": "paper", "credentials": KEYS}


@pytest.fixture
def desk(alpha, desk_of, vault):
    return desk_of(alpha)


@pytest.fixture
def dora(desk) -> str:
    return desk.post("/v2/users", {"external_ref": "dora"}).json()["id"]


def test_every_exchange_is_told_to_anybody(alpha, redis_db):
    body = Desk("alpha.testserver", "").get("/exchanges/supported").json()

    assert len(body["exchanges"]) == 104
    [binance] = [one for one in body["exchanges"] if one["id"] == "binance"]
    assert {name: binance[name] for name in ("name", "tier", "copying", "spot", "futures", "margin", "websocket")} == {
        "name": "Binance", "tier": "certified", "copying": True, "spot": True, "futures": True, "margin": True,
        "websocket": True,
    }  # fmt: skip
    assert [field["name"] for field in binance["credential_fields"]] == ["apiKey", "secret"]


def test_an_account_is_connected_and_its_keys_are_in_no_answer(desk, dora):
    answer = desk.post(f"/v2/users/{dora}/accounts", BODY)

    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["exchange"], made["environment"], made["status"], made["permissions"]) == (
        "binance", "paper", "pending", {},
    )  # fmt: skip
    citadel.enrol(account_id=ExchangeAccount.objects.get().pk)
    listed = desk.get(f"/v2/users/{dora}/accounts")
    one = desk.get(f"/v2/users/{dora}/accounts/{made['id']}")
    assert one.json()["status"] == "active"
    assert listed.json() == {"results": [one.json()]}
    shown = (answer.content + listed.content + one.content).decode()
    assert [text for text in (*KEYS.values(), "credentials", "nil:v") if text in shown] == []


def test_an_account_is_taken_back(desk, dora):
    made = desk.post(f"/v2/users/{dora}/accounts", BODY).json()["id"]

    assert [desk.delete(f"/v2/users/{dora}/accounts/{made}").status_code for _ in range(2)] == [204, 204]

    assert desk.get(f"/v2/users/{dora}/accounts").json() == {"results": []}
    assert Credential.objects.get().sealed is None


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"environment": "demo"}, 400, "invalid", "environment"),
        ({"exchange": "bitmart"}, 400, "exchange_unknown", None),
        ({"credentials": {}}, 400, "credentials_invalid", "apiKey"),
        ({"credentials": {**KEYS, "secret": BEN.secret[:63]}}, 400, "credentials_invalid", "secret"),
        ({"credentials": {**KEYS, "passphrase": "x"}}, 400, "credentials_invalid", "passphrase"),
        ({"credentials": {**KEYS, "secret": {"a": BEN.secret}}}, 400, "invalid", "credentials"),
        ({"credentials": BEN.secret}, 400, "invalid", "credentials"),
        ({"credentials": [BEN.secret]}, 400, "invalid", "credentials"),
        ({"credentials": None}, 400, "invalid", "credentials"),
        ({"secret": BEN.secret}, 400, "unknown_fields", "secret"),
        ({"environment": "live"}, 403, "test_key_paper_only", None),
    ],
)
def test_what_cannot_be_connected_is_named_and_not_repeated(desk, dora, change, status, code, field):
    answer = desk.post(f"/v2/users/{dora}/accounts", BODY | change)

    details = problem(answer, status, code)
    if field:
        assert field in details["fields"]
    assert BEN.secret[:63] not in answer.content.decode()
    assert BEN.api_key not in answer.content.decode()
    assert ExchangeAccount.objects.exists() is False


def test_another_tenants_user_and_account_do_not_exist(desk, dora, beta, desk_of, cast):
    made = desk.post(f"/v2/users/{dora}/accounts", BODY).json()["id"]
    theirs, eve = desk_of(beta), desk.post("/v2/users", {"external_ref": "eve"}).json()["id"]

    problem(theirs.post(f"/v2/users/{dora}/accounts", BODY), 404, "user_unknown")
    problem(desk.post(f"/v2/users/{uuid4()}/accounts", BODY), 404, "user_unknown")
    for other in (theirs.get, theirs.delete):
        problem(other(f"/v2/users/{dora}/accounts/{made}"), 404, "account_unknown")
    problem(desk.get(f"/v2/users/{eve}/accounts/{made}"), 404, "account_unknown")
    problem(desk.delete(f"/v2/users/{eve}/accounts/{made}"), 404, "account_unknown")
    assert ExchangeAccount.objects.get().status == "pending"


def test_scopes_and_keys_are_asked_for(alpha, desk, dora, desk_of):
    reader = desk_of(alpha, scopes=("pool:read",))

    problem(reader.post(f"/v2/users/{dora}/accounts", BODY), 403, "scope_missing")
    problem(Desk(desk.host, "").post(f"/v2/users/{dora}/accounts", BODY), 401, "unauthenticated")
    assert ExchangeAccount.objects.exists() is False


def test_a_vault_that_is_not_there_is_a_503_that_may_be_tried_again(desk, dora):
    from citadel.intake.models import IntakeKey

    IntakeKey.objects.all().delete()

    answer = desk.post(f"/v2/users/{dora}/accounts", BODY)

    problem(answer, 503, "vault_not_ready")
    assert answer["Retry-After"] == "5"


def test_an_owner_confirms_what_the_exchange_does_not_tell(alpha, desk, dora, beta, desk_of):
    made = desk.post(f"/v2/users/{dora}/accounts", BODY).json()["id"]
    url, eve = f"/v2/users/{dora}/accounts/{made}/confirm", desk.post("/v2/users", {"external_ref": "eve"}).json()["id"]
    problem(desk.post(url, {}), 409, "nothing_to_confirm")
    ExchangeAccount.objects.update(exchange="phemex", permissions={"withdraw": None, "confirm": True}, reason="Look.")

    problem(desk.post(f"/v2/users/{eve}/accounts/{made}/confirm", {}), 404, "account_unknown")
    problem(desk_of(beta).post(url, {}), 404, "account_unknown")
    problem(desk_of(alpha, scopes=("pool:read",)).post(url, {}), 403, "scope_missing")
    assert ExchangeAccount.objects.get().status == "pending"
    answer = desk.post(url, {})

    assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (200, "active", "")
    assert sorted(answer.json()["permissions"]) == ["confirmed_at", "confirmed_by", "withdraw"]
    assert desk.post(url, {}).json() == answer.json()


def test_the_confirmation_is_documented():
    from drf_spectacular.generators import SchemaGenerator

    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]

    [found] = [path for path in paths if path.endswith("/accounts/{account_id}/confirm")]
    assert list(paths[found]) == ["post"]
    assert set(paths[found]["post"]["responses"]) >= {"200"}
