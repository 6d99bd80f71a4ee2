"""Keys in HashiCorp Vault: what it wraps for us, what it refuses, and how little of that is told."""

from __future__ import annotations

from pathlib import Path

import hvac
import pytest

from citadel.vaults.provider import (
    KeyProvider,
    ProviderDenied,
    ProviderUnavailable,
    WrapRefused,
    WrapUnknown,
)
from citadel.vaults.transit import TransitMissing, TransitProvider
from tests.citadel.vaults.conftest import TOKEN, transit
from tests.citadel.vaults.flips import AAD, KEY, flipped_bits, flipped_characters, foreign
from tests.support.transit import Transit


def configured(vault: Transit, **settings: int) -> None:
    """The operator's hand, through the same client."""
    client = hvac.Client(url=vault.url, token=TOKEN)
    client.secrets.transit.update_key_configuration(name="obscura", **settings)
    client.adapter.close()


def test_what_is_wrapped_is_unwrapped(vault: Transit) -> None:
    one: KeyProvider = transit(vault)

    wrapped = one.wrap(key=KEY, aad=AAD)

    assert wrapped.startswith("transit:vault:v1:")
    assert one.unwrap(wrapped=wrapped, aad=AAD) == KEY
    assert one.wrap(key=KEY, aad=AAD) != wrapped
    assert transit(vault).unwrap(wrapped=wrapped, aad=AAD) == KEY
    one.close()


@pytest.mark.parametrize("failed", [400, 500])
@pytest.mark.parametrize("aad", [b"", AAD + b"\0", b"tenant 8, version 3"])
def test_another_aad_is_refused(vault: Transit, aad: bytes, failed: int) -> None:
    vault.failed_authentication = failed
    wrapped = transit(vault).wrap(key=KEY, aad=AAD)

    with pytest.raises(WrapRefused):
        transit(vault).unwrap(wrapped=wrapped, aad=aad)


def test_another_aad_is_refused_even_where_vault_ignores_it(vault: Transit) -> None:
    vault.knows_associated_data = False
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=AAD)

    assert one.unwrap(wrapped=wrapped, aad=AAD) == KEY
    with pytest.raises(WrapRefused):
        one.unwrap(wrapped=wrapped, aad=b"tenant 8, version 3")


def test_an_empty_aad_is_bound_as_well(vault: Transit) -> None:
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=b"")

    assert one.unwrap(wrapped=wrapped, aad=b"") == KEY
    with pytest.raises(WrapRefused):
        one.unwrap(wrapped=wrapped, aad=AAD)


def test_every_flipped_bit_is_refused(vault: Transit) -> None:
    one = transit(vault)
    changed = list(flipped_bits(one.wrap(key=KEY, aad=AAD)))

    assert len(changed) == (12 + 64 + 16) * 8
    for wrapped in changed:
        with pytest.raises(WrapRefused):
            one.unwrap(wrapped=wrapped, aad=AAD)


def test_every_changed_character_is_refused_or_unknown(vault: Transit) -> None:
    one = transit(vault)
    for wrapped in flipped_characters(one.wrap(key=KEY, aad=AAD)):
        with pytest.raises((WrapRefused, WrapUnknown)):
            one.unwrap(wrapped=wrapped, aad=AAD)


def test_what_is_not_its_own_text_is_unknown_and_vault_is_not_asked(vault: Transit) -> None:
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=AAD)
    asked = len(vault.requests)

    cut = wrapped[:-4]  # as base64 it is as good as the whole, and Vault has to say what it is
    others = [other for other in foreign(wrapped, name="transit") if other != cut]
    for other in (*others, "transit:vault:v0:" + "A" * 124, wrapped.replace(":v1:", ":v01:")):
        with pytest.raises(WrapUnknown):
            one.unwrap(wrapped=other, aad=AAD)
    assert len(vault.requests) == asked
    with pytest.raises(WrapRefused):
        one.unwrap(wrapped=cut, aad=AAD)


def test_a_relabelled_version_is_refused_and_one_to_come_unknown(vault: Transit) -> None:
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=AAD)
    one.rotate()

    with pytest.raises(WrapRefused):
        one.unwrap(wrapped=wrapped.replace(":v1:", ":v2:"), aad=AAD)
    with pytest.raises(WrapUnknown):
        one.unwrap(wrapped=wrapped.replace(":v1:", ":v3:"), aad=AAD)


