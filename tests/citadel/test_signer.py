"""The signer's door: credentials, payloads, callers who send nonsense."""

from __future__ import annotations

import hashlib
import hmac
import os
import resource
import socket
import stat
import struct
import subprocess
import sys
from typing import Any

import msgpack
import pytest
from nacl.public import PrivateKey

from citadel import sealing
from citadel.client import SignerRefused, SignerUnavailable
from citadel.domain.frames import MAX_FRAME, pack
from tests.citadel.support import BEN, CLEO, ROOT, ROOT_KEY, TENANT, Vault, now_ms, person, seal


class Raw:
    """A caller who writes what it likes."""

    def __init__(self, vault: Vault, name: str = "signer") -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect(str(vault.directory / f"{name}.sock"))

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def hear(self) -> dict[str, Any]:
        head = self.socket.recv(4, socket.MSG_WAITALL)
        return msgpack.unpackb(self.socket.recv(struct.unpack("<I", head)[0], socket.MSG_WAITALL))

    def ask(self, message: object) -> dict[str, Any]:
        body = message if isinstance(message, bytes) else msgpack.packb(message)
        self.socket.sendall(struct.pack("<I", len(body)) + body)
        return self.hear()


def send_message(**changes: object) -> dict[str, object]:
    return {
        "op": "send", "id": 1, "chunk": os.urandom(16), "reply": bytes(16), "venue": "binance", "market": "spot",
        "env": "paper", "method": "POST", "path": "/api/v3/order",
        "head": b"symbol=BTCUSDT&side=BUY&type=MARKET&timestamp=%d" % now_ms(),
        "rows": [[0, BEN.account, b"&quantity=0.001&newClientOrderId=a", BEN.subscription]],
        "not_after_ms": now_ms() + 2000, "timeout_ms": 500, **changes,
    }  # fmt: skip


def ping(vault: Vault) -> None:
    client = vault.client()
    client.ping()
    client.close()


# ------------------------------------------------------------------------------------------------ credentials


def test_what_is_enrolled_comes_back_as_envelopes_and_the_end_of_the_key(quiet_vault: Vault) -> None:
    client = quiet_vault.client()
    key, kid = client.intake_key()

    envelopes, hint = client.enrol(tenant=TENANT, account=BEN.account, sealed=seal(key, BEN))

    assert set(envelopes) == {"apiKey", "secret"}
    assert all(text.startswith("nil:v1:") for text in envelopes.values())
    assert hint == BEN.api_key[-4:]
    assert kid == hashlib.sha256(key).hexdigest()[:16]
    client.close()


def test_envelopes_open_for_their_own_tenant_and_account_alone(vault: Vault) -> None:
    envelopes = vault.enrol([BEN], open_them=False)[BEN.account]
    client = vault.client()
    swapped = {"apiKey": envelopes["secret"], "secret": envelopes["apiKey"]}

    assert client.open([(8, BEN.account, envelopes)]) == (0, [(BEN.account, "envelope_refused")])
    assert client.open([(TENANT, CLEO.account, envelopes)]) == (0, [(CLEO.account, "envelope_refused")])
    assert client.open([(TENANT, BEN.account, swapped)]) == (0, [(BEN.account, "envelope_refused")])
    assert client.open([(TENANT, BEN.account, {})]) == (0, [(BEN.account, "credential_incomplete")])
    with pytest.raises(SignerRefused) as refusal:
        client.public(BEN.account)
    assert refusal.value.code == "unknown_account"
    assert client.open([(TENANT, BEN.account, envelopes)]) == (1, [])
    assert client.public(BEN.account) == BEN.api_key
    client.close()


def test_envelopes_outlive_the_process_and_a_forgotten_account_is_closed(vault: Vault) -> None:
    envelopes = vault.enrol([BEN])[BEN.account]
    vault.signer.kill()
    vault.start_signer()
    client = vault.client()

    assert client.open([(TENANT, BEN.account, envelopes)]) == (1, [])
    assert client.forget([BEN.account, CLEO.account]) == 1
    with pytest.raises(SignerRefused, match="signer refused"):
        client.hmac(account=BEN.account, payload=b"timestamp=1")
    client.close()


