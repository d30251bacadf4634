"""A household for every story."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.household import Household


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Household]:
    """A mirror without members yet, files in memory."""
    household = Household(tmp_path)
    yield household
    household.close()


@pytest.fixture
def households(tmp_path: Path) -> Iterator[Callable[..., Household]]:
    """Makes households with rules or stores of their own."""
    made: list[Household] = []

    def make(**options: Any) -> Household:
        made.append(Household(tmp_path / f"house{len(made)}", **options))
        return made[-1]

    yield make
    for household in made:
        household.close()
