"""A Vault that is sealed, gone, late, or beside itself, and the way to it."""

from __future__ import annotations

import pytest

from citadel.vaults.provider import (
    ProviderDenied,
    ProviderUnavailable,
    WrapRefused,
)
from citadel.vaults.transit import MAX_BODY
from tests.citadel.vaults.conftest import TOKEN, Certificate, transit
from tests.citadel.vaults.flips import AAD, KEY
from tests.support.transit import Transit


def test_a_sealed_vault_is_away_and_opens_again(vault: Transit) -> None:
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=AAD)
    vault.sealed = True

    for ask in (lambda: one.unwrap(wrapped=wrapped, aad=AAD), lambda: one.wrap(key=KEY, aad=AAD), one.rotate):
        with pytest.raises(ProviderUnavailable, match="^Vault is sealed"):
            ask()
    vault.sealed = False
    assert one.unwrap(wrapped=wrapped, aad=AAD) == KEY


@pytest.mark.parametrize("status", [429, 473, 500, 502, 503])
def test_a_failing_vault_is_away(vault: Transit, status: int) -> None:
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=AAD)
    vault.status = status

    with pytest.raises(ProviderUnavailable):
        one.unwrap(wrapped=wrapped, aad=AAD)


@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_is_not_followed(vault: Transit, status: int) -> None:
    vault.status = status
    one = transit(vault)

    for ask in (lambda: one.wrap(key=KEY, aad=AAD), one.rotate):
        with pytest.raises(ProviderUnavailable):
            ask()


def test_a_vault_that_is_gone_is_away(vault: Transit) -> None:
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=AAD)
    vault.stop()

    with pytest.raises(ProviderUnavailable, match="^Vault is not reached$"):
        transit(vault).unwrap(wrapped=wrapped, aad=AAD)


def test_a_vault_that_does_not_answer_in_time_is_away(vault: Transit) -> None:
    vault.awake.clear()

    with pytest.raises(ProviderUnavailable, match="^Vault is not reached$"):
        transit(vault, timeout=0.2).wrap(key=KEY, aad=AAD)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"data": []}',
        b'{"data": {}}',
        b'{"data": {"ciphertext": 7, "plaintext": 7}}',
        b'{"data": {"ciphertext": "vault:v1:x", "plaintext": "!"}}',
        b'{"errors": {}}',
        b'{"errors": [7, null]}',
        b'{"errors": "cipher"}',
        b"[" * 100_000,
        b'"' + b"x" * (2 * MAX_BODY) + b'"',
    ],
    ids=range(13),
)
def test_nonsense_is_no_answer(vault: Transit, body: bytes, status: int) -> None:
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=AAD)
    vault.body, vault.status = body, status

    for ask in (lambda: one.wrap(key=KEY, aad=AAD), lambda: one.unwrap(wrapped=wrapped, aad=AAD), one.rotate):
        with pytest.raises((ProviderUnavailable, ProviderDenied)):
            ask()


@pytest.mark.parametrize("plain", ["", "AAAA", "A" * 43 + "="])
def test_a_plaintext_that_we_did_not_make_is_refused(vault: Transit, plain: str) -> None:
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=AAD)
    vault.body = b'{"data": {"plaintext": "%s"}}' % plain.encode()

    with pytest.raises(WrapRefused):
        one.unwrap(wrapped=wrapped, aad=AAD)


def test_neither_proxies_nor_other_tokens_of_the_environment_are_used(
    vault: Transit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.other")

    assert transit(vault).wrap(key=KEY, aad=AAD).startswith("transit:vault:v1:")


def test_over_tls_only_the_certificate_that_is_trusted_is_spoken_to(certificate: Certificate) -> None:
    vault = Transit(token=TOKEN, tls=certificate.server)
    trusting = transit(vault, ca_file=str(certificate.file))

    wrapped = trusting.wrap(key=KEY, aad=AAD)
    assert trusting.unwrap(wrapped=wrapped, aad=AAD) == KEY
    asked = len(vault.requests)
    with pytest.raises(ProviderUnavailable, match="^Vault is not reached$"):
        transit(vault).unwrap(wrapped=wrapped, aad=AAD)
    assert len(vault.requests) == asked == 2
    trusting.close()
    vault.stop()


def test_a_vault_of_another_machine_needs_tls(vault: Transit) -> None:
    with pytest.raises(ValueError, match="https"):
        transit(vault, address="http://vault.example:8200")