def test_only_the_most_recently_used_accounts_stay_open(vault: Vault) -> None:
    vault.signer.kill()
    vault.start_signer(OBSCURA_SIGNER_ACCOUNTS="2")
    ada = person(0)
    client = vault.client()
    vault.enrol([BEN, CLEO])

    assert client.public(BEN.account) == BEN.api_key
    vault.enrol([ada])

    assert client.public(BEN.account) == BEN.api_key
    with pytest.raises(SignerRefused):
        client.public(CLEO.account)
    client.close()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "credential_malformed"),
        ({f"field{number}": "x" for number in range(9)}, "credential_malformed"),
        ({"apiKey": "k\r\nHost: elsewhere", "secret": "s"}, "credential_malformed"),
        ({"apiKey": "k", "secret": ""}, "credential_malformed"),
        ({"apiKey": "k", "secret": 5}, "credential_malformed"),
        ({"api key": "k"}, "credential_malformed"),
    ],
)
def test_a_credential_that_is_none_is_refused(quiet_vault: Vault, fields: dict[str, Any], code: str) -> None:
    client = quiet_vault.client()
    key, _ = client.intake_key()

    with pytest.raises(SignerRefused) as refusal:
        client.enrol(
            tenant=TENANT,
            account=BEN.account,
            sealed=sealing.seal(intake=key, tenant=TENANT, account=BEN.account, fields=fields),
        )

    assert refusal.value.code == code
    client.close()


def test_a_credential_sealed_to_another_key_is_refused(quiet_vault: Vault) -> None:
    client = quiet_vault.client()

    with pytest.raises(SignerRefused) as refusal:
        client.enrol(tenant=TENANT, account=BEN.account, sealed=seal(bytes(PrivateKey.generate().public_key), BEN))

    assert refusal.value.code == "sealed_refused"
    client.close()


# ------------------------------------------------------------------------------------------------ payloads


def test_a_stream_subscription_is_signed_as_the_secret_would(quiet_vault: Vault) -> None:
    client = quiet_vault.client()
    payload = f"apiKey={BEN.api_key}&recvWindow=10000&timestamp={now_ms()}".encode()

    assert client.hmac(account=BEN.account, payload=payload) == hmac.digest(BEN.secret.encode(), payload, "sha256")
    client.close()


def test_an_order_is_not_signed_as_a_payload(quiet_vault: Vault) -> None:
    client = quiet_vault.client()

    with pytest.raises(SignerRefused) as refusal:
        client.hmac(
            account=BEN.account,
            payload=b"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1&recvWindow=5000&timestamp=%d" % now_ms(),
        )

    assert refusal.value.code == "payload_not_allowed"
    client.close()


# ------------------------------------------------------------------------------------------------ nonsense


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"", "bad_frame"),
        (b"\xff\xff\xff", "bad_frame"),
        (b"\xc1", "bad_frame"),
        (b"\xdf\xff\xff\xff\xff", "bad_frame"),
        (b"\x91" * 5000, "bad_frame"),
        (b"\x81\xa2op\xa2\xff\xff", "bad_frame"),
        ([1, 2], "bad_frame"),
        ({1: 2}, "bad_frame"),
        ({}, "bad_request"),
        ({"op": "ping"}, "bad_request"),
        ({"op": "ping", "id": True}, "bad_request"),
        ({"op": "ping", "id": "1"}, "bad_request"),
        ({"op": "drain", "id": 1}, "unknown_op"),
        ({"op": ["ping"], "id": 1}, "unknown_op"),
        ({"op": "__init__", "id": 1}, "unknown_op"),
        ({"op": "ping", "id": 1, "extra": 1}, "bad_fields"),
        ({"op": "public", "id": 1}, "bad_fields"),
        ({"op": "public", "id": 1, "account": "text"}, "bad_fields"),
        ({"op": "public", "id": 1, "account": b"short"}, "bad_account"),
        ({"op": "forget", "id": 1, "accounts": [[]]}, "bad_account"),
        ({"op": "open", "id": 1, "entries": [1]}, "bad_entry"),
        ({"op": "open", "id": 1, "entries": [[TENANT, bytes(16), []]]}, "bad_entry"),
        ({"op": "open", "id": 1, "entries": [[-1, bytes(16), {}]]}, "bad_entry"),
        ({"op": "enrol", "id": 1, "tenant": 0, "account": bytes(16), "sealed": b""}, "bad_fields"),
        ({"op": "enrol", "id": 1, "tenant": 1, "account": bytes(16), "sealed": b"x"}, "sealed_refused"),
        ({"op": "hmac", "id": 1, "account": bytes(16), "alg": "md5", "payload": b""}, "unknown_account"),
        (send_message(rows=[]), "rows_count"),
        (send_message(rows=[[0, bytes(16), b"&a=1"]] * 2), "rows_repeated"),
        (send_message(rows=[[0, bytes(16), b"&a=1", "5"]]), "bad_row"),
        (send_message(rows=[[0, bytes(16), b"&a=1", 5, 5]]), "bad_row"),
        ({"op": "open", "id": 1, "entries": [[1, bytes(16), {}, 5]]}, "bad_entry"),
        ({"op": "mandates", "id": 1, "sealed": 5}, "bad_fields"),
        ({"op": "mandates", "id": 1, "sealed": [b""] * 1001}, "entries_count"),
        (send_message(rows=[[0, bytes(16), "&a=1"]]), "bad_row"),
        (send_message(rows=[5]), "bad_row"),
        (send_message(chunk=b"short"), "bad_fields"),
        (send_message(timeout_ms=10**9), "bad_fields"),
        (send_message(path="/sapi/v1/capital/withdraw/apply"), "request_not_allowed"),
    ],
)
def test_nonsense_gets_a_typed_answer_and_the_connection_stays_good(
    quiet_vault: Vault, message: object, code: str
) -> None:
    with Raw(quiet_vault) as raw:
        answer = raw.ask(message)

        assert (answer["ok"], answer["code"]) == (False, code)
        assert raw.ask({"op": "ping", "id": 2}) == {"id": 2, "ok": True, "pong": True}


