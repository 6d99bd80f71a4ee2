"""A shape says how a secret looks and nothing else, and a decoy of that shape passes for the secret."""

from __future__ import annotations

import contextlib
import re
import string

import hypothesis
import pytest
from hypothesis import strategies as st

from citadel import uses
from citadel.derivations import DERIVATIONS, Underivable, derive
from citadel.matrix.credentials import key
from citadel.shapes import like, shape_of

ALPHABETS = [
    "0123456789abcdef",
    "0123456789ABCDEF",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    string.ascii_letters + string.digits,
    string.ascii_letters + string.digits + "+/",
    string.ascii_letters + string.digits + "-_",
    string.ascii_letters + string.digits + string.punctuation,
]
bodies = st.sampled_from(ALPHABETS).flatmap(lambda alphabet: st.text(alphabet, min_size=32, max_size=120))
texts = st.builds(
    lambda prefix, body, padding: prefix + body + padding,
    st.sampled_from(["", "0x", "ed25519:"]),
    bodies,
    st.sampled_from(["", "=", "=="]),
)


@hypothesis.given(texts)
def test_a_decoy_has_the_length_and_the_alphabet_of_the_secret(secret: str) -> None:
    decoy = like(shape_of(secret))

    assert len(decoy) == len(secret) and decoy != secret
    for looks in (lambda text: text.endswith("="), lambda text: text.startswith("0x"), lambda text: len(text) > 66):
        assert looks(decoy) == looks(secret)
    alphabet = next((one for one in ALPHABETS if set(secret.removeprefix("0x").rstrip("=")) <= set(one)), None)
    if alphabet is not None:
        assert set(decoy.removeprefix("0x").rstrip("=")) <= set(alphabet)


pems = st.lists(
    st.sampled_from(
        ["-----BEGIN PRIVATE KEY-----", "-----END EC PRIVATE KEY-----", "-----BEGIN", "\n", "\r\n", "\\n", "="]
    )
    | st.text(ALPHABETS[5], min_size=1, max_size=64),
    max_size=12,
).map("".join)


def lengths(text: str) -> dict[str, int]:
    """The forms a text has and how long they are."""
    found = {}
    for name in DERIVATIONS:
        with contextlib.suppress(Underivable):
            found[name] = len(derive(name, text))
    return found


@pytest.mark.parametrize("kind", sorted(uses.KINDS))
def test_a_decoy_has_every_form_the_secret_has(kind: str) -> None:
    for _ in range(20):
        secret = key(kind) if kind not in ("rsa", "rsa_bare") else like(uses.KINDS[kind])
        having, wanted = lengths(like(shape_of(secret))), lengths(secret)

        # By chance a key reads as base32 or base58 too, which no exchange asks of its kind.
        forms = wanted.keys() - ({"base32"} if kind != "seed" else set())
        forms -= {"base58", "base58_32"} if kind not in ("orderly", "base58_88") else set()
        assert {name: having.get(name) for name in forms} == {name: wanted[name] for name in forms}


@hypothesis.given(st.text(max_size=200))
def test_no_text_is_without_a_shape(secret: str) -> None:
    assert len(like(shape_of(secret))) >= 32


@pytest.mark.parametrize("kind", ["rsa", "rsa_bare", "ed25519", "ec", "uuid", "orderly", "base58_88"])
def test_a_key_file_keeps_its_armour_and_its_lines(kind: str) -> None:
    secret = key(kind)
    decoy = like(shape_of(secret))

    assert shape_of(decoy) == shape_of(secret)
    assert decoy != secret and [len(line) for line in decoy.splitlines()] == [len(line) for line in secret.splitlines()]
    assert [line for line in decoy.splitlines() if line.startswith("-----")] == [
        line for line in secret.splitlines() if line.startswith("-----")
    ]
    # Only the armour is common: no line of the key itself has come along.
    assert not {line for line in secret.splitlines() if len(line) > 20 and "-----" not in line} & set(
        decoy.splitlines()
    )


@hypothesis.given(texts | st.text(max_size=200) | pems)
def test_a_shape_says_nothing_of_the_secret(secret: str) -> None:
    for kind, value in shape_of(secret):
        if kind == "is":
            assert re.fullmatch(r"0x|ed25519:|-|=+|[\r\n]+|-----(BEGIN|END) (EC |RSA )?PRIVATE KEY-----", value)
        else:
            assert value.isdigit()


def test_a_key_file_in_one_line_is_not_all_armour() -> None:
    secret = "-----BEGIN PRIVATE KEY-----" + "M" * 64 + "-----END PRIVATE KEY-----"

    assert shape_of(secret) == [
        ["is", "-----BEGIN PRIVATE KEY-----"], ["base64", "64"], ["is", "-----END PRIVATE KEY-----"],
    ]  # fmt: skip
    assert "M" * 64 not in like(shape_of(secret))


def test_a_short_secret_gets_a_decoy_that_cannot_be_met_by_chance() -> None:
    assert len(like(shape_of("hunter2"))) == 32


@pytest.mark.parametrize("shape", [[["nothing", "3"]], [["hex", "-1"]], [["hex", "99999999"]], [["hex", "x"]]])
def test_what_is_no_shape_makes_no_decoy(shape: list[list[str]]) -> None:
    with pytest.raises(ValueError):
        like(shape)
