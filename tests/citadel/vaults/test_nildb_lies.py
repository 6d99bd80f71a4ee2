"""Nodes that lie: the lie is recorded, and never becomes a key."""

from __future__ import annotations

import copy
import hmac
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import blindfold
import pytest

from citadel.vaults.local_provider import LocalProvider
from citadel.vaults.nildb import shares
from citadel.vaults.nildb.state import State, Version
from citadel.vaults.provider import (
    ShareTampered,
    WrapRefused,
)
from tests.citadel.vaults.conftest import ROOT, Stand, until
from tests.citadel.vaults.flips import AAD, KEY
from tests.citadel.vaults.shown import documents, flipped, opened

# -- nodes that lie ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("liar", [1, 2, 3])
def test_a_flipped_share_is_recorded_and_the_other_two_suffice(stand: Stand, liar: int) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[liar].lie = flipped

    provider = stand.provider()
    assert opened(provider, wrapped)
    until(lambda: stand.told == [(liar, "share_tampered")])
    ((node, error),) = provider.faults
    assert isinstance(error, ShareTampered) and node == error.node == liar


def test_every_changed_character_of_a_share_is_a_lie(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    true = documents(stand, 1)[0]["share"]["%share"]
    stand.cluster[3].down = True

    for place, character in enumerate(true):
        told = true[:place] + chr(ord(character) ^ 1) + true[place + 1 :]
        stand.cluster[1].lie = lambda document, told=told: {**document, "share": {"%share": told}}
        with pytest.raises(ShareTampered, match="node 1"):
            stand.provider().unwrap(wrapped=wrapped, aad=AAD)
    stand.cluster[1].lie = None
    assert len(true) == 120 and opened(stand.provider(), wrapped)


def test_a_share_whose_mac_is_wrong_is_told_from_one_whose_mac_is_right() -> None:
    material, parts = shares.split(secret=KEY)

    assert all(shares.is_sealed_under(material=material, share=part) for part in parts)
    assert not any(shares.is_sealed_under(material=bytes(32), share=part) for part in parts)
    for share in (flipped({"share": {"%share": parts[0]}})["share"]["%share"], "", "AAAA", "no base64", parts[0][:40]):
        assert not shares.is_sealed_under(material=material, share=share)


def test_a_replayed_share_of_an_old_version_is_a_lie(stand: Stand) -> None:
    provider = stand.establish()
    old = documents(stand, 2)[0]["share"]
    provider.rotate()
    wrapped = provider.wrap(key=KEY, aad=AAD)
    stand.cluster[2].lie = lambda document: {**document, "share": old}

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(2, "share_tampered")])


def test_shares_swapped_between_versions_open_nothing(stand: Stand) -> None:
    provider = stand.establish()
    first = provider.wrap(key=KEY, aad=AAD)
    provider.rotate()
    second = provider.wrap(key=KEY, aad=AAD)
    for number in (1, 2):
        one, two = (copy.deepcopy(document["share"]) for document in documents(stand, number))
        for document, share in zip(documents(stand, number), (two, one), strict=True):
            document["share"] = share

    for wrapped in (first, second):
        with pytest.raises(ShareTampered):
            stand.provider().unwrap(wrapped=wrapped, aad=AAD)


def test_a_share_of_another_node_is_a_lie(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    share = documents(stand, 3)[0]["share"]
    stand.cluster[1].lie = lambda document: {**document, "share": share}

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(1, "share_tampered")])


@pytest.mark.parametrize("share", [None, 7, [], {}, {"%share": None}, {"%share": "x" * 100_000}, {"%share": "ø"}])
def test_whatever_else_stands_in_the_place_of_a_share_is_a_lie(stand: Stand, share: Any) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[1].lie = lambda document: {**document, "share": share}

    assert opened(stand.provider(), wrapped)
    until(lambda: stand.told == [(1, "share_tampered")])


def test_a_liar_and_one_away_are_refused_by_the_liars_number(stand: Stand) -> None:
    wrapped = stand.establish().wrap(key=KEY, aad=AAD)
    stand.cluster[1].down = True
    stand.cluster[2].lie = flipped

    with pytest.raises(ShareTampered, match="node 2") as problem:
        stand.provider().unwrap(wrapped=wrapped, aad=AAD)
    assert problem.value.node == 2


def test_shares_that_are_no_key_under_the_material_are_refused(stand: Stand) -> None:
    """Nodes and state together, forged by someone who has the local key but not the shared one."""
    stand.establish()
    state = State.parse(stand.state.read_text())
    real = state.versions[1]

    def forge(**changes: Any) -> None:
        entry = Version(**{**vars(real), **changes, "material": ""})
        wrapped = LocalProvider(root=ROOT).wrap(
            key=changes.get("key", bytes(32)) if "material" in changes else material,
            aad=entry.aad(number=1, collection=state.collection),
        )
        forged = State(collection=state.collection, versions={1: Version(**{**vars(entry), "material": wrapped})})
        stand.state.write_text(forged.dump())

    material = LocalProvider(root=ROOT).unwrap(
        wrapped=real.material, aad=real.aad(number=1, collection=state.collection)
    )
    forge(kcv="00" * 8)
    with pytest.raises(WrapRefused, match="another key"):
        stand.provider().wrap(key=KEY, aad=AAD)
    forge(material="another")
    with pytest.raises(ShareTampered):
        stand.provider().wrap(key=KEY, aad=AAD)
    forge()
    assert stand.provider().wrap(key=KEY, aad=AAD).startswith("nildb:1:")


# -- blindfold, as it really is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [(0, 1), (1, 0), (0, 2), (1, 2)])
def test_any_two_shares_make_the_key_and_one_does_not(pair: tuple[int, int]) -> None:
    for secret in (KEY, bytes(32), b"\xff" * 32):
        material, parts = shares.split(secret=secret)
        assert shares.combine(material=material, shares=[parts[one] for one in pair]) == secret
        for too_few in ([parts[pair[0]]], [parts[pair[0]]] * 2, []):
            with pytest.raises(ValueError):
                shares.combine(material=material, shares=too_few)


def test_shares_of_two_secrets_under_one_material_never_pass_for_either() -> None:
    """blindfold raises at most of such mixtures, and returns bytes for the others: it does not check."""
    material, parts = shares.split(secret=KEY)
    key = shares._key(material)
    for _ in range(300):
        other = blindfold.encrypt(key, KEY[:-1] + b"\x00")
        try:
            mixed = shares.combine(material=material, shares=[parts[0], other[1]])
        except ValueError:
            continue
        assert shares.check_value(mixed) not in (shares.check_value(KEY), shares.check_value(KEY[:-1] + b"\x00"))


def test_the_check_value_is_eight_bytes_of_a_mac() -> None:
    assert shares.check_value(KEY) == hmac.new(KEY, b"obscura-kcv", "sha256").digest()[:8].hex()


def test_blindfold_leaves_no_library_in_the_temporary_directory_and_is_loaded_by_nobody_else(tmp_path: Path) -> None:
    code = (
        "import sys, citadel.vaults.local_provider, citadel.vaults.provider\n"
        "assert not {'blindfold', 'bcl', 'hvac', 'requests'} & set(sys.modules)\n"
        "import citadel.vaults.nildb.shares as shares\n"
        "material, parts = shares.split(secret=bytes(32))\n"
        "assert shares.combine(material=material, shares=parts[1:]) == bytes(32)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
