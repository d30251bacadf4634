"""Who is read next where listings meet: the order of work, the pace, what is left for probes and new listings.

Times are seconds; a window is 1280 s, a request a second unless said otherwise.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import SECOND
from ipsync.policy.planner import Absence, Cadence, ListingKey, ListingKnowledge, Planner, Purpose, Read, Wait
from ipsync.policy.planner.removal_rate import RemovalRate
from tests.policy.planner.listings import CADENCE, page_of, rows_of

BARE = replace(CADENCE, optional_share=0.0)
"""Nothing is left for probes and new listings."""

EVERY = (100, 200, 300, 400)
HOURLY = 3600.0


def key(number: int) -> ListingKey:
    return ListingKey(number, Visibility.PUBLIC)


def planner(
    *listings: Sequence[int],
    cadence: Cadence = BARE,
    per_hour: float = HOURLY,
    burst: int | None = None,
    **known: object,
) -> Planner:
    """Listings numbered from 1, whose pages were read at these times."""
    made = Planner(cadence, per_hour) if burst is None else Planner(cadence, per_hour, burst * SECOND)
    for number, read_at in enumerate(listings, 1):
        put(made, number, read_at, **known)
    return made


def put(made: Planner, number: int, read_at: Sequence[int], **known: object) -> None:
    pages = len(read_at)
    listing = ListingKnowledge(key(number), total=pages * 100, expected=pages * 100, pages=pages, swept=True)
    made.put(replace(listing, **known), rows_of(read_at))  # type: ignore[arg-type]  # reason: names are checked by replace


def step(made: Planner, at: float) -> Read | Wait:
    return made.next_read(round(at * SECOND))


def what(made: Planner, at: float) -> tuple[int, int, Purpose] | float:
    """Account, page and purpose of what is to be read, or until when to wait."""
    found = step(made, at)
    return found.until / SECOND if isinstance(found, Wait) else (found.key.account_id, found.page, found.purpose)


def answer(made: Planner, read: Read | Wait, at: int, without: Sequence[int] = ()) -> None:
    assert isinstance(read, Read)
    total = made.state(read.key).pages * 100 - len(without)
    made.answered(read, page_of(read.page, total, at, without), Absence(), at * SECOND)


def taken(made: Planner, at: int, until: int) -> list[tuple[int, tuple[int, int, Purpose]]]:
    """Everything that is read from one instant to another, each answered at once: when and what."""
    found = []
    while at < until:
        given = step(made, at)
        if isinstance(given, Wait):
            assert given.until > at * SECOND
            at = -(-given.until // SECOND)
            continue
        found.append((at, (given.key.account_id, given.page, given.purpose)))
        answer(made, given, at)
    return found


# what is planned


def test_what_is_planned() -> None:
    made = planner(EVERY, (100,))
    assert (made.pages, made.requests_per_hour) == (5, HOURLY)
    assert key(2) in made
    assert key(3) not in made
    put(made, 2, (100, 200))
    assert made.pages == 6
    made.drop(key(1))
    assert made.pages == 2
    made.set_budget(100.0)
    assert made.requests_per_hour == 100.0
    with pytest.raises(KeyError):
        made.state(key(1))


def test_a_page_is_read_when_it_is_due_and_not_before() -> None:
    made = planner(EVERY)
    assert what(made, 400) == 715
    assert what(made, 714.9) == 715
    assert step(made, 715) == Read(key(1), 1, Purpose.LEASE, (100 + 2560) * SECOND)


def test_what_is_under_way_is_not_asked_for_twice() -> None:
    made = planner(EVERY)
    given = step(made, 715)
    for at in (716, 800, 2000):
        assert isinstance(step(made, at), Wait)
    answer(made, given, 716)
    assert what(made, 2000) == (1, 2, Purpose.LEASE)


def test_what_is_due_together_is_read_in_the_order_in_which_windows_end() -> None:
    made = planner((300,), (100,), (200,))
    reads = [step(made, 2000 + number) for number in range(3)]
    assert [read.key.account_id for read in reads if isinstance(read, Read)] == [2, 3, 1]


# the pace


def test_reads_are_paced_at_the_budget() -> None:
    made = planner(*[(100,)] * 30)
    given = taken(made, 2000, 2020)
    assert len(given) == 21  # the first two at once
    assert given[1][0] == 2000
    assert [at for at, _ in given[2:5]] == [2001, 2002, 2003]


def test_what_was_not_sent_for_a_while_may_be_sent_at_once_where_a_gate_keeps_the_budget() -> None:
    made = planner(*[(100, 105)] * 30, burst=10)
    given = taken(made, 740, 745)
    assert [sum(at == then for at, _ in given) for then in (740, 741, 742)] == [11, 1, 1]


def test_leases_at_risk_do_not_wait_for_the_pace_where_a_gate_keeps_the_budget() -> None:
    risky = planner(*[(100,)] * 30, burst=10)
    assert sum(at == 1370 for at, _ in taken(risky, 1370, 1371)) == 30
    paced = planner(*[(100,)] * 30)
    assert sum(at == 1370 for at, _ in taken(paced, 1370, 1371)) == 2


def test_another_budget_holds_at_once() -> None:
    made = planner(*[(100,)] * 10, per_hour=1.0)
    for _ in range(2):
        assert isinstance(step(made, 20_000), Read)
    assert what(made, 20_000) == 23_600
    made.set_budget(HOURLY)
    assert isinstance(step(made, 20_000), Read)
    made.set_budget(0.0)
    long = 1000 * 3600  # a belief of nothing still asks, every thousand hours
    assert isinstance(step(made, 2 * long), Read)
    assert isinstance(step(made, 2 * long), Read)
    assert what(made, 2 * long) == 3 * long


def test_the_more_is_due_the_sooner_it_is_at_risk() -> None:
    made = planner(*[(100, 105)] * 30, burst=1)
    assert sum(at == 1345 for at, _ in taken(made, 1345, 1346)) >= 6
    few = planner(*[(100, 105)] * 5, burst=1)
    assert sum(at == 1345 for at, _ in taken(few, 1345, 1346)) == 2


# locating


def searching(made: Planner, number: int, at: int) -> None:
    """A page in its turn shows that a document has gone from elsewhere."""
    given = step(made, at)
    assert isinstance(given, Read)
    assert given.key == key(number)
    answer(made, given, at, without=(120,))


def test_a_loss_is_located_before_leases_that_are_not_at_risk() -> None:
    made = planner(EVERY, (500, 600, 700, 715))
    searching(made, 1, 715)
    assert what(made, 1031) == (1, 3, Purpose.LOCATE)
    assert what(made, 1032) == (1, 2, Purpose.LEASE)


def test_a_lease_at_risk_goes_before_locating() -> None:
    made = planner(EVERY, (500, 600, 700, 715))
    searching(made, 1, 715)
    assert what(made, 1479) == (1, 2, Purpose.LEASE)
    assert what(made, 1480) == (1, 3, Purpose.LOCATE)


def test_locating_is_a_little_ahead_of_the_pace_and_no_more() -> None:
    """Whoever waits 20 s between requests searches 10 s sooner."""
    made = planner(EVERY, per_hour=180.0)
    searching(made, 1, 715)
    given = step(made, 715)
    assert isinstance(given, Read)
    assert (given.page, given.purpose) == (3, Purpose.LOCATE)
    answer(made, given, 715, without=(120,))
    assert what(made, 724.9) == 735
    given = step(made, 725)
    assert isinstance(given, Read)
    assert given.purpose is Purpose.LOCATE


def test_searches_take_turns() -> None:
    made = planner(EVERY, EVERY)
    turns = [step(made, 715), step(made, 715)]
    for given in turns:
        answer(made, given, 716, without=(120,))
    searches = [step(made, 717), step(made, 718)]
    assert [read.key.account_id for read in searches if isinstance(read, Read)] == [1, 2]
    assert what(made, 719) == 1030
    first, second = searches
    answer(made, first, 720, without=(120,))
    answer(made, second, 720, without=(120,))
    for at, number in ((721, 1), (722, 2)):
        given = step(made, at)
        assert isinstance(given, Read)
        assert (given.key, given.purpose) == (key(number), Purpose.LOCATE)
        answer(made, given, at, without=(120,))


def test_a_search_that_failed_lets_the_lease_that_is_due_rest_as_well() -> None:
    made = planner(EVERY)
    searching(made, 1, 715)
    given = step(made, 1031)
    assert isinstance(given, Read)
    assert given.purpose is Purpose.LOCATE
    made.failed(given, 1100 * SECOND)
    assert what(made, 1032) == 1100
    assert {what(made, 1100), what(made, 1101)} == {(1, 3, Purpose.LOCATE), (1, 2, Purpose.LEASE)}


def test_long_searches_take_turns_too() -> None:
    pages = tuple(range(100, 420, 20))
    made = planner(pages, pages)
    for given in [step(made, 480), step(made, 480)]:
        answer(made, given, 481, without=(120,))
    turns = []
    for at in (482, 483, 484, 485):
        given = step(made, at)
        assert isinstance(given, Read)
        turns.append(given.key.account_id)
        answer(made, given, at, without=(120,))
    assert turns == [1, 2, 1, 2]


def test_with_its_listing_a_search_goes() -> None:
    made = planner(EVERY)
    searching(made, 1, 715)
    made.drop(key(1))
    assert isinstance(step(made, 716), Wait)


def test_while_a_lease_is_renewed_the_answers_of_a_search_ask_for_it_no_second_time() -> None:
    made = planner(EVERY)
    searching(made, 1, 715)
    search, lease = step(made, 1031), step(made, 1031)
    assert [read.purpose for read in (search, lease) if isinstance(read, Read)] == [Purpose.LOCATE, Purpose.LEASE]
    answer(made, search, 1032, without=(120,))
    for at in range(1033, 1040):
        given = step(made, at)
        if isinstance(given, Read):
            assert given.purpose is Purpose.LOCATE
            answer(made, given, at, without=(120,))


def test_streams_that_were_held_up_together_spread_evenly_over_their_beat() -> None:
    made = planner(*[EVERY] * 8)
    for _ in range(8):
        answer(made, step(made, 740), 740)
        made.set_budget(HOURLY)
    beats = sorted((made.state(key(number)).tick or 0) / SECOND - 740 for number in range(1, 9))
    assert beats[0] > 0
    assert beats[-1] <= 315
    assert max(later - sooner for sooner, later in pairwise([0, *beats, 315])) < 0.2 * 315


def test_a_search_rests_with_its_listing() -> None:
    made = planner(EVERY)
    searching(made, 1, 715)
    made.hold(key(1), 800 * SECOND)
    assert what(made, 716) == 800
    assert what(made, 800) == (1, 3, Purpose.LOCATE)


# who fails, who is held, who is gone


def test_who_is_held_is_read_when_that_ends() -> None:
    made = planner((100,), (100,))
    made.hold(key(1), 3000 * SECOND)
    made.hold(key(9), 3000 * SECOND)
    assert what(made, 2000) == (2, 1, Purpose.LEASE)
    assert what(made, 2001) == 3000
    assert what(made, 3000) == (1, 1, Purpose.LEASE)


def test_a_hold_can_be_lifted() -> None:
    made = planner((100,))
    made.hold(key(1), 30_000 * SECOND)
    assert isinstance(step(made, 2000), Wait)
    made.hold(key(1), 0)
    assert what(made, 2001) == (1, 1, Purpose.LEASE)
    assert isinstance(step(made, 2002), Wait)


def test_who_failed_rests_and_holds_up_nobody() -> None:
    made = planner((100,), (200,))
    given = step(made, 2000)
    assert isinstance(given, Read)
    made.failed(given, 2100 * SECOND)
    assert what(made, 2001) == (2, 1, Purpose.LEASE)
    assert what(made, 2002) == 2100
    assert what(made, 2100) == (1, 1, Purpose.LEASE)
    made.failed(given, 2050 * SECOND)  # a shorter rest than the one before takes nothing off it
    assert what(made, 2100) == (1, 1, Purpose.LEASE)


def test_who_is_held_while_due_stands_behind_nobody_afterwards() -> None:
    made = planner((100,), (50,))
    assert isinstance(step(made, 1300), Wait)
    assert what(made, 2000) == (2, 1, Purpose.LEASE)
    made.hold(key(1), 2500 * SECOND)
    assert what(made, 2001) == 2500
    assert what(made, 2500) == (1, 1, Purpose.LEASE)


def test_who_was_dropped_is_not_read_and_what_comes_late_says_nothing() -> None:
    made = planner((100,), (200,))
    given = step(made, 2000)
    assert isinstance(given, Read)
    made.drop(key(1))
    assert made.answered(given, page_of(1, 100, 2000), Absence(), 2000 * SECOND) is None
    made.failed(given, 3000 * SECOND)
    assert what(made, 2001) == (2, 1, Purpose.LEASE)
    assert isinstance(step(made, 2002), Wait)
    put(made, 1, (100,))
    assert what(made, 2003) == (1, 1, Purpose.LEASE)


def test_who_was_taken_in_anew_owes_nothing_that_was_planned_before() -> None:
    made = planner(EVERY, cadence=CADENCE)
    made.put(ListingKnowledge(key(1), pages=3))
    assert what(made, 2000) == (1, 1, Purpose.NEW)
    assert isinstance(step(made, 2001), Wait)


def test_who_was_held_for_a_moment_while_due_is_read_once() -> None:
    made = planner((100,), (50,))
    assert what(made, 2000) == (2, 1, Purpose.LEASE)
    made.hold(key(1), 2500 * SECOND)
    made.hold(key(1), 0)
    assert what(made, 2001) == (1, 1, Purpose.LEASE)
    assert isinstance(step(made, 2002), Wait)


def test_who_was_dropped_while_due_is_not_read() -> None:
    made = planner((100,), (200,))
    assert what(made, 2000) == (1, 1, Purpose.LEASE)
    made.drop(key(2))
    assert isinstance(step(made, 2001), Wait)
    probed = planner((100, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=180.0)
    assert isinstance(step(probed, 400), Wait)
    probed.drop(key(1))
    assert isinstance(step(probed, 2000), Wait)


def test_with_no_listing_there_is_nothing_to_do_for_a_fortieth_of_a_window() -> None:
    assert what(planner(), 1000) == 1000 + 32


# probes and new listings


def probed(made: Planner, at: int, until: int) -> dict[int, int]:
    """How often each listing is probed."""
    found = [number for _, (number, _, purpose) in taken(made, at, until) if purpose is Purpose.PROBE]
    return {number: found.count(number) for number in set(found)}


def test_what_leases_leave_goes_to_probes_by_the_square_root_of_what_is_lost() -> None:
    made = planner((100, 400), (200, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=100.0)
    made.lost(key(1), RemovalRate(4000.0, 1000.0, 400 * SECOND))
    made.lost(key(2), RemovalRate(1000.0, 1000.0, 400 * SECOND))
    made.lost(key(3), RemovalRate())
    counts = probed(made, 400, 8000)
    leases = 2 * 7600 / 1260
    assert (counts[1] + leases) / (counts[2] + leases) == pytest.approx(2, rel=0.2)
    # Half of the budget, less what locating five losses an hour is expected to take.
    assert sum(counts.values()) + 2 * leases == pytest.approx((50 - 10) * 7600 / 3600, rel=0.12)


def test_where_nothing_is_left_nothing_is_probed() -> None:
    assert probed(planner(EVERY, EVERY), 400, 9000) == {}
    made = planner((100, 400), (200, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=20.0)
    made.lost(key(1), RemovalRate(400.0, 1000.0, 400 * SECOND))
    assert probed(made, 400, 8000) == {}


def test_T21_no_listing_is_probed_more_often_than_is_useful() -> None:
    made = planner((100, 400), cadence=replace(CADENCE, shortest=300 * SECOND), per_hour=HOURLY)
    made.lost(key(1), RemovalRate(40.0, 10.0, 400 * SECOND))
    assert 10 <= len(taken(made, 400, 4000)) <= 13


def test_another_budget_is_shared_at_once() -> None:
    made = planner((100, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=20.0)
    assert isinstance(step(made, 400), Wait)
    made.set_budget(HOURLY)
    assert probed(made, 401, 431)[1] > 10


def test_who_was_held_for_a_moment_is_probed_no_more_than_others() -> None:
    cadence = replace(CADENCE, optional_share=0.5)
    plain, held = (planner((100, 400), cadence=cadence, per_hour=180.0) for _ in range(2))
    for made in (plain, held):
        assert isinstance(step(made, 400), Wait)
    held.hold(key(1), 410 * SECOND)
    held.hold(key(1), 0)
    assert taken(held, 401, 1500) == taken(plain, 401, 1500)


def test_probes_follow_what_was_learned_since() -> None:
    made = planner((100, 400), (200, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=180.0)
    assert probed(made, 400, 4000)[1] == pytest.approx(probed(made, 4000, 7600)[2], abs=6)
    made.lost(key(2), RemovalRate(90.0, 10.0, 7600 * SECOND))
    counts = probed(made, 7600, 11_200)
    assert counts[2] > 3 * counts.get(1, 0)


def test_a_probe_that_failed_waits_with_its_listing() -> None:
    made = planner((100, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=180.0)
    wait = step(made, 400)
    assert isinstance(wait, Wait)
    at = -(-wait.until // SECOND)
    given = step(made, at)
    assert isinstance(given, Read)
    assert (given.purpose, given.page) == (Purpose.PROBE, 1)
    made.failed(given, (at + 50) * SECOND)
    found = taken(made, at + 1, at + 200)
    assert found[0] == (at + 50, (1, 1, Purpose.PROBE))


def test_a_probe_under_way_when_its_listing_is_taken_in_anew_asks_for_no_other() -> None:
    made = planner((100, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=180.0)
    wait = step(made, 400)
    assert isinstance(wait, Wait)
    given = step(made, wait.until // SECOND + 1)
    assert isinstance(given, Read)
    assert given.purpose is Purpose.PROBE
    put(made, 1, (100, 400))
    answer(made, given, 500)
    assert made.state(key(1)).probe_at is None


def test_a_probe_of_a_listing_that_is_held_waits() -> None:
    made = planner((100, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=180.0)
    assert isinstance(step(made, 400), Wait)
    made.hold(key(1), 600 * SECOND)
    assert taken(made, 401, 700)[0][0] == 600


def test_new_listings_are_read_page_by_page_from_half_of_what_leases_leave() -> None:
    made = planner((100, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=180.0)
    made.put(ListingKnowledge(key(7), pages=30))
    given = taken(made, 400, 1600)
    new = [page for _, (number, page, purpose) in given if purpose is Purpose.NEW and number == 7]
    spare = 0.5 * 180 - 2 * 3600 / 1260
    assert new == [*range(1, len(new) + 1)]
    assert len(new) == pytest.approx(spare / 2 * 1200 / 3600, abs=3)
    probes = sum(purpose is Purpose.PROBE for _, (_, _, purpose) in given)
    assert probes == pytest.approx(len(new), abs=3)


def test_new_listings_are_never_starved_altogether() -> None:
    made = planner((100, 400))
    made.put(ListingKnowledge(key(7), pages=3))
    new = [page for _, (_, page, purpose) in taken(made, 400, 1000) if purpose is Purpose.NEW]
    assert new == [1, 2, 3]
    made = planner((100, 400))
    made.put(ListingKnowledge(key(7), pages=30))
    new = [at for at, (_, _, purpose) in taken(made, 400, 1000) if purpose is Purpose.NEW]
    assert [later - sooner for sooner, later in pairwise(new)] == [100] * (len(new) - 1)


def test_a_listing_that_comes_gets_its_share_at_once() -> None:
    made = planner((100, 400), cadence=replace(CADENCE, optional_share=0.5), per_hour=180.0)
    assert isinstance(step(made, 400), Wait)
    made.put(ListingKnowledge(key(7), pages=30))
    new = [at for at, (_, _, purpose) in taken(made, 401, 800) if purpose is Purpose.NEW]
    assert new[0] == 401
    assert new[1] < 401 + 120


def test_one_page_of_a_new_listing_is_read_at_a_time_and_it_can_rest() -> None:
    made = planner(cadence=CADENCE)
    made.put(ListingKnowledge(key(7), pages=3))
    given = step(made, 400)
    assert isinstance(given, Read)
    assert isinstance(step(made, 500), Wait)
    made.failed(given, 700 * SECOND)
    assert what(made, 600) == 700
    assert what(made, 700) == (7, 1, Purpose.NEW)


def test_while_one_new_listing_rests_the_next_is_read() -> None:
    made = planner(cadence=CADENCE)
    made.put(ListingKnowledge(key(7), pages=3))
    made.put(ListingKnowledge(key(8), pages=3))
    made.hold(key(7), 900 * SECOND)
    assert what(made, 400) == (8, 1, Purpose.NEW)
    made.drop(key(8))
    assert isinstance(step(made, 500), Wait)
    assert what(made, 900) == (7, 1, Purpose.NEW)
