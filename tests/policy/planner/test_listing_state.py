"""One listing under way: which page is due when, how it grows and shrinks, when it is searched and probed.

A window of 1280 s, so that one 128th of it, the tolerance, is 10 s; times are seconds.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import HOUR, SECOND, Instant
from ipsync.policy.planner import (
    Absence,
    Cadence,
    HeldDocument,
    Learned,
    ListingKey,
    ListingKnowledge,
    PageRead,
    Purpose,
)
from ipsync.policy.planner.knowledge import OLDEST
from ipsync.policy.planner.listing_state import ListingState
from ipsync.policy.planner.removal_rate import RemovalRate
from tests.policy.planner.listings import CADENCE, page_of, rows_of

KEY = ListingKey(1, Visibility.PUBLIC)
BLIND = replace(CADENCE, watches_totals=False)
PERIOD = 1260
EVERY = (100, 200, 300, 400)
"""When the four pages of a listing were read."""


def listing(
    read_at: Sequence[int] = EVERY, cadence: Cadence = CADENCE, rows: Sequence[int] | None = None, **known: object
) -> ListingState:
    """A listing of full pages read at these times; of `rows` only, if given."""
    pages = len(read_at)
    kept = [row for row in rows_of(read_at) if rows is None or row.page in rows]
    knowledge = ListingKnowledge(KEY, total=pages * 100, expected=pages * 100, pages=pages, swept=True)
    return ListingState(cadence, replace(knowledge, **known), kept)  # type: ignore[arg-type]  # reason: names are checked by replace


def read(
    state: ListingState,
    page: PageRead,
    purpose: Purpose = Purpose.LEASE,
    absence: Absence | None = None,
    *,
    now: int | None = None,
    phase: float = 0.5,
) -> Learned:
    at = page.sent_at if now is None else now * SECOND
    return state.take(page, purpose, absence or Absence(), at, phase)


def gone(*ranks: int) -> Absence:
    return Absence(within=[HeldDocument(rank, 10 * rank, 0) for rank in ranks])


def seconds(instant: Instant | None) -> float | None:
    return None if instant is None else instant / SECOND


def due(state: ListingState) -> tuple[float | None, int]:
    return seconds(state.due_at), state.due_page


# what is due


def test_a_listing_never_read_owes_nothing_yet() -> None:
    state = ListingState(CADENCE, ListingKnowledge(KEY))
    assert (state.pages, state.known, state.swept, state.turns) == (1, 0, False, 0)
    assert state.due_at is None
    assert state.lease_ends_at(1) is None
    assert state.load(1e-3).pages == 1
    assert state.knowledge() == ListingKnowledge(KEY)


def test_pages_have_their_turn_at_even_distance_from_the_last_read_on_the_oldest_first() -> None:
    state = listing((300, 400, 100, 200))
    assert seconds(state.spacing) == PERIOD // 4
    assert due(state) == (400 + PERIOD / 4, 3)
    assert seconds(state.window_ends_at) == 100 + 1280
    assert [seconds(state.lease_ends_at(page)) for page in (1, 3, 4, 5)] == [2860, 2660, 2760, None]


def test_before_a_window_ends_its_page_is_due_whatever_the_turn() -> None:
    state = listing((1200, 0, 1210, 1220), rows=(1, 2, 3, 4))
    assert due(state) == (0 + 1280 - 10, 2)
    assert due(listing((1200, 300, 1210, 1220))) == (1220 + PERIOD / 4, 2)


def test_the_page_whose_window_ends_is_due_and_not_the_one_whose_turn_it_is() -> None:
    state = listing()
    read(state, page_of(1, 400, 715))
    state.tick = 5000 * SECOND
    state.cursor = 4
    assert due(state) == (200 + 1270, 2)


def test_the_turn_passes_on_and_from_the_last_page_to_the_first() -> None:
    state = listing()
    for number, at in ((1, 715), (2, 1030), (3, 1345), (4, 1660), (1, 1975)):
        assert due(state) == (at, number)
        read(state, page_of(number, 400, at))


def test_a_page_read_out_of_turn_takes_no_turn_and_one_read_early_has_it_again() -> None:
    state = listing()
    read(state, page_of(2, 400, 715))
    assert due(state) == (715, 1)
    read(state, page_of(1, 400, 500), Purpose.PROBE)
    assert due(state) == (715, 1)
    read(state, page_of(1, 400, 714))
    assert due(state) == (715, 2)


def test_who_is_a_little_late_keeps_the_beat_and_who_is_more_begins_anew_somewhere_within_it() -> None:
    state = listing()
    read(state, page_of(1, 400, 725))
    assert due(state) == (1030, 2)
    read(state, page_of(2, 400, 1041), phase=0.2)
    assert due(state) == (pytest.approx(1041 + 63, abs=0.2), 3)
    # But not time and again: that costs half a read.
    read(state, page_of(3, 400, 1120), phase=0.2)
    assert due(state) == (1120 + 315, 4)
    for number, at in ((4, 1435), (1, 1750), (2, 2065), (3, 2391)):
        read(state, page_of(number, 400, at), phase=0.2)
    assert due(state) == (1435 + 1270, 4)  # the window of page 4 ends a little sooner
    for number, at in ((4, 2705), (1, 3020), (2, 3335), (3, 3661)):
        read(state, page_of(number, 400, at), phase=0.2)
    assert due(state) == (pytest.approx(3661 + 63, abs=0.5), 4)


def test_a_stream_may_begin_anew_within_its_beat_two_periods_after_it_last_did() -> None:
    state = listing((100,))
    read(state, page_of(1, 100, 1400), phase=0.2)
    assert due(state)[0] == 1400 + 0.2 * PERIOD
    read(state, page_of(1, 100, 1400 + 2 * PERIOD), phase=0.2)
    assert due(state)[0] == 1400 + 2.2 * PERIOD


def test_a_stream_that_is_too_slow_for_a_window_ahead_goes_faster() -> None:
    state = listing((0, 20, 40, 60))
    assert due(state) == (60 + 315, 1)
    state.tick = 900 * SECOND
    read(state, page_of(1, 400, 900))
    # Pages 2 to 4 end their windows at 1300, 1320, 1340: within 390, 410, 430 s.
    assert due(state) == (900 + min(390, 410 // 2, 430 // 3), 2) or due(state)[0] == pytest.approx(900 + 430 / 3, abs=1)


def test_before_all_pages_were_read_those_that_were_have_no_beat_but_their_windows() -> None:
    state = listing((100, 200, 300, 400), rows=(1, 2), swept=False)
    assert (state.known, state.turns, state.swept) == (2, 2, False)
    assert due(state) == (100 + 1270, 1)
    state = listing((100, 200, 300, 400), rows=(1, 2, 4))
    assert (state.known, state.turns) == (2, 4)
    assert state.lease_ends_at(3) == state.lease_ends_at(1)
    assert listing((100, 200), rows=()).swept is False


def test_a_listing_whose_totals_say_nothing_is_read_as_often_as_it_was_granted() -> None:
    state = listing(cadence=BLIND)
    assert not state.is_counted
    state.grant(36.0)
    assert seconds(state.spacing) == 100
    state.grant(1.0)
    assert seconds(state.spacing) == PERIOD // 4
    counting = listing()
    assert counting.is_counted
    counting.grant(36.0)
    assert seconds(counting.spacing) == PERIOD // 4


# how it grows and shrinks


def test_what_is_claimed_to_have_grown_gets_pages_that_inherit_the_lease_of_the_last() -> None:
    state = listing()
    read(state, page_of(1, 620, 715))
    assert (state.pages, state.known, state.swept, state.turns) == (7, 4, True, 7)
    assert [seconds(at) for at in state.read_at] == [715, 200, 300, 400, 400, 400, 400]
    for number in (5, 6, 7):
        read(state, page_of(number, 620, 716 + number), Purpose.NEW)
    assert state.known == 7
    assert [seconds(at) for at in state.read_at][4:] == [721, 722, 723]


def test_a_first_reading_learns_how_many_pages_there_are_and_ends_with_the_last() -> None:
    state = ListingState(CADENCE, ListingKnowledge(KEY))
    read(state, page_of(1, 250, 10), Purpose.NEW)
    assert (state.pages, state.known, state.swept) == (3, 1, False)
    assert [seconds(at) for at in state.read_at] == [10, 0, 0]
    assert due(state) == (10 + 1270, 1)
    read(state, page_of(2, 250, 20), Purpose.NEW)
    assert (due(state), state.tick) == ((10 + 1270, 1), None)
    assert [seconds(state.lease_ends_at(page)) for page in (1, 2, 3)] == [2570, 2580, None]
    learned = read(state, page_of(3, 250, 30), Purpose.NEW, phase=0.25)
    assert (state.known, state.swept, learned.completed) == (3, True, True)
    assert seconds(learned.listing.completed_at) == 10
    assert due(state) == (30 + 0.25 * PERIOD / 3, 1)


def test_a_last_page_that_is_short_ends_the_listing_there() -> None:
    state = listing()
    for number, at in ((1, 715), (2, 1030), (3, 1345)):
        read(state, page_of(number, 400, at))
    assert state.cursor == 4
    read(state, page_of(3, 250, 1350), Purpose.LOCATE)
    assert (state.pages, state.known, len(state.read_at), state.cursor) == (3, 3, 3, 1)


def test_F16_a_smaller_total_alone_ends_nothing() -> None:
    state = listing()
    read(state, PageRead(1, 715 * SECOND, 100, page_of(1, 400).posted))
    assert state.pages == 4
    read(state, PageRead(2, 716 * SECOND, 101, page_of(2, 400).posted[:50]))
    assert state.pages == 4


def test_an_empty_page_ends_the_listing_before_it_if_its_total_says_so_too() -> None:
    state = listing()
    read(state, PageRead(3, 715 * SECOND, 201, []))
    assert state.pages == 4
    read(state, PageRead(3, 716 * SECOND, 200, []))
    assert state.pages == 2
    read(state, PageRead(1, 717 * SECOND, 0, []))
    assert state.pages == 1


def test_F16_pages_that_are_claimed_and_turn_out_to_be_empty_are_not_believed_for_a_while() -> None:
    state = listing()
    read(state, page_of(1, 900, 715))
    assert (state.pages, state.known) == (9, 4)
    read(state, PageRead(5, 720 * SECOND, 900, []), Purpose.NEW)
    assert (state.pages, state.known) == (4, 4)
    read(state, page_of(2, 900, 739))
    assert state.pages == 4
    read(state, page_of(2, 900, 740))
    assert state.pages == 9
    first = ListingState(CADENCE, ListingKnowledge(KEY))
    read(first, page_of(1, 900, 10), Purpose.NEW)
    read(first, PageRead(2, 11 * SECOND, 900, []), Purpose.NEW)
    assert (first.pages, first.swept) == (1, True)
    read(first, page_of(1, 900, 12), Purpose.LEASE)
    assert first.pages == 9


def test_F17_an_older_answer_changes_no_page_numbers_and_makes_nothing_younger() -> None:
    state = listing()
    learned = read(state, page_of(2, 900, 150), now=500)
    assert (state.pages, state.census.total) == (4, 400)
    assert seconds(state.read_at[1]) == 200
    assert not learned.completed
    read(state, page_of(3, 400, 350), now=501)
    assert seconds(state.read_at[2]) == 350
    read(state, page_of(2, 500, 400))
    assert state.pages == 5
    read(state, page_of(1, 400, 715))
    read(state, page_of(1, 900, 714))
    assert state.pages == 5


def test_F16_a_known_page_that_comes_empty_ends_nothing_while_its_total_says_it_is_there() -> None:
    state = listing()
    read(state, PageRead(4, 715 * SECOND, 400, []))
    assert state.pages == 4


def test_a_listing_that_has_shrunk_may_grow_again_at_once() -> None:
    for page, total, pages in ((3, 200, 2), (4, 300, 3)):
        state = listing()
        read(state, PageRead(page, 715 * SECOND, total, []))
        assert state.pages == pages
        read(state, page_of(1, 400, 716))
        assert state.pages == 4


def test_a_listing_that_has_shrunk_to_one_page_has_its_turn_there() -> None:
    state = listing((100, 200))
    read(state, page_of(1, 200, 830))
    assert state.cursor == 2
    read(state, page_of(1, 60, 840))
    assert due(state)[1] == 1
    read(state, page_of(1, 60, 2200))
    assert due(state)[1] == 1


def test_the_turn_after_a_first_reading_is_that_of_the_page_read_longest_ago() -> None:
    state = ListingState(CADENCE, ListingKnowledge(KEY))
    read(state, page_of(1, 250, 10), Purpose.NEW)
    read(state, page_of(2, 250, 20), Purpose.NEW)
    read(state, page_of(1, 250, 25), Purpose.LEASE)
    read(state, page_of(3, 250, 30), Purpose.NEW)
    assert due(state)[1] == 2


def test_what_was_kept_of_later_pages_only_is_read_from_the_first() -> None:
    assert listing(rows=(2, 3, 4)).known == 0
    assert listing((100,)).swept


# a whole round


def test_a_round_is_complete_when_all_pages_were_read_in_order_for_whatever_purpose() -> None:
    state = listing()
    assert not read(state, page_of(1, 400, 715)).completed
    assert not read(state, page_of(2, 400, 800), Purpose.LOCATE).completed
    assert not read(state, page_of(1, 400, 810), Purpose.PROBE).completed  # a probe begins no round while one is on
    assert not read(state, page_of(4, 400, 820)).completed
    assert not read(state, page_of(3, 400, 830)).completed
    learned = read(state, page_of(4, 400, 840))
    assert learned.completed
    assert seconds(learned.listing.completed_at) == 715
    assert learned.listing.cycle_at is None
    assert not read(state, page_of(2, 400, 850)).completed


def test_page_1_read_in_its_turn_begins_a_round_anew_and_a_probe_begins_one_where_none_is_on() -> None:
    state = listing()
    read(state, page_of(1, 400, 715), Purpose.PROBE)
    read(state, page_of(2, 400, 716))
    assert read(state, page_of(1, 400, 717)).listing.cycle_page == 2
    for number in (2, 3):
        assert not read(state, page_of(number, 400, 720 + number)).completed
    assert seconds(read(state, page_of(4, 400, 730)).listing.completed_at) == 717


def test_a_listing_of_one_page_is_read_whole_by_every_answer() -> None:
    state = listing((100,))
    learned = read(state, page_of(1, 100, 700), Purpose.PROBE)
    assert (learned.completed, seconds(learned.listing.completed_at)) == (True, 700)


def test_F14_order_is_trusted_again_after_a_whole_round_in_order() -> None:
    state = listing()
    jumbled = PageRead(2, 715 * SECOND, 400, [5, 9] * 50)
    assert seconds(read(state, jumbled).listing.disordered_at) == 715
    assert not state.is_counted
    read(state, page_of(1, 400, 716))
    read(state, page_of(2, 400, 717))
    read(state, page_of(3, 400, 718))
    assert read(state, page_of(4, 400, 719)).listing.disordered_at is None
    assert state.is_counted
    read(state, page_of(1, 400, 800))
    read(state, replace_page(jumbled, 801))
    read(state, page_of(3, 400, 802))
    assert seconds(read(state, page_of(4, 400, 803)).listing.disordered_at) == 801


def replace_page(page: PageRead, at: int) -> PageRead:
    return PageRead(page.page, at * SECOND, page.total, page.posted)


def test_F14_a_first_page_out_of_order_is_not_forgiven_by_its_own_round() -> None:
    state = listing()
    read(state, PageRead(1, 716 * SECOND, 400, [5, 9] * 50))
    for number in (2, 3):
        read(state, page_of(number, 400, 716 + number))
    assert seconds(read(state, page_of(4, 400, 730)).listing.disordered_at) == 716


def test_after_a_whole_round_no_document_more_stands_for_one_that_is_missing_elsewhere() -> None:
    """A search in vain gave up one too many near the end; the round put that right."""
    state = listing()
    state.census.settle(OLDEST, 510, 1)
    for number in (1, 2, 3, 4):
        read(state, page_of(number, 400, 714 + number))
    # Rank 390 has gone, and one that is older than all was shared again.
    assert read(state, PageRead(4, 730 * SECOND, 400, [*range(990, 0, -10), 5])).suspected == 1


# what is learned


def test_what_an_answer_taught_is_given_back_to_be_kept() -> None:
    state = listing(removals=RemovalRate(2.0, 5.0, 400 * SECOND))
    learned = read(state, page_of(1, 398, 715, (120, 130)), now=720)
    assert learned.listing == state.knowledge()
    assert learned.suspected == 2
    assert (learned.listing.total, learned.listing.expected) == (398, 400)
    assert learned.listing.removals == RemovalRate(2.0, 5.0, 400 * SECOND).watched(720 * SECOND)
    assert (learned.record.page, learned.record.read_at, learned.record.named) == (1, 715 * SECOND, 100)
    cut_at, documents = state.census.of_page(1)
    assert (learned.record.cut_at, learned.record.documents) == (cut_at, documents)
    assert cut_at is not None
    again = ListingState(CADENCE, learned.listing, [learned.record])
    assert again.census.total == 398


def test_of_other_pages_only_what_has_changed_is_given_back() -> None:
    state = listing()
    assert read(state, page_of(1, 400, 715)).cuts == {}
    learned = read(state, page_of(1, 350, 716, range(201, 251)), absence=gone(205))
    assert 1 not in learned.cuts
    assert learned.cuts
    for number, cut in learned.cuts.items():
        assert cut == state.census.of_page(number)


def test_how_heavy_a_listing_is() -> None:
    load = listing(removals=RemovalRate(3.0, 60.0, 0)).load(1e-4)
    assert (load.pages, load.counted) == (4, True)
    assert load.removals_per_hour == RemovalRate(3.0, 60.0, 0).per_hour(400, 1e-4)
    assert not listing(cadence=BLIND).load(1e-4).counted


def test_what_is_given_back_is_what_is_known_whatever_was_read() -> None:
    """The rows of the catalog, put together from what every answer taught, are what the census counts."""
    state, total, without = listing(), 400, list[int]()
    rows = {row.page: (row.cut_at, row.documents) for row in rows_of(EVERY)}
    at = 715
    for lost in ((120,), (), (350, 351), (), (10,), ()):
        without += lost
        total -= len(lost)
        for number in (1, 2, 3, 4):
            at += 400
            while state.search is not None:
                at += 1
                page = state.search.next_page(total, state.pages)
                learned = read(state, page_of(page, total, at, without), Purpose.LOCATE)
                rows |= {**learned.cuts, page: (learned.record.cut_at, learned.record.documents)}
            learned = read(state, page_of(number, total, at, without))
            rows |= {**learned.cuts, number: (learned.record.cut_at, learned.record.documents)}
            assert rows == {page: state.census.of_page(page) for page in (1, 2, 3, 4)}


def test_pages_that_are_no_more_are_not_given_back_but_those_that_count_for_them_are() -> None:
    state = listing()
    learned = read(state, PageRead(3, 716 * SECOND, 200, []))
    assert learned.cuts == {2: state.census.of_page(2)}


def test_what_is_short_on_both_sides_is_suspected_together() -> None:
    state = listing()
    assert read(state, page_of(2, 398, 715, (120, 380))).suspected == 2


# searches


def test_a_total_that_fell_begins_a_search_and_what_it_finds_ends_it() -> None:
    state = listing()
    learned = read(state, page_of(1, 399, 715, (120,)))
    assert learned.suspected == 1
    assert state.search is not None
    assert state.search.next_page(399, 4) == 3
    read(state, page_of(3, 399, 716, (120,)), Purpose.LOCATE, gone(120))
    assert state.search is None
    assert (state.fruitless, state.quiet_until) == (0, 0)


def test_what_is_found_at_once_is_not_searched_for() -> None:
    state = listing()
    assert read(state, page_of(1, 399, 715, (350,)), absence=gone(350)).suspected == 0
    assert state.search is None


def test_nothing_is_searched_before_all_was_read_nor_where_totals_are_not_watched() -> None:
    state = listing(rows=(1, 2), swept=False)
    read(state, page_of(1, 399, 715, (120,)))
    assert state.search is None
    state = listing(cadence=BLIND)
    assert read(state, page_of(1, 399, 715, (120,))).suspected == 0
    assert state.search is None


def fruitless(state: ListingState, at: int, gone_before: range) -> int:
    """Losses that no page shows, since we held none of them; gives how many pages were read for the newest."""
    total = 6400 - len(gone_before)
    read(state, page_of(1, total, at, gone_before), Purpose.PROBE)
    reads = 0
    while state.search is not None:
        page = page_of(state.search.next_page(total, state.pages), total, at, gone_before)
        read(state, page, Purpose.LOCATE)
        reads += 1
    return reads


def test_F16_after_a_search_in_vain_there_is_a_pause_that_doubles_up_to_a_window() -> None:
    state, at = listing((100,) * 64), 1000
    for number in range(12):
        reads = fruitless(state, at, range(120, 121 + number))
        assert 1 <= reads <= 8
        assert state.fruitless == number + 1
        pause = state.quiet_until / SECOND - at
        assert pause == pytest.approx(min(1280, reads * 1280 / 128 / 8 * 2 ** min(number, 6)), abs=0.01)
        at += 2000
    assert not state.is_counted
    quiet = state.quiet_until
    short = page_of(1, 6387, at, range(120, 133))
    state.take(short, Purpose.PROBE, Absence(), quiet - 1, 0.5)
    assert state.search is None
    state.take(short, Purpose.PROBE, Absence(), quiet, 0.5)
    assert state.search is not None


def test_F16_answers_that_contradict_themselves_end_a_search_after_as_many_reads_as_there_are_pages() -> None:
    """A full page 3 of 150 documents covers nothing that could be crossed off: the search would never end."""
    state = listing()
    read(state, page_of(1, 399, 715, (120,)), Purpose.PROBE)
    for number in range(5):
        assert state.search is not None
        read(state, PageRead(3, (716 + number) * SECOND, 150, page_of(3, 400).posted), Purpose.LOCATE)
    assert state.search is None
    assert state.fruitless == 1


def test_what_a_search_finds_makes_totals_count_again() -> None:
    state = listing(fruitless=3)
    read(state, page_of(1, 399, 715, (120,)))
    read(state, page_of(3, 399, 716, (120,)), Purpose.LOCATE, gone(120))
    assert state.fruitless == 0


def test_a_loss_among_the_newer_ones_is_searched_for_too_but_in_no_first_reading() -> None:
    state = listing()
    read(state, page_of(3, 399, 715, (380,)))
    assert state.search is not None
    new = ListingState(CADENCE, ListingKnowledge(KEY))
    read(new, page_of(1, 250, 10), Purpose.NEW)
    read(new, page_of(2, 249, 20, (240,)), Purpose.NEW)
    assert new.search is None


def test_F16_a_search_that_ends_in_vain_by_others_answers_has_its_pause_too() -> None:
    state = listing((100, 200))
    read(state, page_of(1, 199, 715, (50,)), Purpose.PROBE)
    assert state.search is not None
    read(state, page_of(2, 199, 716, (50,)))
    assert state.search is None
    assert state.quiet_until == 716 * SECOND + 1280 * SECOND // 66 // 8


def test_what_is_found_within_a_page_and_beside_it_counts_together() -> None:
    state = listing(fruitless=3)
    read(state, page_of(1, 398, 715, (120, 201)))
    both = Absence(gone(120).within, [HeldDocument(201, 2010, 0)])
    read(state, page_of(3, 398, 716, (120, 201)), Purpose.LOCATE, both)
    while state.search is not None:
        read(state, page_of(state.search.next_page(398, 4), 398, 717, (120, 201)), Purpose.LOCATE)
    assert state.fruitless == 0


def test_what_is_found_between_two_pages_is_a_find_too() -> None:
    state = listing(fruitless=3)
    read(state, page_of(1, 399, 715, (201,)))
    read(state, page_of(3, 399, 716, (201,)), Purpose.LOCATE, Absence(at_seam=[HeldDocument(201, 2010, 0)]))
    while state.search is not None:
        read(state, page_of(state.search.next_page(399, 4), 399, 717, (201,)), Purpose.LOCATE)
    assert state.fruitless == 0


# probes


def probing(rate: float = 40.0) -> ListingState:
    """The next page is due in 315 s: at 40 answers an hour there is room for 3.5 of them until then."""
    state = listing()
    state.grant(rate)
    return state


def probes(state: ListingState) -> list[float]:
    """When page 1 is probed up to the next turn."""
    found = []
    while state.probe_at is not None:
        found.append(state.probe_at / SECOND)
        state.plan_probes(Purpose.PROBE, state.probe_at)
    return found


def test_probes_stand_evenly_between_two_turns_as_many_as_were_granted() -> None:
    assert probes(probing()) == [505, 610]
    assert probes(probing(80.0)) == [445, 490, 535, 580, 625, 670]
    assert probes(probing(11.0)) == []


def test_probes_are_spaced_from_the_last_answer_whenever_they_were_granted() -> None:
    state = listing()
    state.grant(40.0)
    assert probes(state) == [505, 610]


def test_what_was_too_little_for_a_probe_is_no_debt() -> None:
    state = listing()
    state.grant(4.0)
    state.grant(40.0)
    assert probes(state) == [505, 610]


def test_what_is_left_of_a_grant_is_carried_to_the_next_turn() -> None:
    state = probing()
    probes(state)
    read(state, page_of(1, 400, 715))
    state.plan_probes(Purpose.LEASE, 715 * SECOND)
    assert len(probes(state)) == 3  # half an answer twice is one
    read(state, page_of(2, 400, 1030))
    state.plan_probes(Purpose.LEASE, 1030 * SECOND)
    assert len(probes(state)) == 2


def test_other_reads_change_no_probes_and_listings_that_are_not_counted_have_none() -> None:
    state = probing()
    for purpose in (Purpose.LOCATE, Purpose.NEW):
        state.plan_probes(purpose, 450 * SECOND)
    assert seconds(state.probe_at) == 505
    blind = listing(cadence=BLIND)
    blind.grant(80.0)
    assert blind.probe_at is None
    new = ListingState(CADENCE, ListingKnowledge(KEY))
    new.grant(80.0)
    assert new.probe_at is None
    read(new, page_of(1, 250, 10), Purpose.NEW)
    new.grant(80.0)
    new.plan_probes(Purpose.LEASE, 20 * SECOND)
    assert new.probe_at is None


def test_a_grant_that_hardly_differs_is_taken_over_at_the_next_turn() -> None:
    state = probing()
    assert not state.grant(50.0)
    assert not state.grant(30.0)
    assert probes(state) == [505, 610]
    assert state.rate == 30.0
    assert state.grant(51.0)
    assert state.grant(29.0)
    state.reading.add(Purpose.PROBE)
    assert not state.grant(290.0)


def test_overdue_turns_leave_no_time_for_probes() -> None:
    state = probing()
    state.plan_probes(Purpose.LEASE, 800 * SECOND)
    assert state.probe_at is None
    assert HOUR == 3600 * SECOND
