"""The bridge between machines: what goes over it goes once, and who may not come in has reached nothing."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import ssl
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from citadel.bridge import __main__ as command
from citadel.bridge import authority
from citadel.client import SILENCE, UNSENT, Chunk, ChunkSender, Result, SignerUnavailable
from citadel.domain.frames import MAX_FRAME, Splitter, pack, unpack
from tests.citadel.bridging import DAY, EGRESS, SIGNER, Bridge, Wire, bridged, mint, wait_for
from tests.citadel.conftest import CROWD, closing_exchange, running
from tests.citadel.support import BEN, CLEO, Exchange, Vault, now_ms, order_chunk, until
from tests.citadel.test_kills import check


@pytest.fixture
def bridge(vault: Vault) -> Iterator[Bridge]:
    """Both halves in front of a vault of their own."""
    with bridged(vault) as both:
        both.start("serve")
        both.start("connect")
        yield both


@pytest.fixture(scope="module")
def quiet() -> Iterator[Bridge]:
    """One for all who are refused: they kill nothing and send nothing. Ben's account is open."""
    with closing_exchange() as peer, running(peer) as vault, bridged(vault) as both:
        vault.enrol([BEN])
        both.start("serve")
        yield both


def question() -> bytes:
    """One that the signer answers, and counts."""
    payload = f"apiKey={BEN.api_key}&recvWindow=10000&timestamp={now_ms()}".encode()
    return pack({"op": "hmac", "id": 1, "account": BEN.account, "alg": "sha256", "payload": payload})


def seen(bridge: Bridge) -> dict[str, Any]:
    """What the signer has counted, asked on its own machine."""
    assert bridge.vault is not None
    client = bridge.vault.client()
    counts = client.stats()
    client.close()
    # What an earlier test asked is summed up in the audit when its time has come, whoever knocks meanwhile.
    del counts["cpu_s"], counts["audited"]
    return counts


def endings(results: list[Result]) -> set[tuple[int, bytes]]:
    return {(result.status, result.body) for result in results}


# ------------------------------------------------------------------------------------------------ what goes over it


def test_a_chunk_goes_over_both_halves_and_is_executed_once(bridge: Bridge, vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN, CLEO])

    async def run() -> list[Result]:
        sender = bridge.sender()
        results = await sender.send(order_chunk([BEN, CLEO]))
        await sender.close()
        return results

    results = asyncio.run(run())

    assert sorted((result.row, result.status) for result in results) == [(0, 200), (1, 200)]
    assert exchange.executed == {"o0": 1, "o1": 1}
    wait_for(lambda: len(bridge.told("serve", "closed")) == 2)
    assert {line["protocol"] for line in bridge.told("serve", "open")} == {SIGNER, EGRESS}
    assert [stat.S_IMODE((bridge.worker_dir / f"{name}.sock").stat().st_mode) for name in ("signer", "egress")] == [
        0o600,
        0o600,
    ]


def test_a_thousand_rows_in_chunks_at_once_lose_and_repeat_nothing(
    bridge: Bridge, vault: Vault, exchange: Exchange
) -> None:
    vault.enrol(CROWD)

    async def run() -> list[list[Result]]:
        senders = [bridge.sender(), bridge.sender()]
        chunks = [order_chunk(CROWD, first=100 * n, life_ms=20_000, timeout_ms=10_000) for n in range(10)]
        results = await asyncio.gather(*(senders[n % 2].send(chunk) for n, chunk in enumerate(chunks)))
        for sender in senders:
            await sender.close()
        assert [sender.stray for sender in senders] == [0, 0]
        return results

    results = asyncio.run(run())

    rows = sorted((result.row, result.status) for part in results for result in part)
    assert rows == [(row, 200) for row in range(1000)]
    assert exchange.executed == {f"o{row}": 1 for row in range(1000)}
    for half in ("serve", "connect"):
        assert "newClientOrderId" not in bridge.log(half) and CROWD[0].api_key not in bridge.log(half)


def test_questions_to_the_signer_go_over_it_and_again_after_a_break(bridge: Bridge, vault: Vault) -> None:
    vault.enrol([BEN])
    client = bridge.client()

    before = client.public(BEN.account)
    bridge.kill("serve")
    with pytest.raises(SignerUnavailable):
        client.ping()
    bridge.start("serve")
    after = client.public(BEN.account)

    assert (before, after) == (BEN.api_key, BEN.api_key)
    client.close()


