"""The provider on this machine: opens its own texts alone, in every version it was given, and in none besides."""

from __future__ import annotations

import os

import pytest

from citadel.vaults import provider as contract
from citadel.vaults.local import LocalVault, RootKeyMissing, derive, read_root_key
from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.provider import (
    KeyProvider,
    ProviderUnavailable,
    QuorumMissing,
    WrapRefused,
    WrapUnknown,
    check_address,
    open_key,
    seal_key,
)
from tests.citadel.vaults.flips import AAD, KEY, flipped_bits, flipped_characters, foreign

ROOT = bytes(range(32))
OTHER_ROOT = bytes(range(1, 33))


def test_what_is_wrapped_is_unwrapped() -> None:
    provider: KeyProvider = LocalProvider(root=ROOT)

    wrapped = provider.wrap(key=KEY, aad=AAD)

    assert provider.unwrap(wrapped=wrapped, aad=AAD) == KEY
    assert wrapped.startswith("local:1:") and len(wrapped) == 88
    assert provider.wrap(key=KEY, aad=AAD) != wrapped
    assert LocalProvider(root=ROOT).unwrap(wrapped=wrapped, aad=AAD) == KEY


@pytest.mark.parametrize("aad", [b"", AAD + b"\0", AAD[:-1], b"tenant 8, version 3"])
def test_another_aad_is_refused(aad: bytes) -> None:
    provider = LocalProvider(root=ROOT)
    wrapped = provider.wrap(key=KEY, aad=AAD)

    with pytest.raises(WrapRefused):
        provider.unwrap(wrapped=wrapped, aad=aad)


def test_every_flipped_bit_is_refused() -> None:
    provider = LocalProvider(root=ROOT)
    changed = list(flipped_bits(provider.wrap(key=KEY, aad=AAD)))

    assert len(changed) == 60 * 8
    for wrapped in changed:
        with pytest.raises(WrapRefused):
            provider.unwrap(wrapped=wrapped, aad=AAD)


def test_every_changed_character_is_refused_or_unknown() -> None:
    provider = LocalProvider(root=ROOT, active=3)
    for wrapped in flipped_characters(provider.wrap(key=KEY, aad=AAD)):
        with pytest.raises((WrapRefused, WrapUnknown)):
            provider.unwrap(wrapped=wrapped, aad=AAD)


def test_what_is_not_its_own_text_is_unknown() -> None:
    provider = LocalProvider(root=ROOT)
    for wrapped in foreign(provider.wrap(key=KEY, aad=AAD), name="local"):
        with pytest.raises(WrapUnknown):
            provider.unwrap(wrapped=wrapped, aad=AAD)


def test_a_relabelled_version_is_refused_even_under_the_same_key() -> None:
    provider = LocalProvider(root=ROOT, active=2)
    first_key_as_second = seal_key(name="local", version=1, kek=derive(ROOT, "provider/v2"), key=KEY, aad=AAD).replace(
        "local:1:", "local:2:"
    )

    for relabelled in (provider.wrap(key=KEY, aad=AAD).replace("local:2:", "local:1:"), first_key_as_second):
        with pytest.raises(WrapRefused):
            provider.unwrap(wrapped=relabelled, aad=AAD)


def test_a_version_that_is_not_held_is_unknown() -> None:
    first, third = LocalProvider(root=ROOT), LocalProvider(root=ROOT, active=3, minimum=2)

    for provider, wrapped in ((first, third.wrap(key=KEY, aad=AAD)), (third, first.wrap(key=KEY, aad=AAD))):
        with pytest.raises(WrapUnknown):
            provider.unwrap(wrapped=wrapped, aad=AAD)


def test_old_versions_unwrap_after_a_rotation_and_after_a_restart_with_the_number_raised() -> None:
    provider = LocalProvider(root=ROOT)
    old = provider.wrap(key=KEY, aad=AAD)

    assert provider.rotate() == 2
    new = provider.wrap(key=KEY, aad=AAD)

    assert new.startswith("local:2:")
    for one in (provider, LocalProvider(root=ROOT, active=2)):
        assert one.unwrap(wrapped=old, aad=AAD) == one.unwrap(wrapped=new, aad=AAD) == KEY
    with pytest.raises(WrapUnknown):
        LocalProvider(root=ROOT, active=1).unwrap(wrapped=new, aad=AAD)


