"""How many documents a listing should have, and how many older than this or that instant: the expectation.

Each answer tells its `total` and its own place, so it tells exactly how many documents are older than any
posting time within the page. A shortfall against the expectation is a loss below that place; what is short of
the total beyond that is a loss above. Documents added at the front change nothing below, so a search among
older pages is not misled by them. A rise of the total is taken for an addition until page 1 says otherwise,
a fall for a loss until it is found. Nothing here renews or removes anything (F16).

Cuts are posting times, one near the middle of each page read, where neither a shift by a few documents nor equal
posting times at the pages' borders blur the count.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ipsync.policy.instants import Instant
from ipsync.policy.planner.knowledge import NEWEST, OLDEST, PageKnowledge, PageRead

_NOBODY = 0
"""In the place of a page's number, while a cut changes hands."""


@dataclass(slots=True)
class Observation:
    """What one answer says of the numbers.

    Attributes:
        cut: the posting time within the page at which was counted, or None where nothing exact can be said.
        older: how many documents were posted at or before `cut`.
        lost_below: documents missing among those.
        lost_above: documents missing among the others; all of them where `cut` is None. At least so many.
        rise: how much the total rose since the answer before.
        touched: pages whose record has changed.
    """

    cut: Instant | None = None
    older: int = 0
    lost_below: int = 0
    lost_above: int = 0
    rise: int = 0
    touched: set[int] = field(default_factory=set)


class Census:
    """The expected numbers of one listing."""

    __slots__ = ("_at", "_counts", "_misplaced", "_page", "_supposed", "_top", "total")

    def __init__(self, total: int = 0, expected: int = 0, pages: Iterable[PageKnowledge] = ()) -> None:
        """Take up what was kept.

        Args:
            total: what the newest answer claimed.
            expected: what it should be.
            pages: the records of pages.
        """
        cuts = sorted((page.cut_at, page.page, page.documents) for page in pages if page.cut_at is not None)
        self._at = array("q", [cut[0] for cut in cuts])
        self._page = array("q", [cut[1] for cut in cuts])
        self._counts = array("q", [cut[2] for cut in cuts])
        self._top = _left(expected, sum(self._counts))
        self._supposed = self._misplaced = 0
        self.total = total

    @property
    def expected(self) -> int:
        """How many documents the listing should have."""
        return sum(self._counts) + self._top

    def of_page(self, page: int) -> tuple[Instant | None, int]:
        """The cut of a page and how many documents are counted down to the next older cut."""
        if page not in self._page:
            return None, 0
        index = self._page.index(page)
        return self._at[index], self._counts[index]

    def lose(self, posted: Instant) -> int | None:
        """A document is found to have gone; gives the page whose record this changes."""
        index = bisect_left(self._at, posted)
        if index == len(self._at):
            self._top = _left(self._top, 1)
            return None
        self._counts[index] = _left(self._counts[index], 1)
        return self._page[index]

    def observe(self, read: PageRead, lost: Iterable[Instant] = ()) -> Observation:
        """Hold an answer against the expectation, and learn from it.

        Args:
            read: the answer.
            lost: posting times of the held documents it proved missing.
        """
        seen = Observation(rise=_left(read.total, self.total))
        seen.touched.update(page for page in map(self.lose, lost) if page is not None)
        self.total = read.total
        self._top += seen.rise
        self._supposed += seen.rise
        cut = _cut_of(read)
        if cut is None:
            seen.lost_above = _left(self.expected, read.total)
            return seen
        seen.cut, seen.older = cut, _older_on(read, cut)
        self._recount(read, cut, seen)
        self._compare(read, cut, seen)
        return seen

    def settle(self, low: Instant, high: Instant, losses: int) -> set[int]:
        """Accept that so many documents have gone from between two cuts, though none that we hold was found missing.

        Args:
            low: a cut, or OLDEST.
            high: a newer one, or NEWEST.
            losses: how many.

        Returns:
            The pages whose record changes.
        """
        touched: set[int] = set()
        self._misplaced += losses
        if high == NEWEST:
            taken = min(losses, self._top)
            self._top, losses = self._top - taken, losses - taken
        first, last = bisect_right(self._at, low), bisect_right(self._at, high)
        for index in reversed(range(first, last)):
            taken = min(losses, self._counts[index])
            self._set(index, self._counts[index] - taken, touched)
            losses -= taken
        return touched

    def went_round(self) -> None:
        """Every page was read since the last time: no place is merely supposed any more."""
        self._misplaced = 0

    def forget_pages_after(self, page: int) -> set[int]:
        """The listing has shrunk: pages beyond this one are no more. Gives the pages whose record changes."""
        touched: set[int] = set()
        for index in reversed(range(len(self._at))):
            if self._page[index] > page:
                self._remove(index, touched)
        return touched

    def _recount(self, read: PageRead, cut: Instant, seen: Observation) -> None:
        """Count anew between the cuts that lie on the page, and put the page's own cut."""
        first, last = bisect_left(self._at, _lowest(read)), bisect_right(self._at, _highest(read))
        counted = [_older_on(read, at) for at in self._at[first:last]]
        for offset in range(1, len(counted)):
            self._set(first + offset, counted[offset] - counted[offset - 1], seen.touched)
        if read.page == 1 and counted:
            self._top, self._supposed = read.total - counted[-1], 0
        self._insert(read, cut, seen, first, counted)
        if read.page == 1 and not counted:
            self._top, self._supposed = read.total - seen.older, 0

    def _insert(self, read: PageRead, cut: Instant, seen: Observation, first: int, counted: Sequence[int]) -> None:
        """Put the page's cut where it is now; its former cut goes."""
        index = bisect_left(self._at, cut)
        if index == len(self._at) or self._at[index] != cut:
            here = self._counts[index] if index < len(self._at) else self._top
            if counted and index == first:
                above = counted[0] - seen.older
                below = _left(here, above)
            elif counted:
                below = seen.older - counted[index - first - 1]
                above = _left(here, below)
            else:  # no cut lies on the page: no difference can be told, so none is claimed
                below = min(here, _left(seen.older, sum(self._counts[:index])))
                above = here - below
            self._at.insert(index, cut)
            self._page.insert(index, _NOBODY)
            self._counts.insert(index, below)
            if index + 1 < len(self._at):
                self._set(index + 1, above, seen.touched)
            else:
                self._top = above
        if self._page[index] != read.page:
            seen.touched.add(self._page[index])
            if read.page in self._page:
                self._remove(self._page.index(read.page), seen.touched)
            self._page[bisect_left(self._at, cut)] = read.page
        seen.touched.add(read.page)
        seen.touched.discard(_NOBODY)

    def _compare(self, read: PageRead, cut: Instant, seen: Observation) -> None:
        """Say what is short below and above the page's cut; what is too much is taken into the count.

        Too much on one side and too little on the other is a document counted in the wrong place, as long as
        places were only supposed.
        """
        index = bisect_left(self._at, cut)
        should = sum(self._counts[: index + 1])
        below, above = should - seen.older, (self.expected - should) - (read.total - seen.older)
        if below < 0 < above:
            moved = self._take_above(index, min(-below, above), seen.touched)
            below, above = below + moved, above - moved
            self._set(index, self._counts[index] + moved, seen.touched)
        elif above < 0 < below:
            moved = self._take_below(index, min(-above, below, self._misplaced), seen.touched)
            below, above = below - moved, above + moved
            self._top += moved
        if below < 0:
            self._set(index, self._counts[index] - below, seen.touched)
            self._misplaced -= below
        if above < 0:
            self._top -= above
            self._supposed -= above
        seen.lost_below, seen.lost_above = max(0, below), max(0, above)

    def _take_above(self, index: int, documents: int, touched: set[int]) -> int:
        """Take up to so many documents, of supposed place, from above a cut; gives how many."""
        wanted = min(documents, self._supposed, self._top)
        self._top, self._supposed = self._top - wanted, self._supposed - wanted
        taken, left = wanted, min(documents - wanted, self._misplaced)
        for other in range(index + 1, len(self._at)):
            part = min(left, self._counts[other])
            self._set(other, self._counts[other] - part, touched)
            taken, left = taken + part, left - part
        part = min(left, self._top)
        self._top -= part
        return taken + part

    def _take_below(self, index: int, documents: int, touched: set[int]) -> int:
        taken = 0
        for other in reversed(range(index + 1)):
            part = min(documents - taken, self._counts[other])
            self._set(other, self._counts[other] - part, touched)
            taken += part
        return taken

    def _set(self, index: int, documents: int, touched: set[int]) -> None:
        if self._counts[index] != documents:
            self._counts[index] = documents
            touched.add(self._page[index])

    def _remove(self, index: int, touched: set[int]) -> None:
        """Take a cut away; what was counted down from it is counted with the next newer one."""
        documents = self._counts[index]
        touched.add(self._page[index])
        del self._at[index], self._page[index], self._counts[index]
        if index == len(self._at):
            self._top += documents
        else:
            self._set(index, self._counts[index] + documents, touched)


