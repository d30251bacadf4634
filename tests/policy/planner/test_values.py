"""The small values: rates that are learned and forgotten, cadences, records of pages."""

from math import log

import pytest

from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.lease import Lease
from ipsync.policy.planner import Cadence, PageRead, Purpose
from ipsync.policy.planner.locating import reads_per_loss
from ipsync.policy.planner.removal_rate import (
    HALF_LIFE,
    MOST_AT_ONCE,
    PRIOR_REMOVALS,
    USUAL_PER_DOCUMENT_HOUR,
    RemovalRate,
    pooled,
)


def test_before_anything_was_seen_a_listing_is_taken_for_usual() -> None:
    assert RemovalRate().per_hour(1000) == pytest.approx(1000 * USUAL_PER_DOCUMENT_HOUR)
    assert RemovalRate().per_hour(0) == pytest.approx(USUAL_PER_DOCUMENT_HOUR)
    assert pooled([]) == pytest.approx(USUAL_PER_DOCUMENT_HOUR)


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
    assert album.removals == pytest.approx(MOST_AT_ONCE)
    assert RemovalRate().confirmed(3, together=MOST_AT_ONCE).removals == 3


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


def test_purposes_have_the_lanes_of_the_order_of_work() -> None:
    assert [purpose.lane for purpose in (Purpose.LEASE, Purpose.LOCATE, Purpose.PROBE, Purpose.NEW)] == [2, 3, 4, 5]
