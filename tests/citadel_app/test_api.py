"""Exchanges and exchange accounts over the partner API: credentials go in and are in no answer."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from uuid import uuid4

import pytest
from nacl.public import PublicKey, SealedBox

from citadel import services as citadel
from citadel.intake.models import IntakeKey
from citadel.models import CapsChange, Credential, ExchangeAccount
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


LIMITS = {
    "order_usd": "50000", "minute_usd": "250000", "day_usd": "1000000", "leverage": 20, "number": 0, "passkeys": 0,
    "change": None,
}  # fmt: skip


def test_an_accounts_limits_are_told_and_narrowed(desk, dora):
    made = desk.post(f"/v2/users/{dora}/accounts", BODY | {"limits": {"order_usd": "40000"}}).json()
    path = f"/v2/users/{dora}/accounts/{made['id']}"
    citadel.enrol(account_id=made["id"])
    assert made["limits"] == LIMITS | {"order_usd": "40000"}
    assert desk.patch(path, {"limits": {"leverage": 20}}).status_code == 200

    answer = desk.patch(path, {"limits": {"order_usd": 500.5, "leverage": 5}})

    assert answer.status_code == 202
    assert (answer.json()["limits"]["change"]["state"], answer.json()["limits"]["order_usd"]) == ("asked", "40000")
    problem(desk.patch(path, {"limits": {"leverage": 4}}), 409, "limits_waiting")
    citadel.agree(change_id=CapsChange.objects.get().pk)
    now = desk.get(path).json()["limits"]
    assert now.pop("change")["state"] == "done"
    assert now == {name: said for name, said in LIMITS.items() if name != "change"} | {
        "order_usd": "500.5", "leverage": 5, "number": 1,
    }  # fmt: skip


def test_limits_are_not_widened_by_a_program(desk, dora):
    made = desk.post(f"/v2/users/{dora}/accounts", BODY).json()["id"]

    answer = desk.patch(f"/v2/users/{dora}/accounts/{made}", {"limits": {"order_usd": "50001"}})

    problem(answer, 409, "passkey_needed")
    assert answer.json()["error"]["remedy"] == (
        "The owner widens them on the page of the account's limits, with a passkey that the account knows."
    )
    assert CapsChange.objects.exists() is False


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "invalid", "limits"),
        ({"limits": {"order_usd": "1.001"}}, "limits_invalid", "order_usd"),
        ({"limits": {"order_usd": "300000"}}, "limits_invalid", "minute_usd"),
        ({"limits": {"leverage": 126}}, "invalid", "limits"),
        ({"limits": {"assertion": []}}, "unknown_fields", "assertion"),
        ({"label": "Other"}, "unknown_fields", "label"),
    ],
)
def test_limits_that_cannot_be_are_named(desk, dora, body, code, field):
    made = desk.post(f"/v2/users/{dora}/accounts", BODY).json()["id"]

    answer = desk.patch(f"/v2/users/{dora}/accounts/{made}", body)

    assert field in problem(answer, 400, code)["fields"]
    assert CapsChange.objects.exists() is False


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


@pytest.fixture
def boxed(desk, dora):
    """``boxed()``: the body of an account whose keys a partner seals, by the API's own description alone."""

    def make(fields=KEYS, **changes) -> dict[str, str]:
        intake = desk.get("/exchanges/intake").json()
        given = desk.post(f"/v2/users/{dora}/accounts/reserve").json()
        inside = {"v": intake["version"], "tenant": given["tenant"], "account": given["account"], "fields": fields}
        box = SealedBox(PublicKey(b64decode(intake["key"]))).encrypt(json.dumps(inside, separators=(",", ":")).encode())
        body = {"exchange": "binance", "environment": "paper", "account_id": given["account_id"]}
        return body | {"sealed": b64encode(box).decode()} | changes

    return make


def test_the_vaults_key_is_told_to_anybody(alpha, vault, redis_db):
    answer = Desk("alpha.testserver", "").get("/exchanges/intake")

    client = vault.client()
    public, kid = client.intake_key()
    client.close()
    body = answer.json()
    assert answer.status_code == 200
    assert (b64decode(body["key"]), body["kid"]) == (public, kid)
    assert (body["version"], body["max_bytes"]) == (2, 65_536)
    assert '{"v":2,"tenant":T,"account":"A","fields":{"name":"text"}}' in body["format"]
    IntakeKey.objects.all().delete()
    problem(Desk("alpha.testserver", "").get("/exchanges/intake"), 503, "vault_not_ready")


def test_a_partner_shows_us_no_secret(desk, dora, boxed):
    body = boxed()
    answer = desk.post(f"/v2/users/{dora}/accounts", body)

    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["exchange"], made["environment"], made["status"], made["label"]) == (
        "binance", "paper", "pending", "Binance",
    )  # fmt: skip
    assert body["account_id"].startswith(made["id"].replace("-", "") + ":")
    assert "sealed" not in made
    citadel.enrol(account_id=made["id"])
    assert desk.get(f"/v2/users/{dora}/accounts/{made['id']}").json()["status"] == "active"


