"""What a listing should count, and what an answer says is short. Documents are posted at ten times their rank."""

from collections.abc import Iterable, Sequence
from random import Random

import pytest

from ipsync.policy.instants import Instant
from ipsync.policy.listings import DOCUMENTS_PER_PAGE, pages_of
from ipsync.policy.planner import PageKnowledge, PageRead
from ipsync.policy.planner.census import Census, Observation, counted, with_cuts
from ipsync.policy.planner.knowledge import NEWEST, OLDEST


def posted(ranks: Iterable[int]) -> list[Instant]:
    """Posting times, oldest first."""
    return [10 * rank for rank in ranks]


def read(page: int, listing: Sequence[Instant], total: int | None = None) -> PageRead:
    """One page of a listing given oldest first."""
    end = max(0, len(listing) - (page - 1) * DOCUMENTS_PER_PAGE)
    named = listing[max(0, end - DOCUMENTS_PER_PAGE) : end][::-1]
    return PageRead(page, 0, len(listing) if total is None else total, named)


def swept(listing: Sequence[Instant]) -> Census:
    """The census of a listing all of whose pages were just read."""
    rows = with_cuts([counted(read(page, listing)) for page in range(1, pages_of(len(listing)) + 1)])
    return Census(len(listing), len(listing), rows)


def counts(census: Census, pages: int) -> list[tuple[Instant | None, int]]:
    return [census.of_page(page) for page in range(1, pages + 1)]


def short(seen: Observation) -> tuple[int, int]:
    return seen.lost_below, seen.lost_above


def test_before_anything_was_read_nothing_is_expected() -> None:
    census = Census()
    assert (census.total, census.expected, census.of_page(1)) == (0, 0, (None, 0))
    assert Observation() == Observation(None, 0, 0, 0, 0, set())
    assert (Census(5, 3).total, Census(5, 3).expected) == (5, 3)


def test_each_page_counts_near_its_middle_down_to_the_next_older_page() -> None:
    listing = posted(range(1, 251))
    assert counts(swept(listing), 3) == [(2010, 100), (1010, 75), (260, 26)]
    assert swept(listing).expected == 250
    rows = with_cuts([counted(read(page, listing)) for page in (3, 1, 2)])
    assert [(row.page, row.cut_at, row.documents) for row in rows] == [(1, 2010, 100), (2, 1010, 75), (3, 260, 26)]
    assert [(row.read_at, row.total, row.named) for row in rows] == [(0, 250, 100), (0, 250, 100), (0, 250, 50)]


def test_a_page_that_cannot_count_leaves_that_to_the_others() -> None:
    listing = posted(range(1, 351))
    rows = [counted(read(page, listing)) for page in (1, 2, 3, 4)]
    rows[1] = counted(PageRead(2, 0, 350, [5, 9]))
    assert [(row.cut_at, row.documents) for row in with_cuts(rows)] == [(3010, 200), (None, 0), (1010, 75), (260, 26)]


def test_a_page_whose_middle_is_not_newer_than_that_of_the_next_counts_nothing() -> None:
    """Everything shifted while the pages were read."""

    def row(page: int, cut_at: Instant, documents: int) -> PageKnowledge:
        return PageKnowledge(page, 0, 300, 100, cut_at=cut_at, documents=documents)

    rows = with_cuts([row(1, 900, 240), row(2, 500, 120), row(3, 500, 100), row(4, 300, 130)])
    assert [(entry.cut_at, entry.documents) for entry in rows] == [(900, 110), (None, 0), (500, 0), (300, 130)]


def test_a_page_counts_below_posting_times_that_may_go_on_with_the_page_before() -> None:
    def cut(page: PageRead) -> tuple[Instant | None, int]:
        row = counted(page)
        return row.cut_at, row.documents

    same_above = [500] * 60 + posted(range(40, 0, -1))
    assert cut(PageRead(1, 0, 200, same_above)) == (500, 200)
    assert cut(PageRead(2, 0, 200, same_above)) == (400, 40)
    assert cut(PageRead(2, 0, 200, [500] * 100)) == (None, 0)
    assert cut(PageRead(1, 0, 200, [500] * 100)) == (500, 200)
    assert cut(PageRead(2, 0, 103, [500, 400, 300])) == (400, 2)
    assert cut(PageRead(2, 0, 102, [500, 490])) == (490, 1)
    assert cut(PageRead(2, 0, 103, [500, 499, 498])) == (499, 2)
    assert cut(PageRead(2, 0, 200, posted(range(60, 0, -1)))) == (None, 0)  # not all it should name
    assert cut(PageRead(2, 0, 100, [])) == (None, 0)


