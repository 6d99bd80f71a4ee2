"""The draw of the order: everybody once, everywhere as likely, and fixed before anybody could wish for another."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.drawn import law
from trading.domain import draw

KEY = b"k" * 32
SEEDS = draw.chain(key=KEY, schema="t_alpha", pool="pool", number=0)
ANCHOR = SEEDS[:32]

seeds = st.binary(min_size=32, max_size=32)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))


def seed(index: int) -> bytes:
    return SEEDS[32 * index : 32 * index + 32]


def places(*, seed: bytes, followers: int, first: int = 50, chunk: int = 250, signal: int = 7) -> list[int]:
    """Each follower's place, in the order of their subscriptions."""
    return [
        draw.place(seed=seed, signal=signal, followers=followers, rank=rank, first=first, chunk=chunk)
        for rank in range(followers)
    ]


def test_a_chain_leads_back_to_its_anchor_and_no_other_seed_does():
    assert len(SEEDS) == 32 * (draw.LENGTH + 1)
    assert all(hashlib.sha256(seed(n)).digest() == seed(n - 1) for n in range(1, draw.LENGTH + 1))
    assert draw.leads_to(seed=seed(5), index=5, anchor=ANCHOR)
    for wrong, index in ((seed(6), 5), (seed(5), 4), (b"\x00" * 32, 5)):
        assert not draw.leads_to(seed=wrong, index=index, anchor=ANCHOR)


@law
@given(index=st.integers(1, draw.LENGTH), bit=st.integers(0, 255))
def test_a_seed_that_is_changed_after_the_commitment_is_found_out(index, bit):
    changed = (int.from_bytes(seed(index), "big") ^ (1 << bit)).to_bytes(32, "big")

    assert not draw.leads_to(seed=changed, index=index, anchor=ANCHOR)


def test_chains_differ_by_key_tenant_pool_and_number():
    given = {"key": KEY, "schema": "t_alpha", "pool": "pool", "number": 0}
    others = [{"key": b"l" * 32}, {"schema": "t_beta"}, {"pool": "other"}, {"number": 1}]

    assert len({SEEDS, *(draw.chain(**given | other) for other in others)}) == 5


@pytest.mark.parametrize(("seq", "link"), [(1, (0, 1)), (1024, (0, 1024)), (1025, (1, 1)), (2049, (2, 1))])
def test_signals_use_one_seed_after_the_other(seq, link):
    assert draw.link(seq) == link


@law
@given(seed=seeds, followers=st.integers(1, 60), sizes=sizes)
def test_whatever_is_drawn_everybody_has_one_place(seed, followers, sizes):
    found = places(seed=seed, followers=followers, first=sizes[0], chunk=sizes[1])

    assert sorted(found) == list(range(1, followers + 1))


@pytest.mark.parametrize(
    ("followers", "chunks"),
    [
        (0, []),
        (7, [(0, 7)]),
        (50, [(0, 50)]),
        (51, [(0, 50), (50, 1)]),
        (600, [(0, 50), (50, 250), (300, 250), (550, 50)]),
    ],
)
def test_chunks_are_fifty_and_then_two_hundred_and_fifty(followers, chunks):
    assert draw.chunks(followers) == chunks


@pytest.mark.parametrize(("followers", "first", "chunk"), [(7, 50, 250), (12, 3, 4)])
def test_over_many_seeds_every_follower_has_every_place_as_often(followers, first, chunk):
    draws = 4000
    seen: Counter[tuple[int, int]] = Counter()
    for number in range(draws):
        one = hashlib.sha256(number.to_bytes(4, "big")).digest()
        seen.update(enumerate(places(seed=one, followers=followers, first=first, chunk=chunk)))

    # Chi squared over all (follower, place): the expected value is (n - 1)², its deviation about sqrt(2) (n - 1).
    even = draws / followers
    chi = sum((seen[rank, place] - even) ** 2 / even for rank in range(followers) for place in range(1, followers + 1))
    assert abs(chi - (followers - 1) ** 2) < 5 * 2**0.5 * (followers - 1)


def test_tenants_are_drawn_by_the_same_seed():
    names = ["t_alpha", "t_beta", "t_zero"]
    found = Counter(tuple(draw.of_tenants(seed=seed(n), names=names)) for n in range(1, 601))

    assert len(found) == 6
    assert min(found.values()) > 60
    assert draw.of_tenants(seed=seed(1), names=names[::-1]) == draw.of_tenants(seed=seed(1), names=names)


TOLD = {
    "commitment": ANCHOR.hex(), "index": 5, "seed": seed(5).hex(), "signal_id": "sig_00000000002a", "followers": 400,
    "start": draw.lot(seed=seed(5), signal=42) % 400, "rank": 120,
    "place": draw.place(seed=seed(5), signal=42, followers=400, rank=120),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "The draw is as it was committed to."),
        ({"place": None}, "The draw is as it was committed to."),
        ({"seed": seed(6).hex()}, "the seed is not the one that was committed to"),
        ({"start": TOLD["start"] + 1}, "the walk did not begin where the seed says"),
        ({"place": TOLD["place"] % 400 + 1}, f"the place should have been {TOLD['place']}"),
        ({"followers": 401}, "the walk did not begin where the seed says"),
    ],
)
def test_what_is_told_is_checked_without_us(changed, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(TOLD | changed)))

    code = draw.main()

    assert words in capsys.readouterr().out
    assert code == (0 if words.startswith("The draw") else 1)
