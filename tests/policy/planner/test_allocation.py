"""The square-root rule: no other sharing of the same budget detects sooner."""

from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipsync.policy.planner.allocation import Load, any_polling_bound, listing_only_bound, mean_latency, share

loads = st.lists(
    st.builds(Load, st.integers(1, 500), st.floats(1e-6, 10), st.booleans()),
    min_size=1,
    max_size=8,
)


def test_without_a_window_the_bounds_are_those_of_the_design() -> None:
    population = [Load(1, 0.1), Load(30, 0.4), Load(7, 0.02)]
    removals = sum(load.removals_per_hour for load in population)
    whole = sum(sqrt(load.pages * load.removals_per_hour) for load in population)
    assert listing_only_bound(population, 50.0) == pytest.approx(whole**2 / (2 * 50 * removals))
    roots = sum(sqrt(load.removals_per_hour) for load in population)
    assert any_polling_bound(population, 50.0) == pytest.approx(roots**2 / (2 * 50 * removals))


def test_T21_no_listing_is_asked_more_often_than_is_useful_but_for_its_window() -> None:
    assert share([Load(1, 100.0)], 1000.0, window_hours=10.0, shortest_hours=1 / 12) == [pytest.approx(12.0)]
    assert share([Load(600, 100.0)], 1000.0, window_hours=10.0, shortest_hours=1 / 12) == [pytest.approx(60.0)]


def test_what_loses_nothing_gets_what_its_window_asks_for() -> None:
    assert share([Load(20, 0.0), Load(1, 1.0)], 12.0, window_hours=10.0) == [2.0, 10.0]
    assert share([Load(20, 0.0)], 1.0, window_hours=10.0) == [2.0]
    assert share([], 1.0) == []


def test_no_listing_is_asked_more_often_than_needed() -> None:
    assert share([Load(1, 1.0), Load(1, 1.0)], 1000.0, 10.0, shortest_hours=0.1) == [10.0, 10.0]
    assert share([Load(50, 1.0)], 1000.0, 10.0, shortest_hours=1000.0) == [5.0]
    assert share([Load(50, 1.0, counted=False)], 1000.0, 10.0, shortest_hours=0.1) == [500.0]


def test_a_budget_below_what_the_window_asks_for_still_serves_the_window() -> None:
    assert share([Load(20, 1.0), Load(30, 1.0)], 1.0, window_hours=10.0) == [2.0, 3.0]


@settings(max_examples=100)
@given(population=loads, budget=st.floats(1, 1e4), window=st.floats(1, 100), moved=st.floats(0.01, 0.5))
def test_moving_requests_from_one_listing_to_another_never_helps(
    population: list[Load], budget: float, window: float, moved: float
) -> None:
    rates = share(population, budget, window)
    least = [load.pages / window for load in population]
    assert all(rate >= low * 0.999_999 for rate, low in zip(rates, least, strict=True))
    assert sum(rates) <= max(budget, sum(least)) * 1.000_001
    best = mean_latency(population, rates)
    for giver in range(len(rates)):
        for taker in range(len(rates)):
            amount = moved * (rates[giver] - least[giver])
            if giver != taker and amount > 1e-9:
                other = list(rates)
                other[giver] -= amount
                other[taker] += amount
                assert mean_latency(population, other) >= best * 0.999_999


@given(population=loads, budget=st.floats(1, 1e4), window=st.floats(1, 100))
def test_counting_can_only_help(population: list[Load], budget: float, window: float) -> None:
    counted = any_polling_bound(population, budget, window)
    assert counted <= listing_only_bound(population, budget, window) * 1.000_001
