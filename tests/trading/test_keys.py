"""What a key may do, asked of exchanges that are not Binance: through ccxt, decoys and the signer's own process.

The exchanges are peers on this machine that check every signature with the real secret, as OKX and Bybit do.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import ccxt.async_support
import pytest

from citadel import enrolment
from citadel import services as citadel
from citadel.client import SignerRefused, SignerUnavailable
from citadel.domain import permissions
from citadel.domain.calls import READ, kind_of
from citadel.domain.policy import JUDGED
from citadel.matrix.calls import addresses
from citadel.models import Credential, ExchangeAccount, UncheckedSigning
from citadel.tasks import check_all
from citadel.tasks import enrol as enrol_task
from citadel.tasks import tell_permits as tell_task
from citadel.types import AccountRef
from obscura.core.audit.models import Entry
from obscura.core.errors import NotFound
from obscura.core.nudge.models import Nudge
from tenants.scope import entered
from tests.citadel.support import Vault
from trading.keys import codes_in
from trading.tasks import check_key
from trading.venues.permissions import CHECKERS, ccxt_class, checker_of
from trading.venues.permissions.amber import CONFIRM

OKX = {"apiKey": "9f6c1d9e-8a11", "secret": "00112233445566778899AABBCCDDEEFF", "password": "Passphrase1"}
BYBIT = {"apiKey": "Xr8Lk2Pq0aZ1", "secret": "qwertyuiopasdfghjklzxcvbnm0123456789"}
PHEMEX = {"apiKey": "phemex-key-1", "secret": "phemex-secret-1"}
WALLET = {"SubMemberTransfer": [], "AccountTransfer": [], "Withdraw": []}


class Peer:
    """OKX and Bybit on one port: what they answer, and every request they got."""

    def __init__(self) -> None:
        self.perm, self.ip = "read_only,trade", "203.0.113.7"
        self.wallet: list[str] = []
        self.ips: list[str] = ["203.0.113.7"]
        self.away = False
        self.proxy = False
        self.requests: list[tuple[str, str]] = []
        self.right = self.port = 0
        self.hosts: list[str] = []

    def answer(self, method: str, target: str, headers: dict[str, str], body: str) -> tuple[int, object]:
        self.hosts.append(headers["host"])
        self.requests.append((f"{method} {target}", "\n".join([*map(": ".join, headers.items()), body])))
        if self.away:
            return 503, {"code": "50001", "msg": "Service temporarily unavailable."}
        if self.proxy:
            return 401, "Authorization Required"
        path = urlsplit(target).path
        if path == "/api/v5/account/config":
            return self._okx(method, target, headers, body)
        assert path == "/v5/user/query-api", path
        return self._bybit(target, headers)

    def _okx(self, method: str, target: str, headers: dict[str, str], body: str) -> tuple[int, object]:
        if headers["ok-access-key"] != OKX["apiKey"]:
            return 401, {"msg": "Invalid OK-ACCESS-KEY", "code": "50111"}
        if headers["ok-access-passphrase"] != OKX["password"]:
            return 401, {"msg": "Request header OK-ACCESS-PASSPHRASE incorrect.", "code": "50105"}
        payload = (headers["ok-access-timestamp"] + method + target + body).encode()
        digest = hmac.new(OKX["secret"].encode(), payload, hashlib.sha256).digest()
        if headers["ok-access-sign"] != base64.b64encode(digest).decode():
            return 401, {"msg": "Invalid Sign", "code": "50113"}
        self.right += 1
        return 200, {"code": "0", "data": [{"uid": "44", "perm": self.perm, "ip": self.ip}], "msg": ""}

    def _bybit(self, target: str, headers: dict[str, str]) -> tuple[int, object]:
        payload = headers["x-bapi-timestamp"] + BYBIT["apiKey"] + headers["x-bapi-recv-window"] + urlsplit(target).query
        if headers["x-bapi-sign"] != hmac.new(BYBIT["secret"].encode(), payload.encode(), hashlib.sha256).hexdigest():
            return 200, {"retCode": 10004, "retMsg": "error sign! origin_string", "result": {}}
        self.right += 1
        groups = {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": self.wallet}
        result = {"readOnly": 0, "ips": self.ips, "permissions": groups, "expiredAt": "2099-01-01T00:00:00Z"}
        return 200, {"retCode": 0, "retMsg": "", "result": result}


@pytest.fixture
def peer() -> Iterator[Peer]:
    """The exchanges, where the egress finds what is paper."""
    found = Peer()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers["host"].endswith("binance.com"):  # the egress looks for prices there
                self.send_error(404)
                return
            body = self.rfile.read(int(headers.get("content-length", "0"))).decode()
            status, told = found.answer(self.command, self.path, headers, body)
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            """Tests are quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.port = server.server_port
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def vault(committed: None, alpha: object, settings: object, peer: Peer) -> Iterator[Vault]:
    """A signer that has nothing permitted yet, and an egress that reaches the peer alone."""
    with tempfile.TemporaryDirectory(prefix="obscura-") as directory:
        pair = Vault(Path(directory), peer.port)
        try:
            pair.start_egress()
            pair.start_signer()
            settings.RUN_DIR = directory  # type: ignore[attr-defined]
            citadel.publish_intake_key()
            yield pair
        finally:
            pair.close()