def counted(read: PageRead) -> PageKnowledge:
    """The record of a page read in a sweep: `documents` counts all that are older, until `with_cuts`."""
    cut = _cut_of(read)
    return read.record() if cut is None else replace(read.record(), cut_at=cut, documents=_older_on(read, cut))


def with_cuts(pages: Iterable[PageKnowledge]) -> list[PageKnowledge]:
    """The records of a whole sweep, each counting down to the next older cut.

    Args:
        pages: of one listing, from `counted`.
    """
    older, found, border = 0, [], OLDEST
    for page in sorted(pages, key=lambda record: -record.page):
        if page.cut_at is None or page.cut_at <= border:
            found.append(replace(page, cut_at=None, documents=0))
            continue
        border = page.cut_at
        found.append(replace(page, documents=_left(page.documents, older)))
        older = max(older, page.documents)
    return found[::-1]


def _left(documents: int, taken: int) -> int:
    """How many are left of so many documents: none where more are taken than there are."""
    return max(0, documents - taken)


def _lowest(read: PageRead) -> Instant:
    """The oldest posting time down to which the page counts exactly."""
    return read.ascending[0] if read.ascending else NEWEST


def _highest(read: PageRead) -> Instant:
    """The newest: below that of its first document, which may share it with the page before."""
    if read.page == 1:
        return NEWEST
    return read.ascending[-1] - 1 if read.ascending else OLDEST


def _older_on(read: PageRead, at: Instant) -> int:
    """How many documents of the listing are posted at or before an instant within the page."""
    ascending = read.ascending or []
    return read.total - read.before - (len(ascending) - bisect_right(ascending, at))


def _cut_of(read: PageRead) -> Instant | None:
    """The posting time nearest below the middle of a page at which it counts exactly; None where it cannot."""
    ascending = read.ascending
    if not ascending or not read.whole:
        return None
    middle = ascending[len(ascending) // 2]
    if middle <= _highest(read):
        return middle
    below = bisect_left(ascending, middle)
    return ascending[below - 1] if below else None