def test_who_reads_slowly_holds_up_nobody_else_and_loses_nothing(
    bridge: Bridge, vault: Vault, exchange: Exchange
) -> None:
    vault.enrol([BEN])
    ask = pack({"op": "stats", "id": 1})
    slow = socket.socket(socket.AF_UNIX)
    slow.connect(str(bridge.worker_dir / "signer.sock"))
    slow.settimeout(1.0)
    sent, stalled = 0, False
    while not stalled and sent < 32 << 20:
        try:
            sent += slow.send((ask * 4096)[sent % len(ask) :])
        except TimeoutError:
            stalled = True

    async def run() -> list[Result]:
        sender = bridge.sender()
        results = await sender.send(order_chunk([BEN]))
        await sender.close()
        return results

    quick = asyncio.run(run())
    splitter, answers = Splitter(), 0
    slow.settimeout(10)
    while answers < sent // len(ask):
        data = slow.recv(1 << 20)
        assert data
        answers += len(splitter.feed(data))
    slow.close()

    assert stalled
    assert [result.status for result in quick] == [200]
    assert exchange.executed == {"o0": 1}


@pytest.mark.parametrize("op", ["attach", "deliver"])
def test_what_is_between_signer_and_egress_is_not_for_workers(bridge: Bridge, vault: Vault, op: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(10)
        other.connect(str(bridge.worker_dir / "egress.sock"))
        other.sendall(pack({"op": "ping", "id": 1}))
        assert unpack(other.recv(1 << 16)[4:])["pong"] is True
        other.sendall(pack({"op": op, "id": 2}))
        assert other.recv(1 << 16) == b""

    wait_for(lambda: [line["why"] for line in bridge.told("serve", "closed")] == ["not_for_workers"])

    async def counts() -> dict[str, int]:
        sender = vault.sender()
        stats = await sender.egress_stats()
        await sender.close()
        return stats["counts"]

    assert not [name for name in asyncio.run(counts()) if name.startswith("refused")]


# ------------------------------------------------------------------------------------------------ what breaks


@pytest.mark.parametrize("half", ["serve", "connect"])
def test_a_half_is_killed_while_orders_are_out(bridge: Bridge, vault: Vault, exchange: Exchange, half: str) -> None:
    vault.enrol(CROWD)
    exchange.hold.set()
    chunk = order_chunk(CROWD, life_ms=20_000, timeout_ms=10_000)

    async def run() -> tuple[list[Result], list[Result]]:
        sender = bridge.sender()
        sending = asyncio.create_task(sender.send(chunk))
        await until(lambda: len(exchange.executed) >= 50)
        bridge.kill(half)
        first = await sending
        exchange.hold.clear()
        exchange.drop_connections()
        bridge.start(half)
        second = await sender.send(order_chunk([BEN], first=500))
        await sender.close()
        return first, second

    vault.enrol([BEN])
    first, second = asyncio.run(run())

    check(exchange, chunk, first)
    assert endings(first) <= {(SILENCE, b"egress_lost"), (SILENCE, b"signer_lost")} and len(first) == 100
    assert [result.status for result in second] == [200]
    assert set(exchange.executed.values()) == {1}


@pytest.mark.parametrize("half", ["serve", "connect"])
def test_a_half_is_killed_at_any_moment(bridge: Bridge, vault: Vault, exchange: Exchange, half: str) -> None:
    vault.enrol(CROWD)
    draw = random.Random(half)
    done: list[tuple[Chunk, list[Result]]] = []

    async def keep_sending(sender: ChunkSender, stop: asyncio.Event, first: int) -> None:
        number = first
        while not stop.is_set():
            chunk = order_chunk(CROWD, first=100 * number, life_ms=20_000, timeout_ms=10_000)
            number += 1
            results = await sender.send(chunk)
            done.append((chunk, results))
            if results[0].status == UNSENT:
                await asyncio.sleep(0.01)

    async def run() -> None:
        sender, stop = bridge.sender(grace=0.05), asyncio.Event()
        lanes = [asyncio.create_task(keep_sending(sender, stop, 100_000 * lane)) for lane in range(3)]
        for _ in range(4):
            goal = len(done) + 3
            await until(lambda goal=goal: len(done) >= goal and done[-1][1][0].status == 200)
            await asyncio.sleep(draw.random() * 0.02)
            bridge.kill(half)
            await asyncio.to_thread(bridge.start, half)
        stop.set()
        await asyncio.gather(*lanes)
        await sender.close()

    asyncio.run(run())
    time.sleep(0.05)

    for chunk, results in done:
        check(exchange, chunk, results)
    assert {result.status for _, results in done for result in results} >= {200, SILENCE}
    assert exchange.refused == 0 and set(exchange.executed.values()) == {1}


def test_a_frozen_half_ends_in_silence_and_sends_nothing_stale_when_it_thaws(
    bridge: Bridge, vault: Vault, exchange: Exchange
) -> None:
    vault.enrol([BEN, CLEO])

    async def run() -> list[Result]:
        sender = bridge.sender(slack=0.1)
        await sender.open([])
        await sender.egress_stats()
        bridge.halves["serve"].send_signal(signal.SIGSTOP)
        results = await sender.send(order_chunk([BEN, CLEO], life_ms=300, timeout_ms=100))
        bridge.halves["serve"].send_signal(signal.SIGCONT)
        # The chunk has reached the egress, and it was too late for it.
        while (await sender.egress_stats())["unsent"] != 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await sender.close()
        return results

    results = asyncio.run(run())

    assert endings(results) == {(SILENCE, b"deadline")}
    assert exchange.executed == {}


@pytest.mark.parametrize("half", ["serve", "connect"])
def test_a_half_that_is_told_to_stop_stops_while_connections_are_open(bridge: Bridge, vault: Vault, half: str) -> None:
    client = bridge.client()
    client.ping()

    bridge.halves[half].terminate()

    assert bridge.halves[half].wait(timeout=5) == 0
    assert len(bridge.told(half, "stop")) == 1
    with pytest.raises(SignerUnavailable):
        client.ping()
    client.close()


def test_without_a_way_to_the_vault_rows_are_certainly_unsent(bridge: Bridge, vault: Vault, exchange: Exchange) -> None:
    vault.enrol([BEN])
    bridge.kill("serve")

    async def run() -> list[Result]:
        sender = bridge.sender()
        results = await sender.send(order_chunk([BEN]))
        await sender.close()
        return results

    assert endings(asyncio.run(run())) == {(UNSENT, b"egress_unavailable")}
    assert exchange.executed == {}
    assert bridge.told("connect", "vault_unreachable") != []


@pytest.mark.parametrize("after", [4_000, 22_000], ids=["in the first record", "in the second record"])
def test_a_link_that_breaks_within_a_chunk_ends_in_silence_and_nothing_of_it_is_sent(
    bridge: Bridge, vault: Vault, exchange: Exchange, after: int
) -> None:
    vault.enrol(CROWD)
    taken = seen(bridge).get("taken", 0)
    wire = Wire(bridge.port, number=1, after=after)  # the first connection is that to the egress
    bridge.kill("connect")
    bridge.start("connect", OBSCURA_BRIDGE_VAULT=f"127.0.0.1:{wire.port}")

    async def run() -> tuple[list[Result], list[Result]]:
        sender = bridge.sender(grace=0.05)
        cut = await sender.send(order_chunk(CROWD * 4))
        whole = await sender.send(order_chunk(CROWD, first=1000, life_ms=20_000, timeout_ms=10_000))
        await sender.close()
        return cut, whole

    try:
        cut, whole = asyncio.run(run())
    finally:
        bridge.kill("connect")
        wire.close()

    assert wire.was_cut
    assert endings(cut) == {(SILENCE, b"signer_lost")} and len(cut) == 400
    assert [result.status for result in whole] == [200] * 100
    assert exchange.executed == {f"o{row}": 1 for row in range(1000, 1100)}
    assert seen(bridge)["taken"] == taken + 100


def test_a_chunk_that_the_connector_took_for_a_signer_that_is_gone_is_silence(
    bridge: Bridge, vault: Vault, exchange: Exchange
) -> None:
    vault.enrol([BEN])
    vault.signer.kill()
    vault.signer.wait()

    async def run() -> list[Result]:
        sender = bridge.sender(grace=0.05)
        results = await sender.send(order_chunk([BEN]))
        await sender.close()
        return results

    assert endings(asyncio.run(run())) == {(SILENCE, b"signer_lost")}
    assert exchange.executed == {}


# ------------------------------------------------------------------------------------------------ who may not come in


def test_a_worker_who_comes_with_a_good_certificate_is_answered(quiet: Bridge) -> None:
    before = seen(quiet)

    answer = quiet.knock(quiet.context(), question())

    assert unpack(answer[4:])["ok"] is True
    assert seen(quiet).get("payloads", 0) == before.get("payloads", 0) + 1


def nobody(bridge: Bridge) -> ssl.SSLContext:
    return bridge.context(None)


def of_another_authority(bridge: Bridge) -> ssl.SSLContext:
    papers = bridge.home / "others"
    authority.make(papers)
    authority.issue(papers, name="worker", role="worker")
    return bridge.context("worker", papers=papers)


def minted(name: str, **what: Any) -> Callable[[Bridge], ssl.SSLContext]:
    def context(bridge: Bridge) -> ssl.SSLContext:
        mint(bridge.papers, name, **what)
        return bridge.context(name)

    return context


def revoked(bridge: Bridge) -> ssl.SSLContext:
    issued = authority.issue(bridge.papers, name="dismissed", role="worker")
    assert authority.revoke(bridge.papers, issued.serial)
    return bridge.context("dismissed")


def of_the_vault(bridge: Bridge) -> ssl.SSLContext:
    return bridge.context("vault")


def of_an_older_tls(bridge: Bridge) -> ssl.SSLContext:
    context = bridge.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


WORKER, WEB = "obscura:worker", "obscura:web"


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (nobody, "peer_did_not_return_a_certificate"),
        (of_another_authority, "certificate"),
        (minted("expired", uris=[WORKER], ends=-DAY), "certificate has expired"),
        (revoked, "revoked"),
        (of_the_vault, "certificate purpose"),
        (of_an_older_tls, "unsupported_protocol"),
        (minted("web", uris=[WEB]), "role"),
        (minted("both", uris=[WORKER, WEB]), "role"),
        (minted("nameless", uris=[]), "role"),
        (minted("elsewhere", uris=["other:worker"]), "role"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_client_that_may_not_come_in_has_reached_nothing(
    quiet: Bridge, who: Callable[[Bridge], ssl.SSLContext], why: str
) -> None:
    context, before, lines = who(quiet), seen(quiet), len(quiet.reasons())

    answer = quiet.knock(context, question())

    assert answer == b""
    wait_for(lambda: len(quiet.reasons()) > lines)
    assert why in quiet.reasons()[-1]
    assert seen(quiet) == before


@pytest.mark.parametrize("protocols", [(), ("h2",), ("obscura-signer/2",)], ids=["none", "h2", "another"])
def test_a_client_that_asks_for_no_socket_of_ours_gets_none(quiet: Bridge, protocols: tuple[str, ...]) -> None:
    before, lines = seen(quiet), len(quiet.reasons())

    answer = quiet.knock(quiet.context(), question(), protocols=protocols)

    assert answer == b""
    wait_for(lambda: len(quiet.reasons()) > lines)
    assert quiet.reasons()[-1] == "protocol"
    assert seen(quiet) == before


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\n\r\n", bytes(4096), question(), b"\x16\x03\x01\xff\xff" + bytes(70_000)]
)
def test_garbage_instead_of_tls_is_closed(quiet: Bridge, noise: bytes) -> None:
    before, lines = seen(quiet), len(quiet.reasons())

    with socket.create_connection(("127.0.0.1", quiet.port), timeout=10) as plain:
        try:
            plain.sendall(noise)
            while plain.recv(1 << 16):  # an alert may come before the end
                continue
        except ConnectionError as closed:
            assert closed

    wait_for(lambda: len(quiet.reasons()) > lines)
    assert seen(quiet) == before


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (struct.pack("<I", MAX_FRAME + 1), "frame_too_large"),
        (b"GET / HTTP/1.1\r\n\r\n", "frame_too_large"),
        (b"\x01\x00\x00\x00\xc1", "bad_frame"),
        (b"\x00\x00\x00\x00", "bad_frame"),
        (struct.pack("<I", 5000) + b"\x91" * 5000, "bad_frame"),
    ],
    ids=["oversize", "text", "no message", "empty", "nested"],
)
def test_what_is_no_frame_closes_the_connection_and_reaches_nobody(quiet: Bridge, content: bytes, why: str) -> None:
    before, lines = seen(quiet), len(quiet.told("serve", "closed"))

    answer = quiet.knock(quiet.context(), content)

    assert answer == b""
    wait_for(lambda: len(quiet.told("serve", "closed")) > lines)
    assert quiet.told("serve", "closed")[-1]["why"] == why
    assert seen(quiet) == before


