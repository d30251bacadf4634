"""What a page proves missing: within it, at its seams with the pages beside it, and nothing else (F13, F14)."""

from collections.abc import Sequence

import pytest

from ipsync.policy.instants import Instant
from ipsync.policy.planner import HeldDocument, PageKnowledge, PageRead, missing, proven_stretches, reach
from ipsync.policy.planner.absence import Stretch

FULL = 100


def page(number: int, newest: Instant, sent_at: Instant, total: int, size: int = FULL) -> PageRead:
    """A page of documents posted one apart, from `newest` downwards."""
    return PageRead(number, sent_at, total, [newest - step for step in range(size)])


def found(
    read: PageRead, known: Sequence[PageRead], posted: Sequence[Instant], verified_at: Instant = 0
) -> tuple[list[int], list[int]]:
    """Which of the held documents are missing within the page, and which at a seam.

    A document's id is its posting time; a negative one is another document that shares the posting time.
    """
    records: dict[int, PageKnowledge] = {entry.page: entry.record() for entry in known}
    stretches = proven_stretches(read, records.get)
    held = [HeldDocument(instant, abs(instant), verified_at) for instant in posted]
    named = {instant for instant in read.posted if instant is not None}
    absence = missing(stretches, named, held)
    assert absence.lost == [document.posted_at for document in absence.within]
    return [entry.document_id for entry in absence.within], [entry.document_id for entry in absence.at_seam]


def test_what_lies_between_the_first_and_the_last_of_a_page_and_is_not_named_is_missing() -> None:
    gap = PageRead(2, 10, 300, [1000 - step for step in range(101) if step != 50])
    assert found(gap, [], [950, 949, 2000, 5]) == ([950], [])


def test_the_first_page_proves_all_that_is_newer_and_the_last_all_that_is_older() -> None:
    assert found(page(1, 1000, 10, 300), [], [1001, 5000, 1]) == ([1001, 5000], [])
    assert found(page(3, 1000, 10, 250, 50), [], [1, 900, 1001]) == ([1, 900], [])


def test_an_empty_listing_proves_everything_missing() -> None:
    assert found(PageRead(1, 10, 0, []), [], [1, 10**12]) == ([1, 10**12], [])


def test_what_was_verified_after_the_page_was_asked_for_is_not_missing() -> None:
    assert found(page(1, 1000, 10, 300), [], [1001], verified_at=10) == ([], [])


def test_a_page_out_of_order_or_without_posting_times_proves_nothing() -> None:
    assert found(PageRead(1, 10, 2, [5, 9]), [], [7, 100]) == ([], [])
    assert found(PageRead(1, 10, 2, [9, None]), [], [7, 100]) == ([], [])
    assert reach([]) is None


@pytest.mark.parametrize("later", [1, 2])
def test_between_two_pages_is_proven_where_nothing_can_have_shifted_between(later: int) -> None:
    """The later page was read last, or both claim one total."""
    newer, older = page(1, 1000, 10, 200), page(2, 900, 9 if later == 1 else 11, 200)
    read, beside = (newer, older) if later == 1 else (older, newer)
    assert found(read, [beside], [899, 902]) == ([], [])
    hole = page(2, 890, older.sent_at, 200)
    read, beside = (newer, hole) if later == 1 else (hole, newer)
    assert found(read, [beside], [895]) == ([], [895])


def test_additions_may_have_pushed_a_document_over_the_seam_of_a_page_read_before() -> None:
    older = page(2, 890, 9, 200)
    assert found(page(1, 1000, 10, 203), [older], [895]) == ([], [])
    # Read in the order of the listing nothing escapes.
    assert found(page(2, 890, 11, 203), [page(1, 1000, 10, 200)], [895]) == ([], [895])


def test_a_seam_says_nothing_of_what_was_verified_since_the_earlier_of_both_reads() -> None:
    newer, older = page(1, 1000, 10, 200), page(2, 890, 20, 200)
    assert found(older, [newer], [895], verified_at=9) == ([], [895])
    assert found(older, [newer], [895], verified_at=10) == ([], [])


def test_pages_of_one_posting_time_are_walked_over() -> None:
    same = PageRead(2, 11, 300, [500] * FULL)
    before, behind = page(1, 700, 10, 300), page(3, 400, 12, 300)
    assert found(behind, [before, same], [550, 450, 500]) == ([], [450, 500])
    assert found(behind, [same], [450]) == ([], [])
    assert found(before, [same, behind], [450]) == ([], [])


def test_an_empty_page_behind_the_end_proves_what_is_older_than_the_page_before() -> None:
    assert found(PageRead(3, 12, 200, []), [page(2, 890, 11, 200)], [5]) == ([], [5])
    assert found(PageRead(3, 12, 300, []), [page(2, 890, 11, 200)], [5]) == ([], [])


def test_a_page_whose_neighbor_was_never_read_proves_only_its_inside() -> None:
    assert found(page(5, 500, 10, 1000), [], [501, 400, 399]) == ([], [])