@pytest.mark.parametrize("tells", [True, False])
def test_old_versions_unwrap_after_a_rotation_until_the_minimum_is_raised(vault: Transit, tells: bool) -> None:
    vault.rotation_tells = tells
    one = transit(vault)
    old = one.wrap(key=KEY, aad=AAD)

    assert one.rotate() == 2
    new = one.wrap(key=KEY, aad=AAD)

    assert new.startswith("transit:vault:v2:")
    assert one.unwrap(wrapped=old, aad=AAD) == one.unwrap(wrapped=new, aad=AAD) == KEY
    configured(vault, min_decryption_version=2)
    with pytest.raises(WrapUnknown):
        one.unwrap(wrapped=old, aad=AAD)
    assert one.unwrap(wrapped=new, aad=AAD) == KEY


def test_a_wrong_token_is_denied_and_never_told(vault: Transit) -> None:
    one = transit(vault, token=lambda: "hvs.wrong")

    for ask in (lambda: one.wrap(key=KEY, aad=AAD), one.rotate):
        with pytest.raises(ProviderDenied, match="^Vault refuses our token$") as problem:
            ask()
        assert "hvs." not in str(problem.value) + repr(one) and problem.value.__cause__ is None
    assert len(vault.keys["obscura"].versions) == 1


@pytest.mark.parametrize("token", ["", "hvs.x\nX-Vault-Namespace: other", "hvs.\u00f8", " \t\n"])
def test_what_is_no_token_is_not_sent(vault: Transit, token: str) -> None:
    with pytest.raises(ProviderDenied):
        transit(vault, token=lambda: token).wrap(key=KEY, aad=AAD)
    assert vault.requests == []


@pytest.mark.parametrize("options", [{"key": "other"}, {"mount": "kv"}])
def test_a_key_or_mount_that_is_not_there_is_denied(vault: Transit, options: dict) -> None:
    wrapped = transit(vault).wrap(key=KEY, aad=AAD)
    one = transit(vault, **options)

    for ask in (lambda: one.wrap(key=KEY, aad=AAD), lambda: one.unwrap(wrapped=wrapped, aad=AAD), one.rotate):
        with pytest.raises(ProviderDenied, match="no such key or mount"):
            ask()


def test_it_is_made_from_the_environment_and_the_token_file_is_read_anew(vault: Transit, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    env = {"OBSCURA_VAULT_ADDR": vault.url}
    plain = TransitProvider.from_env({**env, "OBSCURA_VAULT_TOKEN": TOKEN})
    from_file = TransitProvider.from_env({**env, "OBSCURA_VAULT_TOKEN_FILE": str(file)})

    assert from_file.unwrap(wrapped=plain.wrap(key=KEY, aad=AAD), aad=AAD) == KEY
    vault.token = "hvs.renewed"
    with pytest.raises(ProviderDenied):
        from_file.wrap(key=KEY, aad=AAD)
    file.write_text("hvs.renewed")
    assert from_file.wrap(key=KEY, aad=AAD).startswith("transit:vault:v1:")
    file.unlink()
    with pytest.raises(ProviderDenied, match="file of the token"):
        from_file.wrap(key=KEY, aad=AAD)


@pytest.mark.parametrize("env", [{}, {"OBSCURA_VAULT_ADDR": "https://v"}, {"OBSCURA_VAULT_TOKEN": "x"}])
def test_without_address_or_token_there_is_none(env: dict) -> None:
    with pytest.raises(TransitMissing):
        TransitProvider.from_env(env)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_only_keys_of_32_bytes_are_wrapped(vault: Transit, length: int) -> None:
    with pytest.raises(ValueError):
        transit(vault).wrap(key=bytes(length), aad=AAD)
    assert vault.requests == []


def test_a_closed_provider_is_away(vault: Transit) -> None:
    one = transit(vault)
    wrapped = one.wrap(key=KEY, aad=AAD)
    one.close()

    for ask in (lambda: one.unwrap(wrapped=wrapped, aad=AAD), lambda: one.wrap(key=KEY, aad=AAD), one.rotate):
        with pytest.raises(ProviderUnavailable, match="closed"):
            ask()
