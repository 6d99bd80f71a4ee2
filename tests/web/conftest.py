"""The stage of the page tests: a pool of Ada's at Alpha that Ben copies on paper, and outcomes of its trades."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.web.stage import Stage

HOST = "alpha.testserver"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def stage(alpha: Any, cast: Any) -> Stage:
    """Northern Momentum, led by Ada, and Ben who copies it with $1,000, ready to lose $200."""
    return Stage(cast)


@pytest.fixture
def browser(stage: Stage, client_at: Callable[..., Any]) -> Any:
    """Ben's browser at Alpha."""
    return client_at(HOST, user=stage.ben)


@pytest.fixture
def noon() -> datetime:
    """A moment to count from."""
    return NOON
