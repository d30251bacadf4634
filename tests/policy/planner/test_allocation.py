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


def test_the_whole_budget_is_used_as_far_as_it_is_needed_and_useful() -> None:
    population = [Load(1, 0.3), Load(2, 0.1), Load(40, 0.7, counted=False), Load(3, 0.0), Load(9, 0.2), Load(5, 0.6)]
    needed = sum(load.pages for load in population) / 10
    useful = sum(load.round / 0.5 for load in population if load.removals_per_hour) + 0.3
    for budget in (1.0, needed, 7.0, 15.0, 30.0, 80.0, 88.0, useful, useful + 1, 1e6):
        rates = share(population, budget, window_hours=10.0, shortest_hours=0.5)
        assert sum(rates) == pytest.approx(min(max(budget, needed), useful))


def test_where_there_is_enough_for_all_rounding_leaves_nobody_short() -> None:
    for removals in ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.7, 0.1, 0.3, 0.2]):
        population = [Load(1, hourly) for hourly in removals]
        for budget in (10.0 * len(population), 1000.0):
            assert share(population, budget, 10.0, shortest_hours=0.1) == [10.0] * len(population)


def test_what_any_polling_can_do_does_not_depend_on_whether_totals_are_believed() -> None:
    believed = [Load(10, 0.1), Load(30, 0.4)]
    doubted = [Load(10, 0.1, counted=False), Load(30, 0.4, counted=False)]
    assert any_polling_bound(doubted, 50.0) == any_polling_bound(believed, 50.0)
    assert listing_only_bound(doubted, 50.0) == listing_only_bound(believed, 50.0)


def test_a_rate_for_each_listing_or_no_latency_is_told() -> None:
    with pytest.raises(ValueError, match="shorter"):
        mean_latency([Load(1, 0.1), Load(1, 0.2)], [1.0])


def test_nothing_to_ask_with_is_nothing_for_anybody() -> None:
    assert share([Load(1, 0.1), Load(3, 0.2)], 0.0) == [0.0, 0.0]


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
