"""One venue for all contract tests of a worker, and more of them for tests that kill or starve one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .support import Venue


@pytest.fixture(scope="session")
def shared_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    one = Venue(tmp_path_factory.mktemp("venue") / "paper", "--rate-limits", "off")
    yield one
    assert one.stop() == 0


@pytest.fixture
def venue(shared_venue: Venue) -> Iterator[Venue]:
    """A healthy venue where bitcoin costs 60,000 and ether 3,000, to the cent."""
    shared_venue.price("BTCUSDT", "60000")
    shared_venue.price("ETHUSDT", "3000")
    yield shared_venue
    shared_venue.control("DELETE", "/faults")


@pytest.fixture
def open_venue(tmp_path: Path) -> Iterator[Callable[..., Venue]]:
    """Opens further venues, each in a folder of its own, and sees to their end."""
    opened: list[Venue] = []

    def open_one(*more: str) -> Venue:
        opened.append(Venue(tmp_path / f"venue{len(opened)}", *more))
        return opened[-1]

    yield open_one
    for one in opened:
        if one.process and one.process.poll() is None:
            one.stop(signal.SIGKILL)
