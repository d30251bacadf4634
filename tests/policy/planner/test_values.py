"""The small values: rates that are learned and forgotten, cadences, records of pages."""

from dataclasses import replace
from math import log

import pytest

from ipsync.policy.budget import LANE_SHARES
from ipsync.policy.documents import Visibility
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.policy.lease import Lease
from ipsync.policy.planner import (
    Cadence,
    Learned,
    ListingKey,
    ListingKnowledge,
    PageKnowledge,
    PageRead,
    Purpose,
    Read,
)
from ipsync.policy.planner.knowledge import NEWEST, OLDEST
from ipsync.policy.planner.locating import reads_per_loss
from ipsync.policy.planner.orders import LEASE_SHARE, READING_SHARE
from ipsync.policy.planner.removal_rate import (
    HALF_LIFE,
    PRIOR_REMOVALS,
    USUAL_PER_DOCUMENT_HOUR,
    RemovalRate,
    pooled,
)


def test_before_anything_was_seen_a_listing_is_taken_for_usual() -> None:
    assert RemovalRate().per_hour(1000) == pytest.approx(1000 * USUAL_PER_DOCUMENT_HOUR)
    assert RemovalRate().per_hour(0) == pytest.approx(USUAL_PER_DOCUMENT_HOUR)
    assert pooled([]) == pytest.approx(USUAL_PER_DOCUMENT_HOUR)


def test_of_forty_usual_documents_one_goes_in_a_year() -> None:
    assert RemovalRate().per_hour(40) * 365 * 24 == pytest.approx(1, rel=0.1)


def test_what_was_seen_a_month_ago_counts_half() -> None:
    assert RemovalRate(8.0, 0.0, 0).watched(30 * DAY).removals == pytest.approx(4)


def test_half_a_removal_and_two_are_what_the_usual_counts_against_a_listing_and_against_all() -> None:
    """So one removal says more of a listing than all others do, and three say more than we believed before."""
    assert RemovalRate(1.0, 0.0, 0).per_hour(40) == pytest.approx(3 * RemovalRate().per_hour(40))
    assert pooled([(RemovalRate(2.0, 0.0, 0), 40)]) == pytest.approx(2 * pooled([]))


def test_what_documents_of_all_listings_do_is_told_by_all_that_were_watched() -> None:
    """A thousand documents watched for a thousand hours are a million hours of one; an empty listing counts as one."""
    usual_hours = 2 / USUAL_PER_DOCUMENT_HOUR
    large, small, empty = (RemovalRate(6.0, 1000.0, 0), 1000), (RemovalRate(1.0, 100.0, 0), 50), (RemovalRate(), 0)
    assert pooled([large, small, empty]) == pytest.approx(9 / (usual_hours + 1_000_000 + 5_000))
    assert pooled([(RemovalRate(0.0, 2 * usual_hours, 0), 0)]) == pytest.approx(2 / (3 * usual_hours))


def test_what_was_confirmed_is_learned_and_fades() -> None:
    rate = RemovalRate().watched(0)
    for hour in range(1, 1001):
        rate = rate.watched(hour * HOUR)
        rate = rate.confirmed() if hour % 10 == 0 else rate
    assert rate.per_hour(1000) == pytest.approx(0.1, rel=0.25)
    later = rate.watched(1000 * HOUR + HALF_LIFE)
    assert later.removals == pytest.approx(rate.removals / 2)
    assert later.per_hour(1000) < rate.per_hour(1000)
    assert USUAL_PER_DOCUMENT_HOUR < pooled([(rate, 1000)]) < 1e-4


def test_the_first_answer_only_begins_the_watch() -> None:
    assert RemovalRate().watched(5) == RemovalRate(0.0, 0.0, 5)
    assert RemovalRate().confirmed().watched(5) == RemovalRate(1.0, 0.0, 5)


def test_hours_are_counted_as_they_pass_and_never_run_backwards() -> None:
    rate = RemovalRate().watched(100 * HOUR)
    assert rate.watched(102 * HOUR).hours == pytest.approx(2, rel=1e-2)
    assert rate.watched(99 * HOUR) == rate
    # However long it was watched, it knows no more than of 1.44 half-lives.
    assert rate.watched(10_000 * DAY).hours == pytest.approx(HALF_LIFE / HOUR / log(2))


def test_an_album_taken_away_at_once_is_one_decision() -> None:
    few, album = RemovalRate(), RemovalRate()
    for _ in range(5):
        few = few.confirmed(together=5)
    for _ in range(5000):
        album = album.confirmed(together=5000)
    assert few.removals == 5
    assert album.removals == pytest.approx(10)
    assert RemovalRate().confirmed(3, together=10).removals == 3


def test_a_rate_is_learned_once_it_rests_on_more_than_what_is_usual() -> None:
    usual_hours = PRIOR_REMOVALS / (1000 * USUAL_PER_DOCUMENT_HOUR)
    assert not RemovalRate(0.0, usual_hours, 0).is_learned(1000)
    assert RemovalRate(0.0, usual_hours + 1, 0).is_learned(1000)
    assert not RemovalRate(PRIOR_REMOVALS, 0.0, 0).is_learned(1000)
    assert RemovalRate(1.0, 0.0, 0).is_learned(1000)
    assert not RemovalRate(0.0, usual_hours + 1, 0).is_learned(1000, USUAL_PER_DOCUMENT_HOUR / 2)


