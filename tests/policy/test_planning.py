"""How often listings are read, and in which order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.lease import Lease
from ipsync.policy.listings import MOST_PAGES, Listing, pages_of
from ipsync.policy.planning import due_listings, gives_up_last_page, next_try, page_to_try, plan_sweeps


def test_pages_of_a_listing() -> None:
    assert [pages_of(n) for n in (0, 1, 100, 101, 100_000)] == [1, 1, 1, 2, 1000]


def test_a_round_takes_a_little_less_than_the_recheck_age(lease: Lease) -> None:
    plan = plan_sweeps(3000, 1000, lease)
    assert 9.8 * HOUR < plan.period < lease.recheck_age
    assert plan.requests_per_hour == pytest.approx(3000 / 9.84, rel=0.01)
    assert plan.utilization == pytest.approx(3000 / (930 * 20))


def test_a_budget_of_nothing_gives_a_number_too(lease: Lease) -> None:
    assert plan_sweeps(1, 0, lease) == plan_sweeps(1, 0.001, lease)
    assert plan_sweeps(1, 0, lease) != plan_sweeps(1, 0.0015, lease)


def test_a_window_of_microseconds_has_a_period() -> None:
    assert plan_sweeps(0, 1000, Lease(24)).period > 0


def test_what_the_budget_does_not_suffice_for_takes_longer(lease: Lease) -> None:
    assert plan_sweeps(10_000, 500, lease).period == pytest.approx(10_000 / 475 * HOUR)


@given(st.integers(0, 10**6), st.floats(0, 10**6), st.integers(30 * SECOND, DAY))
def test_while_the_budget_suffices_no_lease_runs_out(pages: int, rate: float, window: int) -> None:
    lease = Lease(window)
    plan = plan_sweeps(pages, rate, lease)
    assert plan.period > 0
    if plan.utilization <= 1:
        assert plan.period < lease.serve_age


def test_sweeps_begun_come_first_then_the_longest_unswept() -> None:
    def listing(account_id: int, **given: int | None) -> Listing:
        return Listing(account_id, Visibility.PUBLIC, **given)

    listings = [
        listing(1, completed_at=50),
        listing(2, completed_at=20),
        listing(3, completed_at=90, sweep_started_at=95),
        listing(4),
        listing(5, next_due_at=101),
    ]
    assert [entry.account_id for entry in due_listings(listings, 100)] == [3, 4, 2, 1]


def test_a_sweep_begun_goes_on_before_the_next_is_due_and_the_never_swept_come_before_all() -> None:
    begun = Listing(1, Visibility.PUBLIC, completed_at=50, sweep_started_at=95, next_due_at=200)
    just_due = Listing(2, Visibility.PUBLIC, completed_at=1, next_due_at=10)
    never = Listing(3, Visibility.PUBLIC, next_due_at=100)
    later = Listing(4, Visibility.PUBLIC, next_due_at=101)
    assert due_listings([just_due, later, never, begun], 100) == [begun, never, just_due]


def test_tries_are_spaced_twice_as_far_each_time_up_to_a_bound() -> None:
    waits = [next_try(0, attempts, SECOND, MINUTE) for attempts in range(10)]
    assert waits == [SECOND, SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND, 32 * SECOND] + [MINUTE] * 3
    assert next_try(0, 10**6, SECOND, HOUR) == HOUR
    assert next_try(0, 10**6, 1, 10**12) == 2**30  # no number grows without end


def test_F16_a_lying_page_count_ends_somewhere() -> None:
    assert MOST_PAGES == 10_002


def test_one_page_that_always_fails_does_not_keep_those_behind_it_from_being_read() -> None:
    listing = Listing(1, Visibility.PUBLIC, pages=6, next_page=3)
    tried = [page_to_try(listing, failures) for failures in range(12)]
    assert tried == [3, 3, 3, 4, 3, 5, 3, 6, 3, 4, 3, 5]
    last = replace(listing, next_page=6)
    assert {page_to_try(last, failures) for failures in range(12)} == {6}
    assert {page_to_try(replace(listing, next_page=1, pages=1), failures) for failures in range(12)} == {1}


def test_a_last_page_that_always_fails_does_not_keep_the_others_from_being_read_again() -> None:
    last = Listing(1, Visibility.PUBLIC, pages=6, next_page=6)
    assert [failures for failures in range(5) if gives_up_last_page(last, failures)] == [3, 4]
    assert not gives_up_last_page(replace(last, next_page=5), 9)
    assert not gives_up_last_page(Listing(1, Visibility.PUBLIC), 9)


def test_where_one_page_or_many_are_behind_a_failing_one_each_has_its_turn() -> None:
    listing = Listing(1, Visibility.PUBLIC, pages=6, next_page=5)
    assert [page_to_try(listing, failures) for failures in range(3, 8)] == [6, 5, 6, 5, 6]
    listing = replace(listing, next_page=2)
    assert [page_to_try(listing, failures) for failures in (3, 5, 7, 9, 11)] == [3, 4, 5, 6, 3]


def test_of_two_pages_the_last_is_given_up_too() -> None:
    assert gives_up_last_page(Listing(1, Visibility.PUBLIC, pages=2, next_page=2), 3)
