"""Where in a listing documents have gone: a search that halves the pages with every read (design §4).

The total of an answer, or its own count, was short. What is known then are stretches of the listing, each with
two ends at which was counted, and with fewer documents between them than there should be. A page read in the
middle of a stretch splits it in two; the halves that are not short are done with. One loss costs at most
⌈log₂ p⌉ + 1 page reads; several split the work between them, and no page is read twice.

Places are told from the back: what is added at the front moves every document to later pages, but not
its rank from the oldest. A listing out of order can be searched only from one end to the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ipsync.policy.instants import Instant
from ipsync.policy.listings import DOCUMENTS_PER_PAGE
from ipsync.policy.planner.census import Census, Observation
from ipsync.policy.planner.knowledge import NEWEST, OLDEST, PageRead

Ranks = tuple[int, int]
"""Documents by their rank from the oldest: those after the first number, up to the second."""


def reads_per_loss(pages: int) -> int:
    """⌈log₂ p⌉ + 1: the most reads that finding one loss takes; none where the first read tells all."""
    return (pages - 1).bit_length() + 1 if pages > 1 else 0


@dataclass(slots=True)
class Shortfall:
    """A stretch of the listing in which fewer documents were counted than there should be.

    Attributes:
        low: the cut at its older end, or OLDEST.
        high: the cut at its newer end, or NEWEST.
        losses: how many are short.
        unread: the ranks not read since.
    """

    low: Instant
    high: Instant
    losses: int
    unread: list[Ranks]


class Search:
    """One search of one listing.

    Attributes:
        reads: pages read for it.
        found: whether held documents were found missing since it began, by whatever read.
        touched: pages whose record has changed by what it settled.
    """

    __slots__ = ("_in_order", "_stretches", "found", "reads", "touched")

    def __init__(self, read: PageRead, seen: Observation, *, in_order: bool) -> None:
        """Begin with the answer that showed the loss.

        Args:
            read: that answer.
            seen: what the census made of it.
            in_order: whether the listing was seen running from newest to oldest.
        """
        self._in_order = in_order
        self.reads = 0
        self.found = False
        self.touched: set[int] = set()
        behind, before = covered = _ranks_of(read)
        whole = [(0, read.total)]
        if not in_order:
            self._stretches = [Shortfall(OLDEST, NEWEST, seen.lost_below + seen.lost_above, whole)]
        elif seen.cut is None:
            self._stretches = [Shortfall(OLDEST, NEWEST, seen.lost_above, _without(whole, covered))]
        else:
            self._stretches = [
                Shortfall(OLDEST, seen.cut, seen.lost_below, _some(0, behind)),
                Shortfall(seen.cut, NEWEST, seen.lost_above, _some(before, read.total)),
            ]

    def tidy(self, census: Census) -> None:
        """Drop stretches that are no longer short, and settle those that have no page left to be read."""
        short = [stretch for stretch in self._stretches if stretch.losses > 0]
        for stretch in short:
            if not stretch.unread:
                self.touched |= census.settle(stretch.low, stretch.high, stretch.losses)
        self._stretches = [stretch for stretch in short if stretch.unread]

    @property
    def is_over(self) -> bool:
        """Whether no page is left to be read for it."""
        return not self._stretches

    def refine(self, read: PageRead, seen: Observation, lost: Iterable[Instant], census: Census) -> None:
        """Take in another answer of the same listing, whatever it was read for.

        Args:
            read: the answer.
            seen: what the census made of it.
            lost: posting times of the held documents it proved missing.
            census: where to settle what cannot be found.
        """
        for posted in lost:
            for stretch in self._stretches:
                stretch.losses -= stretch.low < posted <= stretch.high
        covered = _ranks_of(read)
        for stretch in self._stretches:
            stretch.unread = _without(stretch.unread, covered)
        if self._in_order and seen.cut is not None:
            self._split(seen.cut, seen, covered)
        self.tidy(census)

    def _split(self, cut: Instant, seen: Observation, covered: Ranks) -> None:
        """Divide the stretch in which a page lies; what was lost meanwhile may be on either side of it."""
        below = seen.lost_below - sum(stretch.losses for stretch in self._stretches if stretch.high <= cut)
        above = seen.lost_above - sum(stretch.losses for stretch in self._stretches if stretch.low >= cut)
        parts: list[Shortfall] = []
        for stretch in self._stretches:
            if not stretch.low < cut < stretch.high:
                parts.append(stretch)
                continue
            older = [ranks for ranks in stretch.unread if ranks < covered]
            newer = [ranks for ranks in stretch.unread if ranks > covered]
            parts.append(Shortfall(stretch.low, cut, min(stretch.losses, below), older))
            parts.append(Shortfall(cut, stretch.high, min(stretch.losses, above), newer))
        self._stretches = parts

    def next_page(self, total: int, pages: int) -> int:
        """The page to read next, by the newest total and the number of pages.

        Call it only while the search is not over.
        """
        stretch = self._stretches[0]
        if not self._in_order:
            return _page_at(max(ranks[1] for ranks in stretch.unread), total, pages)
        oldest, newest = max(stretch.unread, key=lambda ranks: ranks[1] - ranks[0])
        first, last = _page_at(newest, total, pages), _page_at(oldest + 1, total, pages)
        if last - first == 1:  # of two pages the one that holds more of it
            border = total - first * DOCUMENTS_PER_PAGE
            return first if newest - border >= border - oldest else last
        return (first + last) // 2


def _ranks_of(read: PageRead) -> Ranks:
    """The ranks from the oldest that a page has room for."""
    before = read.total - read.before
    return _rank(before - DOCUMENTS_PER_PAGE), _rank(before)


def _rank(number: int) -> int:
    """There is none below 0."""
    return max(0, number)


def _page_at(rank: int, total: int, pages: int) -> int:
    return min(max(1, (total - rank) // DOCUMENTS_PER_PAGE + 1), pages)


def _some(behind: int, before: int) -> list[Ranks]:
    return [(behind, before)] if behind < before else []


def _without(unread: list[Ranks], covered: Ranks) -> list[Ranks]:
    left: list[Ranks] = []
    for behind, before in unread:
        left += _some(behind, min(before, covered[0])) + _some(max(behind, covered[1]), before)
    return left
