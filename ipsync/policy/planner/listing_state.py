"""One listing under way: its pages, the turn of each, what its answers taught (design §4).

A listing is a stream: its pages are read in turn, 1 to p, at even distance, one cycle per period. So reads
are spread from the first cycle on, however the first sweep or an outage bunched them, and no page waits longer
than a period. Where the stream would be too slow (it was held up, the listing has grown), the window's own
guard reads the page in time.
"""

from array import array
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, count

from ipsync.policy.instants import HOUR, MICROSECOND, NEVER, Duration, Instant
from ipsync.policy.listings import DOCUMENTS_PER_PAGE, MOST_PAGES, pages_of
from ipsync.policy.planner.absence import Absence
from ipsync.policy.planner.allocation import Load
from ipsync.policy.planner.census import Census, Observation
from ipsync.policy.planner.knowledge import ListingKnowledge, PageKnowledge, PageRead, shows_removals
from ipsync.policy.planner.locating import Search
from ipsync.policy.planner.orders import Cadence, Learned, Purpose

_RATE_NOTICED = 0.25
"""A granted rate that differs by less than this part is taken over at the next turn."""

_PAUSE_PAGES = 64
_PAUSE_DOUBLINGS = 6
_FIRST_PAUSE_PART = 8


class ListingState:
    """What is known of one listing, and when which of its pages is due.

    Attributes:
        pages: p, as far as claimed and not disproved.
        known: pages 1 to this one were read.
        swept: whether all were, once.
        cursor: the page whose turn it is.
        oldest: the page that was read longest ago.
        tick: when it is, or None before the first sweep is done.
        rate: answers per hour that the square-root rule grants; 0 until it was asked.
        search: for documents that have gone, or None.
        held_until: nothing is read before this instant.
        reading: for which purposes a read is under way.
        probe_at: when page 1 is to be read for its total, or None.
        lease_ticket: of the entry that the planner's queue holds for it, or None; `probe_ticket` likewise.
        queued_for: the time of that entry; `probe_queued_for` likewise.
    """

    __slots__ = (
        "cadence", "census", "completed_at", "cursor", "cycle_at", "cycle_page", "disordered_at", "fruitless",
        "growth_quiet_until", "held_until", "key", "known", "lease_ticket", "newest_sent", "oldest", "pages",
        "probe_at", "probe_carry", "probe_gap", "probe_queued_for", "probe_rate", "probe_ticket", "probes_left",
        "queued_for", "quiet_until", "rate", "read_at", "reading", "removals", "search", "spread_at", "swept", "tick",
    )  # fmt: skip

    def __init__(self, cadence: Cadence, listing: ListingKnowledge, pages: Iterable[PageKnowledge] = ()) -> None:
        """Take up what was kept; a listing never read before has no pages."""
        rows = {row.page: row for row in pages if row.page <= listing.pages}
        self.cadence = cadence
        self.key = listing.key
        self.pages = listing.pages
        self.known = next(page for page in count(1) if page not in rows) - 1
        self.swept = listing.swept and self.known > 0
        oldest = min(row.read_at for row in rows.values()) if self.swept else NEVER
        self.read_at = array(
            "q", [rows[page].read_at if page in rows else oldest for page in range(1, listing.pages + 1)]
        )
        self.newest_sent = max((row.read_at for row in rows.values()), default=NEVER)
        self.census = Census(listing.total, listing.expected, rows.values())
        self.removals = listing.removals
        self.cycle_at, self.cycle_page = listing.cycle_at, listing.cycle_page
        self.completed_at, self.disordered_at = listing.completed_at, listing.disordered_at
        self.fruitless, self.quiet_until = listing.fruitless, listing.quiet_until
        self.search: Search | None = None
        self.held_until = self.growth_quiet_until = self.spread_at = NEVER
        self.reading: set[Purpose] = set()
        self.rate = self.probe_rate = self.probe_carry = 0.0
        self.probes_left = self.probe_gap = 0
        self.probe_at: Instant | None = None
        self.lease_ticket: int | None = None
        self.probe_ticket: int | None = None
        self.queued_for: Instant | None = None
        self.probe_queued_for: Instant | None = None
        self.oldest = self.cursor = self._read_longest_ago()
        self.tick = self.newest_sent + self.spacing if self.swept else None

    @property
    def turns(self) -> int:
        """Pages that take part in the cycle."""
        return self.pages if self.swept else self.known

    @property
    def is_counted(self) -> bool:
        """Whether totals are counted on to show a removal."""
        return self.cadence.watches_totals and shows_removals(self.disordered_at, self.fruitless)

    @property
    def spacing(self) -> Duration:
        """From one page's turn to the next, of a listing that was read."""
        spacing = self.cadence.period // self.known
        if self.rate and not self.is_counted:
            return min(spacing, round(HOUR / self.rate))
        return spacing

    @property
    def due_at(self) -> Instant | None:
        """When a page is due: at its turn, or before the window of any ends; None where none was read."""
        if not self.turns:
            return None
        return self._guard if self.tick is None else min(self.tick, self._guard)

    @property
    def due_page(self) -> int:
        """Which page that is."""
        return self.oldest if self.tick is None or self._guard < self.tick else self.cursor

    @property
    def window_ends_at(self) -> Instant:
        """When the first of all hard windows ends."""
        return self.read_at[self.oldest - 1] + self.cadence.window

    @property
    def _guard(self) -> Instant:
        return self.window_ends_at - self.cadence.tolerance

    def lease_ends_at(self, page: int) -> Instant | None:
        """When what a page named is no longer served, or None where it was never read."""
        if page > len(self.read_at) or not self.read_at[page - 1]:
            return None
        return self.read_at[page - 1] + self.cadence.serve_age

    def load(self, per_document_hour: float) -> Load:
        """The listing as the square-root rule sees it."""
        return Load(max(1, self.known), self.removals.per_hour(self.census.total, per_document_hour), self.is_counted)

    def take(self, read: PageRead, purpose: Purpose, absence: Absence, now: Instant, phase: float) -> Learned:
        """Learn from an answer.

        Args:
            read: the answer.
            purpose: what it was asked for.
            absence: the held documents it should have named.
            now: the lease clock.
            phase: in (0, 1], where between two turns the stream begins anew if it was held up.
        """
        self.removals = self.removals.watched(now)
        touched: set[int] = set()
        completed, suspected = False, 0
        if read.sent_at >= self.newest_sent:
            self.newest_sent = read.sent_at
            touched |= self._resize(read, now)
            if read.ascending is None:
                self.disordered_at = read.sent_at
            completed = self._follow_cycle(read, purpose)
            if self.cadence.watches_totals:
                seen = self._watch(read, purpose, absence, now, touched)
                suspected = seen.lost_below + seen.lost_above
        if read.page <= self.pages:
            self.read_at[read.page - 1] = max(self.read_at[read.page - 1], read.sent_at)
        self.oldest = self._read_longest_ago()
        if purpose is Purpose.LEASE:
            self._next_turn(read, phase)
        if self.swept and self.tick is None:
            self.cursor = self.oldest
            self._begin_stream(now, phase)
        return self._learned(read, touched, suspected, completed)

    def _resize(self, read: PageRead, now: Instant) -> set[int]:
        """Follow the number of pages: up as claimed, down only where the listing is seen to end (F16)."""
        named, page = len(read.posted), read.page
        claimed = min(pages_of(read.total), MOST_PAGES)
        if not named and page > 1 and (page > self.known or read.total <= read.before):
            if page > self.known and self.swept:
                self.growth_quiet_until = now + self.cadence.window // _PAUSE_PAGES
            self.pages = page - 1
        elif named < DOCUMENTS_PER_PAGE and read.ends:
            self.pages = page
        elif now >= self.growth_quiet_until:
            self.pages = max(self.pages, claimed)
        self.known = min(page if page == self.known + 1 else self.known, self.pages)
        # What has grown out of the last page was named there: it has that page's lease.
        self.read_at.extend([self.read_at[-1]] * (self.pages - len(self.read_at)))
        del self.read_at[self.pages :]
        self.swept = self.swept or self.known == self.pages
        if self.cursor > self.turns:
            self.cursor = 1
        return self.census.forget_pages_after(self.pages)

    def _follow_cycle(self, read: PageRead, purpose: Purpose) -> bool:
        """Note that pages 1, 2, … p were read one after the other; tells when that is complete."""
        if read.page == 1 and (self.cycle_at is None or purpose is not Purpose.PROBE):
            self.cycle_at, self.cycle_page = read.sent_at, 2
        elif read.page == self.cycle_page:
            self.cycle_page += 1
        if self.cycle_at is None or self.cycle_page <= self.pages:
            return False
        self.completed_at, self.cycle_at = self.cycle_at, None
        self.census.went_round()
        if self.disordered_at is not None and self.disordered_at < self.completed_at:
            self.disordered_at = None
        return True

    def _watch(
        self, read: PageRead, purpose: Purpose, absence: Absence, now: Instant, touched: set[int]
    ) -> Observation:
        seen = self.census.observe(read, absence.lost)
        touched |= seen.touched
        if self.search is not None:
            self.search.found |= bool(absence.within or absence.at_seam)
            self.search.reads += purpose is Purpose.LOCATE
            self.search.refine(read, seen, absence.lost, self.census)
            if self.search.is_over or self.search.reads > self.pages:
                touched |= self._conclude(self.search, now)
        elif (seen.lost_below or seen.lost_above) and self.swept and now >= self.quiet_until:
            search = Search(read, seen, in_order=self.disordered_at is None)
            search.tidy(self.census)
            touched |= search.touched
            self.search = None if search.is_over else search
        return seen

    def _conclude(self, search: Search, now: Instant) -> set[int]:
        """End a search; after one in vain, wait so long that a lying total costs no more than a sweep (F16)."""
        self.search = None
        if search.found:
            self.fruitless = 0
        else:
            self._found_nothing(search.reads, now)
        return search.touched

    def _found_nothing(self, reads: int, now: Instant) -> None:
        window = self.cadence.window
        pause = max(1, reads) * window // (self.pages + _PAUSE_PAGES) // _FIRST_PAUSE_PART
        self.quiet_until = now + min(window, pause << min(self.fruitless, _PAUSE_DOUBLINGS))
        self.fruitless += 1

    def _next_turn(self, read: PageRead, phase: float) -> None:
        """Pass the turn on, if it was its own."""
        if read.page != self.cursor or self.tick is None:
            return
        self.cursor = self.cursor % self.turns + 1
        if read.sent_at - self.tick > self.cadence.tolerance:
            self._begin_stream(read.sent_at, phase)
        elif self.tick <= read.sent_at:
            self.tick += min(self.spacing, self._pace(read.sent_at))

    def _pace(self, at: Instant) -> Duration:
        """The spacing at which every page ahead is read before its window ends, however late the stream is."""
        ends = self.cadence.window - self.cadence.tolerance - at
        ahead = chain(self.read_at[self.cursor - 1 : self.turns], self.read_at[: self.cursor - 1])
        return max(MICROSECOND, min((read_at + ends) // turns for turns, read_at in enumerate(ahead, 1)))

    def _read_longest_ago(self) -> int:
        """The page that was, of those that take part in the cycle; page 1 of a listing never read."""
        read_at = self.read_at[: max(1, self.turns)]
        return read_at.index(min(read_at)) + 1

    def _begin_stream(self, at: Instant, phase: float) -> None:
        """Begin the stream anew, somewhere within its spacing, so that streams held up together spread again.

        Once in a while only: that costs half a read, which a budget that is short for long cannot spare.
        """
        spread = at >= self.spread_at
        if spread:
            self.spread_at = at + 2 * self.cadence.period
        spacing = min(self.spacing, self._pace(at))
        self.tick = at + max(MICROSECOND, round(phase * spacing) if spread else spacing)

    def grant(self, rate: float) -> bool:
        """Take a new rate of answers per hour; tells whether the probes were planned anew.

        Args:
            rate: by the square-root rule.
        """
        self.rate = rate
        if abs(rate - self.probe_rate) <= self.probe_rate * _RATE_NOTICED or Purpose.PROBE in self.reading:
            return False
        self.plan_probes(Purpose.LEASE, self.newest_sent)
        return True

    def plan_probes(self, purpose: Purpose, at: Instant) -> None:
        """Space probes evenly between a page's turn and the next, as many as the granted rate leaves room for.

        Args:
            purpose: what was just read; a turn plans anew, a probe goes on, others change nothing.
            at: when that was sent.
        """
        if purpose is Purpose.LEASE:
            self.probe_rate, self.probes_left = self.rate, 0
            if self.tick is not None and self.is_counted:
                due_at = min(self.tick, self._guard)
                wanted = max(0, due_at - at) / HOUR * self.rate + self.probe_carry
                answers = max(1, int(wanted))
                self.probe_carry = max(0.0, wanted - answers)
                self.probes_left, self.probe_gap = answers - 1, (due_at - at) // answers
        elif purpose is Purpose.PROBE:
            self.probes_left -= 1
        else:
            return
        self.probe_at = at + self.probe_gap if self.probes_left > 0 else None

    def _learned(self, read: PageRead, touched: set[int], suspected: int, completed: bool) -> Learned:
        cut_at, documents = self.census.of_page(read.page)
        return Learned(
            listing=self.knowledge(),
            record=replace(read.record(), cut_at=cut_at, documents=documents),
            cuts={page: self.census.of_page(page) for page in touched if page != read.page and page <= self.pages},
            suspected=suspected,
            completed=completed,
        )

    def knowledge(self) -> ListingKnowledge:
        """The listing's row."""
        return ListingKnowledge(
            key=self.key,
            total=self.census.total,
            expected=self.census.expected,
            pages=self.pages,
            swept=self.swept,
            removals=self.removals,
            cycle_at=self.cycle_at,
            cycle_page=self.cycle_page,
            completed_at=self.completed_at,
            disordered_at=self.disordered_at,
            fruitless=self.fruitless,
            quiet_until=self.quiet_until,
        )
