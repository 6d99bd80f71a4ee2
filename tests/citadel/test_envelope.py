"""The envelope: opens for its own place alone, in one spelling alone, and not after any change of any bit."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citadel.domain.envelope import (
    EnvelopeError,
    KeyVersionUnknown,
    MalformedEnvelope,
    Place,
    RefusedEnvelope,
    data_aad,
    rewrap,
    seal,
    unseal,
    version_of,
    wrap_aad,
)
from citadel.vaults.local import LocalVault, RootKeyMissing, forget_root_key, read_root_key

ROOT = bytes(range(32))
VAULT = LocalVault(root=ROOT, active=3)
ACCOUNT = bytes.fromhex("0192f0c0a0b07000800000000000beef")
PLACE = Place(7, ACCOUNT, "secret")
SECRET = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"

places = st.builds(
    Place,
    st.integers(0, 2**24 - 1),
    st.binary(min_size=16, max_size=16),
    st.text(st.sampled_from("abcdefXYZ019"), min_size=1, max_size=12),
)


@given(place=places, text=st.binary(max_size=300), version=st.integers(1, 3))
def test_what_is_sealed_opens_in_its_place(place: Place, text: bytes, version: int) -> None:
    envelope = seal(vault=VAULT, version=version, place=place, text=text)

    assert unseal(vault=VAULT, place=place, envelope=envelope) == text
    assert version_of(envelope) == version
    assert envelope.startswith(f"nil:v{version}:")


@given(sealed=places, asked=places)
def test_another_tenant_account_or_field_is_refused(sealed: Place, asked: Place) -> None:
    envelope = seal(vault=VAULT, version=1, place=sealed, text=SECRET)

    if sealed == asked:
        assert unseal(vault=VAULT, place=asked, envelope=envelope) == SECRET
    else:
        with pytest.raises(RefusedEnvelope):
            unseal(vault=VAULT, place=asked, envelope=envelope)


@pytest.mark.parametrize(
    "place",
    [
        Place(8, ACCOUNT, "secret"),
        Place(7, ACCOUNT[::-1], "secret"),
        Place(7, ACCOUNT, "apiKey"),
        Place(7, ACCOUNT, "secre"),
    ],
)
def test_each_part_of_the_place_counts(place: Place) -> None:
    envelope = seal(vault=VAULT, version=1, place=PLACE, text=SECRET)

    with pytest.raises(RefusedEnvelope):
        unseal(vault=VAULT, place=place, envelope=envelope)


def test_every_flipped_bit_is_refused() -> None:
    envelope = seal(vault=VAULT, version=1, place=PLACE, text=SECRET)
    raw = base64.urlsafe_b64decode(envelope[7:] + "=" * (-len(envelope[7:]) % 4))

    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        text = "nil:v1:" + base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        with pytest.raises(MalformedEnvelope if bit < 8 else RefusedEnvelope):
            unseal(vault=VAULT, place=PLACE, envelope=text)


def test_every_changed_character_is_refused() -> None:
    envelope = seal(vault=VAULT, version=1, place=PLACE, text=SECRET)

    for at in range(len(envelope)):
        for other in "A-_9\n =:v\u0661":
            if other != envelope[at]:
                with pytest.raises(EnvelopeError):
                    unseal(vault=VAULT, place=PLACE, envelope=envelope[:at] + other + envelope[at + 1 :])


@settings(max_examples=300)
@given(text=st.one_of(st.text(), st.from_regex(r"\Anil:v[0-9]{1,3}:[A-Za-z0-9_=-]*\Z")))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(EnvelopeError):
        unseal(vault=VAULT, place=PLACE, envelope=text)


@pytest.mark.parametrize(
    "spelling",
    [
        lambda text: text + "=",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.replace("nil:v1:", "nil:v01:"),
        lambda text: text.replace("nil:v1:", "nil:v0:"),
        lambda text: text.replace("nil:v1:", "NIL:v1:"),
        lambda text: text.replace("nil:v1:", "nil:v\u0661:"),
        lambda text: text[:-4],
        lambda text: text + "AAAA",
        lambda text: "nil:v1:",
        lambda text: None,
    ],
)
def test_there_is_one_spelling(spelling: object) -> None:
    envelope = seal(vault=VAULT, version=1, place=PLACE, text=SECRET)

    with pytest.raises(EnvelopeError):
        unseal(vault=VAULT, place=PLACE, envelope=spelling(envelope))  # type: ignore[operator]


def test_the_last_character_has_no_second_spelling() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    envelope = seal(vault=VAULT, version=1, place=PLACE, text=b"x" * 64)
    others = [envelope[:-1] + letter for letter in alphabet if letter != envelope[-1]]

    for other in others:
        with pytest.raises(EnvelopeError):
            unseal(vault=VAULT, place=PLACE, envelope=other)


def test_a_relabelled_version_is_refused_even_where_both_keys_are_the_same() -> None:
    class SameKeys(LocalVault):
        def _key(self, version: int) -> object:  # type: ignore[override]
            return super()._key(1)

    vault = SameKeys(root=ROOT, active=2)
    envelope = seal(vault=vault, version=1, place=PLACE, text=SECRET)

    with pytest.raises(RefusedEnvelope):
        unseal(vault=vault, place=PLACE, envelope=envelope.replace("nil:v1:", "nil:v2:"))


def test_a_version_the_vault_does_not_hold_is_named_as_such() -> None:
    envelope = seal(vault=VAULT, version=1, place=PLACE, text=SECRET)

    with pytest.raises(KeyVersionUnknown):
        unseal(vault=LocalVault(root=ROOT, active=3, minimum=2), place=PLACE, envelope=envelope)
    with pytest.raises(RefusedEnvelope):
        unseal(vault=LocalVault(root=ROOT[::-1]), place=PLACE, envelope=envelope)


def test_a_rotation_wraps_anew_and_leaves_the_body() -> None:
    old = seal(vault=VAULT, version=1, place=PLACE, text=SECRET)

    new = rewrap(vault=VAULT, place=PLACE, envelope=old, version=3)

    assert version_of(new) == 3
    assert unseal(vault=VAULT, place=PLACE, envelope=new) == SECRET
    # 1 + 60 bytes of format and wrap; the 82nd character on is body alone.
    assert new[7 + 82 :] == old[7 + 82 :] and new[7:80] != old[7:80]


def test_wraps_and_bodies_cannot_be_exchanged_between_values() -> None:
    one = seal(vault=VAULT, version=1, place=PLACE, text=SECRET)
    other = seal(vault=VAULT, version=1, place=PLACE, text=SECRET[::-1])

    def raw(envelope: str) -> bytes:
        return base64.urlsafe_b64decode(envelope[7:] + "=" * (-len(envelope[7:]) % 4))

    mixed = "nil:v1:" + base64.urlsafe_b64encode(raw(one)[:61] + raw(other)[61:]).rstrip(b"=").decode()

    with pytest.raises(RefusedEnvelope):
        unseal(vault=VAULT, place=PLACE, envelope=mixed)


def test_the_same_text_is_never_sealed_alike() -> None:
    assert len({seal(vault=VAULT, version=1, place=PLACE, text=SECRET) for _ in range(100)}) == 100


@given(one=places, other=places, version=st.integers(1, 9))
def test_what_is_authenticated_tells_places_and_layers_apart(one: Place, other: Place, version: int) -> None:
    assert (data_aad(one) == data_aad(other)) == (one == other)
    assert (wrap_aad(version, one) == wrap_aad(version, other)) == (one == other)
    assert wrap_aad(version, one) not in (data_aad(one), wrap_aad(version + 1, one))


def test_the_root_key_comes_from_the_environment_or_a_file_and_is_never_quoted(tmp_path: object) -> None:
    file = tmp_path / "root"  # type: ignore[operator]
    file.write_text(ROOT.hex() + "\n")
    env = {"OBSCURA_ROOT_KEY": ROOT.hex()}

    assert read_root_key(env) == ROOT == read_root_key({"OBSCURA_ROOT_KEY_FILE": str(file)})
    for bad in ({}, {"OBSCURA_ROOT_KEY": "5ec2e7"}, {"OBSCURA_ROOT_KEY_FILE": os.devnull + "/none"}):
        with pytest.raises(RootKeyMissing) as problem:
            read_root_key(bad)
        assert "5ec2e7" not in str(problem.value)
    forget_root_key(env)
    assert env == {}
    assert ROOT.hex() not in repr(VAULT)