def test_what_is_kept_is_taken_up_again() -> None:
    rows = [
        PageKnowledge(1, 0, 250, 100, cut_at=2010, documents=100),
        PageKnowledge(2, 0, 250, 100),
        PageKnowledge(3, 0, 250, 50, cut_at=260, documents=101),
    ]
    census = Census(250, 252, rows)
    assert (census.total, census.expected) == (250, 252)
    assert counts(census, 4) == [(2010, 100), (None, 0), (260, 101), (None, 0)]
    assert Census(250, 100, rows).expected == 201  # what is counted is expected


def test_what_is_found_missing_is_taken_off_where_it_was() -> None:
    census = swept(posted(range(1, 251)))
    assert [census.lose(at) for at in (5, 260, 270, 1011, 2010, 2011)] == [3, 3, 2, 1, 1, None]
    assert counts(census, 3) == [(2010, 98), (1010, 74), (260, 24)]
    assert census.expected == 244
    few = Census(2, 2, [PageKnowledge(1, 0, 2, 2, cut_at=10, documents=1)])
    for _ in range(3):
        few.lose(10)
        few.lose(20)
    assert (few.expected, few.of_page(1)) == (0, (10, 0))


def test_where_nothing_can_be_counted_the_total_alone_is_held_against_the_expectation() -> None:
    census = Census(250, 250)
    empty = PageRead(4, 0, 248, [])
    assert census.observe(empty) == Observation(lost_above=2)
    assert census.total == 248
    assert census.observe(empty, [10, 20]) == Observation()
    assert census.observe(PageRead(4, 0, 251, [])) == Observation(rise=3)
    assert (census.total, census.expected) == (251, 251)
    assert census.observe(PageRead(4, 0, 251, [7, 9])) == Observation()
    assert census.observe(PageRead(4, 0, 251, []), [10]) == Observation()


