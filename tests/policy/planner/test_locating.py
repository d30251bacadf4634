"""Where a search looks next, and when it has looked enough. Documents are posted at their rank from the oldest."""

from collections.abc import Sequence

from ipsync.policy.instants import Instant
from ipsync.policy.planner import PageKnowledge, PageRead
from ipsync.policy.planner.census import Census, Observation
from ipsync.policy.planner.locating import Search


def read(page: int, total: int) -> PageRead:
    return PageRead(page, 0, total, [])


def seen(cut: Instant | None = None, below: int = 0, above: int = 0) -> Observation:
    return Observation(cut=cut, lost_below=below, lost_above=above)


def begun(page: int, total: int, what: Observation, *, in_order: bool = True) -> Search:
    return Search(read(page, total), what, in_order=in_order)


def told(search: Search, page: int, total: int, what: Observation, lost: Sequence[Instant] = ()) -> None:
    search.refine(read(page, total), what, lost, Census())


def test_a_search_begins_in_the_middle_of_what_was_not_read() -> None:
    search = begun(1, 999, seen(above=2))
    assert search.reads == search.found == 0
    assert search.next_page(999, 10) == 6


def test_it_goes_on_in_the_largest_part_not_read_yet() -> None:
    search = begun(1, 999, seen(above=2))
    told(search, 6, 999, seen())
    assert search.next_page(999, 10) == 3
    search = begun(1, 999, seen(above=2))
    told(search, 4, 999, seen())
    assert search.next_page(999, 10) == 7


def test_of_two_pages_the_one_is_read_that_holds_more_of_what_was_not() -> None:
    for total_then, page in ((1020, 3), (1040, 2), (1060, 2)):
        search = begun(2, 1060, seen(cut=910, below=1))
        told(search, 4, total_then, seen(cut=650, above=1))
        assert search.next_page(1000, 10) == page
    assert begun(1, 300, seen(cut=250, below=1)).next_page(300, 3) == 2


def test_the_last_rank_not_read_belongs_to_a_page_too() -> None:
    search = begun(1, 1000, seen(cut=950, below=1))
    told(search, 7, 1099, seen(cut=450, above=1))
    assert search.next_page(1000, 10) == 4
    search = begun(1, 101, seen(cut=50, below=1))
    search.tidy(Census())
    assert not search.is_over
    assert search.next_page(101, 2) == 2


def test_no_page_is_asked_for_that_a_shrunken_listing_has_no_more() -> None:
    search = begun(1, 999, seen(above=1))
    assert search.next_page(700, 7) == 4


def test_a_page_read_above_or_below_takes_the_loss_to_its_side() -> None:
    def two() -> Search:
        """One loss up to rank 300, one above it."""
        return begun(7, 1000, seen(cut=300, below=1, above=1))

    search = two()
    assert search.next_page(1000, 10) == 9  # the older part first
    told(search, 3, 1000, seen(cut=750, below=1, above=1))
    assert search.next_page(1000, 10) == 9
    told(search, 3, 1000, seen(), lost=[200])
    assert search.next_page(1000, 10) == 1

    search = two()
    told(search, 3, 1000, seen(cut=750, below=2))
    told(search, 3, 1000, seen(), lost=[200])
    assert search.next_page(1000, 10) == 5

    search = two()
    told(search, 9, 1000, seen(cut=150, below=1, above=1))
    assert search.next_page(1000, 10) == 10
    told(search, 9, 1000, seen(), lost=[50])
    assert search.next_page(1000, 10) == 3

    search = two()
    told(search, 9, 1000, seen(cut=150, above=2))
    assert search.next_page(1000, 10) == 8


def test_a_loss_newer_than_the_second_page_is_on_the_first() -> None:
    search = begun(6, 1000, seen(cut=450, above=1))
    told(search, 2, 1000, seen(cut=850, above=1))
    assert search.next_page(1000, 10) == 1
    told(search, 1, 1000, seen(cut=950), lost=[870])
    assert search.is_over


def test_what_is_found_missing_is_sought_no_more_on_its_side_of_a_cut() -> None:
    for lost, page in ((500, 2), (501, 8)):
        search = begun(5, 1000, seen(cut=500, below=1, above=1))
        told(search, 5, 1000, seen(), lost=[lost])
        assert search.next_page(1000, 10) == page
    search = begun(5, 1000, seen(cut=500, below=1, above=1))
    told(search, 5, 1000, seen(), lost=[500, 501])
    assert search.is_over


def test_F14_out_of_order_a_search_goes_from_the_front_to_the_end() -> None:
    search = begun(3, 500, seen(cut=250, below=1, above=2), in_order=False)
    assert search.next_page(500, 5) == 1
    told(search, 1, 500, seen(cut=450, above=3))
    assert search.next_page(500, 5) == 2
    told(search, 4, 500, seen(cut=150, below=3))
    assert search.next_page(500, 5) == 2
    told(search, 2, 500, seen(), lost=[7, 8])
    assert search.next_page(500, 5) == 3
    told(search, 3, 500, seen(), lost=[9])
    assert search.is_over


def test_a_page_behind_the_end_counts_for_nothing() -> None:
    search = begun(1, 101, seen(above=1), in_order=False)
    told(search, 3, 101, seen())
    told(search, 1, 101, seen())
    assert search.next_page(101, 2) == 2
    told(search, 2, 101, seen())
    assert search.is_over


def counting(documents: int) -> Census:
    """A listing of one page whose cut is at 50, with so many counted up to there, and 50 above."""
    return Census(99, documents + 50, [PageKnowledge(1, 0, 99, 99, cut_at=50, documents=documents)])


def test_what_is_short_where_everything_was_read_is_settled() -> None:
    census, search = counting(50), begun(1, 99, seen(cut=50, below=1))
    search.tidy(census)
    assert search.is_over
    assert search.touched == {1}
    assert (census.expected, census.of_page(1)) == (99, (50, 49))
    census, search = counting(50), begun(1, 99, seen(cut=50, above=1))
    search.tidy(census)
    assert (census.expected, census.of_page(1)) == (99, (50, 50))


def test_where_more_was_found_than_was_short_nothing_is_settled() -> None:
    census, search = counting(50), begun(1, 199, seen(cut=150, below=1))
    search.refine(read(2, 199), seen(), [10, 20], census)
    assert search.is_over
    assert census.expected == 100