@pytest.fixture
def ben(vault: Vault, cast):
    return cast.ben()


@pytest.fixture
def connect(ben, peer: Peer) -> Callable[..., AccountRef]:
    """``connect("okx", OKX)``: Ben's account, sealed and in the vault; its exchange was not asked yet."""

    def make(exchange: str, keys: dict[str, str], *, owner: object = None) -> AccountRef:
        made = citadel.connect_account(
            owner_id=(owner or ben).pk, exchange=exchange, environment="live", label=f"At {exchange}", credentials=keys,
            actor="test",
        )  # fmt: skip
        promise = Nudge.objects.get(task="citadel.enrol", ids={"account_id": str(made.id)})
        enrol_task(account_id=str(made.id), nudge=promise.pk)
        ExchangeAccount.objects.filter(pk=made.id).update(environment="paper")  # the hosts stay the exchange's own
        return citadel.account(account_id=made.id)

    return make


def asked(account: AccountRef) -> AccountRef:
    """The worker comes by for what is promised; the account as it is then."""
    promise = Nudge.objects.get(task="trading.check_key", ids={"account_id": str(account.id)})
    check_key(account_id=str(account.id), nudge=promise.pk)
    return citadel.account(account_id=account.id)


def promises(task: str = "trading.check_key") -> int:
    return Nudge.objects.filter(task=task).count()


def test_a_good_key_is_asked_about_with_a_decoy_and_becomes_active(connect, peer):
    made = connect("okx", OKX)
    assert (made.status, promises(), peer.requests) == ("pending", 1, [])
    assert sorted(Credential.objects.get().envelopes) == ["agreed", "apiKey", "exchange", "password", "secret"]

    now = asked(made)

    assert (now.status, now.reason, promises()) == ("active", "", 0)
    assert {name: now.permissions[name] for name in ("trade", "withdraw", "transfer", "ip_restricted")} == {
        "trade": True, "withdraw": False, "transfer": False, "ip_restricted": True,
    }  # fmt: skip
    assert ([line for line, _ in peer.requests], peer.right) == (["GET /api/v5/account/config"], 1)
    assert OKX["secret"] not in str(peer.requests)
    assert Entry.objects.filter(action="citadel.account.active", subject=f"account:{made.id}").count() == 1


def test_what_ccxt_holds_is_not_the_secret(connect, peer, monkeypatch):
    made = connect("okx", OKX)
    held = []
    kind = ccxt.async_support.okx

    def seen(config):
        held.append(dict(config))
        return kind(config)

    monkeypatch.setattr(ccxt.async_support, "okx", seen)

    assert asked(made).status == "active"

    assert held[0]["apiKey"] == OKX["apiKey"]
    assert len(held[0]["secret"]) == len(OKX["secret"])
    assert OKX["secret"] not in str(held)


@pytest.mark.parametrize(
    ("exchange", "keys", "change"),
    [("okx", OKX, {"perm": "read_only,trade,withdraw"}), ("bybit", BYBIT, {"wallet": ["Withdraw"]})],
)
def test_a_key_that_may_withdraw_is_refused_and_erased(connect, peer, exchange, keys, change):
    vars(peer).update(change)
    made = connect(exchange, keys)

    now = asked(made)

    assert (now.status, now.reason) == ("refused", checker_of(exchange).words.withdraw)
    assert "edit the key, clear Withdraw" in now.reason
    assert Credential.objects.get().envelopes == {}
    assert promises("citadel.forget") == 1