def test_what_a_partner_forgot_to_seal_is_told_with_the_account(desk, dora, boxed):
    made = desk.post(f"/v2/users/{dora}/accounts", boxed({"apiKey": BEN.api_key})).json()["id"]

    citadel.enrol(account_id=made)

    now = desk.get(f"/v2/users/{dora}/accounts/{made}").json()
    assert (now["status"], now["reason"]) == (
        "refused", "Binance asks for more: Secret key. Connect the account again with all of it.",
    )  # fmt: skip


def test_whoever_seals_is_told_what_each_field_looks_like(desk):
    [binance] = [one for one in desk.get("/exchanges/supported").json()["exchanges"] if one["id"] == "binance"]

    assert binance["credential_fields"][1]["rules"][-1] == {
        "pattern": "[A-Za-z0-9]{64}",
        "words": "Secret key has {length} characters and is not what Binance gives out: 64 letters and digits.",
    }


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"credentials": KEYS}, 400, "invalid", "sealed"),
        ({"account_id": None}, 400, "invalid", "account_id"),
        ({"sealed": None}, 400, "invalid", "sealed"),
        ({"sealed": "not base64"}, 400, "sealed_invalid", None),
        ({"sealed": "A" * 90_000}, 400, "sealed_too_large", None),
        ({"sealed": ["x"]}, 400, "invalid", "sealed"),
        ({"account_id": str(uuid4())}, 400, "reservation_invalid", None),
        ({"account_id": "x" * 201}, 400, "invalid", "account_id"),
        ({"environment": "live"}, 403, "test_key_paper_only", None),
        ({"label": "x" * 61}, 400, "invalid", "label"),
    ],
)
def test_a_box_that_cannot_be_taken_leaves_nothing(desk, dora, boxed, change, status, code, field):
    body = {name: value for name, value in (boxed() | change).items() if value is not None}
    answer = desk.post(f"/v2/users/{dora}/accounts", body)

    details = problem(answer, status, code)
    if field:
        assert field in details["fields"]
    assert ExchangeAccount.objects.exists() is False


def test_neither_way_whole_is_neither_way(desk, dora):
    body = {name: value for name, value in BODY.items() if name != "credentials"}

    assert "credentials" in problem(desk.post(f"/v2/users/{dora}/accounts", body), 400, "invalid")["fields"]


def test_an_id_is_used_once_and_by_the_user_it_is_for(desk, dora, boxed, beta, desk_of):
    body = boxed()
    eve = desk.post("/v2/users", {"external_ref": "eve"}).json()["id"]

    problem(desk.post(f"/v2/users/{eve}/accounts", body), 400, "reservation_invalid")
    problem(desk_of(beta).post(f"/v2/users/{dora}/accounts", body), 400, "reservation_invalid")
    assert desk.post(f"/v2/users/{dora}/accounts", body).status_code == 201
    problem(desk.post(f"/v2/users/{dora}/accounts", body | {"label": "Again"}), 409, "account_id_used")
    assert ExchangeAccount.objects.count() == 1


def test_ids_are_reserved_for_users_of_ones_own(desk, dora, beta, desk_of):
    given = desk.post(f"/v2/users/{dora}/accounts/reserve")

    assert (given.status_code, sorted(given.json())) == (
        201,
        ["account", "account_id", "agreed", "expires_at", "tenant"],
    )
    problem(desk_of(beta).post(f"/v2/users/{dora}/accounts/reserve"), 404, "user_unknown")
    problem(desk.post(f"/v2/users/{uuid4()}/accounts/reserve"), 404, "user_unknown")
    reader = Desk(desk.host, "")
    problem(reader.post(f"/v2/users/{dora}/accounts/reserve"), 401, "unauthenticated")
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
    narrower = {"limits": {"leverage": 1}}
    problem(theirs.patch(f"/v2/users/{dora}/accounts/{made}", narrower), 404, "account_unknown")
    problem(desk.patch(f"/v2/users/{eve}/accounts/{made}", narrower), 404, "account_unknown")
    assert CapsChange.objects.exists() is False
    assert ExchangeAccount.objects.get().status == "pending"


def test_scopes_and_keys_are_asked_for(alpha, desk, dora, desk_of):
    reader = desk_of(alpha, scopes=("pool:read",))

    problem(reader.post(f"/v2/users/{dora}/accounts", BODY), 403, "scope_missing")
    problem(reader.patch(f"/v2/users/{dora}/accounts/{uuid4()}", {"limits": {}}), 403, "scope_missing")
    problem(Desk(desk.host, "").post(f"/v2/users/{dora}/accounts", BODY), 401, "unauthenticated")
    assert ExchangeAccount.objects.exists() is False


def test_a_vault_that_is_not_there_is_a_503_that_may_be_tried_again(desk, dora):
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
