"""Frames: what is packed comes out again however the stream is cut, and noise is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel.domain.frames import MAX_FRAME, BadFrame, FrameTooLarge, Splitter, pack, unpack

messages = st.dictionaries(
    st.text(max_size=8),
    st.one_of(st.integers(-(2**63), 2**64 - 1), st.binary(max_size=40), st.text(max_size=9)),
    max_size=5,
)


@given(st.lists(messages, max_size=6), st.lists(st.integers(1, 50), max_size=30))
def test_frames_survive_any_cut(sent: list[dict[str, object]], cuts: list[int]) -> None:
    stream, splitter, heard = b"".join(pack(message) for message in sent), Splitter(), []

    for size in cuts:
        heard += splitter.feed(stream[:size])
        stream = stream[size:]
    heard += splitter.feed(stream)

    assert [unpack(body) for body in heard] == sent
    assert splitter.waiting == 0


@given(st.binary(max_size=200))
def test_noise_is_a_map_or_refused(noise: bytes) -> None:
    try:
        message = unpack(noise)
    except BadFrame as error:
        assert error.__cause__ is None and error.args == ()
    else:
        assert all(isinstance(key, str) for key in message)


def test_a_frame_has_a_largest_size() -> None:
    with pytest.raises(FrameTooLarge):
        pack({"a": bytes(MAX_FRAME)})
    with pytest.raises(FrameTooLarge):
        Splitter().feed(struct.pack("<I", MAX_FRAME + 1))
    [body] = Splitter().feed(pack({"a": bytes(MAX_FRAME - 100)}))
    assert len(unpack(body)["a"]) == MAX_FRAME - 100