def test_a_certificate_that_is_revoked_loses_the_connection_it_has(bridge: Bridge, vault: Vault) -> None:
    other = authority.issue(bridge.papers, name="other", role="worker")
    mine, theirs = bridge.client(), bridge.context("other")
    theirs.set_alpn_protocols([SIGNER])
    with socket.create_connection(("127.0.0.1", bridge.port), timeout=10) as plain:
        with theirs.wrap_socket(plain) as connection:
            connection.sendall(pack({"op": "ping", "id": 1}))
            assert unpack(connection.recv(1 << 16)[4:])["pong"] is True
            mine.ping()

            authority.revoke(bridge.papers, other.serial)

            with pytest.raises((ssl.SSLEOFError, ConnectionError)):
                if connection.recv(1) == b"":
                    raise ConnectionResetError
    wait_for(lambda: bridge.told("serve", "closed"))
    assert [(line["name"], line["why"]) for line in bridge.told("serve", "closed")] == [("other", "revoked")]
    mine.ping()
    assert len(bridge.told("serve", "open")) == 2
    mine.close()


def test_while_the_list_cannot_be_read_nobody_new_comes_in_and_who_is_in_stays(bridge: Bridge, vault: Vault) -> None:
    listed = bridge.papers / "revoked"
    inside = bridge.client()
    inside.ping()

    listed.write_text("this is no serial number\n")
    garbled = bridge.knock(bridge.context(), pack({"op": "ping", "id": 1}))
    listed.unlink()
    missing = bridge.knock(bridge.context(), pack({"op": "ping", "id": 1}))
    inside.ping()
    listed.write_text("# nobody\n\n")
    again = bridge.knock(bridge.context(), pack({"op": "ping", "id": 1}))

    assert (garbled, missing) == (b"", b"")
    assert bridge.reasons() == ["revoked_unreadable", "revoked_unreadable"]
    assert unpack(again[4:])["pong"] is True
    inside.close()


