"""The whole daemon on virtual time, and an oracle that knows only ipernity's truth and what was served and stored."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest

from tests.simulation.story import Outcome, Plan, play

SIXTY_DAYS = Plan(days=60)
"""Twelve stories of these are two years, and a little more."""


def told(outcome: Outcome) -> str:
    """What a failure prints: all that is needed to see it again."""
    events = "\n".join(outcome.events)
    return f"{outcome.broken}\nagain: make sim SEED={outcome.seed} ({outcome.days:.1f} days)\n{events}"


def played_as_by_make_sim(seed: int, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """A story in a process of its own, where sets of words are in the order that `make sim` knows."""
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(play, seed, plan).result()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(1, 13))
def test_whatever_happens_the_promise_holds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """I1-I8, I10 under faults, then I7 without: two years in all, the first stories of `make sim`."""
    outcome = played_as_by_make_sim(seed, SIXTY_DAYS, monkeypatch)
    assert not outcome.broken, told(outcome)
    assert outcome.wrong == 0
    assert outcome.lost > 0
    assert outcome.removals > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_I12_the_same_seed_tells_the_same_story() -> None:
    plan = Plan(days=1.5, ends_well=False)
    assert play(11, plan).trace == play(11, plan).trace
    assert play(12, plan).trace != play(11, plan).trace


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_runs_that_are_left_out_would_have_done_nothing() -> None:
    plan = Plan(days=0.3, ends_well=False, faults=False, entries=True)
    every = replace(plan, every_run=True)
    assert play(21, plan).trace == play(21, every).trace