def test_a_good_key_of_bybit_that_works_from_anywhere_is_active_with_a_warning(connect, peer):
    peer.ips = ["*"]
    made = connect("bybit", BYBIT)

    now = asked(made)

    assert (now.status, now.permissions["ip_restricted"]) == ("active", False)
    assert now.permissions["note"] == permissions.ANYWHERE
    assert peer.requests[0][0].startswith("GET /v5/user/query-api")
    assert (peer.right, BYBIT["secret"] in str(peer.requests)) == (1, False)


@pytest.mark.parametrize(
    ("exchange", "keys", "reason"),
    [
        ("okx", OKX | {"secret": "F" * 32}, permissions.SECRET_WRONG),
        ("okx", OKX | {"apiKey": "nobody"}, permissions.KEY_UNKNOWN),
        ("bybit", BYBIT | {"secret": "F" * 36}, permissions.SECRET_WRONG),
    ],
)
def test_a_key_the_exchange_does_not_take_is_refused(connect, peer, exchange, keys, reason):
    now = asked(connect(exchange, keys))

    assert (now.status, now.reason, peer.right) == ("refused", reason, 0)
    assert Credential.objects.get().envelopes == {}


def test_an_exchange_that_is_away_is_asked_again(connect, peer):
    peer.away = True
    made = connect("okx", OKX)

    now = asked(made)

    assert (now.status, now.reason) == ("pending", permissions.AWAY)
    assert Nudge.objects.get(task="trading.check_key").error == "venue_away: The exchange does not answer."
    assert Credential.objects.get().envelopes != {}
    peer.away = False
    now = asked(made)
    assert (now.status, now.reason, promises()) == ("active", "", 0)


def test_a_401_without_the_exchanges_own_code_erases_no_key_that_was_good(connect, peer):
    made = connect("okx", OKX)
    asked(made)
    peer.proxy = True
    check_all()

    now = asked(made)

    assert (now.status, promises()) == ("active", 1)
    assert Credential.objects.get().envelopes != {}
    peer.proxy = False
    assert (asked(made).status, promises()) == ("active", 0)


def test_a_new_key_that_meets_a_401_is_not_taken(connect, peer):
    peer.proxy = True

    now = asked(connect("okx", OKX))

    assert (now.status, now.reason) == ("refused", permissions.KEY_UNKNOWN)


def test_nobody_at_the_other_end_is_the_same(connect, vault):
    vault.egress.kill()
    vault.egress.wait()
    vault.start_egress(OBSCURA_PAPER="127.0.0.1:1")

    now = asked(connect("okx", OKX))

    assert (now.status, now.reason, promises()) == ("pending", permissions.AWAY, 1)


def test_a_signer_that_is_away_is_waited_for(connect, vault):
    made = connect("okx", OKX)
    vault.signer.kill()
    vault.signer.wait()

    now = asked(made)

    assert (now.status, promises()) == ("pending", 1)
    assert Nudge.objects.get(task="trading.check_key").error.startswith(SignerUnavailable.code)
    vault.start_signer()
    assert asked(made).status == "active"


def test_a_question_needs_no_permit_and_an_order_does(connect, peer, vault):
    made = connect("okx", OKX)

    assert asked(made).status == "active"

    client = vault.client()
    question = {"account": made.id.bytes, "field": "secret", "op": "hmac", "derivation": "text"}
    with pytest.raises(SignerRefused) as found:
        client.sign(**question, args=["sha256", b"2026-11-20T10:00:00.000ZPOST/api/v5/trade/order"])
    assert found.value.code == "request_leaves_from_vault"
    client.close()


def test_the_vault_says_what_it_sent(connect, peer, vault):
    made = connect("bybit", BYBIT)
    asked(made)

    client = vault.client()
    told = [(one[2], one[3]) for one in client.audit(after=0)["entries"]]
    client.close()

    carried = [facts for kind, facts in told if kind == "carried"]
    assert [(one["exchange"], one["kind"], one["sent"]) for one in carried] == [("bybit", "read", True)]
    assert carried[0]["request"] == "GET api.bybit.com /v5/user/query-api"
    assert peer.hosts == ["api.bybit.com"]


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda one: one.codes[0])
def test_whatever_a_checker_asks_the_vault_lets_through(checker):
    """But for Binance, which the vault asks itself, and what needs no signature."""
    for question in checker.questions:
        for code in checker.codes:
            public = question.method.startswith("public")
            places = [] if public or code in JUDGED else addresses(ccxt_class(question, code), question.method)
            assert {kind_of(code, place) for place in places} <= {READ}, (code, question.method)
            assert places or public or code in JUDGED, (code, question.method)


