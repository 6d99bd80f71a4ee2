"""A request is read one way alone; signatures and secrets go where their stand-ins were, and nowhere else."""

from __future__ import annotations

import base64
from urllib.parse import quote

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel import bearing
from citadel.domain.request import (
    Address,
    NotCarried,
    Request,
    address_of,
    raw,
    spelt,
    with_payload,
    with_secret,
    with_signature,
)

DECOY, SECRET = "decoy" * 8, "a-test-secret"
URL = "https://api.luno.com/api/1/balance?assets=BTC"


def request(url: str = URL, *, method: str = "GET", body: bytes = b"", **headers: str) -> Request:
    return Request(method, url, tuple((name.replace("_", "-"), value) for name, value in headers.items()), body)


def refused(one: Request) -> str:
    with pytest.raises(NotCarried) as found:
        address_of(one)
    return found.value.code


def test_the_address_is_host_method_and_path() -> None:
    assert address_of(request()) == Address("api.luno.com", "GET", "/api/1/balance")
    assert address_of(request("https://api.luno.com:443/x")).host == "api.luno.com"
    assert address_of(request("https://api.ndax.io:8443/AP/x")).host == "api.ndax.io:8443"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://api.luno.com/api/1/balance", "request_scheme"),
        ("HTTPS://api.luno.com/api/1/balance", "request_scheme"),
        ("https://api.luno.com\\@evil.com/api/1/balance", "request_scheme"),
        ("https://api.luno.com/api/1/balance\r\nHost: evil.com", "request_scheme"),
        ("https://api.luno.com/api/1/balance#x", "request_scheme"),
        ("https://api.lunö.com/api/1/balance", "request_scheme"),
        ("https://api.luno.com/api/1/balance?note=a b", "request_scheme"),
        ("https://api.luno.com/" + "x" * 9000, "request_scheme"),
        ("https://api.luno.com@evil.com/api/1/balance", "request_host"),
        ("https://evil@api.luno.com/api/1/balance", "request_host"),
        ("https://api.luno.com:/api/1/balance", "request_host"),
        ("https://api.luno.com./api/1/balance", "request_host"),
        ("https://API.luno.com/api/1/balance", "request_host"),
        ("https://[::1]/api/1/balance", "request_host"),
        ("https:///api/1/balance", "request_host"),
        ("https://api.luno.com/api/1/x/../balance", "request_path"),
        ("https://api.luno.com/api/1/%2e%2e/1/balance", "request_path"),
        ("https://api.luno.com/api/1/x%2f..%2fsend", "request_path"),
        ("https://api.luno.com//api/1/balance", "request_path"),
        ("https://api.luno.com", "request_path"),
        ("https://api.luno.com?x=1", "request_path"),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(url: str, code: str) -> None:
    assert refused(request(url)) == code


@pytest.mark.parametrize("method", ["get", "HEAD", "CONNECT", "TRACE", "", "GET /x"])
def test_other_methods_are_not_sent(method: str) -> None:
    assert refused(request(method=method)) == "request_method"


def test_a_signature_stands_where_its_mark_was_in_its_spelling() -> None:
    placeholder, signature = bearing.placeholder(32), bytes(range(200, 232))
    spellings = {
        "hex": lambda value: value.hex(),
        "upper": lambda value: value.hex().upper(),
        "base64": lambda value: base64.b64encode(value).decode(),
        "quoted": lambda value: quote(base64.b64encode(value), safe=""),
        "url_safe": lambda value: base64.urlsafe_b64encode(value).decode().rstrip("="),
        "url_safe_padded": lambda value: base64.urlsafe_b64encode(value).decode(),
        "of_hex": lambda value: base64.b64encode(value.hex().encode()).decode(),
        "inside": lambda value: "HS256 " + base64.b64encode(f"key:{value.hex()}:17".encode()).decode(),
    }
    for name, spell in spellings.items():
        one = with_signature(request(X_Sig=f"{spell(placeholder)}"), placeholder=placeholder, signature=signature)
        assert dict(one.headers)["X-Sig"] == spell(signature), name
    for name in ("hex", "quoted", "url_safe"):
        spell = spellings[name]
        asked = with_signature(
            request(f"{URL}&sign={spell(placeholder)}"), placeholder=placeholder, signature=signature
        )
        assert asked.url == f"{URL}&sign={spell(signature)}"
        body = b'{"a":1,"sign":"%b"}'
        posted = with_signature(
            request(body=body % spell(placeholder).encode()), placeholder=placeholder, signature=signature
        )
        assert posted.body == body % spell(signature).encode()


def test_a_mark_that_is_nowhere_is_not_answered() -> None:
    placeholder = bearing.placeholder(32)

    for one in (request(), request(f"https://api.luno.com/api/{placeholder.hex()}/balance"), request(body=b"x")):
        with pytest.raises(NotCarried, match="placeholder_missing"):
            with_signature(one, placeholder=placeholder, signature=bytes(32))
    with pytest.raises(NotCarried, match="placeholder_missing"):
        with_signature(request(X_Sig="61"), placeholder=b"a", signature=b"b")