def test_another_root_key_is_refused() -> None:
    wrapped = LocalProvider(root=ROOT).wrap(key=KEY, aad=AAD)

    with pytest.raises(WrapRefused):
        LocalProvider(root=OTHER_ROOT).unwrap(wrapped=wrapped, aad=AAD)


def test_its_keys_are_not_those_of_the_vault() -> None:
    vault = LocalVault(root=ROOT)
    data_key = vault.wrap(version=1, data_key=KEY, aad=AAD)

    assert derive(ROOT, "provider/v1") != derive(ROOT, "kek/v1")
    with pytest.raises(WrapRefused):
        open_key(name="local", version=1, kek=derive(ROOT, "provider/v1"), raw=data_key, aad=AAD)


def test_a_closed_provider_is_away_and_shows_nothing() -> None:
    provider = LocalProvider(root=ROOT)
    wrapped = provider.wrap(key=KEY, aad=AAD)

    assert ROOT.hex() not in repr(provider) and repr(provider) == "LocalProvider(v1..v1)"
    provider.close()

    for ask in (
        lambda: provider.unwrap(wrapped=wrapped, aad=AAD),
        lambda: provider.wrap(key=KEY, aad=AAD),
        provider.rotate,
    ):
        with pytest.raises(ProviderUnavailable):
            ask()
    assert ROOT not in vars(provider).values()


@pytest.mark.parametrize("arguments", [{"root": ROOT[:31]}, {"root": ROOT, "active": 0}, {"root": ROOT, "minimum": 2}])
def test_what_cannot_be_meant_is_refused_at_the_start(arguments: dict) -> None:
    with pytest.raises(ValueError):
        LocalProvider(**arguments)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_only_keys_of_32_bytes_are_wrapped(length: int) -> None:
    with pytest.raises(ValueError):
        LocalProvider(root=ROOT).wrap(key=bytes(length), aad=AAD)


def test_the_root_key_is_read_from_a_systemd_credential(tmp_path) -> None:
    credential = tmp_path / "obscura-root-key"
    credential.write_text(ROOT.hex() + "\n")

    assert read_root_key({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == ROOT


def test_the_first_place_that_is_set_counts(tmp_path) -> None:
    (tmp_path / "obscura-root-key").write_text("33" * 32)
    file = tmp_path / "file"
    file.write_text("22" * 32)
    env = {
        "OBSCURA_ROOT_KEY": "11" * 32,
        "OBSCURA_ROOT_KEY_FILE": str(file),
        "CREDENTIALS_DIRECTORY": str(tmp_path),
    }
    found = [read_root_key(env)[0]]
    del env["OBSCURA_ROOT_KEY"]
    found.append(read_root_key(env)[0])
    del env["OBSCURA_ROOT_KEY_FILE"]
    found.append(read_root_key(env)[0])

    assert found == [0x11, 0x22, 0x33]


def test_a_wrong_root_key_is_an_error_and_no_reason_to_look_further(tmp_path) -> None:
    (tmp_path / "obscura-root-key").write_text("33" * 32)
    (tmp_path / "empty").mkdir()
    wrong = {"OBSCURA_ROOT_KEY": "5ec2e7", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    no_file = {"OBSCURA_ROOT_KEY_FILE": os.devnull + "/none", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    no_credential = {"CREDENTIALS_DIRECTORY": str(tmp_path / "empty")}

    for env in (wrong, no_file, no_credential):
        with pytest.raises(RootKeyMissing) as problem:
            read_root_key(env)
        assert "5ec2e7" not in str(problem.value)


@pytest.mark.parametrize(
    "url", ["https://vault.example:8200/", "http://127.0.0.1:8200", "http://[::1]:1/v", "http://localhost"]
)
def test_an_address_with_tls_or_of_this_machine_is_taken(url: str) -> None:
    assert check_address(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://vault.example",
        "http://127.0.0.1.example",
        "ftp://127.0.0.1",
        "https://me:word@vault.example",
        "127.0.0.1",
        "",
    ],
)
def test_another_address_is_not(url: str) -> None:
    with pytest.raises(ValueError):
        check_address(url)


def test_every_error_says_what_to_do() -> None:
    kinds = [one for one in vars(contract).values() if isinstance(one, type)]
    errors = [one for one in kinds if issubclass(one, contract.ProviderError)]

    assert len({one.code for one in errors}) == len(errors) == 9
    assert all((one.__doc__ or "").strip().endswith(".") for one in errors)
    assert issubclass(QuorumMissing, ProviderUnavailable)
    assert contract.ShareTampered(node=2).node == 2