def sparse(number: int, newest: Instant, sent_at: Instant, total: int, size: int = FULL) -> PageRead:
    """A page of documents posted ten apart."""
    return PageRead(number, sent_at, total, [newest - 10 * step for step in range(size)])


def test_what_shares_the_posting_time_of_a_border_may_stand_on_the_other_page() -> None:
    """A page from 1990 down to 1000: one instant further in there is no doubt."""
    assert found(sparse(2, 1990, 10, 300), [], [-1990, 1989, 1001, -1000]) == ([1989, 1001], [])
    assert found(PageRead(2, 10, 300, [12, 10]), [], [-12, 11, -10]) == ([11], [])


def test_with_the_page_beside_it_the_border_itself_is_proven() -> None:
    middle, before, behind = sparse(2, 1990, 11, 300), sparse(1, 3000, 10, 300), sparse(3, 900, 12, 300)
    assert found(middle, [before], [-1990, 1995, 2010]) == ([], [-1990, 1995, 2010])
    assert found(middle, [before], [2011, -1000, 999]) == ([], [])
    assert found(middle, [behind], [-1000, 950, 900]) == ([], [-1000, 950, 900])
    assert found(middle, [behind], [-1990, 2000, 899]) == ([], [])


def test_a_page_of_one_posting_time_proves_nothing_of_that_time_by_itself() -> None:
    same, before, behind = PageRead(2, 11, 300, [500] * FULL), sparse(1, 1600, 10, 300), sparse(3, 400, 12, 300)
    assert proven_stretches(same, {}.get) == []
    assert found(same, [before], [-500, 501, 550]) == ([], [501, 550])
    assert found(same, [behind], [-500, 499, 450]) == ([], [499, 450])
    first = PageRead(1, 11, 300, [500] * FULL)
    assert found(first, [sparse(2, 400, 12, 300)], [-500, 450]) == ([], [-500, 450])
    last = PageRead(2, 11, 101, [500])
    assert found(last, [before], [-500, 550, 450]) == ([450], [-500, 550])


def test_a_listing_has_no_seam_before_its_first_page_and_none_behind_its_last() -> None:
    stale = {3: sparse(3, 900, 12, 250, 50).record(), 0: sparse(1, 5000, 12, 200).record()}
    assert [stretch.seam for stretch in proven_stretches(sparse(1, 3000, 10, 300), {}.get)] == [False]
    assert [stretch.seam for stretch in proven_stretches(sparse(2, 1990, 10, 200), stale.get)] == [False]


def test_a_first_page_that_is_empty_but_for_its_total_proves_nothing() -> None:
    assert found(PageRead(1, 10, 300, []), [], [1, 10**12]) == ([], [])


def test_pages_without_a_border_are_walked_over_to_one_that_has_it() -> None:
    first, same, behind = sparse(1, 3000, 10, 300), PageRead(2, 11, 300, [500] * FULL), sparse(3, 400, 12, 300)
    assert found(first, [same], [550]) == ([], [])
    assert found(first, [same, behind], [550, 500, 450]) == ([], [550, 500])
    # A last page of one posting time tells its border: nothing comes behind it.
    assert found(first, [PageRead(2, 11, 101, [500])], [550, 500, 450]) == ([], [550, 500])
    # An empty page in between tells none.
    empty, later = PageRead(2, 11, 100, []), sparse(3, 400, 12, 300)
    assert found(first, [empty, later], [550, 400, 399]) == ([], [550, 400])


def test_up_to_the_first_page_everything_was_read() -> None:
    assert found(sparse(2, 400, 11, 200), [PageRead(1, 10, 200, [500] * FULL)], [450, 500, 600]) == ([], [450, 500])
    jumbled = PageRead(1, 10, 200, [5, 9] * 50)
    assert found(sparse(2, 1990, 11, 200), [jumbled], [2000, 10**9]) == ([], [2000, 10**9])


def test_behind_the_end_what_shares_the_last_posting_time_may_still_stand_on_a_page_not_read() -> None:
    end, last = PageRead(3, 12, 200, []), PageRead(2, 11, 200, [500] * FULL)
    assert found(end, [last], [500, 400]) == ([], [])
    assert found(end, [last, sparse(1, 3000, 10, 200)], [500, 400]) == ([], [500, 400])


def test_two_pages_asked_for_in_the_same_instant_meet_only_if_they_claim_one_total() -> None:
    newer, older = sparse(1, 3000, 10, 200), sparse(2, 1990, 10, 201)
    assert found(older, [newer], [2000]) == ([], [])
    assert found(sparse(2, 1990, 10, 200), [newer], [2000]) == ([], [2000])


def test_what_one_answer_proves_alone_is_not_doubted_for_a_seam() -> None:
    stretches = [Stretch(0, 10, 5, seam=True), Stretch(5, 20, 5)]
    assert reach(stretches) == (0, 20)
    absence = missing(stretches, {2}, [HeldDocument(number, number, 0) for number in (1, 2, 7)])
    assert [entry.document_id for entry in absence.within] == [7]
    assert [entry.document_id for entry in absence.at_seam] == [1]