def test_an_oversized_frame_is_answered_and_the_connection_closed(quiet_vault: Vault) -> None:
    with Raw(quiet_vault) as raw:
        raw.socket.sendall(struct.pack("<I", MAX_FRAME + 1))

        assert raw.hear()["code"] == "frame_too_large"
        assert raw.socket.recv(1) == b""
    ping(quiet_vault)


def test_half_a_frame_harms_nobody(quiet_vault: Vault) -> None:
    frame = pack({"op": "ping", "id": 1})
    with Raw(quiet_vault) as slow, Raw(quiet_vault) as gone:
        slow.socket.sendall(frame[:7])
        gone.socket.sendall(frame[:-1])
        gone.socket.close()
        client = quiet_vault.client()
        client.ping()
        slow.socket.sendall(frame[7:])

        assert slow.hear() == {"id": 1, "ok": True, "pong": True}
        client.close()


def test_a_caller_who_does_not_read_does_not_stall_the_others(quiet_vault: Vault) -> None:
    client = quiet_vault.client()
    with Raw(quiet_vault) as deaf:
        deaf.socket.setblocking(False)
        frame = pack({"op": "intake_key", "id": 1}) * 500
        for _ in range(100):
            try:
                deaf.socket.send(frame)
            except BlockingIOError:
                break
        client.ping()
    client.ping()
    client.close()


def test_the_same_chunk_is_not_taken_twice(vault: Vault) -> None:
    vault.enrol([BEN])
    message = send_message()
    with Raw(vault) as raw:
        assert raw.ask(message) == {"id": 1, "ok": True, "taken": 1, "unknown": [], "refused": []}
        assert raw.ask(message)["code"] == "chunk_repeated"


def test_rows_the_egress_cannot_have_are_refused_and_the_chunk_may_come_again(vault: Vault) -> None:
    vault.enrol([BEN])
    vault.egress.kill()
    vault.egress.wait()
    message = send_message()
    with Raw(vault) as raw:
        assert raw.ask(message) == {
            "id": 1, "ok": True, "taken": 0, "unknown": [], "refused": [[0, "egress_unavailable"]]
        }  # fmt: skip
        vault.start_egress()
        assert raw.ask(message)["taken"] == 1


