"""What a page proves missing: within it, at its seams with the pages beside it, and nothing else (F13, F14)."""

from collections.abc import Sequence

import pytest

from ipsync.policy.instants import Instant
from ipsync.policy.planner import HeldDocument, PageKnowledge, PageRead, missing, proven_stretches, reach

FULL = 100


def page(number: int, newest: Instant, sent_at: Instant, total: int, size: int = FULL) -> PageRead:
    """A page of documents posted one apart, from `newest` downwards."""
    return PageRead(number, sent_at, total, [newest - step for step in range(size)])


def found(
    read: PageRead, known: Sequence[PageRead], posted: Sequence[Instant], verified_at: Instant = 0
) -> tuple[list[int], list[int]]:
    """Which of the held documents are missing within the page, and which at a seam; a document's id is its posting."""
    records: dict[int, PageKnowledge] = {entry.page: entry.record() for entry in known}
    stretches = proven_stretches(read, records.get)
    held = [HeldDocument(instant, instant, verified_at) for instant in posted]
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
