"""What the planner promises, seen over days of virtual time in a world of listings."""

from itertools import pairwise
from random import Random

import pytest

from benchmarks.listing_world import VirtualMirror, key_of
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.policy.listings import pages_of
from ipsync.policy.planner import Purpose, Read, Wait
from ipsync.policy.planner.locating import reads_per_loss
from ipsync.policy.planner.removal_rate import RemovalRate
from tests.policy.planner.worlds import CADENCE, lived, settled


def test_reads_of_a_listing_are_spread_over_the_window_however_they_were_bunched() -> None:
    mirror = settled((1_000,), bunched=True)
    lived(mirror, 2 * CADENCE.window)
    read_at = sorted(mirror.planner.state(key_of(1)).read_at)
    gaps = [later - earlier for earlier, later in pairwise(read_at[1:])]
    assert max(gaps) <= 2 * CADENCE.window / 10


@pytest.mark.parametrize("documents", [101, 250, 1_600, 6_400])
def test_a_loss_is_found_within_the_reads_that_halving_takes(documents: int) -> None:
    mirror = settled((documents,))
    lived(mirror, CADENCE.window)
    random = Random(documents)
    bound = reads_per_loss(pages_of(documents))
    for _ in range(12):
        before, pages = mirror.counts.reads[Purpose.LOCATE], mirror.counts.requests
        mirror.remove(key_of(1), random.choice(mirror.truth[key_of(1)].posted))
        while mirror.overlooked():
            mirror.run(mirror.now + MINUTE)
        assert mirror.counts.reads[Purpose.LOCATE] - before <= bound
        assert mirror.counts.requests > pages
        mirror.run(mirror.now + HOUR)


def test_what_is_added_at_the_front_leads_no_search_astray() -> None:
    mirror = settled((2_000,))
    lived(mirror, CADENCE.window)
    bound, random = reads_per_loss(pages_of(2_000)), Random(4)
    for number in range(10):
        mirror.truth[key_of(1)].add(1 + number % 3)
        mirror.run(mirror.now + 2 * HOUR)
        before = mirror.counts.reads[Purpose.LOCATE]
        mirror.remove(key_of(1), random.choice(mirror.truth[key_of(1)].posted[:1_900]))
        mirror.run(mirror.now + 2 * HOUR)
        assert mirror.counts.reads[Purpose.LOCATE] - before <= bound + 1
    assert mirror.overlooked() == 0


def test_F16_two_documents_swapped_are_still_found_by_their_page() -> None:
    """The total stays as it was: only the page that should name the document tells."""
    mirror = settled((900, 900))
    lived(mirror, CADENCE.window)
    for number in (1, 2):
        truth = mirror.truth[key_of(number)]
        mirror.remove(key_of(number), truth.posted[333])
        truth.restore(truth.posted[500] + 1)
    lived(mirror, CADENCE.window)
    assert mirror.overlooked() == 0


@pytest.mark.parametrize("claim", [0, 1, 10**9])
def test_F16_a_total_renews_nothing_and_a_lying_one_costs_little(claim: int) -> None:
    mirror = settled((900,))
    lived(mirror, CADENCE.window)
    truth = mirror.truth[key_of(1)]
    truth.claims = lambda _total: claim
    before = mirror.counts.requests
    mirror.remove(key_of(1), truth.posted[450])
    lived(mirror, 3 * CADENCE.window)
    assert mirror.overlooked() == 0
    assert mirror.oldest_age() <= CADENCE.serve_age
    probes = mirror.counts.reads[Purpose.PROBE]
    assert mirror.counts.requests - before - probes <= 3 * 9 * 2.5 + 30


def test_F14_a_listing_out_of_order_is_read_page_by_page() -> None:
    mirror = settled((900,))
    truth, random = mirror.truth[key_of(1)], Random(2)
    shuffled = {posted: random.random() for posted in truth.posted}
    truth.arrange = lambda newest_first: sorted(newest_first, key=lambda posted: shuffled[posted])
    lived(mirror, 2 * CADENCE.window)
    assert not mirror.planner.state(key_of(1)).is_counted
    for index in (0, 300, 700):
        mirror.remove(key_of(1), truth.posted[index])
    lived(mirror, 2 * CADENCE.window)
    assert mirror.overlooked() == 0
    assert max(mirror.counts.latencies) <= 2 * CADENCE.window
    assert mirror.counts.worst_gap <= CADENCE.window
    truth.arrange = None
    lived(mirror, 3 * CADENCE.window)
    assert mirror.planner.state(key_of(1)).is_counted


def test_a_first_reading_that_lasts_for_days_keeps_the_leases_of_what_it_read() -> None:
    """New pages come one by one; the first of them must not wait for the last."""
    mirror = settled((2_000,), utilization=0.4)
    mirror.planner.set_budget(5.0)
    mirror.member(90, 2_500)
    counts = lived(mirror, 6 * DAY)
    assert counts.reads[Purpose.NEW] > 20
    assert max(counts.worst_age, mirror.oldest_age()) <= CADENCE.serve_age


def test_a_listing_that_shrinks_and_grows_is_followed() -> None:
    mirror = settled((1_000,))
    truth = mirror.truth[key_of(1)]
    for posted in list(truth.posted[100:700]):
        mirror.remove(key_of(1), posted)
    lived(mirror, CADENCE.window)
    assert mirror.overlooked() == 0
    assert mirror.planner.state(key_of(1)).pages == 4
    truth.add(350)
    lived(mirror, 2 * CADENCE.window)
    assert mirror.planner.pages == 8
    assert set(mirror.copies[key_of(1)].posted) == set(truth.posted)


def test_an_emptied_listing_is_hidden_with_its_first_page() -> None:
    mirror = settled((450,))
    for posted in list(mirror.truth[key_of(1)].posted):
        mirror.remove(key_of(1), posted)
    lived(mirror, CADENCE.window)
    assert mirror.overlooked() == 0
    assert mirror.planner.pages == 1
    assert max(mirror.counts.latencies) <= CADENCE.window / 3


def test_a_listing_that_was_dropped_is_asked_no_more_and_its_late_answer_says_nothing() -> None:
    mirror = settled((150, 150))
    while not isinstance(step := mirror.planner.next_read(mirror.now), Read):
        mirror.run(step.until)
    mirror.planner.drop(step.key)
    page = mirror.copies[step.key]
    assert step.key not in mirror.planner
    mirror._read(step, mirror.now)
    assert page.listing is not None
    mirror.planner.failed(step, mirror.now + HOUR)
    mirror.planner.hold(step.key, mirror.now + HOUR)
    mirror.planner.lost(step.key, RemovalRate())
    mirror.planner.drop(step.key)
    lived(mirror, 2 * CADENCE.window)
    assert all(mirror.planner.state(key).key != step.key for key in mirror.truth if key in mirror.planner)


def test_with_no_listing_there_is_nothing_to_do_for_a_while() -> None:
    mirror = VirtualMirror(CADENCE, 100.0)
    step = mirror.planner.next_read(mirror.now)
    assert isinstance(step, Wait)
    assert step.until > mirror.now
