"""Mistakes planted in the product are caught; all of them by `make plant`, the quickest here."""

import pytest

from tests.simulation.plant import catch
from tests.simulation.planted import MISTAKES, Planted

QUICK = [mistake for mistake in MISTAKES if mistake.quick]


def test_there_are_forty_mistakes_with_names_of_their_own() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 40


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mistake", QUICK, ids=[mistake.name for mistake in QUICK])
def test_a_planted_mistake_is_caught(mistake: Planted) -> None:
    caught = catch(mistake)
    assert caught.by, mistake.what
    assert caught.days <= 365