WALLET_KEY = {"privateKey": "0x" + "4" * 64}


def wallet_answers(made: AccountRef, vault: Vault) -> str:
    """What the signer says to whoever wants something signed with a wallet's key: "signed", or why not."""
    client = vault.client()
    try:
        client.open(
            [(enrolment.tenant_id(), made.id.bytes, Credential.objects.get().envelopes)], citadel.wrapped_keys()
        )
        client.sign(
            account=made.id.bytes, field="privateKey", op="ecdsa", derivation="last64",
            args=["secp256k1", None, b"ab" * 32],
        )  # fmt: skip
    except SignerRefused as refusal:
        return refusal.code
    finally:
        client.close()
    return "signed"


def test_what_a_wallet_signs_is_signed_where_the_tenant_has_permitted_it_and_no_longer(connect, vault):
    made = connect("aster", WALLET_KEY)
    assert wallet_answers(made, vault) == "unchecked_not_permitted"

    for on, answer in ((True, "signed"), (False, "unchecked_not_permitted")):
        citadel.switch_unchecked_signing(exchange="aster", on=on, actor="staff:stella")
        tell_task(nudge=Nudge.objects.filter(task="citadel.tell_permits").last().pk)
        assert wallet_answers(made, vault) == answer

    by_hand = b"\x94\x01\xa5aster\x03\xc3" + bytes(32)
    UncheckedSigning.objects.filter(exchange="aster").update(permit=by_hand, on=True)
    citadel.tell_permits()
    assert wallet_answers(made, vault) == "unchecked_not_permitted"


def test_another_tenants_permit_is_none_here(connect, beta, vault):
    with entered(beta):
        citadel.switch_unchecked_signing(exchange="aster", on=True, actor="staff:bo")
        citadel.tell_permits()
        assert UncheckedSigning.objects.get().on is True

    assert wallet_answers(connect("aster", WALLET_KEY), vault) == "unchecked_not_permitted"


@pytest.mark.parametrize("exchange", ["binance", "binanceusdm", "binancecoinm", "bitmart"])
def test_what_is_read_is_never_switched(ben, exchange):
    with pytest.raises(citadel.NeverUnchecked):
        citadel.switch_unchecked_signing(exchange=exchange, on=True, actor="staff:stella")

    assert UncheckedSigning.objects.exists() is False


def test_every_switch_is_written_down_once(ben):
    for on in (True, True, False):
        citadel.switch_unchecked_signing(exchange="okx", on=on, actor="staff:stella")

    row = UncheckedSigning.objects.get()
    assert (row.on, row.number, row.switched_by) == (False, 2, "staff:stella")
    actions = Entry.objects.filter(subject="exchange:okx").order_by("id").values_list("action", "actor")
    assert list(actions) == [
        ("citadel.unchecked_signing.on", "staff:stella"),
        ("citadel.unchecked_signing.off", "staff:stella"),
    ]


def test_an_exchange_that_cannot_be_asked_is_confirmed_by_its_owner_alone(connect, ben, cast):
    now = asked(connect("phemex", PHEMEX))
    assert (now.status, now.reason) == ("pending", CONFIRM)
    assert citadel.envelopes_of([now.id]) == []

    with pytest.raises(NotFound):
        citadel.confirm_account(account_id=now.id, user_id=cast.cleo().pk, actor="cleo")
    assert citadel.account(account_id=now.id).status == "pending"
    done = citadel.confirm_account(account_id=now.id, user_id=ben.pk, actor=str(ben.pk))

    assert (done.status, done.reason, "confirm" in done.permissions) == ("active", "", False)
    assert datetime.fromisoformat(done.permissions["confirmed_at"]).tzinfo == UTC
    assert len(citadel.envelopes_of([done.id])) == 1
    assert citadel.confirm_account(account_id=now.id, user_id=ben.pk, actor=str(ben.pk)).status == "active"
    confirmed = Entry.objects.get(action="citadel.account.confirmed")
    assert (confirmed.actor, confirmed.subject) == (str(ben.pk), f"account:{now.id}")
    check_all()
    again = asked(done)
    assert (again.status, again.reason) == ("active", "")
    assert again.permissions["confirmed_at"] == done.permissions["confirmed_at"]


