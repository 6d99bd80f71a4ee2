"""A lead's hand: it opens, reduces, turns around and closes, and never asks for less than a venue takes."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from obscura.local.play import SIZES, SPOT_KEPT, Hand, Move


@pytest.mark.parametrize("seed", range(20))
def test_a_hand_never_trades_less_than_an_eighth_of_its_size(seed: int) -> None:
    hand = Hand(seed)
    for move in itertools.islice(hand.moves(), 200):
        assert move.quantity >= SIZES[(move.market, move.symbol)] / 8 * SPOT_KEPT
        hand.done(move)
    for move in hand.closing():
        hand.done(move)
    assert set(hand.held.values()) == {Decimal(0)}


def test_spot_is_never_sold_short() -> None:
    hand = Hand(seed=5)
    for move in itertools.islice(hand.moves(), 200):
        hand.done(move)
        assert hand.held[("spot", "BTCUSDT")] >= 0
        assert hand.held[("spot", "ETHUSDT")] >= 0


def test_what_is_bought_on_spot_is_held_without_the_fee() -> None:
    hand = Hand(seed=1)
    hand.done(Move("spot", "ETHUSDT", "BUY", Decimal("0.2"), "opening"))
    assert hand.held[("spot", "ETHUSDT")] == Decimal("0.1998")


def test_one_seed_is_one_story() -> None:
    first, second = (list(itertools.islice(Hand(seed=9).moves(), 4)) for _ in range(2))
    assert first == second