@given(st.sampled_from(sorted(bearing.LENGTHS.values())), st.binary(min_size=64, max_size=64))
def test_spellings_are_never_taken_for_one_another(size: int, noise: bytes) -> None:
    placeholder, signature = bearing.placeholder(size), noise[:size]

    for there, here in zip(spelt(placeholder), spelt(signature), strict=False):
        one = with_signature(request(X_Sig=there.decode()), placeholder=placeholder, signature=signature)
        assert dict(one.headers)["X-Sig"] == here.decode()


def test_what_signs_an_earlier_signature_signs_the_real_one() -> None:
    placeholder, signature = bearing.placeholder(64), bytes(64)

    assert (
        with_payload(b"a=1&sign=" + placeholder.hex().encode(), placeholder=placeholder, signature=signature)
        == b"a=1&sign=" + b"00" * 64
    )


def test_the_header_with_the_decoy_alone_is_changed() -> None:
    placed = with_secret(request(X_Secret=DECOY, Accept="*/*"), decoy=DECOY, secret=SECRET)

    assert placed == request(X_Secret=SECRET, Accept="*/*")


def test_a_bearer_token_and_basic_credentials() -> None:
    bearer = with_secret(request(Authorization=f"Bearer {DECOY}"), decoy=DECOY, secret=SECRET)
    assert bearer == request(Authorization=f"Bearer {SECRET}")

    basic = base64.b64encode(f"ada:{DECOY}".encode()).decode()
    real = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    asked = request(Authorization=f"Basic {basic}")
    assert with_secret(asked, decoy=DECOY, secret=SECRET, user="ada") == request(Authorization=f"Basic {real}")
    with pytest.raises(NotCarried, match="header_decoy"):  # of another user
        with_secret(asked, decoy=DECOY, secret=SECRET, user="ben")


@pytest.mark.parametrize(
    "one",
    [
        request(),
        request(X_Secret="another"),
        request(X_Secret=DECOY + DECOY),
        request(X_Secret=f"x{DECOY}y"),
        request(X_Secret=DECOY, X_Echo=DECOY),
        request(**{DECOY: "x", "X_Secret": DECOY}),
        request(X_Secret=DECOY, body=f"echo={DECOY}".encode()),
        request(f"{URL}&echo={DECOY}", X_Secret=DECOY),
    ],
)
def test_the_decoy_stands_in_one_header_and_nowhere_else(one: Request) -> None:
    with pytest.raises(NotCarried, match="header_decoy"):
        with_secret(one, decoy=DECOY, secret=SECRET)


@pytest.mark.parametrize("secret", ["", "a\r\nX: b", "ü"])
def test_a_secret_that_cannot_stand_in_a_header_is_not_sent(secret: str) -> None:
    with pytest.raises(NotCarried, match="header_secret"):
        with_secret(request(X_Secret=DECOY), decoy=DECOY, secret=secret)


class Heard:
    """What a strict parser makes of the bytes."""

    def __init__(self, data: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url, self.body, self.messages = b"", b"", 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages += 1


def test_it_goes_out_as_one_request() -> None:
    sent = request(URL, method="POST", body=b"POST /evil HTTP/1.1\r\n\r\n", X_Key="k", Host="evil.com")

    heard = Heard(raw(sent))

    assert (heard.messages, heard.url, heard.body) == (1, b"/api/1/balance?assets=BTC", sent.body)
    assert heard.headers == [(b"Host", b"api.luno.com"), (b"X-Key", b"k"), (b"Content-Length", b"23")]


@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5),
    st.binary(max_size=40),
    st.text(max_size=20),
)
def test_whatever_the_headers_it_is_one_request_or_none(headers: list[tuple[str, str]], body: bytes, tail: str) -> None:
    try:
        data = raw(Request("POST", URL + tail, tuple(headers), body))
    except NotCarried:
        return

    heard = Heard(data)

    assert (heard.messages, heard.body) == (1, body)
    assert [value for name, value in heard.headers if name.lower() == b"host"] == [b"api.luno.com"]


@pytest.mark.parametrize(
    "headers", [{"X-A": "a\r\nX-B: b"}, {"X A": "a"}, {"": "a"}, {"X": "ü"}, {"X": "x" * 9000}], ids=str
)
def test_a_header_that_could_be_two_is_not_sent(headers: dict[str, str]) -> None:
    with pytest.raises(NotCarried, match="request_headers"):
        raw(Request("GET", URL, tuple(headers.items()), b""))


def test_there_is_a_most_of_everything() -> None:
    with pytest.raises(NotCarried, match="request_headers"):
        raw(Request("GET", URL, (("X", "1"),) * 65, b""))
    with pytest.raises(NotCarried, match="request_headers"):
        raw(Request("POST", URL, (), bytes((256 << 10) + 1)))