@pytest.mark.parametrize("seed", range(30))
def test_without_additions_every_answer_tells_exactly_how_many_are_short_on_each_side(seed: int) -> None:
    random = Random(seed)
    listing = posted(range(1, random.randrange(2, 900)))
    census, unfound = swept(listing), set[Instant]()
    for _ in range(12):
        for gone in random.sample(listing, min(len(listing) // 2, random.choice((0, 1, 1, 2)))):
            listing.remove(gone)
            unfound.add(gone)
        page = read(random.randint(1, pages_of(len(listing))), listing)
        ascending = page.ascending or []
        newest = NEWEST if page.page == 1 else ascending[-1]
        oldest = OLDEST if page.ends else ascending[0]
        lost = [at for at in unfound if oldest < at < newest]
        unfound -= set(lost)
        pages = range(1, 11)
        before = [census.of_page(number) for number in pages]
        seen = census.observe(page, lost)
        after = [census.of_page(number) for number in pages]
        if seen.cut is None:  # a last page of one document
            assert short(seen) == (0, len(unfound))
            continue
        assert seen.cut in ascending
        assert after[page.page - 1][0] == seen.cut
        assert seen.older == sum(at <= seen.cut for at in listing)
        assert short(seen) == (sum(at <= seen.cut for at in unfound), sum(at > seen.cut for at in unfound))
        assert census.expected == len(listing) + len(unfound)
        changed = {number for number in pages if before[number - 1] != after[number - 1]}
        assert changed <= seen.touched <= {*pages}
        rows = [
            PageKnowledge(number, 0, 0, 0, cut_at=at, documents=count)
            for number, (at, count) in zip(pages, after, strict=True)
        ]
        again = Census(census.total, census.expected, rows)
        assert short(again.observe(page)) == short(seen)


@pytest.mark.parametrize("seed", range(20))
def test_additions_at_the_front_hide_no_loss_and_invent_none(seed: int) -> None:
    random = Random(seed)
    listing = posted(range(1, random.randrange(300, 900)))
    census = swept(listing)
    for unfound in range(8):
        listing += posted(range(listing[-1] // 10 + 1, listing[-1] // 10 + 1 + random.randrange(40)))
        seen = census.observe(read(1, listing))
        assert seen.lost_above == 0
        assert seen.lost_below <= unfound
        seen = census.observe(read(random.randint(1, pages_of(len(listing))), listing))
        assert sum(short(seen)) <= unfound
        assert len(listing) <= census.expected <= len(listing) + unfound
        listing.remove(random.choice(listing[: -2 * DOCUMENTS_PER_PAGE]))
        assert 1 <= census.observe(read(1, listing)).lost_below <= unfound + 1


@pytest.mark.parametrize("seed", range(10))
def test_where_everything_has_shifted_no_more_is_claimed_than_has_gone(seed: int) -> None:
    random = Random(seed)
    listing = posted(range(1, random.randrange(500, 900)))
    census, size = swept(listing), len(listing)
    for gone in random.sample(listing, 250):
        listing.remove(gone)
    for page in random.sample(range(1, pages_of(len(listing)) + 1), 3):
        assert 100 < sum(short(census.observe(read(page, listing)))) <= 250
        assert len(listing) <= census.expected <= size


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_an_answer_and_the_expectation_add_up(seed: int) -> None:
    """Documents come, go and come back, losses are settled in wrong places: the books are balanced all the same."""
    random = Random(seed)
    listing = posted(range(1, random.randrange(120, 700)))
    census, absent, pages = swept(listing), list[Instant](), range(1, 12)
    for _ in range(25):
        deed = random.randrange(6)
        if deed == 0:
            listing += posted(range(listing[-1] // 10 + 1, listing[-1] // 10 + 1 + random.randrange(30)))
        elif deed == 1 and absent:
            listing = sorted([*listing, *absent])
            absent = []
        elif deed < 4:
            absent += random.sample(listing[:-20], random.randrange(1, 15))
            listing = sorted({*listing} - {*absent})
        page = read(random.randint(1, pages_of(len(listing))), listing)
        before = [census.of_page(number) for number in pages]
        seen = census.observe(page)
        after = [census.of_page(number) for number in pages]
        assert census.expected == len(listing) + sum(short(seen))
        assert all(documents >= 0 for _, documents in after)
        assert {number for number in pages if before[number - 1] != after[number - 1]} <= seen.touched <= {*pages}
        if seen.cut is None:
            continue
        assert seen.older == sum(at <= seen.cut for at in listing)
        if page.page == 1:  # it names the newest: what is short is older
            assert seen.lost_above == 0
        should = sum(documents for at, documents in after if at is not None and at <= seen.cut)
        assert should == seen.older + seen.lost_below
        assert min(short(seen)) >= 0
        if random.random() < 0.6 and sum(short(seen)):
            low, high = random.choice(((OLDEST, seen.cut), (seen.cut, NEWEST)))
            census.settle(low, high, random.randint(1, sum(short(seen))))
        if deed == 4 and random.random() < 0.3:
            census.went_round()


def test_a_rise_is_taken_for_an_addition_until_a_page_says_where_it_is() -> None:
    """Documents shared again stand where they were posted."""
    listing = posted(range(1, 251))
    census = swept(listing)
    grown = sorted([*listing, 255, 1005])
    seen = census.observe(read(3, grown))
    assert (seen.rise, short(seen)) == (2, (0, 0))
    assert census.expected == 252
    seen = census.observe(read(2, grown))
    assert (seen.rise, short(seen)) == (0, (0, 0))
    seen = census.observe(read(1, grown))
    assert short(seen) == (0, 0)
    for page in (1, 2, 3):
        assert short(census.observe(read(page, grown))) == (0, 0)


def test_what_is_settled_is_expected_no_more_the_newest_first() -> None:
    census = swept(posted(range(1, 251)))
    assert census.settle(1010, 2010, 2) == {1}
    assert census.settle(OLDEST, 1010, 77) == {2, 3}
    assert counts(census, 3) == [(2010, 98), (1010, 0), (260, 24)]
    assert census.settle(2010, NEWEST, 3) == set()
    assert census.expected == 250 - 2 - 77 - 3
    assert census.settle(1010, NEWEST, 47) == {1}
    assert counts(census, 3) == [(2010, 97), (1010, 0), (260, 24)]
    assert census.settle(OLDEST, 260, 0) == set()


def test_a_loss_settled_in_the_wrong_place_is_put_right_until_all_pages_were_read_again() -> None:
    def misled() -> tuple[Census, list[Instant]]:
        """One document has gone near the front, and was settled near the end."""
        listing = posted(range(1, 251))
        census = swept(listing)
        listing.remove(2400)
        census.settle(OLDEST, 260, 1)
        return census, listing

    census, listing = misled()
    assert short(census.observe(read(3, listing))) == (0, 0)
    assert counts(census, 3)[2][1] == 25
    assert census.expected == len(listing)
    assert [short(census.observe(read(page, listing))) for page in (1, 2, 3)] == [(0, 0)] * 3

    census, listing = misled()
    census.went_round()
    # Now one more than expected is there, and one less elsewhere: something has gone.
    assert short(census.observe(read(3, listing))) == (0, 1)


def test_losses_settled_near_the_front_that_were_near_the_end_are_put_right_too() -> None:
    def misled() -> tuple[Census, list[Instant]]:
        listing = posted(range(1, 451))
        census = swept(listing)
        for rank in (5, 6, 7):
            listing.remove(10 * rank)
        census.settle(4010, NEWEST, 3)
        return census, listing

    census, listing = misled()
    seen = census.observe(read(5, listing))
    assert short(seen) == (0, 0)
    assert census.expected == 447
    assert census.of_page(5)[1] == seen.older
    for page in (1, 2, 3, 4, 5):
        assert short(census.observe(read(page, listing))) == (0, 0)
    assert census.expected == 447

    census, listing = misled()
    assert short(census.observe(read(3, listing))) == (0, 0)
    assert census.expected == 447
    census, listing = misled()
    listing.remove(80)  # one more than was settled: that one is missed
    assert short(census.observe(read(3, listing))) == (1, 0)
    census, listing = misled()
    census.went_round()
    assert short(census.observe(read(3, listing))) == (3, 0)


def test_documents_shared_again_further_back_than_was_supposed_are_no_loss_further_in_front() -> None:
    listing = posted(range(1, 451))
    census = swept(listing)
    grown = sorted([*listing, 5, 15, 25])
    assert short(census.observe(read(1, grown))) == (0, 0)  # three more, and none of them on page 1
    assert census.expected == 453
    for page in (5, 3, 2, 4, 1):
        assert short(census.observe(read(page, grown))) == (0, 0)
        assert census.expected == 453
    census = swept(listing)
    less = [at for at in grown if at != 4400]
    seen = census.observe(read(5, less))
    assert (seen.rise, short(seen)) == (2, (0, 1))  # three came back, so one has gone
    assert short(census.observe(read(3, less))) == (0, 1)
    assert short(census.observe(read(5, less), [4400])) == (0, 0)
    assert census.expected == 452


def test_where_a_whole_page_was_added_the_next_page_takes_over_the_count() -> None:
    listing = posted(range(1, 251))
    census = swept(listing)
    listing = posted(range(1, 351))
    seen = census.observe(read(2, listing))
    assert seen.touched >= {1, 2}
    assert counts(census, 3) == [(None, 0), (2010, 175), (260, 26)]
    assert short(census.observe(read(1, listing))) == (0, 0)
    assert counts(census, 3) == [(3010, 100), (2010, 175), (260, 26)]


def test_a_page_that_had_no_count_takes_over_that_of_the_page_before() -> None:
    """Else both would be kept, and counted twice after a restart."""
    rows = [
        PageKnowledge(1, 0, 250, 100, cut_at=2010, documents=175),
        PageKnowledge(2, 0, 250, 100),
        PageKnowledge(3, 0, 250, 50, cut_at=260, documents=26),
    ]
    census = Census(250, 250, rows)
    assert census.observe(read(2, posted(range(1, 351)))).touched == {1, 2}
    assert counts(census, 3) == [(None, 0), (2010, 175), (260, 26)]


def test_pages_that_are_no_more_leave_their_count_to_those_that_are() -> None:
    census = swept(posted(range(1, 451)))
    assert counts(census, 5) == [(4010, 100), (3010, 100), (2010, 100), (1010, 75), (260, 26)]
    assert census.forget_pages_after(3) == {3, 4, 5}
    assert counts(census, 5) == [(4010, 100), (3010, 100), (2010, 201), (None, 0), (None, 0)]
    assert census.expected == 450
    assert census.forget_pages_after(0) == {1, 2, 3}
    assert (census.expected, counts(census, 1)) == (450, [(None, 0)])
    assert census.forget_pages_after(0) == set()


def test_what_has_gone_from_one_page_that_counted_for_several_is_not_expected_on() -> None:
    for gone in (range(51, 151), range(32, 151)):
        listing = posted(range(1, 151))
        census = swept(listing)
        del listing[gone.start - 1 :]
        for _ in range(2):
            assert short(census.observe(read(1, listing))) == (0, 0)
            assert census.expected == len(listing)


def test_what_a_first_page_counted_is_not_merely_supposed() -> None:
    """So a document more at the end does not stand for one that is missing in front."""
    listing = posted(range(1, 251))
    census = Census()
    for page in (1, 2, 3):
        assert short(census.observe(read(page, listing))) == (0, 0)
    listing = sorted([*listing, 5])
    listing.remove(2400)
    assert short(census.observe(read(3, listing))) == (0, 1)


def test_a_single_loss_settled_in_front_of_where_it_was_is_put_right() -> None:
    listing = posted(range(1, 251))
    census = swept(listing)
    listing.remove(870)
    assert short(census.observe(read(2, listing))) == (1, 0)
    census.settle(2010, NEWEST, 1)
    for page in (2, 3, 2, 1):
        assert short(census.observe(read(page, listing))) == (0, 0)
        assert census.expected == 249


def test_a_stretch_given_up_though_nothing_had_gone_is_counted_in_full_again() -> None:
    census, listing = swept(posted(range(1, 451))), posted(range(1, 451))
    before = counts(census, 5)
    census.settle(2010, 3010, 1)
    for page in (5, 2):
        assert short(census.observe(read(page, listing))) == (0, 0)
        assert census.expected == 450
    assert counts(census, 5) == before


def test_what_was_put_right_allows_no_more_than_was_wrong() -> None:
    listing = posted(range(1, 251))
    census = swept(listing)
    del listing[239:242]
    census.settle(OLDEST, 260, 3)
    assert short(census.observe(read(3, listing))) == (0, 0)
    listing = sorted([*listing, 35])
    assert short(census.observe(read(3, listing))) == (0, 0)
    assert census.expected == len(listing)


def test_what_was_supposed_in_front_and_found_at_the_end_is_supposed_no_more() -> None:
    listing = sorted([*posted(range(1, 251)), 35])
    census = swept(posted(range(1, 251)))
    assert short(census.observe(read(3, listing))) == (0, 0)
    listing = sorted([*listing, 45])
    listing.remove(2450)
    assert short(census.observe(read(3, listing))) == (0, 1)


def test_a_loss_settled_too_far_back_is_taken_from_the_nearest_stretch_in_front() -> None:
    listing = posted(range(1, 451))
    census = swept(listing)
    listing.remove(1500)
    census.settle(OLDEST, 1010, 1)
    assert short(census.observe(read(4, listing))) == (0, 0)
    older = 0
    for at, documents in reversed(counts(census, 5)):
        assert documents == sum(posted_at <= (at or 0) for posted_at in listing) - older
        older += documents


def test_where_no_newer_page_counts_a_loss_settled_too_far_back_is_one_of_the_newest() -> None:
    listing = posted(range(1, 251))
    census = Census(250, 250, with_cuts([counted(read(page, listing)) for page in (2, 3)]))
    listing.remove(2400)
    census.settle(OLDEST, 260, 1)
    assert short(census.observe(read(2, listing))) == (0, 0)
    assert census.expected == 249


def test_a_count_at_the_very_end_of_a_page_tells_on_which_side_of_it_something_has_gone() -> None:
    census = swept(posted(range(1, 251)))
    listing = posted(range(1, 301))
    listing.remove(50)
    assert listing[99] == 1010
    assert short(census.observe(read(2, listing))) == (1, 0)


def test_losses_settled_too_far_in_front_empty_one_stretch_after_the_other() -> None:
    rows = [
        PageKnowledge(1, 0, 250, 100, cut_at=2010, documents=100),
        PageKnowledge(2, 0, 250, 100, cut_at=1010, documents=1),
        PageKnowledge(3, 0, 250, 50, cut_at=1000, documents=100),
    ]
    census, listing = Census(250, 250, rows), posted(range(1, 251))
    for rank in (5, 6, 101):
        listing.remove(10 * rank)
    census.settle(2010, NEWEST, 3)
    seen = census.observe(read(2, listing))
    assert (short(seen), census.expected) == ((0, 0), 247)


def test_a_document_shared_again_at_the_end_takes_nothing_off_what_is_missing_in_front() -> None:
    listing = posted(range(1, 251))
    census = swept(listing)
    del listing[239:241]
    assert short(census.observe(read(3, listing))) == (0, 2)
    listing = sorted([*listing, 35, *posted((251, 252))])
    assert short(census.observe(read(3, listing))) == (0, 2)