def test_there_is_an_end_to_waiting_and_to_how_many_come(bridge: Bridge, vault: Vault) -> None:
    bridge.kill("serve")
    bridge.start("serve", OBSCURA_BRIDGE_CONNECTIONS="2", OBSCURA_BRIDGE_HANDSHAKE_S="0.3", OBSCURA_BRIDGE_IDLE_S="1.5")
    first, second, third = bridge.client(), bridge.client(), bridge.client()

    first.ping()
    second.ping()
    with pytest.raises(SignerUnavailable):
        third.ping()
    first.ping()
    assert bridge.reasons() == ["too_many"]
    wait_for(lambda: len(bridge.told("serve", "closed")) == 2)
    assert [line["why"] for line in bridge.told("serve", "closed")] == ["idle", "idle"]
    third.ping()

    with socket.create_connection(("127.0.0.1", bridge.port), timeout=10) as silent:
        assert silent.recv(1) == b""
    wait_for(lambda: len(bridge.reasons()) == 2)
    for client in (first, second, third):
        client.close()


# ------------------------------------------------------------------------------------------------ a vault that is none


class Impostor:
    """Listens with a certificate, and keeps what is said to it."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.heard = b""
        self.shaken = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.set_alpn_protocols([SIGNER, EGRESS])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.settimeout(5)
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    self.shaken += 1
                    self.heard += connection.recv(1 << 16)
            except OSError:
                plain.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("another", "certificate"),
        ("worker", "purpose"),
        ("web", "Refused"),
        ("vault", None),
    ],
)
def test_a_worker_speaks_to_no_server_but_the_vault(who: str, reason: str | None) -> None:
    with bridged(None) as bridge:
        papers = bridge.papers
        if who == "another":
            papers = bridge.home / "others"
            authority.make(papers)
            authority.issue(papers, name="another", role="vault")
        elif who == "web":
            mint(papers, "web", uris=[WEB], usage=ExtendedKeyUsageOID.SERVER_AUTH)
        impostor = Impostor(papers / f"{who}.pem", papers / f"{who}.key")
        bridge.port = impostor.port
        bridge.start("connect")

        async def run() -> list[Result]:
            sender = bridge.sender()
            results = await sender.send(order_chunk([BEN]))
            await sender.close()
            return results

        try:
            results = asyncio.run(run())
        finally:
            impostor.close()

        assert endings(results) == {(UNSENT, b"egress_unavailable")}
        errors = [line["error"] for line in bridge.told("connect", "vault_unreachable")]
        if reason is None:  # the right certificate is spoken to: what is told of the others can fail
            assert errors == [] and impostor.shaken == 1 and b"hello" in impostor.heard
        else:
            assert len(errors) == 1 and reason in errors[0]
            assert impostor.heard == b""


# ------------------------------------------------------------------------------------------------ certificates


def test_an_authority_makes_certificates_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "papers"

    assert command.main(["authority", str(folder)]) == 0
    assert command.main(["issue", str(folder), "--name", "w1", "--role", "worker"]) == 0
    serial = capsys.readouterr().out.split(" serial ")[-1].split(" ")[0]
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = [
        command.main(["authority", str(folder)]),
        command.main(["issue", str(folder), "--name", "w1", "--role", "vault"]),
        command.main(["issue", str(folder), "--name", "../w2", "--role", "worker"]),
        command.main(["issue", str(folder), "--name", "authority", "--role", "worker"]),
        command.main(["issue", str(tmp_path / "none"), "--name", "w2", "--role", "worker"]),
        command.main(["revoke", str(folder), "nonsense"]),
    ]

    assert again == [1] * 6
    told = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert told == ["already_there"] * 2 + ["name_invalid"] * 2 + ["no_authority", "serial_invalid"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept
    assert set(kept) == {".lock", "authority.key", "authority.pem", "revoked", "w1.key", "w1.pem"}
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("authority.key", "w1.key")} == {0o600}
    made = x509.load_pem_x509_certificate(kept["w1.pem"])
    issuer = x509.load_pem_x509_certificate(kept["authority.pem"])
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [WORKER]
    assert isinstance(key := made.public_key(), ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    assert made.not_valid_after_utc == issuer.not_valid_after_utc
    assert 364 * DAY < issuer.not_valid_after_utc - issuer.not_valid_before_utc < 366 * DAY
    made.verify_directly_issued_by(issuer)

    assert command.main(["revoke", str(folder), serial]) == 0
    assert command.main(["revoke", str(folder), serial.upper()]) == 0
    assert capsys.readouterr().out.splitlines() == ["refused from now on", "refused already"]
    assert authority.read_revoked((folder / "revoked").read_text()) == {made.serial_number}


@pytest.mark.parametrize(
    ("half", "changed", "code"),
    [
        ("serve", {"OBSCURA_BRIDGE_KEY": "/nowhere"}, "certificates_unusable"),
        ("serve", {"OBSCURA_BRIDGE_REVOKED": "/nowhere"}, "revoked_unreadable"),
        ("serve", {"OBSCURA_BRIDGE_LISTEN": "4433"}, "setting_invalid"),
        ("connect", {"OBSCURA_BRIDGE_AUTHORITY": ""}, "certificates_unusable"),
        ("connect", {"OBSCURA_BRIDGE_IDLE_S": "never"}, "setting_invalid"),
        ("connect", {"OBSCURA_BRIDGE_CONNECTIONS": "0"}, "setting_invalid"),
    ],
)
def test_a_half_that_cannot_work_does_not_start(half: str, changed: dict[str, str], code: str) -> None:
    with bridged(None) as bridge:
        with pytest.raises(AssertionError):
            bridge.start(half, **changed)

        assert bridge.halves[half].returncode == 1
        assert [line["code"] for line in bridge.told(half, "refused_to_start")] == [code]


def test_the_connector_takes_no_sockets_from_a_vault(vault: Vault) -> None:
    with bridged(vault) as bridge:
        with pytest.raises(AssertionError):
            bridge.start("connect", OBSCURA_RUN=str(vault.directory))

        assert [line["code"] for line in bridge.told("connect", "refused_to_start")] == ["already_running"]
    client = vault.client()
    client.ping()
    client.close()
