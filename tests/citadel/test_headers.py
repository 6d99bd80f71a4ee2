"""A secret goes into the header that had the decoy, to the one place it is for, and nowhere else."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from citadel.domain.headers import NotSubstituted, substitute

DECOY, SECRET = "decoy" * 8, "a-test-secret"


def request(**changed: Any) -> dict[str, Any]:
    sent = {"url": "https://api.luno.com/api/1/balance?assets=BTC", "method": "GET", "body": None}
    return {**sent, "headers": {"X-Secret": DECOY}, **changed}


def placed(sent: dict[str, Any], *, user: str = "", hosts: tuple[str, ...] = ("api.luno.com",)) -> dict[str, Any]:
    paths = [("GET", r"/api/1/balance"), ("POST", r"/api/1/orders/[0-9]+")]
    return substitute(sent, decoy=DECOY, secret=SECRET, user=user, hosts=hosts, paths=paths)


def test_the_header_alone_is_changed() -> None:
    sent = request(headers={"X-Secret": DECOY, "Accept": "*/*"})

    assert placed(sent) == {**sent, "headers": {"X-Secret": SECRET, "Accept": "*/*"}}
    assert sent["headers"]["X-Secret"] == DECOY


def test_a_bearer_token_and_basic_credentials() -> None:
    bearer = placed(request(headers={"Authorization": f"Bearer {DECOY}"}))
    assert bearer["headers"] == {"Authorization": f"Bearer {SECRET}"}

    basic = base64.b64encode(f"ada:{DECOY}".encode()).decode()
    real = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    assert placed(request(headers={"Authorization": f"Basic {basic}"}), user="ada")["headers"] == {
        "Authorization": f"Basic {real}"
    }
    with pytest.raises(NotSubstituted, match="header_decoy"):  # of another user
        placed(request(headers={"Authorization": f"Basic {basic}"}), user="ben")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://api.luno.com/api/1/balance", "header_scheme"),
        ("HTTPS://api.luno.com/api/1/balance", "header_scheme"),
        ("https://api.luno.com\\@evil.com/api/1/balance", "header_scheme"),
        ("https://api.luno.com/api/1/balance\r\nHost: evil.com", "header_scheme"),
        ("https://api.luno.com/api/1/balance#x", "header_scheme"),
        ("https://api.lunö.com/api/1/balance", "header_scheme"),
        ("https://evil.com/api/1/balance", "header_host"),
        ("https://api.luno.com.evil.com/api/1/balance", "header_host"),
        ("https://api.luno.com@evil.com/api/1/balance", "header_host"),
        ("https://evil@api.luno.com/api/1/balance", "header_host"),
        ("https://api.luno.com:8443/api/1/balance", "header_host"),
        ("https://api.luno.com:/api/1/balance", "header_host"),
        ("https://api.luno.com./api/1/balance", "header_host"),
        ("https://API.luno.com/api/1/balance", "header_host"),
        ("https:///api/1/balance", "header_host"),
        ("https://api.luno.com/api/1/send", "header_path"),
        ("https://api.luno.com/api/1/balance/", "header_path"),
        ("https://api.luno.com/api/1/x/../balance", "header_path"),
        ("https://api.luno.com/api/1/%2e%2e/1/balance", "header_path"),
        ("https://api.luno.com//api/1/balance", "header_path"),
        ("https://api.luno.com/api/1/balance%0a", "header_path"),
        ("https://api.luno.com", "header_path"),
    ],
)
def test_the_secret_goes_to_no_other_place(url: str, code: str) -> None:
    with pytest.raises(NotSubstituted) as refusal:
        placed(request(url=url))

    assert refusal.value.code == code and SECRET not in repr(refusal.value)


def test_the_method_belongs_to_the_path() -> None:
    with pytest.raises(NotSubstituted, match="header_path"):
        placed(request(method="POST"))
    with pytest.raises(NotSubstituted, match="header_path"):
        placed(request(url="https://api.luno.com/api/1/orders/7"))

    assert placed(request(url="https://api.luno.com/api/1/orders/7", method="POST"))["headers"]["X-Secret"] == SECRET


def test_a_port_may_be_part_of_the_place() -> None:
    at_port = request(url="https://api.luno.com:8443/api/1/balance")

    assert placed(at_port, hosts=("api.luno.com:8443",))["headers"]["X-Secret"] == SECRET
    assert placed(request(url="https://api.luno.com:443/api/1/balance"))["headers"]["X-Secret"] == SECRET


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": {}},
        {"headers": None},
        {"headers": {"X-Secret": "another"}},
        {"headers": {"X-Secret": f"{DECOY}{DECOY}"}},
        {"headers": {"X-Secret": f"x{DECOY}y"}},
        {"headers": {"X-Secret": DECOY, "X-Echo": DECOY}},
        {"headers": {DECOY: "x", "X-Secret": DECOY}},
        {"body": f"echo={DECOY}"},
        {"url": f"https://api.luno.com/api/1/balance?echo={DECOY}"},
    ],
)
def test_the_decoy_stands_in_one_header_and_nowhere_else(changed: dict[str, Any]) -> None:
    with pytest.raises(NotSubstituted, match="header_decoy"):
        placed(request(**changed))


@pytest.mark.parametrize("secret", ["", "a\r\nX: b", "ü"])
def test_a_secret_that_cannot_stand_in_a_header_is_not_sent(secret: str) -> None:
    with pytest.raises(NotSubstituted, match="header_secret"):
        substitute(
            request(), decoy=DECOY, secret=secret, hosts=["api.luno.com"], paths=[("GET", "/api/1/balance")]
        )  # fmt: skip
