"""Which held documents a page proves missing, and which it does not (design §4, F13, F14).

A page says nothing but this: these documents, in this order, at one instant. So a held document is missing
  - within the page: posted strictly between its newest and its oldest, and not named;
  - before the first page's newest, after the last page's oldest;
  - at the seam of two pages: not named by either, though both were read since it was last verified.
Between two reads the pages shift. Additions push documents to later pages, so a seam is judged only if the
later page was read last, or nothing has shifted by what both claimed as total. Removals pull documents to
earlier pages: then as many as were removed in between may be missed at the seam while they are still there.
That is why a miss is a suspicion and not a proof.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ipsync.policy.instants import Instant
from ipsync.policy.planner.knowledge import NEWEST, OLDEST, PageKnowledge, PageRead

Neighbor = Callable[[int], PageKnowledge | None]
"""The record of a page by its number, or None where it was never read."""


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document we hold, LIVE or STALE, of the listing in question."""

    document_id: int
    posted_at: Instant
    verified_at: Instant


@dataclass(frozen=True, slots=True)
class Stretch:
    """Posting times within which everything that is listed was named by somebody.

    Attributes:
        oldest: inclusive.
        newest: inclusive.
        seen_by: a document verified before this instant, and not named, is missing.
        seam: whether the stretch lies between two pages that were read at different times.
    """

    oldest: Instant
    newest: Instant
    seen_by: Instant
    seam: bool = False

    def covers(self, document: HeldDocument) -> bool:
        """Whether the document should have been named."""
        return self.oldest <= document.posted_at <= self.newest and document.verified_at < self.seen_by


@dataclass(frozen=True, slots=True)
class Absence:
    """Held documents that should have been named and were not: all to be hidden at once, then confirmed.

    Attributes:
        within: missing within one answer: only they are taken off the count of the listing.
        at_seam: missing between two answers: gone, or slipped by while the pages shifted.
    """

    within: Sequence[HeldDocument] = ()
    at_seam: Sequence[HeldDocument] = ()

    @property
    def lost(self) -> list[Instant]:
        """The posting times of those that are surely gone from the count."""
        return [document.posted_at for document in self.within]


def proven_stretches(read: PageRead, neighbor: Neighbor) -> list[Stretch]:
    """The stretches a page proves, together with what is known of the pages beside it.

    Args:
        read: the answer.
        neighbor: the newest record of every other page of the listing.
    """
    if read.ascending is None:
        return []
    found = [_inside(read), _seam_before(read, neighbor), _seam_behind(read, neighbor)]
    return [stretch for stretch in found if stretch is not None and stretch.oldest <= stretch.newest]


def reach(stretches: Collection[Stretch]) -> tuple[Instant, Instant] | None:
    """The posting times, oldest and newest, inclusive, of the held documents that must be looked at; None for none."""
    if not stretches:
        return None
    return min(stretch.oldest for stretch in stretches), max(stretch.newest for stretch in stretches)


def missing(stretches: Sequence[Stretch], named: Collection[int], held: Iterable[HeldDocument]) -> Absence:
    """Find what is held and should have been named, and was not.

    Args:
        stretches: of `proven_stretches`.
        named: the ids the page named.
        held: LIVE and STALE documents of this listing within `reach`; more does no harm.
    """
    within: list[HeldDocument] = []
    at_seam: list[HeldDocument] = []
    for document in held:
        covering = [stretch.seam for stretch in stretches if stretch.covers(document)]
        if covering and document.document_id not in named:
            (at_seam if all(covering) else within).append(document)
    return Absence(within, at_seam)


def _inside(read: PageRead) -> Stretch | None:
    first, last, ascending = read.page == 1, read.ends, read.ascending
    if not ascending:
        return Stretch(OLDEST, NEWEST, read.sent_at) if first and last else None
    return Stretch(
        OLDEST if last else ascending[0] + 1,
        NEWEST if first else ascending[-1] - 1,
        read.sent_at,
    )


def _seam_before(read: PageRead, neighbor: Neighbor) -> Stretch | None:
    """From the page's newest up to the oldest of the page before, where the two can be trusted to meet."""
    if read.page == 1:
        return None
    own = read.record()
    if own.newest_at is None:
        if not read.ends:
            return None
        low = OLDEST
    else:
        # A page of a single posting time may go on with it on the next page: only the next page can tell.
        low = own.newest_at + (1 if own.newest_at == own.oldest_at and not read.ends else 0)
    return _seam(own, _pages_before(read.page, neighbor), low, upwards=True)


def _seam_behind(read: PageRead, neighbor: Neighbor) -> Stretch | None:
    """From the page's oldest down to the newest of the page behind."""
    own = read.record()
    if read.ends or own.oldest_at is None:
        return None
    high = own.oldest_at - (1 if own.newest_at == own.oldest_at and read.page > 1 else 0)
    return _seam(own, _pages_behind(read.page, neighbor), high, upwards=False)


def _pages_before(page: int, neighbor: Neighbor) -> Iterator[PageKnowledge | None]:
    for number in range(page - 1, 0, -1):
        yield neighbor(number)


def _pages_behind(page: int, neighbor: Neighbor) -> Iterator[PageKnowledge | None]:
    while (record := neighbor(page := page + 1)) is not None:
        yield record


def _seam(
    own: PageKnowledge, others: Iterator[PageKnowledge | None], edge: Instant, *, upwards: bool
) -> Stretch | None:
    """Walk from a page over pages that tell no border (empty, out of order, one posting time) to one that does."""
    seen_by, nearer = own.read_at, own
    border: Instant | None = None
    for record in others:
        if record is None or not _meet(record, nearer, upwards=upwards):
            return None
        seen_by, nearer = min(seen_by, record.read_at), record
        inner = record.oldest_at if upwards else record.newest_at
        if border is None:
            border = inner
        if inner is not None and (record.oldest_at != record.newest_at or (record.ends and not upwards)):
            break
    else:
        if not upwards:
            return None
    farther = NEWEST if border is None else border
    return Stretch(*((edge, farther) if upwards else (farther, edge)), seen_by, seam=True)


def _meet(farther: PageKnowledge, nearer: PageKnowledge, *, upwards: bool) -> bool:
    """Whether nothing that is listed can have slipped between two pages but by a removal."""
    before, behind = (farther, nearer) if upwards else (nearer, farther)
    return before.read_at < behind.read_at or before.total == behind.total
