"""What the planner promises, in worlds so large or so long that a test takes a second."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.listing_world import Counts, VirtualMirror, key_of
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.listings import pages_of
from ipsync.policy.planner import Cadence, Purpose
from ipsync.policy.planner.orders import LEASE_SHARE, READING_SHARE
from tests.policy.planner.worlds import BLIND, CADENCE, LARGER, LEASE, SIZES, lived, settled


@pytest.mark.parametrize("bunched", [False, True])
@pytest.mark.parametrize(("sizes", "utilization"), [(SIZES, 0.05), (SIZES, 0.25), (LARGER, 0.45)])
def test_no_page_waits_longer_than_the_window(sizes: tuple[int, ...], utilization: float, bunched: bool) -> None:
    mirror = settled(sizes, utilization=utilization, bunched=bunched)
    counts = lived(mirror)
    assert 0 < counts.worst_gap <= CADENCE.window
    assert max(counts.worst_age, mirror.oldest_age()) <= CADENCE.window
    assert counts.false_alarms == counts.confirmations == 0


def test_leases_cost_hardly_more_than_a_request_per_page_and_window() -> None:
    """The bound is one; 1.6 % more keep the period a little shorter than the window."""
    mirror = settled(cadence=replace(CADENCE, optional_share=0.0))
    lived(mirror, CADENCE.window)  # until all streams are under way
    mirror.counts = Counts()
    counts = lived(mirror, 4 * CADENCE.window)
    assert counts.requests / (4 * sum(map(pages_of, SIZES))) <= 1.02
    assert counts.worst_gap <= CADENCE.window


def test_with_counts_a_loss_is_known_long_before_its_page_has_its_turn() -> None:
    watching, blind = settled((5_000,)), settled((5_000,), BLIND)
    for mirror in (watching, blind):
        mirror.removals(key_of(1), 0.5, mirror.now + 50 * HOUR, Random(1))
        lived(mirror, 60 * HOUR)
        assert mirror.overlooked() == 0
        assert len(mirror.counts.latencies) > 20
    assert watching.counts.mean_latency_hours() < blind.counts.mean_latency_hours() / 3
    assert max(blind.counts.latencies) <= BLIND.window


def test_an_outage_of_ten_hours_at_half_the_budget_hides_nothing() -> None:
    mirror = settled(utilization=0.5 * LEASE_SHARE / READING_SHARE)
    begins = mirror.now + 15 * HOUR
    mirror.outage(begins, begins + 10 * HOUR)
    counts = lived(mirror, 2 * DAY)
    assert 10 * HOUR <= counts.worst_age < LEASE.serve_age
    assert mirror.oldest_age() < LEASE.serve_age


def test_after_an_outage_the_reads_spread_again() -> None:
    mirror = settled()
    begins = mirror.now + 15 * HOUR
    mirror.outage(begins, begins + 10 * HOUR)
    lived(mirror, 2 * DAY)
    mirror.counts = Counts()
    counts = lived(mirror)
    assert counts.worst_gap <= CADENCE.window


def test_a_listing_that_fails_or_is_held_blocks_nobody() -> None:
    mirror = settled()
    bad, held = key_of(3), key_of(4)
    mirror.on_read = lambda read: read.key != bad
    mirror.planner.hold(held, mirror.now + 30 * DAY)
    lived(mirror)
    for key, copies in mirror.copies.items():
        oldest = mirror.now - min(copies.verified.values())
        if key in (bad, held):
            assert oldest > DAY
        else:
            assert oldest <= CADENCE.window
    mirror.on_read = lambda read: True
    mirror.planner.hold(held, 0)
    lived(mirror, CADENCE.window)
    assert mirror.oldest_age() <= CADENCE.window


def test_new_listings_are_read_from_what_is_left() -> None:
    mirror = settled()
    mirror.member(90, 1_500)
    counts = lived(mirror, 3 * CADENCE.window)
    assert counts.reads[Purpose.NEW] == 15
    assert mirror.planner.state(key_of(90)).swept
    assert len(mirror.copies[key_of(90)].verified) == 1_500
    assert counts.worst_gap <= CADENCE.window


def test_a_restart_forgets_nothing_and_causes_no_storm() -> None:
    mirror = settled()
    lived(mirror, DAY)
    mirror.counts = Counts()
    for _ in range(8):
        mirror.restarted()
        lived(mirror, 3 * HOUR)
    assert mirror.counts.worst_gap <= CADENCE.window
    pages = sum(map(pages_of, SIZES))
    assert mirror.counts.reads[Purpose.LEASE] <= pages * 24 / 9
    mirror.remove(key_of(4), mirror.truth[key_of(4)].posted[50])
    mirror.restarted()
    lived(mirror, 2 * HOUR)
    assert mirror.overlooked() == 0


def test_a_budget_too_small_reads_what_is_most_urgent_first() -> None:
    mirror = settled(utilization=1.5)
    lived(mirror, 3 * DAY)
    ages = [mirror.now - read_at for key in mirror.truth for read_at in mirror.planner.state(key).read_at]
    # All wait equally long: about as long as the budget takes for a round.
    assert max(ages) <= 1.5 * 20 * HOUR * 1.1


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(0, 700), min_size=1, max_size=4),
    watches=st.booleans(),
    deeds=st.lists(
        st.tuples(st.sampled_from(("remove", "add", "restart", "fail", "heal")), st.integers(1, 30)), max_size=12
    ),
)
def test_whatever_owners_do_all_is_found_and_nothing_is_lost(
    seed: int, sizes: list[int], watches: bool, deeds: list[tuple[str, int]]
) -> None:
    random = Random(seed)
    mirror = VirtualMirror(Cadence.of(LEASE, 10 * HOUR, watches_totals=watches), 60.0)
    for number, documents in enumerate(sizes, 1):
        mirror.member(number, documents)
    for deed, number in deeds:
        key = key_of(1 + number % len(sizes))
        truth = mirror.truth[key]
        if deed == "remove":
            for posted in random.sample(truth.posted, min(number, len(truth.posted))):
                mirror.remove(key, posted)
        elif deed == "add":
            truth.add(number)
        elif deed == "restart":
            mirror.restarted()
        else:
            mirror.on_read = (lambda read, bad=key: read.key != bad) if deed == "fail" else (lambda read: True)
        mirror.run(mirror.now + number * HOUR // 4)
    mirror.on_read = lambda read: True
    mirror.run(mirror.now + 25 * HOUR)
    assert mirror.overlooked() == 0
    assert mirror.oldest_age() <= CADENCE.window
    for key, truth in mirror.truth.items():
        assert set(mirror.copies[key].verified) == set(truth.posted)
        assert mirror.planner.state(key).pages == pages_of(len(truth.posted))