def test_nonsense_at_the_egress_gets_a_typed_answer(quiet_vault: Vault) -> None:
    with Raw(quiet_vault, "egress") as raw, Raw(quiet_vault, "egress") as other:
        assert raw.ask(b"\xc1")["code"] == "bad_frame"
        assert raw.ask({"op": "drain", "id": 1})["code"] == "unknown_op"
        assert raw.ask({"op": "hello", "id": 1, "reply": b"short"})["code"] == "bad_fields"
        assert raw.ask({"op": "deliver"})["code"] == "bad_fields"
        assert (
            raw.ask({"op": "warm", "id": 1, "route": ["binance", "margin", "live", ""], "n": 1})["code"] == "no_route"
        )
        assert raw.ask({"op": "hello", "id": 1, "reply": bytes(16)})["ok"] is True
        assert other.ask({"op": "hello", "id": 1, "reply": bytes(16)})["code"] == "token_taken"
        assert raw.ask({"op": "ping", "id": 9}) == {"id": 9, "ok": True, "pong": True}


def test_a_chunk_for_nobody_is_not_sent(quiet_vault: Vault) -> None:
    with Raw(quiet_vault) as raw, Raw(quiet_vault, "egress") as egress:
        raw.ask(send_message(reply=b"n" * 16))
        while (stats := egress.ask({"op": "stats", "id": 1}))["orphans"] == 0:
            pass

    assert (stats["orphans"], stats["answered"], stats["silent"]) == (1, 0, 0)


# ------------------------------------------------------------------------------------------------ the processes


def test_sockets_are_private_and_the_logs_know_no_secret(vault: Vault) -> None:
    vault.enrol([BEN])
    with Raw(vault) as raw:
        raw.ask({"op": "hmac", "id": 1, "account": BEN.account, "alg": "sha256", "payload": BEN.secret.encode()})
    for name in ("signer", "egress"):
        assert stat.S_IMODE((vault.directory / f"{name}.sock").stat().st_mode) == 0o600
    vault.close()

    log = vault.log("signer") + vault.log("egress")
    assert '"event":"start"' in log and '"event":"enrol"' in log and '"payload_not_canonical":1' in log
    assert BEN.secret not in log and BEN.api_key not in log and ROOT_KEY not in log
    assert vault.signer.returncode == 0 and vault.egress.returncode == 0
    assert not (vault.directory / "signer.sock").exists()


def test_no_core_is_dumped_and_memory_is_closed_to_others() -> None:
    code = (
        "import ctypes, resource; from citadel.processes import harden; harden();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    )

    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert out.strip() == "0 (0, 0)"


def test_the_running_signer_has_no_core_limit_left(quiet_vault: Vault) -> None:
    assert resource.prlimit(quiet_vault.signer.pid, resource.RLIMIT_CORE) == (0, 0)


def test_a_second_signer_does_not_take_the_place_of_a_running_one(quiet_vault: Vault) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "citadel.signer"],
        cwd=ROOT,
        env=quiet_vault.environment(),
        capture_output=True,
        text=True,
    )

    assert run.returncode == 1 and "already_running" in run.stdout
    ping(quiet_vault)


@pytest.mark.parametrize("key", ["", "zz" * 32, "11" * 31])
def test_without_a_root_key_nothing_starts(quiet_vault: Vault, key: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "citadel.signer"],
        cwd=ROOT,
        env=quiet_vault.environment() | {"OBSCURA_ROOT_KEY": key},
        capture_output=True,
        text=True,
    )

    assert run.returncode == 1 and "root_key_missing" in run.stdout
    assert key == "" or key not in run.stdout + run.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can take another uid")
def test_another_uid_is_turned_away_even_where_the_file_lets_it_in(vault: Vault) -> None:
    vault.directory.chmod(0o711)
    (vault.directory / "signer.sock").chmod(0o666)
    code = f"""
import os, socket
s = socket.socket(socket.AF_UNIX); os.setgroups([]); os.setgid(65534); os.setuid(65534)
s.connect({str(vault.directory / "signer.sock")!r})
print(s.recv(1))
"""

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.strip() == "b''"


def test_a_client_says_when_the_signer_is_gone_and_finds_it_again(vault: Vault) -> None:
    client = vault.client()
    client.ping()
    vault.signer.kill()
    vault.signer.wait()
    with pytest.raises(SignerUnavailable):
        client.ping()
    vault.start_signer()

    client.ping()
    client.close()


def test_neither_process_imports_django_or_ccxt() -> None:
    code = (
        "import sys, citadel.signer.__main__, citadel.egress.__main__, citadel.client, obscura.core.wire;"
        "print([name for name in ('django', 'ccxt', 'celery', 'aiohttp') if name in sys.modules])"
    )

    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert out.strip() == "[]"
