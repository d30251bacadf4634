"""The whole daemon on virtual time, and an oracle that knows only ipernity's truth and what was served and stored."""

import pytest

from tests.simulation.story import Outcome, Plan, play


def told(outcome: Outcome) -> str:
    """What a failure prints: all that is needed to see it again."""
    events = "\n".join(outcome.events)
    return f"{outcome.broken}\nagain: make sim SEED={outcome.seed} ({outcome.days:.1f} days)\n{events}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(1, 5))
def test_whatever_happens_the_promise_holds(seed: int) -> None:
    """I1-I8, I10 under faults, then I7 without; `make sim` plays a whole year."""
    outcome = play(seed, Plan(days=12))
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
    plan = Plan(days=0.3, ends_well=False, faults=False)
    every = Plan(days=0.3, ends_well=False, faults=False, every_run=True)
    assert play(21, plan).trace == play(21, every).trace
