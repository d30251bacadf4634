"""Percentiles that were really there, and bins that count each duration once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.distribution import Distribution
from ipsync.policy.instants import HOUR, SECOND


def test_nothing_has_no_percentile() -> None:
    nothing = Distribution(())

    assert (len(nothing), nothing.worst, nothing.percentile(50), nothing.within(HOUR)) == (0, None, None, 0)
    assert sum(entry.number for entry in nothing.bins(HOUR, SECOND, HOUR)) == 0


def test_percentiles_by_nearest_rank() -> None:
    times = Distribution([40, 10, 30, 20])

    assert [times.percentile(percent) for percent in (1, 25, 26, 50, 75, 76, 100)] == [10, 10, 20, 20, 30, 40, 40]
    assert times.worst == 40
    assert times.within(30) == 3


@given(st.lists(st.integers(0, 10**12), min_size=1), st.integers(1, 100))
def test_at_least_so_many_do_not_exceed_a_percentile(durations: list[int], percent: int) -> None:
    times = Distribution(durations)
    value = times.percentile(percent)

    assert value in durations
    assert times.within(value or 0) * 100 >= percent * len(durations)


@given(st.lists(st.integers(-5, 10**12)), st.integers(1000, 10**11))
def test_every_duration_is_in_one_bin_and_none_straddles_the_anchor(durations: list[int], anchor: int) -> None:
    times = Distribution(durations)
    bins = times.bins(anchor, SECOND, (times.worst or 0) + 1)

    assert sum(entry.number for entry in bins) == len(durations)
    assert all(before.end == after.begin for before, after in pairwise(bins))
    assert sum(entry.number for entry in bins if entry.end <= anchor + 1) == times.within(anchor)
