"""The keep-alive pool against a peer that behaves badly on purpose."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from obscura.core.wire import SILENCE, UNSENT, Answer, Pool
from tests.citadel.support import until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Peer(asyncio.Protocol):
    """Answers the n-th request of a connection with the n-th of `script`, the last one over and over.

    An answer is bytes, or what to do to the connection: "close", "abort", "silence".
    """

    def __init__(self, script: list[Any], seats: list[Peer]) -> None:
        self.script, self.count = script, 0
        seats.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            step = self.script[min(self.count, len(self.script) - 1)]
            self.count += 1
            steps = step if isinstance(step, tuple) else (step,)
            for one in steps:
                if isinstance(one, bytes):
                    self.transport.write(one)
                elif one == "close":
                    self.transport.close()
                elif one == "abort":
                    self.transport.abort()


Story = Callable[[Pool, list[Peer]], Awaitable[None]]


def play(story: Story, *script: Any, **options: Any) -> None:
    """Run a story with a pool on a peer that follows the script."""

    async def run() -> None:
        seats: list[Peer] = []
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Peer(list(script), seats), "127.0.0.1", 0)
        pool = Pool(host="127.0.0.1", port=server.sockets[0].getsockname()[1], **options)
        try:
            await story(pool, seats)
        finally:
            await pool.close()
            server.close()
            for seat in seats:
                seat.transport.abort()
            await server.wait_closed()
            await asyncio.sleep(0.01)

    uvloop.run(run())


def end(answer: Answer) -> tuple[int, bytes]:
    return answer.status, answer.body


def test_requests_one_after_another_share_a_connection() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        assert [end(await pool.send(GET, timeout=1)) for _ in range(5)] == [(200, b"ok")] * 5
        assert len(seats) == 1 and seats[0].count == 5

    play(story, OK)


def test_no_connection_has_two_requests_and_none_is_lost_when_many_wait() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        answers = await asyncio.gather(*(pool.send(GET, timeout=2) for _ in range(500)))

        assert [end(answer) for answer in answers] == [(200, b"ok")] * 500
        assert len(seats) <= 7 and sum(seat.count for seat in seats) == 500

    play(story, OK, size=7)


def test_those_who_wait_are_served_in_their_order() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        order: list[int] = []
        for number in range(20):
            pool.submit(GET, lambda _, number=number: order.append(number), timeout=1)
        await until(lambda: len(order) == 20)
        assert order == list(range(20))

    play(story, OK, size=1)


def test_the_urgent_go_before_all_others_that_wait() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        order: list[int] = []
        for number in range(20):
            pool.submit(GET, lambda _, number=number: order.append(number), timeout=1, urgent=number in (15, 17))
        await until(lambda: len(order) == 20)
        assert order == [15, 17, *range(15), 16, 18, 19]

    play(story, OK, size=1)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("close", b"connection_lost"),
        ("abort", b"connection_lost"),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "close"), b"connection_lost"),
        ((b"HTTP/1.1 200 OK\r\n\r\nend at close", "close"), b"connection_lost"),
        (b"NOT HTTP AT ALL\r\n\r\n", b"not_http"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"x" * 5000, b"answer_too_large"),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n" + b"x" * 2000,), b"answer_too_large"),
        ("silence", b"timeout"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"timeout"),
    ],
)
def test_no_complete_answer_is_silence_and_is_not_sent_again(step: Any, why: bytes) -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        assert end(await pool.send(GET, timeout=0.1)) == (SILENCE, why)
        assert sum(seat.count for seat in seats) == 1
        assert pool.counts()["open"] == 0

    play(story, step, max_body=1000)


def test_a_put_or_delete_on_a_connection_that_dies_is_not_sent_again_either() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        assert end(await pool.send(GET, timeout=1)) == (200, b"ok")
        delete = await pool.send(b"DELETE / HTTP/1.1\r\nhost: x\r\n\r\n", timeout=1)
        assert end(delete) == (SILENCE, b"connection_lost")
        assert sum(seat.count for seat in seats) == 2

    play(story, OK, "abort")


def test_an_interim_answer_is_not_the_answer() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        assert end(await pool.send(GET, timeout=1)) == (200, b"ok")

    play(story, (b"HTTP/1.1 100 Continue\r\n\r\n" + OK,))


def test_bytes_after_an_answer_are_never_taken_for_the_next_one() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        first = await pool.send(GET, timeout=1)
        second = await pool.send(GET, timeout=1)
        assert [end(first), end(second)] == [(200, b"ok"), (200, b"ok")]
        assert [seat.count for seat in seats] == [1, 1]

    play(story, OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")


def test_bytes_nobody_asked_for_end_the_connection() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        await pool.send(GET, timeout=1)
        seats[0].transport.write(OK)
        await until(lambda: not pool.counts()["open"])
        assert end(await pool.send(GET, timeout=1)) == (200, b"ok")
        assert len(seats) == 2

    play(story, OK)


def test_an_idle_connection_that_was_closed_is_noticed_and_not_used() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        assert await pool.warm(3) == 3
        for seat in seats:
            seat.transport.close()
        await until(lambda: not pool.counts()["open"])
        assert end(await pool.send(GET, timeout=1)) == (200, b"ok")

    play(story, OK)


def test_a_connection_unused_for_too_long_is_replaced() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        await pool.send(GET, timeout=1)
        await asyncio.sleep(0.06)
        assert end(await pool.send(GET, timeout=1)) == (200, b"ok")
        assert [seat.count for seat in seats] == [1, 1]

    play(story, OK, max_idle=0.03)


def test_a_peer_that_says_close_is_believed() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        for _ in range(3):
            assert end(await pool.send(GET, timeout=1)) == (200, b"ok")
        assert [seat.count for seat in seats] == [1, 1, 1]

    play(story, b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")


def test_chunked_bodies_and_wanted_headers_arrive() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        answer = await pool.send(GET, timeout=1)
        assert (answer.status, answer.body, answer.headers) == (429, b"abcd", {"retry-after": "7"})

    head = b"HTTP/1.1 429 Slow\r\nRETRY-AFTER: 7\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n"
    play(story, head + b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", wanted=("Retry-After",))


def test_the_urgent_wait_no_longer_than_they_may_either() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        first = asyncio.ensure_future(pool.send(GET, timeout=0.2))
        await asyncio.sleep(0.01)
        soon = int(time.time() * 1000) + 30
        assert end(await pool.send(GET, timeout=1, not_after_ms=soon, urgent=True)) == (UNSENT, b"too_late")
        assert end(await first) == (SILENCE, b"timeout")

    play(story, "silence", size=1)


def test_nobody_listens_means_nothing_was_sent() -> None:
    async def run() -> None:
        pool = Pool(host="127.0.0.1", port=9)
        answers = await asyncio.gather(*(pool.send(GET, timeout=1) for _ in range(300)))
        assert {end(answer) for answer in answers} == {(UNSENT, b"connect_failed")}
        await pool.close()

    asyncio.run(run())


def test_who_waits_past_the_last_moment_is_not_sent() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        soon = int(time.time() * 1000) + 50
        first = asyncio.ensure_future(pool.send(GET, timeout=0.3))
        await asyncio.sleep(0.01)
        late = await pool.send(GET, timeout=5, not_after_ms=soon)
        assert end(late) == (UNSENT, b"too_late")
        assert end(await first) == (SILENCE, b"timeout")
        assert end(await pool.send(GET, timeout=5, not_after_ms=soon)) == (UNSENT, b"too_late")
        assert sum(seat.count for seat in seats) == 1

    play(story, "silence", size=1)


def test_a_full_queue_refuses_and_a_closed_pool_too() -> None:
    async def story(pool: Pool, seats: list[Peer]) -> None:
        waiting = [asyncio.ensure_future(pool.send(GET, timeout=1)) for _ in range(3)]
        await asyncio.sleep(0)
        assert end(await pool.send(GET, timeout=1)) == (UNSENT, b"queue_full")
        await asyncio.sleep(0.05)
        await pool.close()
        assert [end(await one) for one in waiting] == [
            (SILENCE, b"pool_closed"),
            (UNSENT, b"pool_closed"),
            (UNSENT, b"pool_closed"),
        ]
        assert end(await pool.send(GET, timeout=1)) == (UNSENT, b"pool_closed")

    play(story, "silence", size=1, queue=3)


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate that signs itself for `name`, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, private = directory / f"{name}.pem", directory / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, private


@pytest.mark.parametrize(
    ("trusted", "name", "expected"),
    [
        (True, "api.exchange.test", (200, b"ok")),
        (True, "other.exchange.test", (UNSENT, b"connect_failed")),
        (False, "api.exchange.test", (UNSENT, b"connect_failed")),
    ],
)
def test_over_tls_the_peer_has_to_prove_its_name(
    tmp_path: Path, trusted: bool, name: str, expected: tuple[int, bytes]
) -> None:
    cert, private = certificate(tmp_path, "api.exchange.test")
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(cert, private)
    trust = ssl.create_default_context(cafile=str(cert) if trusted else None)

    async def run() -> list[Answer]:
        seats: list[Peer] = []
        server = await asyncio.get_running_loop().create_server(lambda: Peer([OK], seats), "127.0.0.1", 0, ssl=here)
        pool = Pool(
            host="127.0.0.1", port=server.sockets[0].getsockname()[1], tls=trust, server_name=name, connect_timeout=2.0
        )
        answers = [await pool.send(GET, timeout=2) for _ in range(3)]
        await pool.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.02)
        return answers

    assert [end(answer) for answer in uvloop.run(run())] == [expected] * 3
