"""Versions that are destroyed at nilDB and at Vault: nothing that stays behind opens what they wrapped."""

from __future__ import annotations

import pytest

from citadel.vaults.nildb.state import FileStore, State
from citadel.vaults.provider import ProviderDenied, ProviderUnavailable, WrapUnknown
from tests.citadel.vaults.conftest import Stand, transit
from tests.citadel.vaults.flips import AAD, KEY
from tests.support.transit import Transit


def shares(stand: Stand) -> list[int]:
    """How many shares each node holds."""
    return [sum(len(one) for one in node.documents.values()) for node in stand.cluster.nodes]


def two_versions(stand: Stand) -> tuple[str, str]:
    provider = stand.establish()
    old = provider.wrap(key=KEY, aad=AAD)
    provider.rotate()
    return old, provider.wrap(key=KEY, aad=AAD)


def test_shares_are_deleted_on_every_node(stand: Stand) -> None:
    old, new = two_versions(stand)
    provider = stand.provider()
    assert shares(stand) == [2, 2, 2]
    assert provider.unwrap(wrapped=old, aad=AAD) == KEY  # and is in its memory from here on

    found = provider.destroy(below=2)

    assert (list(found.made), found.owed) == ([2], ())
    assert found.made[2] > 0
    assert shares(stand) == [1, 1, 1]
    for one in (provider, stand.provider()):
        assert one.unwrap(wrapped=new, aad=AAD) == KEY
        with pytest.raises(WrapUnknown):
            one.unwrap(wrapped=old, aad=AAD)
    assert provider.destroy(below=2) == found
    with pytest.raises(ValueError):
        provider.destroy(below=3)


def test_a_copy_of_the_record_is_no_use_without_the_shares(stand: Stand) -> None:
    old, _ = two_versions(stand)
    copy = stand.state.read_text()
    stand.provider().destroy(below=2)
    stand.state.write_text(copy)

    with pytest.raises(ProviderUnavailable):
        stand.provider().unwrap(wrapped=old, aad=AAD)


def test_a_node_that_is_down_owes_it_until_it_is_back(stand: Stand) -> None:
    old, new = two_versions(stand)
    stand.cluster[2].down = True

    assert stand.provider().destroy(below=2).owed == (2,)

    assert shares(stand) == [1, 2, 1]
    assert stand.provider().generations().owed == (2,)
    record = State.parse(FileStore(stand.state).load())
    assert [node for _, node in record.owed] == [2]
    assert list(record.versions) == [2]  # the material of what was destroyed is gone at once
    with pytest.raises(WrapUnknown):
        stand.provider().unwrap(wrapped=old, aad=AAD)
    assert stand.provider().unwrap(wrapped=new, aad=AAD) == KEY
    assert stand.provider().destroy(below=2).owed == (2,)

    stand.cluster[2].down = False

    assert stand.provider().destroy(below=2).owed == ()
    assert shares(stand) == [1, 1, 1]
    assert "owed" not in stand.state.read_text()


def test_a_node_that_only_says_so_owes_it_still(stand: Stand) -> None:
    two_versions(stand)
    node = stand.cluster[1]
    real = node.answer
    node.answer = lambda method, path, token, body: (  # type: ignore[method-assign]
        (200, "") if path.endswith("/data/delete") else real(method, path, token, body)
    )

    assert stand.provider().destroy(below=2).owed == (1,)
    assert stand.told[-1][0] == 1


def test_whoever_dies_between_the_record_and_the_nodes_is_continued(stand: Stand, monkeypatch) -> None:
    _, new = two_versions(stand)
    provider = stand.provider()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(provider, "_settled", dies)
    with pytest.raises(KeyboardInterrupt):
        provider.destroy(below=2)
    assert shares(stand) == [2, 2, 2]
    assert stand.provider().generations().owed == (1, 2, 3)

    assert stand.provider().destroy(below=2).owed == ()
    assert shares(stand) == [1, 1, 1]
    assert stand.provider().unwrap(wrapped=new, aad=AAD) == KEY


def test_a_record_from_before_is_read_and_told_as_of_no_known_time(stand: Stand) -> None:
    two_versions(stand)
    state = State.parse(FileStore(stand.state).load())
    older = State(collection=state.collection, versions=state.versions).dump()
    assert "made" not in older and "owed" not in older
    stand.state.write_text(older)

    assert stand.provider().generations().made == {1: 0, 2: 0}


# Vault
def test_vault_trims_what_is_destroyed(vault: Transit) -> None:
    provider = transit(vault)
    old = provider.wrap(key=KEY, aad=AAD)
    provider.rotate()
    new = provider.wrap(key=KEY, aad=AAD)

    assert list(provider.destroy(below=2).made) == [2]
    assert list(provider.destroy(below=2).made) == [2]

    with pytest.raises(WrapUnknown):
        provider.unwrap(wrapped=old, aad=AAD)
    assert provider.unwrap(wrapped=new, aad=AAD) == KEY
    assert vault.keys["obscura"].versions[0] is None
    assert provider.rotate() == 3
    assert provider.unwrap(wrapped=provider.wrap(key=KEY, aad=AAD), aad=AAD) == KEY


def test_a_vault_that_does_not_trim_has_destroyed_nothing(vault: Transit, monkeypatch) -> None:
    provider = transit(vault)
    provider.rotate()
    monkeypatch.setitem(
        __import__("tests.support.transit", fromlist=["HANDLERS"]).HANDLERS,
        ("POST", "keys", "trim"),
        lambda peer, name, body: (204, {}),
    )

    with pytest.raises(ProviderUnavailable, match="still holds"):
        provider.destroy(below=2)


def test_a_token_that_may_not_configure_is_said(vault: Transit) -> None:
    provider = transit(vault)
    provider.rotate()
    vault.token = "hvs.another"
    with pytest.raises(ProviderDenied):
        provider.destroy(below=2)
    vault.token = "hvs.CAESIJlWh0isthis"
    with pytest.raises(ValueError):
        provider.destroy(below=3)

    assert list(provider.generations().made) == [1, 2]