def test_a_word_given_for_less_does_not_hold_for_more(connect, ben, peer):
    peer.perm = "read_only,trade,something_new"
    made = connect("okx", OKX)
    assert asked(made).permissions["confirm"] is True
    citadel.confirm_account(account_id=made.id, user_id=ben.pk, actor="ben")
    peer.ip = ""
    check_all()

    now = asked(made)

    assert (now.status, now.reason) == ("active", checker_of("okx").words.confirm)
    assert (now.permissions["confirm"], "confirmed_at" in now.permissions) == (True, False)
    again = citadel.confirm_account(account_id=made.id, user_id=ben.pk, actor="ben")
    assert (again.reason, again.permissions["ip_restricted"], "confirm" in again.permissions) == ("", False, False)


def test_there_is_nothing_to_confirm_before_the_exchange_was_asked_or_where_it_tells(connect, ben):
    made = connect("okx", OKX)
    with pytest.raises(citadel.NothingToConfirm):
        citadel.confirm_account(account_id=made.id, user_id=ben.pk, actor="ben")
    asked(made)

    with pytest.raises(citadel.NothingToConfirm):
        citadel.confirm_account(account_id=made.id, user_id=ben.pk, actor="ben")


def test_the_daily_round_refuses_an_active_account_that_may_withdraw_now(connect, peer):
    made = connect("okx", OKX)
    assert asked(made).status == "active"
    peer.perm = "trade,withdraw"

    check_all()
    now = asked(made)

    assert (now.status, now.reason) == ("refused", checker_of("okx").words.withdraw)
    assert Credential.objects.get().envelopes == {}
    assert Entry.objects.filter(action="citadel.account.refused").count() == 1


def test_the_daily_round_finds_what_nobody_came_for(connect):
    made = connect("okx", OKX)
    Nudge.objects.filter(task="trading.check_key").delete()

    check_all()

    assert asked(made).status == "active"


def test_an_account_that_was_taken_back_is_not_asked_about(connect, peer):
    made = connect("okx", OKX)
    citadel.revoke_account(account_id=made.id, actor="test")

    assert asked(made).status == "revoked"

    assert peer.requests == []
    assert promises() == 0


def test_taken_back_while_the_exchange_is_asked_it_stays_so(connect):
    made = connect("okx", OKX)
    citadel.revoke_account(account_id=made.id, actor="test")
    citadel.conclude_check(account_id=made.id, verdict=permissions.Verdict(permissions.Finding.GOOD))

    assert citadel.account(account_id=made.id).status == "revoked"


def test_the_owner_may_have_it_asked_again_at_any_time(connect):
    made = connect("okx", OKX)
    asked(made)

    assert citadel.check_account(account_id=made.id, actor="ben").status == "active"

    assert promises() == 1
    assert asked(made).status == "active"


def test_no_paper_account_is_kept_at_an_exchange_without_a_paper_venue(ben):
    with pytest.raises(citadel.PaperElsewhere):
        citadel.connect_account(
            owner_id=ben.pk, exchange="okx", environment="paper", label="", credentials=OKX, actor="test"
        )

    assert ExchangeAccount.objects.exists() is False


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        ({"code": "50113", "msg": "Invalid Sign"}, ["50113"]),
        ({"retCode": 10004}, ["10004"]),
        ({"code": 0, "error": {"code": 13009, "name": "x"}}, ["0", "13009", "x"]),
        ({"error": ["EAPI:Invalid key"]}, ["EAPI:Invalid key"]),
        ({"label": "INVALID_SIGNATURE"}, ["INVALID_SIGNATURE"]),
        ({"error": "PERMISSION_DENIED"}, ["PERMISSION_DENIED"]),
        (["error", 10100, "apikey: invalid"], ["10100"]),
        ("<html>", []),
        (None, []),
    ],
)
def test_codes_are_found_where_exchanges_put_them(answer, codes):
    assert codes_in(answer) == codes
