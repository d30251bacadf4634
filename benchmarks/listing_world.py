"""A virtual world of listings, to watch the planner in: owners who add and take away, pages answered from the truth.

No I/O, and time is a number. The mirror here does in memory what the sync job does with a catalog: it renews what a
page names, hides what a page proves missing, and confirms it with one request. Nothing here is part of ipsync.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from random import Random

from ipsync.policy.documents import Visibility
from ipsync.policy.instants import HOUR, SECOND, Duration, Instant
from ipsync.policy.listings import DOCUMENTS_PER_PAGE, pages_of
from ipsync.policy.planner import (
    Absence,
    Cadence,
    HeldDocument,
    ListingKey,
    ListingKnowledge,
    PageKnowledge,
    PageRead,
    Planner,
    Purpose,
    Read,
    Wait,
    missing,
    proven_stretches,
    reach,
)

ANSWER_TIME: Duration = SECOND // 5
FIRST_POSTING: Instant = 10**15
POSTING_GAP: Duration = 60 * SECOND


def key_of(number: int) -> ListingKey:
    """The listing of an account in the virtual world."""
    return ListingKey(number, Visibility.PUBLIC)


class Truth:
    """One listing as it is: documents by posting time.

    Attributes:
        posted: posting times, oldest first; a document's posting time is its id as well.
        claims: what `total` claims, given the truth.
        arrange: the order in which a page's documents come, given all of them newest first.
    """

    def __init__(self, documents: int) -> None:
        self.posted = [FIRST_POSTING + number * POSTING_GAP for number in range(documents)]
        self._next_posting = FIRST_POSTING + documents * POSTING_GAP
        self.claims: Callable[[int], int] = lambda total: total
        self.arrange: Callable[[list[Instant]], list[Instant]] | None = None

    def page(self, number: int) -> list[Instant]:
        """The documents of one page, newest first."""
        if self.arrange is not None:
            ordered = self.arrange(self.posted[::-1])
            return ordered[(number - 1) * DOCUMENTS_PER_PAGE : number * DOCUMENTS_PER_PAGE]
        end = max(0, len(self.posted) - (number - 1) * DOCUMENTS_PER_PAGE)
        return self.posted[max(0, end - DOCUMENTS_PER_PAGE) : end][::-1]

    def add(self, documents: int = 1) -> list[Instant]:
        """Newer documents come; none has the id of one that has gone."""
        first = self._next_posting
        added = [first + number * POSTING_GAP for number in range(documents)]
        self._next_posting += documents * POSTING_GAP
        self.posted += added
        return added

    def remove(self, posted: Instant) -> bool:
        """A document goes; tells whether it was there."""
        index = bisect_left(self.posted, posted)
        if index == len(self.posted) or self.posted[index] != posted:
            return False
        del self.posted[index]
        return True

    def restore(self, posted: Instant) -> None:
        """A document is shared again."""
        if not self.has(posted):
            insort(self.posted, posted)

    def has(self, posted: Instant) -> bool:
        """Whether a document is listed."""
        index = bisect_left(self.posted, posted)
        return index < len(self.posted) and self.posted[index] == posted


@dataclass(slots=True)
class Copies:
    """What the mirror holds of one listing, and what it knows of its pages."""

    posted: list[Instant] = field(default_factory=list)
    verified: dict[Instant, Instant] = field(default_factory=dict)
    pages: dict[int, PageKnowledge] = field(default_factory=dict)
    listing: ListingKnowledge | None = None

    def within(self, oldest: Instant, newest: Instant) -> Iterator[HeldDocument]:
        """Held documents posted between two instants, inclusive."""
        for posted in self.posted[bisect_left(self.posted, oldest) : bisect_right(self.posted, newest)]:
            yield HeldDocument(posted, posted, self.verified[posted])

    def drop(self, posted: Instant) -> None:
        """Hold a document no more."""
        if self.verified.pop(posted, None) is not None:
            del self.posted[bisect_left(self.posted, posted)]


@dataclass(slots=True)
class Counts:
    """What came of it.

    Attributes:
        reads: page reads, by purpose.
        confirmations: requests about single documents.
        latencies: from each removal to its hiding.
        false_alarms: documents hidden that were there.
        worst_age: the longest that a listed document waited for its next verification.
        worst_gap: the longest between two reads of one page.
        searches: reads spent on locating, for each search that ended.
    """

    reads: Counter[Purpose] = field(default_factory=Counter)
    confirmations: int = 0
    latencies: list[Duration] = field(default_factory=list)
    false_alarms: int = 0
    worst_age: Duration = 0
    worst_gap: Duration = 0

    @property
    def requests(self) -> int:
        """All page reads."""
        return self.reads.total()

    def mean_latency_hours(self) -> float:
        """From removal to hiding."""
        return sum(self.latencies) / len(self.latencies) / HOUR


Happening = Callable[[Instant], None]


class VirtualMirror:
    """The planner at work on virtual listings."""

    def __init__(self, cadence: Cadence, requests_per_hour: float, start: Instant = 10**15 * 2) -> None:
        self.planner = Planner(cadence, requests_per_hour)
        self.cadence = cadence
        self.now = start
        self.truth: dict[ListingKey, Truth] = {}
        self.copies: dict[ListingKey, Copies] = {}
        self.counts = Counts()
        self.removed_at: dict[tuple[ListingKey, Instant], Instant] = {}
        self.on_read: Callable[[Read], bool] = lambda read: True
        self._happenings: list[tuple[Instant, int, Happening]] = []
        self._tickets = count()
        self._outages: list[tuple[Instant, Instant]] = []

    # the world

    def member(self, number: int, documents: int) -> ListingKey:
        """A listing that was never read."""
        key = key_of(number)
        self.truth[key], self.copies[key] = Truth(documents), Copies()
        self.planner.put(ListingKnowledge(key))
        return key

    def settled(self, number: int, documents: int, at: Callable[[int, int], Instant]) -> ListingKey:
        """A listing that was read before.

        Args:
            number: of the account.
            documents: how many it has.
            at: when a page was read, given its number and how many there are.
        """
        key = self.member(number, documents)
        truth, copies = self.truth[key], self.copies[key]
        pages = pages_of(documents)
        copies.posted = list(truth.posted)
        for page in range(1, pages + 1):
            sent_at, named = at(page, pages), truth.page(page)
            copies.verified |= dict.fromkeys(named, sent_at)
            read = Read(key, page, Purpose.NEW, None)
            self._learn(read, PageRead(page, sent_at, documents, named), Absence(), sent_at)
        return key

    def at(self, instant: Instant, happening: Happening) -> None:
        """Let something happen."""
        heappush(self._happenings, (instant, next(self._tickets), happening))

    def remove(self, key: ListingKey, posted: Instant) -> None:
        """An owner takes a document away, now."""
        if self.truth[key].remove(posted) and posted in self.copies[key].verified:
            self.removed_at[key, posted] = self.now

    def removals(self, key: ListingKey, per_hour: float, until: Instant, random: Random) -> None:
        """Let documents go at random, at a Poisson rate."""
        at = self.now
        while (at := at + round(random.expovariate(per_hour) * HOUR)) < until:
            self.at(at, lambda _at: self._remove_any(key, random))

    def _remove_any(self, key: ListingKey, random: Random) -> None:
        if self.truth[key].posted:
            self.remove(key, random.choice(self.truth[key].posted))

    def outage(self, begins: Instant, ends: Instant) -> None:
        """Nothing is answered from one instant to another."""
        self._outages.append((begins, ends))

    # the mirror

    def run(self, until: Instant) -> None:
        """Let time pass."""
        while self.now < until:
            ends_at = next((ends for begins, ends in self._outages if begins <= self.now < ends), None)
            step: Read | Wait = Wait(ends_at) if ends_at is not None else self.planner.next_read(self.now)
            if isinstance(step, Read):
                self._pass(self.now + ANSWER_TIME // 2)
                self._read(step, self.now - ANSWER_TIME // 2)
                self._pass(self.now + ANSWER_TIME // 2)
            else:
                following = self._happenings[0][0] if self._happenings else until
                self._pass(max(self.now + 1, min(step.until, following, until)))

    def run_in_bursts(self, until: Instant, requests_per_hour: float) -> None:
        """Let time pass as mirrors usually do, without a planner: each listing is read whole, one after the other.

        What such a reading did not name is given up. Between two listings there is a pause that keeps the budget.
        """
        interval = round(HOUR / requests_per_hour)
        while self.now < until:
            for key, truth in self.truth.items():
                began, copies = self.now, self.copies[key]
                pages = pages_of(len(truth.posted))
                for page in range(1, pages + 1):
                    self._pass(self.now + ANSWER_TIME // 2)
                    self._renew(copies, page, truth.page(page), self.now)
                    self.counts.reads[Purpose.LEASE] += 1
                    self._pass(self.now + ANSWER_TIME // 2)
                self._hide(key, (), [posted for posted, verified in copies.verified.items() if verified < began])
                self._pass(max(self.now, began + pages * interval))

    def _pass(self, until: Instant) -> None:
        while self._happenings and self._happenings[0][0] <= until:
            at, _, happening = heappop(self._happenings)
            self.now = max(self.now, at)
            happening(self.now)
        self.now = until

    def _read(self, read: Read, sent_at: Instant) -> None:
        key, truth, copies = read.key, self.truth[read.key], self.copies[read.key]
        self.counts.reads[read.purpose] += 1
        if not self.on_read(read):
            self.planner.failed(read, self.now + self.cadence.window // 64)
            return
        named = truth.page(read.page)
        answer = PageRead(read.page, sent_at, truth.claims(len(truth.posted)), named)
        self._renew(copies, read.page, named, sent_at)
        before = copies.pages.get(read.page)
        if before is not None:
            self.counts.worst_gap = max(self.counts.worst_gap, sent_at - before.read_at)
        stretches = proven_stretches(answer, lambda page: copies.pages.get(page))
        span = reach(stretches)
        absence = missing(stretches, set(named), copies.within(*span) if span else ())
        before_cycle = self._learn(read, answer, absence, self.now)
        unnamed = [posted for posted, verified in copies.verified.items() if verified < before_cycle]
        self._hide(key, [document.posted_at for document in (*absence.within, *absence.at_seam)], unnamed)

    def _learn(self, read: Read, answer: PageRead, absence: Absence, now: Instant) -> Instant:
        """Keep what the planner says; gives the instant before which what was verified is named by no page any more."""
        copies = self.copies[read.key]
        learned = self.planner.answered(read, answer, absence, now)
        if learned is None:
            return 0
        copies.listing = learned.listing
        copies.pages[read.page] = learned.record
        for page, (cut_at, documents) in learned.cuts.items():
            copies.pages[page] = replace(copies.pages[page], cut_at=cut_at, documents=documents)
        for page in [page for page in copies.pages if page > learned.listing.pages]:
            del copies.pages[page]
        return (learned.listing.completed_at or 0) if learned.completed else 0

    def _renew(self, copies: Copies, page: int, named: Iterable[Instant], sent_at: Instant) -> None:
        for posted in named:
            verified = copies.verified.get(posted)
            if verified is None:
                insort(copies.posted, posted)
            else:
                self.counts.worst_age = max(self.counts.worst_age, sent_at - verified)
            copies.verified[posted] = sent_at

    def _hide(self, key: ListingKey, proven: Iterable[Instant], unnamed: Iterable[Instant]) -> None:
        truth, copies = self.truth[key], self.copies[key]
        suspects, gone = {*proven, *unnamed}, 0
        for posted in suspects:
            self.counts.confirmations += 1
            if truth.has(posted):
                self.counts.false_alarms += 1
                copies.verified[posted] = self.now
                continue
            copies.drop(posted)
            gone += 1
            removed_at = self.removed_at.pop((key, posted), None)
            if removed_at is not None:
                self.counts.latencies.append(self.now - removed_at)
        if gone and copies.listing is not None:
            removals = copies.listing.removals.confirmed(gone, together=len(suspects))
            copies.listing = replace(copies.listing, removals=removals)
            self.planner.lost(key, removals)

    # what is to be seen

    def overlooked(self) -> int:
        """Removals that were not found yet."""
        return len(self.removed_at)

    def oldest_age(self) -> Duration:
        """Of all copies of documents that are still listed."""
        ages = [
            self.now - verified
            for key, copies in self.copies.items()
            for posted, verified in copies.verified.items()
            if self.truth[key].has(posted)
        ]
        return max(ages, default=0)

    def restarted(self) -> None:
        """The process begins anew, with what the catalog keeps."""
        before, self.planner = self.planner, Planner(self.cadence, self.planner.requests_per_hour)
        for key, copies in self.copies.items():
            if key in before:
                self.planner.put(copies.listing or ListingKnowledge(key), copies.pages.values())
