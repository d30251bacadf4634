"""What must hold at any size: a kill at any moment loses nothing and repeats nothing; the measurements run."""

import pytest

from benchmarks import crashes
from benchmarks.__main__ import QUICK, WHOLE
from benchmarks.figures import Figure, Goal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_after_a_kill_at_any_moment_it_goes_on_where_it_was() -> None:
    plan = crashes.Plan(documents=2_000, sync_kills=6, purge_kills=4, per_second=20)
    outcome = crashes.play(plan)
    assert outcome.wrong == []
    assert outcome.kills == 6
    assert outcome.early
    assert outcome.pages <= outcome.requests <= outcome.pages + outcome.kills
    assert plan.documents <= outcome.files_sent <= plan.documents + outcome.kills * crashes.BATCH_FILES
    assert outcome.purge_kills == 4
    assert all(figure.is_met for figure in crashes.figures(plan, outcome))


def test_the_quick_measurements_are_the_same() -> None:
    assert set(QUICK) == set(WHOLE)


@pytest.mark.parametrize("name", sorted(set(WHOLE) - {"crashes"}))
def test_a_measurement_runs(name: str) -> None:
    figures = QUICK[name]()
    assert figures
    assert all(figure.measured >= 0 for figure in figures)
    assert any(figure.is_met is not None for figure in figures)


def test_a_goal_is_met_or_not() -> None:
    per_page = Figure("requests", 104, "", 100, "pages", Goal(most=1.02), allowance=2)
    assert per_page.is_met
    assert per_page.ratio == 1.04
    assert per_page.cells()[-2:] == ("ratio ≤ 1.02 + 2", "met")
    memory = Figure("memory", 151, "MB", 100, "idle", Goal(most=150, absolute=True))
    assert memory.is_met is False
    assert memory.cells()[-2:] == ("≤ 150 MB", "NOT MET")
    assert Figure("wrong", 0, "", 0, "nothing may be", Goal(most=0, absolute=True)).is_met
    informing = Figure("taken in", 10, "documents", 20, "bound")
    assert informing.is_met is None
    assert informing.as_json()["met"] is None
