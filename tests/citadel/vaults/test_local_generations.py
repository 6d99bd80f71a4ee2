"""Generations on this machine: each opens its own texts until it is destroyed, and then nothing of it is left."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from citadel.vaults import local_generations
from citadel.vaults.local_generations import FILE, PLACES, SIZE, LocalGenerations
from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.provider import (
    ErasableProvider,
    GenerationsMany,
    ProviderUnavailable,
    StateLost,
    WrapRefused,
    WrapUnknown,
    generation_of,
)
from tests.citadel.vaults.flips import AAD, KEY, flipped_bits

ROOT, OTHER = bytes(range(32)), bytes(range(1, 33))


def made(folder: Path, *, root: bytes = ROOT) -> LocalGenerations:
    return LocalGenerations(root=root, folder=folder)


def test_what_is_wrapped_is_unwrapped_after_a_restart_too(tmp_path):
    provider: ErasableProvider = made(tmp_path)
    wrapped = provider.wrap(key=KEY, aad=AAD)
    assert wrapped.startswith("local:2:")
    assert provider.rotate() == 3
    newer = provider.wrap(key=KEY, aad=AAD)
    provider.close()

    again = made(tmp_path)

    assert [again.unwrap(wrapped=text, aad=AAD) for text in (wrapped, newer)] == [KEY, KEY]
    assert list(again.generations().made) == [1, 2, 3]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    for changed in flipped_bits(wrapped):
        with pytest.raises(WrapRefused):
            again.unwrap(wrapped=changed, aad=AAD)


def test_what_was_wrapped_before_there_was_a_file_opens_until_it_is_closed(tmp_path):
    old = LocalProvider(root=ROOT).wrap(key=KEY, aad=AAD)
    provider = made(tmp_path)
    assert provider.unwrap(wrapped=old, aad=AAD) == KEY

    provider.destroy(below=2)
    provider.close()

    with pytest.raises(WrapUnknown):
        made(tmp_path).unwrap(wrapped=old, aad=AAD)


def test_of_a_destroyed_generation_nothing_is_left(tmp_path):
    provider = made(tmp_path)
    wrapped, before = provider.wrap(key=KEY, aad=AAD), (tmp_path / FILE).read_bytes()
    record = before[:SIZE].rstrip(b"\0")
    provider.rotate()
    kept = provider.wrap(key=KEY, aad=AAD)

    assert list(provider.destroy(below=3).made) == [3]
    assert list(provider.destroy(below=3).made) == [3]
    provider.close()

    after = (tmp_path / FILE).read_bytes()
    assert after[:SIZE] == bytes(SIZE)
    assert record[16:48] not in after
    again = made(tmp_path)
    assert again.unwrap(wrapped=kept, aad=AAD) == KEY
    with pytest.raises(WrapUnknown):
        again.unwrap(wrapped=wrapped, aad=AAD)
    with pytest.raises(ValueError):
        again.destroy(below=4)


def test_a_number_is_not_used_again(tmp_path):
    provider = made(tmp_path)
    provider.rotate()
    provider.destroy(below=3)

    assert provider.rotate() == 4


@pytest.mark.parametrize("cut", range(1, 108, 7))
def test_a_generation_that_was_written_in_part_is_none(tmp_path, cut):
    provider = made(tmp_path)
    kept = provider.wrap(key=KEY, aad=AAD)
    provider.rotate()
    provider.close()
    whole = (tmp_path / FILE).read_bytes()
    torn = whole[SIZE : SIZE + cut].ljust(SIZE, b"\0")
    (tmp_path / FILE).write_bytes(whole[:SIZE] + torn + whole[2 * SIZE :])

    again = made(tmp_path)

    assert list(again.generations().made) == [1, 2]
    assert again.unwrap(wrapped=kept, aad=AAD) == KEY
    assert again.rotate() == 3
    again.close()
    assert list(made(tmp_path).generations().made) == [1, 2, 3]


def test_a_destruction_that_died_half_way_is_done_by_the_next(tmp_path, monkeypatch):
    provider = made(tmp_path)
    for _ in range(3):
        provider.rotate()
    write, calls = os.pwrite, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return write(*given)

    monkeypatch.setattr(local_generations.os, "pwrite", dies)
    with pytest.raises(KeyboardInterrupt):
        provider.destroy(below=5)
    monkeypatch.setattr(local_generations.os, "pwrite", write)
    provider.close()

    again = made(tmp_path)
    assert list(again.generations().made) == [1, 3, 4, 5]
    assert list(again.destroy(below=5).made) == [5]


def test_there_are_so_many_and_no_more(tmp_path):
    provider = made(tmp_path)
    for _ in range(PLACES - 1):
        provider.rotate()
    with pytest.raises(GenerationsMany):
        provider.rotate()

    provider.destroy(below=PLACES)

    assert provider.rotate() == PLACES + 2


def test_a_disk_that_takes_nothing_is_said_and_loses_nothing(tmp_path, monkeypatch):
    provider = made(tmp_path)
    wrapped = provider.wrap(key=KEY, aad=AAD)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local_generations.os, "pwrite", full)
    with pytest.raises(ProviderUnavailable):
        provider.rotate()

    assert max(provider.generations().made) == 2
    assert provider.unwrap(wrapped=wrapped, aad=AAD) == KEY


def test_another_root_key_or_a_folder_that_is_none_is_refused_at_the_start(tmp_path):
    made(tmp_path).close()
    with pytest.raises(StateLost):
        made(tmp_path, root=OTHER)
    (tmp_path / "file").write_text("")
    with pytest.raises(StateLost):
        made(tmp_path / "file")
    with pytest.raises(ValueError):
        made(tmp_path, root=ROOT[:31])


def test_a_closed_provider_is_away_and_shows_nothing(tmp_path):
    provider = made(tmp_path)
    wrapped = provider.wrap(key=KEY, aad=AAD)
    assert repr(provider) == "LocalGenerations(1)"
    provider.close()

    for ask in (
        lambda: provider.wrap(key=KEY, aad=AAD),
        lambda: provider.unwrap(wrapped=wrapped, aad=AAD),
        provider.rotate,
        provider.generations,
        lambda: provider.destroy(below=2),
    ):
        with pytest.raises(ProviderUnavailable):
            ask()


@pytest.mark.parametrize(
    "text", ["", "local", "local:0:a", "local:x:a", "transit:v1:a", "LOCAL:1:a", "transit:vault:v0:a"]
)
def test_a_text_of_no_provider_has_no_generation(text):
    with pytest.raises(WrapUnknown):
        generation_of(text)


def test_a_text_tells_its_generation():
    assert [generation_of(text) for text in ("local:7:a", "nildb:12:a", "transit:vault:v3:a")] == [7, 12, 3]
