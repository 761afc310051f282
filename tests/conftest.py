"""What holds for every test."""

from collections.abc import Iterator

import pytest

from airan_market.scenarios.registry import BELIEFS, DISCIPLINES, MECHANISMS


@pytest.fixture(autouse=True)
def names_that_a_test_registers_are_forgotten() -> Iterator[None]:
    """Mechanisms, beliefs and disciplines of one test, or page, are unknown to the next."""
    before = [(registry, dict(registry._found)) for registry in (MECHANISMS, BELIEFS, DISCIPLINES)]
    yield
    for registry, found in before:
        registry._found.clear()
        registry._found.update(found)