def test_a_cadence_keeps_the_lease_through_an_outage() -> None:
    lease = Lease(DAY)
    assert Cadence.of(lease, 10 * HOUR).window == 10 * HOUR
    assert Cadence.of(lease).window == 10 * HOUR
    assert Cadence.of(lease, 15 * HOUR).window == 5 * HOUR
    cadence = Cadence.of(lease, 10 * HOUR)
    assert cadence.period + 2 * cadence.tolerance == cadence.window
    assert cadence.period >= cadence.window / 1.02
    for outage in (20 * HOUR, 30 * HOUR):
        with pytest.raises(ValueError, match="hard window"):
            Cadence.of(lease, outage)
    with pytest.raises(ValueError, match="hard window"):
        Cadence(window=21 * HOUR, serve_age=20 * HOUR)


@pytest.mark.parametrize(("pages", "reads"), [(1, 0), (2, 2), (3, 3), (4, 3), (5, 4), (64, 7), (65, 8)])
def test_locating_takes_a_binary_search_and_one(pages: int, reads: int) -> None:
    assert reads_per_loss(pages) == reads


def test_a_page_knows_whether_it_is_whole_and_whether_it_is_the_last() -> None:
    assert PageRead(3, 0, 250, list(range(50, 0, -1))).ends
    short = PageRead(2, 0, 250, list(range(99, 0, -1)))
    assert not short.whole
    assert not short.ends
    assert PageRead(1, 0, 0, []).whole
    assert PageRead(4, 0, 250, []).record().newest_at is None


def test_a_page_behind_the_end_is_whole_if_it_is_empty() -> None:
    assert PageRead(3, 0, 250, list(range(50, 0, -1))).whole
    assert PageRead(4, 0, 250, []).whole
    assert not PageRead(4, 0, 250, [1]).whole


def test_what_is_kept_of_a_page_tells_whether_it_was_the_last() -> None:
    assert PageKnowledge(3, 0, 250, 50).ends
    assert PageKnowledge(1, 0, 100, 100).ends
    assert not PageKnowledge(2, 0, 250, 100).ends
    assert not PageKnowledge(2, 0, 50, 100).ends
    assert PageKnowledge(1, 0, 100, 100).documents == 0
    assert PageRead(3, 7, 250, [30, 20]).record() == PageKnowledge(3, 7, 250, 2, newest_at=30, oldest_at=20)


def test_of_a_listing_never_read_nothing_is_known_but_that_it_has_a_page() -> None:
    known = ListingKnowledge(ListingKey(1, Visibility.PUBLIC))
    assert (known.total, known.expected, known.pages, known.swept) == (0, 0, 1, False)
    assert (known.cycle_at, known.cycle_page, known.completed_at, known.disordered_at) == (None, 1, None, None)
    assert (known.fruitless, known.quiet_until, known.removals) == (0, 0, RemovalRate())


def test_totals_are_counted_on_until_they_led_astray_four_times_or_the_order_broke() -> None:
    known = ListingKnowledge(ListingKey(1, Visibility.PUBLIC))
    assert known.is_counted is True
    assert replace(known, fruitless=3).is_counted is True
    assert replace(known, fruitless=4).is_counted is False
    assert replace(known, disordered_at=1).is_counted is False


def test_before_and_after_every_posting_time_there_is() -> None:
    assert OLDEST < -(10**18)
    assert NEWEST > 10**18


def test_T21_no_listing_is_asked_more_often_than_every_five_minutes_and_a_fifth_is_left_for_other_work() -> None:
    cadence = Cadence.of(Lease(DAY))
    assert cadence.shortest == 5 * MINUTE
    assert cadence.optional_share == 0.8
    assert cadence.watches_totals
    assert not Cadence.of(Lease(DAY), watches_totals=False).watches_totals
    bare = Cadence(window=HOUR, serve_age=HOUR)
    assert (bare.shortest, bare.watches_totals) == (0, True)


def test_pages_take_what_their_lane_allows_and_leases_less_than_that_by_what_the_shorter_period_costs() -> None:
    assert LANE_SHARES[Purpose.LEASE.lane] == 100 * READING_SHARE
    assert 0.98 < LEASE_SHARE / (READING_SHARE * 63 / 64) < 1


def test_the_hard_window_can_be_divided_and_ends_before_a_copy_is_hidden() -> None:
    assert Cadence(window=128, serve_age=128).tolerance == 1
    with pytest.raises(ValueError, match="128 µs at least"):
        Cadence(window=127, serve_age=128)
    with pytest.raises(ValueError, match="no longer than a copy is served"):
        Cadence(window=129, serve_age=128)


def test_an_answer_teaches_nothing_of_other_pages_unless_it_says_so() -> None:
    listing, record = ListingKnowledge(ListingKey(1, Visibility.PUBLIC)), PageKnowledge(1, 0, 0, 0)
    learned = Learned(listing, record)
    assert (learned.cuts, learned.suspected, learned.completed) == ({}, 0, False)
    assert Read(listing.key, 1, Purpose.PROBE, None).lane == Purpose.PROBE.lane


def test_purposes_have_the_lanes_of_the_order_of_work() -> None:
    assert [purpose.lane for purpose in (Purpose.LEASE, Purpose.LOCATE, Purpose.PROBE, Purpose.NEW)] == [2, 3, 4, 5]
